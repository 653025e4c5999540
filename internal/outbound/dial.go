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

// dial connects to the first of the addresses that answers, and tells which it was.
func (q *Queue) dial(ctx context.Context, ips []netip.Addr, port uint16) (net.Conn, netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, q.opt.Limits.Connect)
	defer cancel()
	type dialed struct {
		conn net.Conn
		ip   netip.Addr
		err  error
	}
	results := make(chan dialed)
	begin := func(ip netip.Addr) {
		go func() {
			conn, err := q.opt.Dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(ip, port).String())
			results <- dialed{conn, ip, err}
		}()
	}
	ips = ips[:min(len(ips), maxAddresses)]
	next, running := 0, 0
	var winner dialed
	err := errNoAddress
	for winner.conn == nil && (running > 0 || next < len(ips)) {
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
			if winner = r; r.err != nil {
				winner, err = dialed{}, r.err
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
	if winner.conn == nil {
		return nil, netip.Addr{}, err
	}
	return winner.conn, winner.ip, nil
}
