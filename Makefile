# Postiljon. `make demo` runs the service, `make test` runs all tests.

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Packages whose work is done by several goroutines: tested again with -race.
RACE = ./internal/store/... ./internal/protocol/... ./internal/policy/... ./internal/journal/... \
	./internal/inbound/... ./internal/outbound/... ./internal/sasl/... ./internal/control/... ./internal/backup/... \
	./internal/rules ./internal/settings/... ./internal/resolver ./internal/lab ./internal/lab/names ./internal/lab/peer

# Where `make install` puts the program and the units of systemd.
PREFIX ?= /usr/local
UNITS ?= /etc/systemd/system

.PHONY: build install demo web web-check test lint unit race service bench fmt clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/postiljon ./cmd/postiljon

# As root, after `make build`: root need not have Go. On this machine it also makes the user of the service.
install:
	@test -x bin/postiljon || { echo "run 'make build' first, not as root"; exit 1; }
	install -D -m 755 bin/postiljon $(DESTDIR)$(PREFIX)/bin/postiljon
	install -d $(DESTDIR)$(UNITS)
	sed 's#/usr/bin/postiljon#$(PREFIX)/bin/postiljon#' packaging/systemd/postiljon.service >$(DESTDIR)$(UNITS)/postiljon.service
	install -m 644 packaging/systemd/*.socket $(DESTDIR)$(UNITS)/
	install -D -m 644 packaging/systemd/postiljon.sysusers $(DESTDIR)/etc/sysusers.d/postiljon.conf
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then systemd-sysusers && systemctl daemon-reload; fi

demo: build
	./bin/postiljon demo --data demo-data

# What browsers load, from web/src; it needs no Node.
web:
	cd web/build && $(GO) run .

test: lint unit web-check race service

lint:
	@unformatted=$$(gofmt -l bench cmd internal test web/build web/dist); if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./cmd/postiljon ./internal/doctor/...
	GOOS=windows $(GO) vet ./cmd/postiljon ./internal/doctor/...
	$(GO) run $(STATICCHECK) ./...
	cd web/build && $(GO) vet ./...

# The types of what runs in browsers.
web-check: web/node_modules/.installed
	cd web && npm run --silent check

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci --silent --no-fund --no-audit
	touch $@

unit:
	$(GO) test ./bench/... ./cmd/... ./internal/...
	cd web/build && $(GO) test -count=1 ./...  # what lies beside the module is not looked at for whether a result is still true

# The race detector needs cgo.
race:
	CGO_ENABLED=1 $(GO) test -race -short $(RACE)

# The whole program from outside, one package after the other.
service:
	$(GO) test -count=1 -p 1 -timeout 15m ./test/...

bench:
	$(GO) run ./bench

fmt:
	gofmt -w bench cmd internal test web/build web/dist

clean:
	rm -rf bin demo-data
