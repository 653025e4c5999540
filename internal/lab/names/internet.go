// Package names is the DNS of a laboratory: zones, signed or not, name servers that
// answer for them, and resolvers that validate, fail, lie or remember what is no
// longer so. Everything is served for real, over UDP and TCP on loopback.
package names

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// The name servers that answer for every zone that names no others.
const (
	NameServer1 = "ns1.dns.example"
	NameServer2 = "ns2.dns.example"
)

// Internet holds all zones there are. The root and the top-level domains are signed.
// Its methods may be called from several goroutines.
type Internet struct {
	now       func() time.Time
	fail      func(error)
	mu        sync.RWMutex // guards everything below and what the zones hold
	zones     map[string]*Zone
	resolvers map[string]*Resolver
	trusted   sync.Map // of zones, by origin: verdict; forgotten with every change
	over      chan struct{}
	once      sync.Once
}

// Close ends what waits before it answers.
func (in *Internet) Close() { in.once.Do(func() { close(in.over) }) }

// change begins a change of zones: what was concluded about their keys is forgotten.
// The caller gives in.mu back.
func (in *Internet) change() {
	in.mu.Lock()
	in.trusted.Clear()
}

// New makes an internet with a signed root. now is the clock of signatures; fail
// hears of records that cannot be read.
func New(now func() time.Time, fail func(error)) (*Internet, error) {
	in := &Internet{now: now, fail: fail, zones: make(map[string]*Zone), resolvers: make(map[string]*Resolver), over: make(chan struct{})}
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, err := in.zone("."); err != nil {
		return nil, err
	}
	return in, nil
}

// Anchor returns the DS record of the root's key, which validating programs trust.
func (in *Internet) Anchor() *dns.DS {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.zones["."].key.ToDS(dns.SHA256)
}

// Zone returns the zone of a domain and makes it if need be, unsigned, with its
// top-level domain.
func (in *Internet) Zone(domain string) *Zone {
	in.change()
	defer in.mu.Unlock()
	z, err := in.zone(canonical(domain))
	if err != nil {
		in.fail(err)
		return &Zone{origin: canonical(domain), in: in, sets: make(map[string]map[uint16][]dns.RR)}
	}
	return z
}

// Drop takes a zone away, as happens to a domain that nobody renews: its names do
// not exist any more.
func (in *Internet) Drop(domain string) {
	in.change()
	defer in.mu.Unlock()
	delete(in.zones, canonical(domain))
}

// zone is Zone with in.mu held.
func (in *Internet) zone(origin string) (*Zone, error) {
	if z := in.zones[origin]; z != nil {
		return z, nil
	}
	labels := dns.SplitDomainName(origin)
	if len(labels) > 1 {
		if _, err := in.zone(dns.Fqdn(labels[len(labels)-1])); err != nil {
			return nil, err
		}
	}
	z, err := newZone(in, origin)
	if err != nil {
		return nil, fmt.Errorf("names: zone %s: %w", origin, err)
	}
	if len(labels) < 2 {
		z.signing = Good
	}
	in.zones[origin] = z
	return z, nil
}

// AddHost gives a host an address record, and the address a reverse name. Without a
// zone for it, that of its last two labels is made.
func (in *Internet) AddHost(host string, addr netip.Addr) error {
	in.change()
	defer in.mu.Unlock()
	name := canonical(host)
	z := in.deepest(name)
	if dns.CountLabel(z.origin) < 2 {
		labels := dns.SplitDomainName(name)
		if len(labels) < 2 {
			return fmt.Errorf("names: host %s: too short a name", host)
		}
		var err error
		if z, err = in.zone(dns.Fqdn(strings.Join(labels[len(labels)-2:], "."))); err != nil {
			return err
		}
	}
	kind := "A"
	if addr.Is6() {
		kind = "AAAA"
	}
	if err := z.add(fmt.Sprintf("%s 300 IN %s %s", name, kind, addr)); err != nil {
		return err
	}
	reverse, err := dns.ReverseAddr(addr.String())
	if err != nil {
		return fmt.Errorf("names: host %s: %w", host, err)
	}
	arpa, err := in.zone("arpa.")
	if err != nil {
		return err
	}
	return arpa.add(fmt.Sprintf("%s 300 IN PTR %s", reverse, name))
}

// deepest returns the zone that a name lies in. in.mu is held.
func (in *Internet) deepest(name string) *Zone {
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		if z := in.zones[name[off:]]; z != nil {
			return z
		}
	}
	return in.zones["."]
}

// parent returns the zone above a zone's apex. in.mu is held.
func (in *Internet) parent(origin string) *Zone {
	off, end := dns.NextLabel(origin, 0)
	if end {
		return in.zones["."]
	}
	return in.deepest(origin[off:])
}

// Resolver returns the resolver of that name and makes it if need be: one that
// validates and tells the truth.
func (in *Internet) Resolver(name string) *Resolver {
	in.mu.Lock()
	defer in.mu.Unlock()
	r := in.resolvers[name]
	if r == nil {
		r = &Resolver{in: in, validates: true}
		in.resolvers[name] = r
	}
	return r
}

func canonical(name string) string { return strings.ToLower(dns.Fqdn(name)) }
