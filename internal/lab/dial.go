package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// headStart is what IPv6 gets before IPv4 is tried too (RFC 8305 section 5).
const headStart = 250 * time.Millisecond

// errSilent says that a datagram socket exists and hears nothing.
var errSilent = errors.New("silent")

// DialContext connects from this vantage point to "192.0.2.10:993",
// "[2001:db8::10]:993" or "imap.north.example:993" in the world. A name is looked up
// at the device's resolvers, and both families are tried. Networks are "tcp" and
// "udp", with 4 or 6 behind it or not. Errors are those of package net.
func (v *Vantage) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "invalid port", Addr: addr}}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return v.dialAddr(ctx, network, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	ips, err := v.lookup(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return v.race(ctx, network, ips, uint16(port))
}

// dialAddr makes one attempt.
func (v *Vantage) dialAddr(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	if v.w.kernel != nil {
		return v.w.kernel.dial(ctx, v, network, addr)
	}
	a := &attempt{v: v, network: network, addr: addr}
	v.w.mu.Lock()
	a.host = v.w.hosts[addr.Addr()]
	v.w.mu.Unlock()
	if is6 := addr.Addr().Is6(); strings.HasSuffix(network, "4") && is6 || strings.HasSuffix(network, "6") && !is6 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "no suitable address found", Addr: addr.Addr().String()}}
	}
	if !v.hasRoute(addr.Addr()) {
		return nil, connectError(a, syscall.ENETUNREACH)
	}
	rules := v.w.matching(a)
	real, err := a.connect(ctx, rules)
	if strings.HasPrefix(network, "udp") {
		return v.w.dialUDP(a, real, err)
	}
	if err != nil {
		return nil, err
	}
	return v.w.dialTCP(ctx, a, real, rules)
}

func (v *Vantage) hasRoute(a netip.Addr) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.down && (!a.Is6() || !v.noV6)
}

// connect lets the rules have their say and returns the real address that answers.
func (a *attempt) connect(ctx context.Context, rules []*Rule) (real string, err error) {
	for _, r := range rules {
		if r.where.SNI == "" {
			r.hits.Add(1)
		}
		if f := r.fault.connect; f != nil {
			if err := f(ctx, a); err != nil {
				return "", err
			}
		}
		if f := r.fault.divert; f != nil && real == "" {
			if real, err = f(a); err != nil {
				return "", err
			}
		}
	}
	if real != "" {
		return real, nil
	}
	if a.host == nil {
		return "", connectError(a, syscall.EHOSTUNREACH)
	}
	real, ok := a.host.target(a.network, int(a.addr.Port()))
	if !ok {
		return "", connectError(a, syscall.ECONNREFUSED)
	}
	return real, nil
}

// dialTCP connects to the real address, through a link where rules want one. The
// client's address in the world is told to the server by the loopback address that
// the connection comes from.
func (w *World) dialTCP(ctx context.Context, a *attempt, real string, rules []*Rule) (net.Conn, error) {
	d := net.Dialer{}
	if host, _, _ := net.SplitHostPort(real); host == "127.0.0.1" {
		d.Control = portLater
		d.LocalAddr = &net.TCPAddr{IP: a.v.loopback(a.addr.Addr().Is6())}
	}
	c, err := d.DialContext(ctx, "tcp", real)
	if errors.Is(err, syscall.EADDRNOTAVAIL) { // loopback has one address here: servers see no clients
		d.LocalAddr = nil
		c, err = d.DialContext(ctx, "tcp", real)
	}
	if err != nil {
		return nil, renamed(err, a.local(c), a.remote())
	}
	server := c.(*net.TCPConn)
	local := a.local(c)
	rules = throughLink(rules)
	if len(rules) == 0 {
		return &tcpConn{TCPConn: server, local: local, remote: a.remote()}, nil
	}
	near, far, err := tcpPair()
	if err != nil {
		server.Close()
		return nil, err
	}
	l := newLink(w, far, server, rules)
	if err := w.track(l); err != nil {
		l.Close()
		near.Close()
		return nil, &net.OpError{Op: "dial", Net: a.network, Addr: a.remote(), Err: err}
	}
	go l.run()
	if err := sleep(ctx, 2*l.delay); err != nil {
		near.Close()
		return nil, vanish(ctx, a)
	}
	return &tcpConn{TCPConn: near, local: local, remote: a.remote()}, nil
}

