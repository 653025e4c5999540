package origin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/resolver"
)

// world is a DNS with a resolver that can be made to lie, and a checker that asks it.
type world struct {
	*Checker
	in  *names.Internet
	dns *names.Resolver
	now time.Time
}

func newWorld(t *testing.T, witness string) *world {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	w := &world{in: in, dns: in.Resolver("r"), now: time.Now()}
	server, err := names.Serve(w.dns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	now := func() time.Time { return w.now }
	r, err := resolver.New(resolver.Options{Servers: []string{server.UDP}, Timeout: 5 * time.Second, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	w.in.Zone("mail.example").Add("mail.example. 60 IN MX 10 mx.mail.example.")
	w.Checker = New(Options{DNS: r, Now: now, Witnesses: []string{"nowhere", witness}, Local: func(_ context.Context, domain string) (bool, error) {
		if domain == "broken-directory.example" {
			return false, errors.New("no answer")
		}
		return domain == "own.example", nil
	}})
	return w
}

// ask says what is decided in short.
func (w *world) ask(t *testing.T, from string) string {
	t.Helper()
	l := w.Begin(t.Context(), from)
	defer l.Close()
	d := l.Wait()
	if l.Known().Cause != d.Cause {
		t.Errorf("%s: what is known is %v, what was waited for %v", from, l.Known(), d)
	}
	if d.Allowed() {
		return "allow"
	}
	return fmt.Sprint(d.Cause, d.Variant, " ", d.Text("domain"))
}

func TestSenders(t *testing.T) {
	w := newWorld(t, "example")
	w.in.Zone("implicit.example").Add("implicit.example. 60 IN A 192.0.2.7")
	w.in.Zone("null.example").Add("null.example. 60 IN MX 0 .")
	w.in.Zone("parked.example").Add(`parked.example. 60 IN TXT "nothing here"`)
	w.in.Zone("signed.example").Sign(names.Good).Add("signed.example. 60 IN MX 10 mx.mail.example.")
	w.in.Zone("own.example").Add("own.example. 60 IN MX 0 .")
	w.in.Zone("broken-directory.example").Add("broken-directory.example. 60 IN MX 0 .")
	w.dns.Fail("failing.example", dns.RcodeServerFailure)
	for from, want := range map[string]string{
		"bo@mail.example":             "allow",
		"bo@implicit.example":         "allow",
		"bo@parked.example":           "allow", // it exists, and might take mail tomorrow
		"bo@failing.example":          "allow",
		"bo@missing.example":          "sender.domain-missing missing.example",
		`"a@b"@Missing.Example`:       "sender.domain-missing missing.example",
		"bo@deep.signed.example":      "sender.domain-missing deep.signed.example",
		"bo@null.example":             "sender.domain-missingnull-mx null.example",
		"bo@blåbär.example":           "sender.domain-missing xn--blbr-noae.example",
		"bo@own.example":              "allow",
		"bo@broken-directory.example": "allow",
		"bo@[192.0.2.1]":              "allow",
		"":                            "allow", // reports
	} {
		if got := w.ask(t, from); got != want {
			t.Errorf("%q: %s, want %s", from, got, want)
		}
	}
	if got := (*Checker)(nil).Begin(t.Context(), "bo@missing.example").Wait(); !got.Allowed() {
		t.Error("nobody asked, and it was refused")
	}
}

// A resolver that knows nothing at all is not believed, nor what is remembered of it once it is well again.
func TestResolverThatKnowsNothing(t *testing.T) {
	w := newWorld(t, "example")
	w.in.Zone("good.example").Add("good.example. 3600 IN MX 10 mx.good.example.", "good.example. 3600 IN SOA ns.good.example. a.good.example. 1 3600 3600 3600 3600")
	w.dns.Fail("", dns.RcodeNameError)
	if got := w.ask(t, "bo@good.example"); got != "allow" {
		t.Errorf("while it knows nothing: %s", got)
	}
	w.dns.Honest()
	w.now = w.now.Add(saneFor)
	if got := w.ask(t, "bo@good.example"); got != "allow" {
		t.Errorf("right after: %s", got)
	}
	if got := w.ask(t, "bo@missing.example"); got == "allow" {
		t.Error("it is well again, and is not believed")
	}
	w.dns.Fail("", dns.RcodeNameError)
	w.now = w.now.Add(missingFor)
	if got := w.ask(t, "bo@missing.example"); got != "allow" {
		t.Errorf("it knows nothing again: %s", got)
	}
}

// A domain that was set up just now is known within a minute.
func TestNewDomain(t *testing.T) {
	w := newWorld(t, "example")
	if got := w.ask(t, "bo@new.example"); got == "allow" {
		t.Fatal("not refused")
	}
	w.in.Zone("new.example").Add("new.example. 60 IN MX 10 mx.new.example.")
	w.now = w.now.Add(missingFor)
	if got := w.ask(t, "bo@new.example"); got != "allow" {
		t.Error(got)
	}
}

// silent never answers.
type silent struct{}

func (silent) MX(ctx context.Context, _ string) ([]resolver.MX, bool, error) {
	<-ctx.Done()
	return nil, false, resolver.ErrTemporary
}

func (silent) Addrs(ctx context.Context, _ string) ([]netip.Addr, bool, error) {
	<-ctx.Done()
	return nil, false, resolver.ErrTemporary
}

func (silent) Forget(string) {}

// Nobody waits for what is not known yet, and a client that goes takes the question along.
func TestSilence(t *testing.T) {
	l := New(Options{DNS: silent{}, Timeout: time.Hour}).Begin(t.Context(), "bo@slow.example")
	if d := l.Known(); !d.Allowed() {
		t.Error(d)
	}
	l.Close()
	if d := l.Wait(); !d.Allowed() {
		t.Error(d)
	}
}

// What is remembered is bounded.
func TestBounds(t *testing.T) {
	w := newWorld(t, "example")
	for i := range maxMissing + 10 {
		w.remember(fmt.Sprint(i))
		w.now = w.now.Add(time.Millisecond)
	}
	if n := len(w.missing); n > maxMissing {
		t.Errorf("%d domains are remembered", n)
	}
}
