package outbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// headStart is how long an attempt to connect goes on alone before the next
// address is tried beside it (RFC 8305 section 5).
const headStart = 250 * time.Millisecond

// maxAddresses bounds how many addresses of one host are tried.
const maxAddresses = 8

var errNoAddress = errors.New("outbound: no address to connect to")

// dial connects to the first of the addresses that answers.
func (q *Queue) dial(ctx context.Context, ips []netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, q.opt.Limits.Connect)
	defer cancel()
	type dialed struct {
		conn net.Conn
		err  error
	}
	results := make(chan dialed)
	begin := func(ip netip.Addr) {
		go func() {
			conn, err := q.opt.Dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(ip, q.opt.Port).String())
			results <- dialed{conn, err}
		}()
	}
	ips = ips[:min(len(ips), maxAddresses)]
	next, running := 0, 0
	var winner net.Conn
	err := errNoAddress
	for winner == nil && (running > 0 || next < len(ips)) {
		var patience <-chan time.Time
		if next < len(ips) {
			begin(ips[next])
			next, running = next+1, running+1
			patience = time.After(headStart)
		}
		select {
		case <-patience:
		case r := <-results:
			running--
			if winner = r.conn; r.err != nil {
				winner, err = nil, r.err
			}
		}
	}
	// Those that lost are broken off; one that got through all the same is closed.
	cancel()
	for range running {
		if r := <-results; r.err == nil {
			_ = r.conn.Close()
		}
	}
	if winner == nil {
		return nil, err
	}
	return winner, nil
}