// throughLink returns the rules whose faults touch what passes.
func throughLink(rules []*Rule) []*Rule {
	var touch []*Rule
	for _, r := range rules {
		if r.fault.touches() {
			touch = append(touch, r)
		}
	}
	return touch
}

func (f *Fault) touches() bool {
	return f.up != nil || f.down != nil || f.delay > 0 || f.idle > 0 || f.relay != nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		<-ctx.Done()
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dialUDP opens a socket. One that is refused says so when it is read, as an ICMP
// message would make it; one that is dropped stays silent.
func (w *World) dialUDP(a *attempt, real string, err error) (net.Conn, error) {
	refused := errors.Is(err, syscall.ECONNREFUSED)
	if err != nil && !refused && !errors.Is(err, errSilent) {
		return nil, err
	}
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: a.v.loopback(a.addr.Addr().Is6())}}
	if err != nil {
		real = w.sink.LocalAddr().String()
	}
	c, err := d.Dial("udp", real)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		d.LocalAddr = nil
		c, err = d.Dial("udp", real)
	}
	if err != nil {
		return nil, err
	}
	u := &udpConn{UDPConn: c.(*net.UDPConn), local: a.local(c), remote: a.remote()}
	if refused {
		u.refused = connectError(a, syscall.ECONNREFUSED)
	}
	return u, nil
}

// lookup asks the device's resolvers in turn for a name's addresses.
func (v *Vantage) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	err := &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	for _, resolver := range v.Resolvers() {
		var ips []netip.Addr
		for _, qtype := range []uint16{dns.TypeAAAA, dns.TypeA} {
			m, askErr := v.ask(ctx, resolver, host, qtype)
			if askErr != nil {
				var timeout net.Error
				isTimeout := errors.As(askErr, &timeout) && timeout.Timeout()
				err = &net.DNSError{UnwrapErr: askErr, Err: askErr.Error(), Name: host, Server: resolver, IsTimeout: isTimeout, IsTemporary: true}
				continue
			}
			if m.Rcode == dns.RcodeServerFailure {
				err = &net.DNSError{Err: "server misbehaving", Name: host, Server: resolver, IsTemporary: true}
			}
			ips = append(ips, addresses(m)...)
		}
		if len(ips) > 0 {
			return ips, nil
		}
		if err.IsNotFound {
			break
		}
	}
	return nil, err
}

func (v *Vantage) ask(ctx context.Context, resolver, host string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(host), qtype)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := v.DialContext(ctx, "udp", resolver)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	client := &dns.Client{UDPSize: 4096}
	reply, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: c})
	return reply, err
}

func addresses(m *dns.Msg) (ips []netip.Addr) {
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			if ip, ok := netip.AddrFromSlice(rr.A.To4()); ok {
				ips = append(ips, ip)
			}
		case *dns.AAAA:
			if ip, ok := netip.AddrFromSlice(rr.AAAA); ok {
				ips = append(ips, ip)
			}
		}
	}
	return ips
}

// race tries the addresses, each a little after the one before, and keeps the first
// that connects.
func (v *Vantage) race(ctx context.Context, network string, ips []netip.Addr, port uint16) (net.Conn, error) {
	if len(ips) > 8 {
		ips = ips[:8]
	}
	type outcome struct {
		c   net.Conn
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan outcome, len(ips))
	for i, ip := range ips {
		go func() {
			if err := sleep(ctx, time.Duration(i)*headStart); err != nil {
				results <- outcome{err: err}
				return
			}
			c, err := v.dialAddr(ctx, network, netip.AddrPortFrom(ip, port))
			results <- outcome{c, err}
		}()
	}
	var won net.Conn
	var first error
	for range ips {
		switch o := <-results; {
		case o.err != nil && first == nil && won == nil:
			first = o.err
		case o.c != nil && won == nil:
			won = o.c
			cancel()
		case o.c != nil:
			o.c.Close()
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, first
}
