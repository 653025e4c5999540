package inbound_test

import (
	"context"
	"fmt"
	"net/netip"
	"net/textproto"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/inbound/origin"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
	"github.com/postiljon/postiljon/internal/store"
)

// slowNames knows the witness and one null MX, once it is let go.
type slowNames chan struct{}

func (n slowNames) MX(ctx context.Context, name string) ([]resolver.MX, bool, error) {
	select {
	case <-n:
	case <-ctx.Done():
		return nil, false, resolver.ErrTemporary
	}
	switch name {
	case "com":
		return nil, false, resolver.ErrNoData
	case "null.example":
		return []resolver.MX{{}}, false, nil
	}
	return nil, false, resolver.ErrNotExist
}

func (n slowNames) Addrs(context.Context, string) ([]netip.Addr, bool, error) {
	return nil, false, resolver.ErrNotExist
}

func (n slowNames) Forget(string) {}

// line sends one and returns the last line of the reply.
func line(t *testing.T, c *textproto.Conn, text string) string {
	t.Helper()
	if err := c.PrintfLine("%s", text); err != nil {
		t.Fatal(err)
	}
	code, reply, err := c.ReadResponse(0)
	if code == 0 {
		t.Fatal(err)
	}
	return fmt.Sprint(code, " ", reply)
}

func greeted(t *testing.T, addr string) *textproto.Conn {
	t.Helper()
	c, err := textproto.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	line(t, c, "EHLO client.test")
	return c
}

// Mail from a domain that is not there is refused at RCPT when that is known by then, else at its end. Nobody waits for
// the DNS in between, the ledger has it, and who lets the sender through gets it.
func TestSenderFromNowhere(t *testing.T) {
	names := make(slowNames)
	s := start(t, func(o *inbound.Options) {
		o.Origin = origin.New(origin.Options{DNS: names})
		o.Genuine = genuine.New(genuine.Options{Resolver: &dnstest.Zone{}, AuthservID: o.Hostname})
	})
	const letter = "From: bo@author.example\r\nSubject: Hej\r\n\r\nHej\r\n."
	c := greeted(t, s.mail)
	for _, step := range []struct{ send, want string }{
		{"MAIL FROM:<bo@missing.example>", "250"}, {"RCPT TO:<anna@demo.test>", "250"}, {"DATA", "354"},
	} {
		if got := line(t, c, step.send); got[:3] != step.want {
			t.Fatalf("%s: %s", step.send, got)
		}
	}
	close(names)
	if got := line(t, c, letter); got[:9] != "550 5.1.8" {
		t.Errorf("at the end: %s", got)
	}
	s.told(t, cause.SenderDomainMissing)

	for domain, want := range map[string]string{"missing.example": "550 5.1.8", "null.example": "550 5.7.27"} {
		line(t, c, "MAIL FROM:<bo@"+domain+">")
		got := ""
		for give := time.Now().Add(10 * time.Second); got[:min(len(got), len(want))] != want && time.Now().Before(give); {
			if got = line(t, c, "RCPT TO:<anna@demo.test>"); got[:3] == "452" { // too many recipients: it was not known for long
				line(t, c, "RSET")
				line(t, c, "MAIL FROM:<bo@"+domain+">")
			}
		}
		if got[:len(want)] != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
		line(t, c, "RSET")
	}
	s.mu.Lock()
	last := s.events[len(s.events)-1]
	s.mu.Unlock()
	if last.Kind != journal.RecipientRefused || last.Cause != cause.SenderDomainMissing || last.Account != s.anna.ID {
		t.Errorf("the ledger has %+v", last)
	}

	if err := s.store.AllowSender(t.Context(), s.anna.ID, "bo@missing.example"); err != nil {
		t.Fatal(err)
	}
	if err := s.store.AllowSender(t.Context(), s.bjorn.ID, "@author.example"); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"anna", "bjorn"} {
		talk(t, s.mail, "MAIL FROM:<bo@missing.example>", "250", "RCPT TO:<"+to+"@demo.test>", "250", "DATA", "354", letter, "250")
	}
	talk(t, s.mail, "MAIL FROM:<>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", letter, "250")
	for who, want := range map[*store.Account]int{&s.anna: 2, &s.bjorn: 1} {
		if n := len(s.inbox(t, *who)); n != want {
			t.Errorf("%s has %d messages, want %d", who.Address, n, want)
		}
	}
}
