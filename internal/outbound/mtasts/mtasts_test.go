package mtasts

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReadRecord(t *testing.T) {
	for _, test := range []struct {
		texts []string
		id    string
	}{
		{[]string{"v=STSv1; id=20260831085700Z;"}, "20260831085700Z"},
		{[]string{"v=STSv1;id=1"}, "1"},
		{[]string{"v=STSv1 ; ext=x ; id = a1 ;"}, "a1"},
		{[]string{"something else", "v=STSv1; id=1;"}, "1"},
		{[]string{"v=STSv1; id=1;", "v=STSv1; id=2;"}, ""},
		{[]string{"v=STSv1;"}, ""},
		{[]string{"v=STSv1; id=;"}, ""},
		{[]string{"v=STSv1; id=a-b;"}, ""},
		{[]string{"v=STSv1; id=" + strings.Repeat("x", 33)}, ""},
		{[]string{"v=STSv2; id=1;"}, ""},
		{[]string{"id=1; v=STSv1;"}, ""},
		{nil, ""},
	} {
		id, err := ReadRecord(test.texts)
		if id != test.id || (err == nil) != (test.id != "") || err != nil && !errors.Is(err, ErrNoPolicy) {
			t.Errorf("%q: %q, %v", test.texts, id, err)
		}
	}
}

func TestReadPolicy(t *testing.T) {
	const good = "version: STSv1\nmode: enforce\nmx: mx1.north.example\nmx: *.North.example\nmax_age: 604800\n"
	for _, test := range []struct {
		text string
		want string // the lines; "" for an error
	}{
		{good, "version: STSv1,mode: enforce,mx: mx1.north.example,mx: *.north.example,max_age: 604800"},
		{strings.ReplaceAll(good, "\n", "\r\n"), "version: STSv1,mode: enforce,mx: mx1.north.example,mx: *.north.example,max_age: 604800"},
		{"mode:testing\nmode: enforce\nmax_age:1\nmax_age: 2\nfuture: x\nno field\nmx:bücher.example\nversion:STSv1",
			"version: STSv1,mode: testing,mx: xn--bcher-kva.example,max_age: 1"},
		{"version: STSv1\nmode: none\nmax_age: 86400\n", "version: STSv1,mode: none,max_age: 86400"},
		{"version: STSv1\nmode: none\nmax_age: 4000000000\n", "version: STSv1,mode: none,max_age: 31557600"},
		{"version: STSv1\nmode: enforce\nmax_age: 86400\n", ""},
		{"version: STSv2\nmode: none\nmax_age: 86400\n", ""},
		{"version: STSv1\nmode: maybe\nmx: a.example\nmax_age: 86400\n", ""},
		{"version: STSv1\nmode: none\nmax_age: -1\n", ""},
		{"version: STSv1\nmode: none\n", ""},
		{"version: STSv1\nmode: testing\nmax_age: 1\n" + strings.Repeat("mx: a.example\n", maxMX+1), ""},
		{"<html>", ""}, {"", ""},
	} {
		p, err := ReadPolicy(test.text)
		if (err == nil) != (test.want != "") || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", test.text, err)
		}
		if got := strings.Join(p.Lines(), ","); err == nil && got != test.want {
			t.Errorf("%q: %s", test.text, got)
		}
	}
}

func TestMatches(t *testing.T) {
	p := Policy{MX: []string{"mx.north.example", "*.south.example", "*."}}
	for host, want := range map[string]bool{
		"mx.north.example": true, "MX.North.Example.": true, "mx2.north.example": false, "a.mx.north.example": false,
		"mx.south.example": true, "south.example": false, "a.b.south.example": false, "mx.xsouth.example": false, "example": false, "": false,
	} {
		if p.Matches(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

// world is a web server for the policy of north.example, its names, and a keeper.
type world struct {
	t      *testing.T
	zone   *names.Zone
	file   policy.FileRecord
	opt    Options
	keeper *Keeper
	now    time.Time

	mu      sync.Mutex
	answer  http.HandlerFunc
	fetched int
}

const enforce = "version: STSv1\nmode: enforce\nmx: mx.north.example\nmax_age: 604800\n"

func newWorld(t *testing.T, certificate ...ca.Option) *world {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	w := &world{t: t, zone: in.Zone("north.example"), file: policy.FileRecord(t.TempDir() + "/mta-sts.json"), now: time.Now()}
	w.zone.Add(`_mta-sts 1 TXT "v=STSv1; id=1;"`)
	s, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := resolver.New(resolver.Options{Servers: []string{s.UDP}, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ca.New("Test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Issue([]string{"mta-sts.north.example"}, certificate...)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fetched++; r.Host != "mta-sts.north.example" || r.URL.Path != "/.well-known/mta-sts.txt" {
			t.Errorf("asked for %s at %s", r.URL, r.Host)
		}
		w.answer(rw, r)
	}))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	web.StartTLS()
	t.Cleanup(web.Close)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, web.Listener.Addr().String())
		}}
	w.opt = Options{Resolver: r, Record: w.file, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	w.serve("text/plain; charset=utf-8", enforce)
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.keeper, err = New(w.t.Context(), w.opt); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	if err := w.keeper.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) serve(kind, text string) {
	w.respond(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", kind)
		_, _ = rw.Write([]byte(text))
	})
}

func (w *world) respond(h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = h
}

