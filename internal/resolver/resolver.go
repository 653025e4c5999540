// Package resolver asks recursive name servers what mail needs to know: where mail of
// a domain goes, addresses, texts, reverse names and the keys of servers. It remembers
// the answers and tells which of them DNSSEC vouches for.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"
)

// Why there is no answer. Errors of the methods wrap one of them.
var (
	// ErrNotExist: the name does not exist (NXDOMAIN).
	ErrNotExist = errors.New("no such name")
	// ErrNoData: the name exists and has no records of that type.
	ErrNoData = errors.New("no such records")
	// ErrTemporary: no server answered, or those that did could not find out. Asking
	// again later may help.
	ErrTemporary = errors.New("no answer")
	// ErrBogus: there are records, and DNSSEC says that they are not genuine. It is an
	// ErrTemporary too, since whoever broke the signatures will mend them.
	ErrBogus = fmt.Errorf("signatures are not valid: %w", ErrTemporary)
)

// Trust says of which servers the AD bit is believed. Between them and us nobody may
// be able to change an answer (RFC 4035 section 4.9.3).
type Trust int

const (
	TrustLoopback Trust = iota // of those on this machine
	TrustAll                   // of all: the operator vouches for the network
	TrustNone
)

// Dialer connects to name servers; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Options are how a Resolver works. The zero value asks the servers of the system.
type Options struct {
	// Servers are "address" or "address:port", the preferred first. Without any, those
	// of /etc/resolv.conf are asked.
	Servers []string
	// TrustAD says whose word on DNSSEC is taken.
	TrustAD Trust
	// Timeout is for one answer of one server, 3 s if zero. Each server is asked twice.
	Timeout time.Duration
	// Entries bounds how many answers are remembered, 10,000 if zero.
	Entries int
	Dialer  Dialer           // nil for the network
	Now     func() time.Time // nil for the clock
}

const (
	defaultTimeout = 3 * time.Second
	defaultEntries = 10_000
	rounds         = 2 // how often each server is asked
)

// Resolver asks name servers and remembers. Its methods may be called from several
// goroutines; the same question is asked once at a time.
type Resolver struct {
	servers []*server
	opt     Options

	mu      sync.Mutex // guards what follows
	cache   cache
	flights map[question]*flight
}

// MX is a host that takes mail of a domain, in lower case without the final dot. A
// null MX has the host "" (RFC 7505).
type MX struct {
	Host       string
	Preference uint16
}

