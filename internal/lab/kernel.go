package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/netns"
)

// kernelNet is a real network in namespaces: one that holds all hosts, one that is the
// router and its packet filter, and one for each device.
//
//	device --- router --- hosts
type kernelNet struct {
	router, hosts *netns.Space

	mu      sync.Mutex // guards what follows, and the order of commands
	proxy   int        // its port, 0 while there is none
	devices map[byte]*device
	open    map[*Host]map[int][]io.Closer // sockets by port
}

// device is a vantage point's namespace.
type device struct {
	*netns.Space
	v          *Vantage
	has4, has6 bool        // default routes
	forbidden  map[int]int // how many routing rules Denied made, by family
}

// The network between router and hosts; the router has .1 and ::1.
const (
	hostsLink4, hostsLink6 = "10.255.0.2", "fd00:ffff::2"
	routerIn4, routerIn6   = "10.255.0.1", "fd00:ffff::1"
	gateway4               = "203.0.113.1"
)

// OpenReal makes a world whose packets are the kernel's own: network namespaces, joined
// by a router whose packet filter makes the faults. What a packet filter cannot do is
// done by a proxy on the router: servers then see the router as their client. Skip,
// Times and SNI go with the faults of the proxy. Who may not make namespaces gets a
// simulated network; World.Real tells.
func OpenReal() (*World, error) {
	if netns.Available() != nil {
		return Open()
	}
	k, err := newKernelNet()
	if err != nil {
		return nil, err
	}
	return open(k)
}

// Real tells whether the world's packets are the kernel's.
func (w *World) Real() bool { return w.kernel != nil }

func newKernelNet() (*kernelNet, error) {
	if err := netns.Sweep(); err != nil {
		return nil, err
	}
	k := &kernelNet{devices: make(map[byte]*device), open: make(map[*Host]map[int][]io.Closer)}
	if err := k.build(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (k *kernelNet) build() (err error) {
	if k.router, err = netns.New("router"); err != nil {
		return err
	}
	if k.hosts, err = netns.New("hosts"); err != nil {
		return err
	}
	for _, name := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		if err := k.router.Sysctl(name, "1"); err != nil {
			return fmt.Errorf("lab: router: %w", err)
		}
	}
	if err := joinLink(k.router, "hosts", k.hosts); err != nil {
		return err
	}
	if err := k.router.IP(
		"addr add "+routerIn4+"/24 dev hosts", "addr add "+routerIn6+"/64 dev hosts nodad",
		"route add unreachable 0.0.0.0/0", "route add unreachable ::/0", // who has no address is not there
	); err != nil {
		return err
	}
	return k.hosts.IP(
		"addr add "+hostsLink4+"/24 dev eth0", "addr add "+hostsLink6+"/64 dev eth0 nodad",
		"route add default via "+routerIn4, "route add default via "+routerIn6,
	)
}

// joinLink joins eth0 of a namespace to an interface of the router. The router's end,
// which comes up first and without a carrier, is brought up once more: only then does
// its IPv6 work at once and not when the kernel gets round to it.
func joinLink(router *netns.Space, name string, to *netns.Space) error {
	if err := router.IP("link add "+name+" type veth peer name eth0 netns "+to.Name, "link set "+name+" up"); err != nil {
		return err
	}
	if err := to.IP("link set eth0 up"); err != nil {
		return err
	}
	return router.IP("link set "+name+" down", "link set "+name+" up")
}

// Close removes the namespaces.
func (k *kernelNet) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, d := range k.devices {
		errs = append(errs, d.Close())
	}
	for _, s := range []*netns.Space{k.hosts, k.router} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// addHost gives the hosts' namespace the addresses, and the router the ways to them.
func (k *kernelNet) addHost(h *Host) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var here, there []string
	for _, a := range h.Addrs {
		here = append(here, fmt.Sprintf("addr add %s/%d dev lo%s", a, a.BitLen(), nodad(a)))
		via := hostsLink4
		if a.Is6() {
			via = hostsLink6
		}
		there = append(there, fmt.Sprintf("route add %s/%d via %s", a, a.BitLen(), via))
	}
	return errors.Join(k.hosts.IP(here...), k.router.IP(there...))
}

// nodad lets an IPv6 address be used at once, without asking whether others have it.
func nodad(a netip.Addr) string {
	if a.Is6() {
		return " nodad"
	}
	return ""
}