// find looks for the policy after some time, and expects a mode and so many fetches.
func (w *world) find(after time.Duration, mode Mode, fetches int, want error) {
	w.t.Helper()
	w.now = w.now.Add(after)
	w.mu.Lock()
	before := w.fetched
	w.mu.Unlock()
	f := w.keeper.Find(w.t.Context(), "north.example")
	w.mu.Lock()
	defer w.mu.Unlock()
	got := Mode("")
	if f.Policy != nil {
		got = f.Policy.Mode
	}
	if got != mode || w.fetched-before != fetches || !errors.Is(f.Err, want) {
		w.t.Errorf("mode %q after %d fetches, %v; want %q, %d, %v", got, w.fetched-before, f.Err, mode, fetches, want)
	}
}

func TestKeeper(t *testing.T) {
	w := newWorld(t)
	w.find(0, Enforce, 1, nil)
	w.find(time.Hour, Enforce, 0, nil)
	w.serve("text/plain", strings.Replace(enforce, "enforce", "testing", 1))
	w.find(time.Hour, Enforce, 0, nil) // the same id: not looked at
	w.zone.Set(`_mta-sts 1 TXT "v=STSv1; id=2;"`)
	w.find(2*time.Second, Testing, 1, nil)
	w.find(fresh, Testing, 1, nil) // old enough to be fetched anew
	w.zone.Remove("_mta-sts")
	w.find(2*time.Second, Testing, 0, nil) // what was promised for a week holds
	w.stop()
	w.start()
	w.find(time.Hour, Testing, 0, nil) // also after a restart
	w.find(7*24*time.Hour, "", 0, nil)
}

// TestNoAge: a policy that is not to be kept counts for the message at hand.
func TestNoAge(t *testing.T) {
	w := newWorld(t)
	w.serve("text/plain", strings.Replace(enforce, "604800", "0", 1))
	w.find(0, Enforce, 1, nil)
	w.find(minAge, Enforce, 1, nil)
	w.zone.Remove("_mta-sts")
	w.find(minAge, "", 0, nil)
}

func TestRefresh(t *testing.T) {
	w := newWorld(t)
	w.find(0, Enforce, 1, nil)
	w.now = w.now.Add(fresh)
	w.keeper.refresh()
	w.find(0, Enforce, 0, nil)
	if w.fetched != 2 {
		t.Errorf("fetched %d times", w.fetched)
	}
}

func TestFetchFails(t *testing.T) {
	for name, test := range map[string]struct {
		kind, text string
		status     int
		err        error
	}{
		"not found":   {"text/plain", enforce, 404, ErrFetch},
		"redirect":    {"text/plain", enforce, 302, ErrFetch},
		"html":        {"text/html", enforce, 200, ErrInvalid},
		"no type":     {"", enforce, 200, ErrInvalid},
		"too large":   {"text/plain", enforce + strings.Repeat("x: y\n", maxPolicy/5), 200, ErrInvalid},
		"no policy":   {"text/plain", "hello", 200, ErrInvalid},
		"certificate": {"text/plain", enforce, 200, ErrCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			var options []ca.Option
			if test.err == ErrCertificate {
				options = append(options, ca.SelfSigned())
			}
			w := newWorld(t, options...)
			w.respond(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header()["Content-Type"] = []string{test.kind}
				rw.Header().Set("Location", "https://mta-sts.north.example/other")
				rw.WriteHeader(test.status)
				_, _ = rw.Write([]byte(test.text))
			})
			fetches := 1
			if test.err == ErrCertificate {
				fetches = 0
			}
			w.find(0, "", fetches, test.err)
			w.find(time.Minute, "", 0, test.err) // not again so soon
			w.find(pause, "", fetches, test.err)
		})
	}
}

// TestFailureKeepsPolicy: an older policy holds while a newer one cannot be fetched.
func TestFailureKeepsPolicy(t *testing.T) {
	w := newWorld(t)
	w.find(0, Enforce, 1, nil)
	w.serve("text/plain", "broken")
	w.zone.Set(`_mta-sts 1 TXT "v=STSv1; id=2;"`)
	w.find(2*time.Second, Enforce, 1, ErrInvalid)
	w.find(2*time.Second, Enforce, 0, ErrInvalid)
}

func TestBounds(t *testing.T) {
	k := &Keeper{policies: map[string]*entry{}, failures: map[string]failure{}}
	now := time.Now()
	for i := range maxPolicies {
		name := strings.Repeat("x", i%50) + string(rune('a'+i%26)) + time.Duration(i).String()
		k.policies[name] = &entry{Policy: Policy{MaxAge: time.Hour + time.Duration(i)}, Fetched: now}
	}
	before := len(k.policies)
	k.makeRoom("new.example", now)
	if len(k.policies) != before-1 || k.policies["a0s"] != nil {
		t.Errorf("%d policies of %d", len(k.policies), before)
	}
	k.noteFailure("old.example", failure{at: now})
	k.noteFailure("new.example", failure{at: now.Add(pause)})
	if len(k.failures) != 1 {
		t.Errorf("%d failures", len(k.failures))
	}
}

func FuzzReadPolicy(f *testing.F) {
	f.Add(enforce)
	f.Add("version: STSv1\nmode: none\nmax_age: 99999999999\nmx: *.\nmx:\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ReadPolicy(text)
		if err != nil {
			return
		}
		again, err := ReadPolicy(strings.Join(p.Lines(), "\n"))
		if err != nil || again.Mode != p.Mode || again.MaxAge != p.MaxAge || len(again.MX) != len(p.MX) {
			t.Errorf("%+v is read as %+v, %v", p, again, err)
		}
		if p.Matches("") {
			t.Errorf("%v match no name", p.MX)
		}
	})
}