// TLSA is what a domain says about the key of a server (RFC 6698 section 2.1).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// New makes a resolver. It sends nothing yet.
func New(o Options) (*Resolver, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Entries <= 0 {
		o.Entries = defaultEntries
	}
	if o.Dialer == nil {
		o.Dialer = &net.Dialer{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	addresses := o.Servers
	if len(addresses) == 0 {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("resolver: find name servers: %w", err)
		}
		for _, s := range conf.Servers {
			addresses = append(addresses, net.JoinHostPort(s, conf.Port))
		}
	}
	r := &Resolver{opt: o, cache: newCache(o.Entries), flights: make(map[question]*flight)}
	for _, address := range addresses {
		s, err := newServer(address, o.TrustAD)
		if err != nil {
			return nil, err
		}
		r.servers = append(r.servers, s)
	}
	if len(r.servers) == 0 {
		return nil, errors.New("resolver: no name servers")
	}
	return r, nil
}

// Trusted reports whether any server's word on DNSSEC is taken. Without, no answer is
// secure.
func (r *Resolver) Trusted() bool {
	return slices.ContainsFunc(r.servers, func(s *server) bool { return s.trusted })
}

// Forget has what is remembered of a name's mail servers and addresses asked anew.
func (r *Resolver) Forget(name string) {
	onWire, _ := wire(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range []uint16{dns.TypeMX, dns.TypeA, dns.TypeAAAA} {
		if at := r.cache.entries[question{onWire, kind}]; at != nil {
			r.cache.drop(at)
		}
	}
}

// MX returns the hosts that take mail of a domain, in any order. secure tells that
// DNSSEC vouches for the answer, also for one that there are none.
func (r *Resolver) MX(ctx context.Context, domain string) (list []MX, secure bool, err error) {
	return records(ctx, r, domain, dns.TypeMX, func(rr dns.RR) (MX, bool) {
		mx, ok := rr.(*dns.MX)
		if !ok {
			return MX{}, false
		}
		return MX{Host: bare(mx.Mx), Preference: mx.Preference}, true
	})
}

// TXT returns the texts of a name, each with its strings joined (RFC 7208 section 3.3).
func (r *Resolver) TXT(ctx context.Context, name string) (texts []string, secure bool, err error) {
	return records(ctx, r, name, dns.TypeTXT, func(rr dns.RR) (string, bool) {
		txt, ok := rr.(*dns.TXT)
		if !ok {
			return "", false
		}
		return unescape(strings.Join(txt.Txt, "")), true
	})
}

// PTR returns the names of an address, in lower case without the final dot.
func (r *Resolver) PTR(ctx context.Context, addr netip.Addr) (names []string, secure bool, err error) {
	reverse, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, false, fmt.Errorf("resolver: reverse of %s: %w", addr, ErrNotExist)
	}
	return records(ctx, r, reverse, dns.TypePTR, func(rr dns.RR) (string, bool) {
		ptr, ok := rr.(*dns.PTR)
		if !ok {
			return "", false
		}
		return bare(ptr.Ptr), true
	})
}

// TLSA returns what a name such as "_25._tcp.mx.example.net" says about keys. Records
// whose data is no hexadecimal are left out.
func (r *Resolver) TLSA(ctx context.Context, name string) (list []TLSA, secure bool, err error) {
	return records(ctx, r, name, dns.TypeTLSA, func(rr dns.RR) (TLSA, bool) {
		tlsa, ok := rr.(*dns.TLSA)
		if !ok {
			return TLSA{}, false
		}
		data, ok := unhex(tlsa.Certificate)
		return TLSA{tlsa.Usage, tlsa.Selector, tlsa.MatchingType, data}, ok
	})
}

// CNAME returns the name that a name is an alias of, as its own record says.
func (r *Resolver) CNAME(ctx context.Context, name string) (target string, secure bool, err error) {
	targets, secure, err := records(ctx, r, name, dns.TypeCNAME, func(rr dns.RR) (string, bool) {
		cname, ok := rr.(*dns.CNAME)
		if !ok {
			return "", false
		}
		return bare(cname.Target), true
	})
	if err != nil {
		return "", secure, err
	}
	return targets[0], secure, nil
}

// Addrs returns the addresses of a host, in any order. One of the two questions may
// fail if the other finds something; secure is for all answers there are. ErrNotExist
// and ErrNoData mean that both say so.
func (r *Resolver) Addrs(ctx context.Context, host string) (addrs []netip.Addr, secure bool, err error) {
	h, err := r.Host(ctx, host)
	return h.Addrs, h.Secure, err
}

// Host is where a host is.
type Host struct {
	Addrs  []netip.Addr
	Name   string // its name once all aliases are followed
	Secure bool   // DNSSEC vouches for all of it
}

// Host is Addrs with the name that aliases lead to.
func (r *Resolver) Host(ctx context.Context, host string) (Host, error) {
	kinds := [...]uint16{dns.TypeAAAA, dns.TypeA}
	var answers [len(kinds)]*answer
	var errs [len(kinds)]error
	var wg sync.WaitGroup
	for i, kind := range kinds {
		wg.Go(func() { answers[i], errs[i] = r.look(ctx, host, kind) })
	}
	wg.Wait()
	h := Host{Name: bare(host), Secure: true}
	known := 0
	for _, a := range answers {
		if a == nil || errors.Is(a.err, ErrTemporary) {
			continue // it takes nothing away from what the other answer proves
		}
		known++
		h.Secure = h.Secure && a.secure
		for _, rr := range a.records {
			if ip, ok := address(rr); ok {
				h.Addrs, h.Name = append(h.Addrs, ip), bare(a.name)
			}
		}
	}
	h.Secure = h.Secure && known > 0
	if len(h.Addrs) > 0 {
		return h, nil
	}
	// What may change counts more than what is settled.
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrNoData) && !errors.Is(err, ErrNotExist) {
			return h, err
		}
	}
	return h, errs[0]
}

func address(rr dns.RR) (netip.Addr, bool) {
	var raw net.IP
	switch rr := rr.(type) {
	case *dns.A:
		raw = rr.A
	case *dns.AAAA:
		raw = rr.AAAA
	}
	ip, ok := netip.AddrFromSlice(raw)
	return ip.Unmap(), ok
}

// records asks a question and reads the records of the answer.
func records[T any](ctx context.Context, r *Resolver, name string, kind uint16, read func(dns.RR) (T, bool)) ([]T, bool, error) {
	a, err := r.look(ctx, name, kind)
	if err != nil {
		return nil, a != nil && a.secure, err
	}
	var list []T
	for _, rr := range a.records {
		if v, ok := read(rr); ok {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		return nil, a.secure, fmt.Errorf("resolver: %s %s: %w", bare(name), dns.TypeToString[kind], ErrNoData)
	}
	return list, a.secure, nil
}

// profile turns names into A-labels (RFC 5891 section 5). Names with "_" are names,
// too, so the rules for hosts are not applied.
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))

// wire returns a name as it is asked for: in A-labels, in lower case, with a final dot.
func wire(name string) (string, bool) {
	name = bare(name)
	for i := range len(name) {
		if name[i] >= 0x80 {
			ascii, err := profile.ToASCII(name)
			if err != nil {
				return "", false
			}
			name = ascii
			break
		}
	}
	_, ok := dns.IsDomainName(name)
	return dns.Fqdn(name), ok && name != ""
}

func bare(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
