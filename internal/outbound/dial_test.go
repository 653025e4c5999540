package outbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// blackhole swallows IPv6 and lets IPv4 through to a pipe.
type blackhole struct{ tried chan string }

func (b blackhole) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	b.tried <- addr
	if netip.MustParseAddrPort(addr).Addr().Is6() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c, _ := net.Pipe()
	return c, nil
}

// TestDialDeadIPv6: an address that swallows everything does not hold up the
// next, and nothing goes on behind the winner's back.
func TestDialDeadIPv6(t *testing.T) {
	d := blackhole{make(chan string, 10)}
	q := &Queue{opt: Options{Dialer: d}}
	q.opt.Limits.setDefaults()
	ips := interleave([]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.2")})
	conn, ip, err := q.dial(t.Context(), ips, 25)
	if err != nil {
		t.Fatal(err)
	}
	if ip.String() != "192.0.2.1" {
		t.Errorf("connected to %v", ip)
	}
	_ = conn.Close()
	close(d.tried)
	var tried []string
	for addr := range d.tried {
		tried = append(tried, addr)
	}
	if want := []string{"[2001:db8::1]:25", "192.0.2.1:25"}; !slices.Equal(tried, want) {
		t.Errorf("tried %q", tried)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dead := blackhole{make(chan string, 10)}
	q.opt.Dialer = dead
	if _, _, err := q.dial(ctx, ips[:1], 25); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, _, err := q.dial(t.Context(), nil, 25); !errors.Is(err, errNoAddress) {
		t.Errorf("error %v", err)
	}
}
