package policy

import (
	"net/netip"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

func TestRefusals(t *testing.T) {
	clock := newFakeClock()
	r := NewRefusals(clock)
	want := func(notable bool, remote, protocol string, id cause.ID) {
		t.Helper()
		if r.Notable(netip.MustParseAddr(remote), protocol, id) != notable {
			t.Errorf("%s with %s for %s: %t", remote, protocol, id, !notable)
		}
	}
	want(true, "192.0.2.7", "imap", cause.NetworkClientBanned)
	want(false, "192.0.2.7", "imap", cause.NetworkClientBanned)
	want(false, "::ffff:192.0.2.7", "imap", cause.NetworkClientBanned)
	want(true, "192.0.2.7", "pop3", cause.NetworkClientBanned)
	want(true, "192.0.2.7", "imap", cause.LimitConnections)
	want(true, "192.0.2.8", "imap", cause.NetworkClientBanned)
	want(true, "2001:db8::1", "imap", cause.NetworkClientBanned)
	want(false, "2001:db8::2", "imap", cause.NetworkClientBanned) // the same client, as far as one can tell
	clock.advance(notableEvery - time.Nanosecond)
	want(false, "192.0.2.7", "imap", cause.NetworkClientBanned)
	clock.advance(time.Nanosecond)
	want(true, "192.0.2.7", "imap", cause.NetworkClientBanned)
	if r.Notable(netip.Addr{}, "imap", cause.NetworkClientBanned) != true {
		t.Error("a connection without address is not notable")
	}
}
