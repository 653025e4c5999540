package junk_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// Who comes again after the wait passes, from the whole network, and is known afterwards.
func TestGreylist(t *testing.T) {
	st := storetest.Open(t)
	a := storetest.Account(t, st, "anna@demo.test")
	ask := func(delay time.Duration, remote, from string) time.Duration {
		t.Helper()
		g := &junk.Greylist{Store: st, Delay: delay}
		until, err := g.Ask(t.Context(), a.ID, netip.MustParseAddr(remote), from)
		if err != nil {
			t.Fatal(err)
		}
		if until.IsZero() {
			return 0
		}
		return time.Until(until).Round(time.Minute)
	}
	if d := ask(5*time.Minute, "192.0.2.1", "bo@example.org"); d != 5*time.Minute {
		t.Errorf("first: %v", d)
	}
	if d := ask(5*time.Minute, "192.0.2.9", "bo@example.org"); d != 5*time.Minute {
		t.Errorf("at once again: %v", d)
	}
	if d := ask(0, "192.0.2.200", "bo@example.org"); d != 0 {
		t.Errorf("after the wait, from the same network: %v", d)
	}
	if d := ask(5*time.Minute, "192.0.3.1", "bo@example.org"); d != 5*time.Minute {
		t.Errorf("from elsewhere: %v", d)
	}
	if d := ask(5*time.Minute, "192.0.2.1", "other@example.org"); d != 5*time.Minute {
		t.Errorf("another sender: %v", d)
	}
	if d := ask(5*time.Minute, "2001:db8::1", "bo@example.org"); d != 5*time.Minute {
		t.Errorf("IPv6: %v", d)
	}
}
