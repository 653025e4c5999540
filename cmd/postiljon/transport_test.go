package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/outbound"
)

// TestRelays: those with the closest conditions come first, with their ports and passwords.
func TestRelays(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("s3cret \r\nsecond line"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read("x", strings.NewReader(`
[relays.all]
host = "All.example.com"
[relays.from]
from = ["Bücher.example"]
host = "from.example.com"
tls = "tls"
user = "anna"
password_file = "`+password+`"
[relays.to]
to = ["b.example"]
host = "localhost"
tls = "plain"
port = 2525
[relays.both]
from = ["a.example"]
to = ["b.example"]
host = "both.example.com"
`))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	list, err := relays(&c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		got = append(got, r.Host)
	}
	if strings.Join(got, " ") != "both.example.com localhost from.example.com all.example.com" {
		t.Fatalf("order %q", got)
	}
	if r := list[2]; r.Port != 465 || r.TLS != outbound.RelayImplicit || r.Credentials.Password != "s3cret " || r.From[0] != "xn--bcher-kva.example" {
		t.Errorf("%+v", r)
	}
	if list[1].Port != 2525 || list[3].Port != 587 || list[3].TLS != outbound.RelayStartTLS || list[3].Credentials != nil {
		t.Errorf("%+v", list)
	}
	if said := log.String(); !strings.Contains(said, "others can read a password") || strings.Contains(said, "s3cret") {
		t.Errorf("log %q", said)
	}
	if err := os.WriteFile(password, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := relays(&c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "relays.from.password_file") {
		t.Errorf("an empty file: %v", err)
	}
}

func TestRelayFaults(t *testing.T) {
	_, err := config.Read("x", strings.NewReader(`
[relays.bad]
from = ["a b"]
host = "192.0.2.1:25"
tls = "ssl"
user = "anna"
[relays.open]
host = "localhost"
tls = "plain"
user = "anna"
password_file = "p"
`))
	for _, want := range []string{"relays.bad.from", "relays.bad.host", "relays.bad.tls", "relays.bad.user", "relays.open.tls", "relays.open.password_file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
}
