package clinic

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// guarded makes the connections of the doctor. Where a domain leads is up to whoever has the domain, so it goes to ports
// of mail and of the web only, and to no address inside a network: nobody can look around from here. The service's own
// servers are reached wherever they are.
type guarded struct {
	next      probe.Dialer
	resolvers []string
	own       []evidence.Endpoint
	public    func(netip.Addr) bool

	mu   sync.Mutex
	held func(key string) // hears what was not looked at; may be nil
}

// Why something is not looked at: keys of words.
const (
	heldPrivate = "held_private"
	heldPort    = "held_port"
)

var errHeld = errors.New("not looked at: neither mail nor web, or inside a network")

func (c *Clinic) dialer(own []evidence.Endpoint, held func(key string)) *guarded {
	g := &guarded{next: c.Env.Dialer, resolvers: c.Env.Resolvers, own: own, public: c.public, held: held}
	if g.next == nil {
		g.next = &net.Dialer{}
	}
	if len(g.resolvers) == 0 {
		g.resolvers = probe.SystemResolvers()
	}
	return g
}

// DialContext implements probe.Dialer.
func (g *guarded) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if slices.Contains(g.resolvers, address) {
		return g.next.DialContext(ctx, network, address)
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil, errHeld // the doctor dials addresses, never names
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	if why := g.why(ip.Unmap(), port); why != "" {
		g.tell(why)
		return nil, errHeld
	}
	return g.next.DialContext(ctx, network, address)
}

func (g *guarded) tell(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		g.held(key)
	}
}

// why tells why an address is not dialled, "" if it is.
func (g *guarded) why(ip netip.Addr, port int) string {
	ownPort := slices.ContainsFunc(g.own, func(ep evidence.Endpoint) bool { return ep.Port == port })
	switch {
	case ownPort && isOwn(ip):
		return ""
	case !g.public(ip):
		return heldPrivate
	case !looked(port):
		return heldPort
	}
	return ""
}

// looked are the ports that are looked at: of mail (RFC 8314 section 7, RFC 5321, RFC 6409) and of the web.
func looked(port int) bool {
	switch port {
	case 25, 80, 110, 143, 443, 465, 587, 993, 995:
		return true
	}
	return false
}

// isOwn tells whether an address is this machine's.
func isOwn(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == ip
	})
}
