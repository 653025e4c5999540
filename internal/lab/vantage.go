package lab

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
)

// Vantage is a place to look at the world from: a device in a network, with
// addresses, resolvers, a clock and trust of its own.
type Vantage struct {
	Name string

	w      *World
	index  byte
	v4, v6 netip.Addr
	mu     sync.Mutex
	down   bool
	noV6   bool
	skew   time.Duration
	trust  []*ca.Authority
	dns    []*Host
}

// Interface is a network interface of a device.
type Interface struct {
	Name               string
	Up                 bool
	Addrs              []netip.Prefix
	Default4, Default6 bool // a default route leads out here
}

// maxVantages bounds how many vantage points a world has: 203.0.113.11 and following.
const maxVantages = 200

// The resolvers that every world has.
const (
	ISPResolver    = "resolver.isp.example"    // that of all vantage points, at first
	PublicResolver = "resolver.public.example" // another one, for comparison
)

// openResolvers makes what the DNS of a world consists of, and the first vantage point.
func (w *World) openResolvers() error {
	for _, server := range []struct {
		name, v4, v6 string
		answers      names.Handler
	}{
		{names.NameServer1, "192.0.2.1", "2001:db8::1", w.Names.Authority()},
		{names.NameServer2, "192.0.2.2", "2001:db8::2", w.Names.Authority()},
		{ISPResolver, "192.0.2.3", "2001:db8::3", w.Names.Resolver(ISPResolver)},
		{PublicResolver, "192.0.2.4", "2001:db8::4", w.Names.Resolver(PublicResolver)},
	} {
		h, err := w.host(server.name, []string{server.v4, server.v6})
		if err != nil {
			return err
		}
		if err := h.ServeDNS(server.answers); err != nil {
			return err
		}
	}
	w.Vantage("home")
	return nil
}

// Resolver returns a resolver of the world by its host's name and makes it if need be.
func (w *World) Resolver(name string) *names.Resolver {
	w.mu.Lock()
	known := w.byName[name] != nil
	w.mu.Unlock()
	r := w.Names.Resolver(name)
	if !known {
		if err := w.Host(name).ServeDNS(r); err != nil {
			w.fail(err)
		}
	}
	return r
}

// Vantage returns the vantage point of that name and makes it if need be, with
// addresses of both families and the provider's resolver.
func (w *World) Vantage(name string) *Vantage {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.vantages[name]; v != nil {
		return v
	}
	n := byte(len(w.vantages) + 1)
	if len(w.vantages) == maxVantages {
		w.fail(fmt.Errorf("lab: no address is left for the vantage point %s", name))
		n = maxVantages
	}
	v := &Vantage{
		Name: name, w: w, index: n,
		v4:    netip.AddrFrom4([4]byte{203, 0, 113, 10 + n}),
		v6:    netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, n, 15: 2}),
		trust: []*ca.Authority{w.CA},
		dns:   []*Host{w.byName[ISPResolver]},
	}
	w.vantages[name] = v
	if w.kernel != nil {
		w.check(w.kernel.addDevice(v))
		w.applyRules()
	}
	return v
}

// Home is the vantage point that every world has.
func (w *World) Home() *Vantage { return w.Vantage("home") }

// Now is the time of the device's clock.
func (v *Vantage) Now() time.Time {
	v.mu.Lock()
	skew := v.skew
	v.mu.Unlock()
	return v.w.Now().Add(skew)
}

// Skew sets the device's clock wrong by d.
func (v *Vantage) Skew(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.skew = d
}

// Roots returns the certificates that the device trusts.
func (v *Vantage) Roots() *x509.CertPool {
	v.mu.Lock()
	defer v.mu.Unlock()
	pool := x509.NewCertPool()
	for _, a := range v.trust {
		pool.AddCert(a.Root())
	}
	return pool
}

// Trust lets the device trust another authority too, as the root of a company's proxy.
func (v *Vantage) Trust(a *ca.Authority) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trust = append(v.trust, a)
}

// Resolvers returns the device's resolvers as address:port, IPv4 first.
func (v *Vantage) Resolvers() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var at []string
	for _, h := range v.dns {
		if a := h.V4(); a.IsValid() {
			at = append(at, joinPort(a, 53))
		}
	}
	return at
}

// UseResolvers makes hosts the device's resolvers, in that order.
func (v *Vantage) UseResolvers(hosts ...string) {
	var dns []*Host
	for _, name := range hosts {
		dns = append(dns, v.w.Host(name))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dns = dns
}

// SetOffline takes the device's interface down or up again.
func (v *Vantage) SetOffline(down bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = down
	v.applyState()
}

// SetIPv6 says whether the device's network has IPv6; at first it has.
func (v *Vantage) SetIPv6(has bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.noV6 = !has
	v.applyState()
}

// applyState tells a real network about the device's interface. v.mu is held.
func (v *Vantage) applyState() {
	if v.w.kernel != nil {
		v.w.check(v.w.kernel.connectDevice(v, !v.down, !v.noV6))
	}
}

// Addr returns the device's address of a family as servers see it, 4 or 6.
func (v *Vantage) Addr(family int) netip.Addr {
	if family == 6 {
		return v.v6
	}
	return v.v4
}

// Interfaces returns the device's network interfaces.
func (v *Vantage) Interfaces() []Interface {
	v.mu.Lock()
	defer v.mu.Unlock()
	lo := Interface{Name: "lo", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}
	wifi := Interface{Name: "wlan0", Up: !v.down}
	if !v.down {
		wifi.Default4, wifi.Default6 = true, !v.noV6
		wifi.Addrs = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, v.index, 20}), 24)}
		if !v.noV6 {
			wifi.Addrs = append(wifi.Addrs, netip.PrefixFrom(v.v6, 64))
		}
	}
	return []Interface{lo, wifi}
}

// Transport returns an HTTP transport of this device that follows its clock and trust.
// The caller closes its idle connections.
func (v *Vantage) Transport() *http.Transport {
	return &http.Transport{
		DialContext:         v.DialContext,
		TLSClientConfig:     v.TLS(""),
		TLSHandshakeTimeout: 10 * time.Second,
	}
}

func (v *Vantage) String() string { return fmt.Sprintf("%s (%s)", v.Name, v.v4) }