// addDevice makes a vantage point's namespace and joins it to the router.
func (k *kernelNet) addDevice(v *Vantage) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := netns.New("device")
	if err != nil {
		return err
	}
	k.devices[v.index] = &device{Space: s, v: v, forbidden: make(map[int]int)}
	port, gateway6 := portName(v), v.gateway6().String()
	if err := joinLink(k.router, port, s); err != nil {
		return err
	}
	if err := k.router.IP(
		fmt.Sprintf("addr add %s/32 dev %s", gateway4, port), fmt.Sprintf("addr add %s/64 dev %s nodad", gateway6, port),
		fmt.Sprintf("route add %s/32 dev %s", v.v4, port),
	); err != nil {
		return err
	}
	if err := s.IP(fmt.Sprintf("addr add %s/32 dev eth0", v.v4), fmt.Sprintf("addr add %s/64 dev eth0 nodad", v.v6)); err != nil {
		return err
	}
	return k.devices[v.index].connect(true, true)
}

func portName(v *Vantage) string { return fmt.Sprintf("dev%d", v.index) }

func (v *Vantage) gateway6() netip.Addr {
	b := v.v6.As16()
	b[15] = 1
	return netip.AddrFrom16(b)
}

// connectDevice gives a device its ways out, or takes them: without one the kernel says
// that the network is unreachable.
func (k *kernelNet) connectDevice(v *Vantage, up, v6 bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.devices[v.index].connect(up, up && v6)
}

func (d *device) connect(v4, v6 bool) error {
	var commands []string
	change := func(have *bool, want bool, route string) {
		switch {
		case want && !*have:
			commands = append(commands, "route add "+route)
		case !want && *have:
			commands = append(commands, "route del "+route)
		}
		*have = want
	}
	change(&d.has4, v4, "default via "+gateway4+" dev eth0 onlink")
	change(&d.has6, v6, "default via "+d.v.gateway6().String()+" dev eth0")
	if len(commands) == 0 {
		return nil
	}
	return d.IP(commands...)
}

// dial connects from a device.
func (k *kernelNet) dial(ctx context.Context, v *Vantage, network string, addr netip.AddrPort) (c net.Conn, err error) {
	k.mu.Lock()
	d := k.devices[v.index]
	k.mu.Unlock()
	err = d.Do(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, network, addr.String())
		return err
	})
	return c, err
}

// listen opens a port on all addresses of a host.
func (k *kernelNet) listen(h *Host, port int) (net.Listener, error) {
	m := &mergedListener{accepted: make(chan net.Conn), done: make(chan struct{})}
	for _, a := range h.Addrs {
		err := k.hosts.Do(func() error {
			l, err := net.Listen("tcp", joinPort(a, port))
			if err == nil {
				m.listeners = append(m.listeners, l)
			}
			return err
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lab: listen for %s: %w", h.Name, err), m.Close())
		}
	}
	m.run()
	k.keep(h, port, m)
	return m, nil
}

func (k *kernelNet) keep(h *Host, port int, c io.Closer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open[h] == nil {
		k.open[h] = make(map[int][]io.Closer)
	}
	k.open[h][port] = append(k.open[h][port], c)
}

// shut closes the ports of a host.
func (k *kernelNet) shut(h *Host, ports []int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, port := range ports {
		for _, c := range k.open[h][port] {
			errs = append(errs, c.Close())
		}
		delete(k.open[h], port)
	}
	return errors.Join(errs...)
}

// serveDNS answers on port 53 of a host.
func (k *kernelNet) serveDNS(h *Host, handler names.Handler) error {
	var packets []net.PacketConn
	for _, a := range h.Addrs {
		if err := k.hosts.Do(func() error {
			pc, err := net.ListenPacket("udp", joinPort(a, 53))
			if err == nil {
				packets = append(packets, pc)
			}
			return err
		}); err != nil {
			return fmt.Errorf("lab: DNS at %s: %w", h.Name, err)
		}
	}
	l, err := k.listen(h, 53)
	if err != nil {
		return err
	}
	s := names.ServeOn(handler, packets, []net.Listener{l})
	k.keep(h, 53, s)
	h.w.add(s)
	return nil
}

// mergedListener is a port on several addresses.
type mergedListener struct {
	listeners []net.Listener
	accepted  chan net.Conn
	done      chan struct{}
	once      sync.Once
	wg        sync.WaitGroup
}

func (m *mergedListener) run() {
	for _, l := range m.listeners {
		m.wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				select {
				case m.accepted <- c:
				case <-m.done:
					c.Close()
					return
				}
			}
		})
	}
}

func (m *mergedListener) Accept() (net.Conn, error) {
	select {
	case c := <-m.accepted:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *mergedListener) Addr() net.Addr { return m.listeners[0].Addr() }

func (m *mergedListener) Close() error {
	var errs []error
	m.once.Do(func() {
		close(m.done)
		for _, l := range m.listeners {
			errs = append(errs, l.Close())
		}
	})
	m.wg.Wait()
	return errors.Join(errs...)
}
