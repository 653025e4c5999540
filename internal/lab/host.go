package lab

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/postiljon/postiljon/internal/lab/names"
)

// Host is a machine of the world. A port that it does not listen on refuses.
type Host struct {
	Name  string
	Addrs []netip.Addr // one of each family, unless told otherwise

	w   *World
	mu  sync.Mutex
	tcp map[int]string // virtual port to real address
	udp map[int]string
}

// Host returns the host of that name and makes it if need be. Without addresses it
// gets the next free one of each family, from 192.0.2.0/24, 198.51.100.0/24 and
// 2001:db8::/64. A and AAAA records and reverse names lead to it.
func (w *World) Host(name string, addrs ...string) *Host {
	h, err := w.host(name, addrs)
	if err != nil {
		w.fail(err)
	}
	return h
}

func (w *World) host(name string, addrs []string) (*Host, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.byName[name]; h != nil && len(addrs) == 0 {
		return h, nil
	}
	h := &Host{Name: name, w: w, tcp: make(map[int]string), udp: make(map[int]string)}
	for _, s := range addrs {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return h, fmt.Errorf("lab: host %s: %w", name, err)
		}
		h.Addrs = append(h.Addrs, a)
	}
	if len(addrs) == 0 {
		h.Addrs = w.nextAddrs()
	}
	if len(h.Addrs) == 0 {
		return h, fmt.Errorf("lab: no address is left for %s", name)
	}
	for _, a := range h.Addrs {
		if other := w.hosts[a]; other != nil {
			return h, fmt.Errorf("lab: %s and %s both want %s", name, other.Name, a)
		}
		w.hosts[a] = h
		if err := w.Names.AddHost(name, a); err != nil {
			return h, err
		}
	}
	w.byName[name] = h
	if w.kernel != nil {
		if err := w.kernel.addHost(h); err != nil || len(w.rules) == 0 {
			return h, err
		}
		w.applyRules() // they may be about this host, too
	}
	return h, nil
}

// nextAddrs returns the first pair of addresses that is free. w.mu is held.
func (w *World) nextAddrs() []netip.Addr {
	for n := 10; n < 2*256; n++ {
		net := [3]byte{192, 0, 2}
		if n >= 256 {
			net = [3]byte{198, 51, 100}
		}
		v4 := netip.AddrFrom4([4]byte{net[0], net[1], net[2], byte(n)})
		v6 := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(n >> 8), 15: byte(n)})
		if last := byte(n); last == 0 || last == 255 || w.hosts[v4] != nil || w.hosts[v6] != nil {
			continue
		}
		return []netip.Addr{v4, v6}
	}
	return nil
}

// V4 returns the host's first IPv4 address, or the zero value.
func (h *Host) V4() netip.Addr { return h.first(netip.Addr.Is4) }

// V6 returns the host's first IPv6 address, or the zero value.
func (h *Host) V6() netip.Addr { return h.first(netip.Addr.Is6) }

func (h *Host) first(is func(netip.Addr) bool) netip.Addr {
	for _, a := range h.Addrs {
		if is(a) {
			return a
		}
	}
	return netip.Addr{}
}

// Listen returns a listener on a port of all the host's addresses. Its connections
// carry the clients' addresses in the world.
func (h *Host) Listen(port int) (net.Listener, error) {
	if h.w.kernel != nil {
		return h.w.kernel.listen(h, port)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("lab: listen for %s: %w", h.Name, err)
	}
	h.Forward(port, l.Addr().String())
	local := &net.TCPAddr{Port: port}
	if len(h.Addrs) > 0 {
		local.IP = h.Addrs[0].AsSlice()
	}
	return &listener{TCPListener: l.(*net.TCPListener), w: h.w, local: local}, nil
}

// Forward leads a port of the host to a real address, "127.0.0.1:10993": a real
// server that runs on this machine. It works in a simulated network only.
func (h *Host) Forward(port int, real string) {
	if h.w.kernel != nil {
		h.w.fail(fmt.Errorf("lab: %s: a real network cannot forward port %d to %s", h.Name, port, real))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tcp[port] = real
}

// Shut stops a port: connections to it are refused from now on.
func (h *Host) Shut(ports ...int) {
	if h.w.kernel != nil {
		h.w.check(h.w.kernel.shut(h, ports))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, port := range ports {
		delete(h.tcp, port)
		delete(h.udp, port)
	}
}

// Move leads a port of this host to what another host has there.
func (h *Host) Move(port int, to *Host, toPort int) {
	if real, ok := to.target("tcp", toPort); ok {
		h.Forward(port, real)
	}
}

func (h *Host) target(network string, port int) (real string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	services := h.tcp
	if strings.HasPrefix(network, "udp") {
		services = h.udp
	}
	real, ok = services[port]
	return real, ok
}

// server is what the packages for peers offer: it takes connections until closed.
type server interface {
	Serve(l net.Listener, implicitTLS bool)
	Close() error
}

// Serve lets a peer answer on a port in plain text, where STARTTLS may follow.
func (h *Host) Serve(port int, s server) error { return h.serve(port, s, false) }

// ServeTLS lets a peer answer on a port with TLS from the first octet.
func (h *Host) ServeTLS(port int, s server) error { return h.serve(port, s, true) }

func (h *Host) serve(port int, s server, implicit bool) error {
	l, err := h.Listen(port)
	if err != nil {
		return err
	}
	s.Serve(l, implicit)
	h.w.add(s)
	return nil
}

// ServeDNS lets a resolver or an authority answer on port 53.
func (h *Host) ServeDNS(handler names.Handler) error {
	if h.w.kernel != nil {
		return h.w.kernel.serveDNS(h, handler)
	}
	s, err := names.Serve(handler)
	if err != nil {
		return fmt.Errorf("lab: DNS at %s: %w", h.Name, err)
	}
	h.mu.Lock()
	h.udp[53], h.tcp[53] = s.UDP, s.TCP
	h.mu.Unlock()
	h.w.add(s)
	return nil
}

func joinPort(a netip.Addr, port int) string { return net.JoinHostPort(a.String(), strconv.Itoa(port)) }
