package precheck

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

// world is a small DNS, a clock and a checker.
type world struct {
	*Checker
	t        *testing.T
	in       *names.Internet
	dns      *names.Resolver
	now      time.Time
	signed   bool
	signErr  error
	warnings []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	w := &world{t: t, in: in, dns: in.Resolver("r"), now: time.Now()}
	server, err := names.Serve(w.dns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	r, err := resolver.New(resolver.Options{Servers: []string{server.UDP}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	w.Checker = New(Options{
		DNS: r, Recipients: true, Sizes: true, Senders: Refuse, Timeout: 2 * time.Second,
		Now: func() time.Time { return w.now },
		Near: func(_ context.Context, a store.AccountID, domain string) string {
			if a == 7 && domain == "gmial.example" || domain == "empty.example" {
				return "gmail.example"
			}
			return ""
		},
		Signed: func(context.Context, string) (bool, error) { return w.signed, w.signErr },
		Addresses: func(context.Context) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		},
		Warn: func(domain string, d cause.Decision) { w.warnings = append(w.warnings, domain+" "+string(d.Cause)) },
	})
	return w
}

// inShort is a decision in short.
func inShort(d cause.Decision) string {
	if d.Allowed() {
		return "allow"
	}
	s := fmt.Sprint(d.Action, " ", d.Cause)
	for _, p := range d.Params {
		s += fmt.Sprintf(" %s=%v", p.Name, p.Value)
	}
	return s
}

func TestRecipients(t *testing.T) {
	w := newWorld(t)
	w.in.Zone("gmail.example").Add("gmail.example. 60 IN MX 10 mx.gmail.example.")
	w.in.Zone("implicit.example").Add("implicit.example. 60 IN A 192.0.2.7")
	w.in.Zone("null.example").Add("null.example. 60 IN MX 0 .")
	w.in.Zone("bare.example").Add(`bare.example. 60 IN TXT "no mail"`)
	w.in.Zone("empty.example").Add(`empty.example. 60 IN TXT "parked"`)
	w.in.Zone("broken.example").Add("broken.example. 60 IN MX 10 mx.broken.example.")
	w.dns.Fail("broken.example", 2)
	for _, one := range []struct {
		account store.AccountID
		domain  string
		want    string
	}{
		{1, "gmail.example", "allow"},
		{1, "implicit.example", "allow"},
		{1, "null.example", "2 dns.mx-null domain=null.example"},
		{1, "bare.example", "2 dns.mx-missing domain=bare.example"},
		{1, "empty.example", "2 recipient.domain-typo address=bo@empty.example suggestion=bo@gmail.example"},
		{1, "gmial.example", "2 recipient.domain-typo address=bo@gmial.example"},
		{7, "gmial.example", "2 recipient.domain-typo address=bo@gmial.example suggestion=bo@gmail.example"},
		{1, "broken.example", "allow"}, // the DNS has trouble
		{1, "[192.0.2.1]", "allow"},    // others decide
		{1, "", "allow"},
	} {
		if got := inShort(w.Recipient(t.Context(), one.account, "bo@"+one.domain, one.domain, 0)); got != one.want {
			t.Errorf("%s: %s, want %s", one.domain, got, one.want)
		}
	}
	w.opt.Relayed = func(_ context.Context, a store.AccountID, from, to string) bool { return a == 7 && from == "" }
	if got := inShort(w.Recipient(t.Context(), 7, "bo@null.example", "null.example", 0)); got != "allow" {
		t.Errorf("another server's way: %s", got)
	}
	w.opt.Recipients = false
	if got := inShort(w.Recipient(t.Context(), 1, "bo@null.example", "null.example", 0)); got != "allow" {
		t.Errorf("switched off: %s", got)
	}
}

// TestSilentDNS: nobody is refused because the DNS is slow, and it is waited for once.
func TestSilentDNS(t *testing.T) {
	w := newWorld(t)
	w.opt.Timeout = 50 * time.Millisecond
	w.dns.Silence("slow.example")
	for range 5 {
		if got := inShort(w.Recipient(t.Context(), 1, "bo@slow.example", "slow.example", 0)); got != "allow" {
			t.Fatalf("silence: %s", got)
		}
	}
	asked := len(slices.DeleteFunc(w.dns.Queries(), func(q names.Query) bool { return strings.TrimSuffix(q.Name, ".") != "slow.example" }))
	if asked == 0 || asked > 2 {
		t.Errorf("asked %d times", asked)
	}
	w.in.Zone("null.example").Add("null.example. 60 IN MX 0 .")
	if got := inShort(w.Recipient(t.Context(), 1, "bo@null.example", "null.example", 0)); got != "allow" {
		t.Errorf("right after: %s", got)
	}
	w.now = w.now.Add(blindTime)
	w.opt.Timeout = 2 * time.Second
	if got := inShort(w.Recipient(t.Context(), 1, "bo@null.example", "null.example", 0)); got != "2 dns.mx-null domain=null.example" {
		t.Errorf("later: %s", got)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	w.Recipient(over, 1, "bo@other.example", "other.example", 0)
	if !w.blind.Before(w.now) && !w.blind.Equal(w.now) {
		t.Error("a client that went away is no sign of a slow DNS")
	}
}

func TestSizes(t *testing.T) {
	w := newWorld(t)
	w.opt.Recipients = false
	ask := func(size int64) string {
		return inShort(w.Recipient(t.Context(), 1, "bo@a.example", "a.example", size))
	}
	const refused = "2 content.too-large-recipient address=bo@a.example size=101 limit=100"
	for _, step := range []struct {
		about string
		do    func()
		want  string
	}{
		{"not known", func() {}, "allow"},
		{"a limit", func() { w.Announced("a.example", 100) }, refused},
		{"another server takes less", func() { w.Announced("a.example", 50) }, refused},
		{"another takes all", func() { w.Announced("a.example", 0) }, "allow"},
		{"the first again", func() { w.Announced("a.example", 100) }, "allow"},
		{"the next day", func() { w.now = w.now.Add(sizeAge); w.Announced("a.example", 100) }, refused},
		{"long after", func() { w.now = w.now.Add(sizeAge) }, "allow"},
		{"switched off", func() { w.Announced("a.example", 100); w.opt.Sizes = false }, "allow"},
	} {
		step.do()
		if got := ask(101); got != step.want {
			t.Errorf("%s: %s", step.about, got)
		}
		if got := ask(100); got != "allow" {
			t.Errorf("%s: at the limit: %s", step.about, got)
		}
	}
	for i := range maxSizes + 10 {
		w.Announced(fmt.Sprintf("%d.example", i), 1)
	}
	if n := len(w.sizes.known); n > maxSizes {
		t.Errorf("%d domains remembered", n)
	}
}

func TestSenders(t *testing.T) {
	const reject = "2 sender.not-aligned domain=own.example"
	for _, one := range []struct {
		about   string
		records []string
		signed  bool
		signErr error
		action  Action
		want    string
		warned  bool
	}{
		{about: "signed", signed: true, records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`}, want: "allow"},
		{about: "SPF passes", records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`, `own.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"`}, want: "allow"},
		{about: "nothing published", want: "allow", warned: true},
		{about: "no policy", records: []string{`own.example. 60 IN TXT "v=spf1 -all"`}, want: "allow", warned: true},
		{about: "quarantine", records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=quarantine"`}, want: "allow", warned: true},
		{about: "reject", records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`}, want: reject, warned: true},
		{about: "reject and wrong SPF", records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1;p=Reject"`, `own.example. 60 IN TXT "v=spf1 ip4:192.0.2.9 -all"`}, want: reject, warned: true},
		{about: "reject some", records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject; pct=50"`}, want: "allow", warned: true},
		{about: "two policies", records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`, `_dmarc.own.example. 60 IN TXT "v=DMARC1; p=none"`}, want: "allow", warned: true},
		{about: "keys cannot be looked up", signErr: errors.New("no answer"), records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`}, want: "allow"},
		{about: "only warn", action: Warn, records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`}, want: "allow", warned: true},
		{about: "off", action: Nothing, records: []string{`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`}, want: "allow"},
	} {
		t.Run(one.about, func(t *testing.T) {
			w := newWorld(t)
			w.signed, w.signErr = one.signed, one.signErr
			if one.action != "" {
				w.opt.Senders = one.action
			}
			w.in.Zone("own.example").Add(one.records...)
			for range 3 {
				if got := inShort(w.Sender(t.Context(), "own.example")); got != one.want {
					t.Errorf("%s, want %s", got, one.want)
				}
			}
			if (len(w.warnings) == 1) != one.warned || len(w.warnings) > 1 {
				t.Errorf("warned: %v", w.warnings)
			}
		})
	}
}

// TestSubdomain: the policy of the domain above counts where there is none (RFC 7489 section 6.6.3).
func TestSubdomain(t *testing.T) {
	w := newWorld(t)
	w.in.Zone("own.example").Add(`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=none; sp=reject"`, `sub.own.example. 60 IN TXT "x"`)
	if got := inShort(w.Sender(t.Context(), "sub.own.example")); got != "2 sender.not-aligned domain=sub.own.example" {
		t.Error(got)
	}
	if got := inShort(w.Sender(t.Context(), "own.example")); got != "allow" {
		t.Error(got)
	}
	w.opt.Relayed = func(_ context.Context, _ store.AccountID, from, to string) bool {
		return from == "sub.own.example" && to == ""
	}
	if got := inShort(w.Sender(t.Context(), "sub.own.example")); got != "allow" {
		t.Errorf("by another server: %s", got)
	}
}

// TestRepair: a domain that was mended is believed within a minute, and is warned about once a day.
func TestRepair(t *testing.T) {
	w := newWorld(t)
	w.in.Zone("own.example").Add(`_dmarc.own.example. 60 IN TXT "v=DMARC1; p=reject"`)
	refused := func() bool { return !w.Sender(t.Context(), "own.example").Allowed() }
	if !refused() {
		t.Fatal("not refused")
	}
	w.signed = true
	if !refused() {
		t.Error("asked again at once")
	}
	w.now = w.now.Add(badAge)
	if refused() {
		t.Error("still refused")
	}
	w.signed = false
	w.now = w.now.Add(goodAge)
	if !refused() || len(w.warnings) != 1 {
		t.Errorf("broken again: warned %v", w.warnings)
	}
	w.now = w.now.Add(warnEvery)
	if !refused() || len(w.warnings) != 2 {
		t.Errorf("a day later: warned %v", w.warnings)
	}
}

func TestConcurrent(t *testing.T) {
	w := newWorld(t)
	w.opt.Warn = nil
	w.in.Zone("own.example").Add(`own.example. 60 IN TXT "v=spf1 -all"`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				w.Announced("a.example", int64(i))
				w.Recipient(t.Context(), 1, "bo@own.example", "own.example", 10)
				w.Sender(t.Context(), "own.example")
			}
		})
	}
	wg.Wait()
}

// BenchmarkRecipient is what a look ahead costs a recipient whose domain was looked up before.
func BenchmarkRecipient(b *testing.B) {
	in, err := names.New(time.Now, func(err error) { b.Error(err) })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(in.Close)
	in.Zone("far.example").Add("far.example. 3600 IN MX 10 mx.far.example.")
	server, err := names.Serve(in.Resolver("r"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	dns, err := resolver.New(resolver.Options{Servers: []string{server.UDP}})
	if err != nil {
		b.Fatal(err)
	}
	c := New(Options{DNS: dns, Recipients: true, Sizes: true})
	b.ReportAllocs()
	for b.Loop() {
		if d := c.Recipient(b.Context(), 1, "bo@far.example", "far.example", 1000); !d.Allowed() {
			b.Fatal(d)
		}
	}
}
