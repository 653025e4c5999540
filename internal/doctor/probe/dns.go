package probe

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

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// names asks the DNS and remembers the answers of the run, so that no probe
// asks what another has asked already.
type names struct {
	run   *Run
	mu    sync.Mutex
	asked map[question]*reply
}

type question struct {
	resolver int
	name     string
	kind     uint16
	cd       bool
}

type reply struct {
	done   chan struct{}
	lookup evidence.Lookup
}

// maxRecords bounds what is kept of one answer.
const maxRecords = 50

func newNames(r *Run) *names { return &names{run: r, asked: map[question]*reply{}} }

// Lookup asks the device's resolver and adds the fact. The name may end in a dot or not.
func (r *Run) Lookup(ctx context.Context, name, kind string) evidence.Lookup {
	return r.LookupAt(ctx, 0, name, kind, false)
}

// LookupAt asks one resolver; cd asks it not to check DNSSEC. A resolver that is
// not configured gives the answer NoAnswer and leaves no fact.
func (r *Run) LookupAt(ctx context.Context, resolver int, name, kind string, cd bool) evidence.Lookup {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	q := question{resolver, name, dns.StringToType[kind], cd}
	if resolver >= len(r.Resolvers) || q.kind == 0 {
		return evidence.Lookup{Resolver: resolver, Name: name, Type: kind, Answer: evidence.NoAnswer}
	}
	r.names.mu.Lock()
	known := r.names.asked[q]
	if known == nil {
		known = &reply{done: make(chan struct{})}
		r.names.asked[q] = known
		r.names.mu.Unlock()
		raw := r.ask(ctx, q, &known.lookup)
		close(known.done)
		r.Evidence.Add(known.lookup, raw)
		return known.lookup
	}
	r.names.mu.Unlock()
	select {
	case <-known.done:
		return known.lookup
	case <-ctx.Done():
		return evidence.Lookup{Resolver: resolver, Name: name, Type: kind, Answer: evidence.NoAnswer}
	}
}

// ask sends the question twice, if need be, and over TCP when the answer is cut short.
func (r *Run) ask(ctx context.Context, q question, l *evidence.Lookup) (raw string) {
	*l = evidence.Lookup{Resolver: q.resolver, Name: q.name, Type: dns.TypeToString[q.kind], CheckingDisabled: q.cd, Answer: evidence.NoAnswer}
	began := time.Now()
	defer func() { l.Took = time.Since(began) }()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.name), q.kind)
	m.SetEdns0(1232, true)
	m.AuthenticatedData, m.CheckingDisabled = true, q.cd
	answer, err := r.exchange(ctx, q.resolver, "udp", m, r.Step/3)
	if err != nil && ctx.Err() == nil {
		answer, err = r.exchange(ctx, q.resolver, "udp", m, r.Step-r.Step/3)
	}
	if err == nil && answer.Truncated {
		answer, err = r.exchange(ctx, q.resolver, "tcp", m, r.Step)
	}
	if err != nil {
		return err.Error()
	}
	fill(l, answer)
	return ""
}

func (r *Run) exchange(ctx context.Context, resolver int, network string, m *dns.Msg, wait time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := r.Dialer.DialContext(ctx, network, r.Resolvers[resolver])
	if err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	c := &dns.Conn{Conn: conn, UDPSize: 4096}
	if err := c.WriteMsg(m); err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	for range 10 { // answers to other questions may come first
		answer, err := c.ReadMsg()
		if err != nil {
			return nil, fmt.Errorf("resolver: %w", err)
		}
		if answer.Id == m.Id {
			return answer, nil
		}
	}
	return nil, errors.New("resolver: answers only to other questions")
}

// fill reads an answer into a fact.
func fill(l *evidence.Lookup, m *dns.Msg) {
	l.Authenticated = m.AuthenticatedData
	switch m.Rcode {
	case dns.RcodeSuccess:
		l.Answer = evidence.NoData
	case dns.RcodeNameError:
		l.Answer = evidence.NXDomain
	case dns.RcodeServerFailure:
		l.Answer = evidence.ServFail
	default:
		l.Answer = evidence.DNSRefuse
	}
	for _, rr := range m.Answer {
		switch {
		case rr.Header().Rrtype == dns.StringToType[l.Type] && len(l.Records) < maxRecords:
			l.Answer = evidence.Found
			l.Records = append(l.Records, data(rr))
			if ttl := time.Duration(rr.Header().Ttl) * time.Second; l.TTL == 0 || ttl < l.TTL {
				l.TTL = ttl
			}
		case rr.Header().Rrtype == dns.TypeCNAME:
			l.Alias = strings.ToLower(strings.TrimSuffix(rr.(*dns.CNAME).Target, "."))
		}
	}
}

// data returns a record's data in presentation form: TXT joined and unquoted, names without the last dot.
func data(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.TXT:
		return strings.Join(rr.Txt, "")
	case *dns.MX:
		return fmt.Sprintf("%d %s", rr.Preference, bare(rr.Mx))
	case *dns.SRV:
		return fmt.Sprintf("%d %d %d %s", rr.Priority, rr.Weight, rr.Port, bare(rr.Target))
	case *dns.CNAME:
		return bare(rr.Target)
	case *dns.PTR:
		return bare(rr.Ptr)
	case *dns.NS:
		return bare(rr.Ns)
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

// bare returns a name in lower case without its last dot; the root stays ".".
func bare(name string) string {
	if name == "." {
		return name
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// Addresses returns the addresses of a host, IPv4 first, at most two of each
// family; an IP address is its own.
func (r *Run) Addresses(ctx context.Context, host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}
	}
	var v6 []netip.Addr
	done := make(chan struct{})
	go func() {
		defer close(done)
		v6 = addrs(r.Lookup(ctx, host, "AAAA"))
	}()
	v4 := addrs(r.Lookup(ctx, host, "A"))
	<-done
	return slices.Concat(v4, v6)
}

// maxAddresses is how many addresses of a family are tried.
const maxAddresses = 3

func addrs(l evidence.Lookup) []netip.Addr {
	var ips []netip.Addr
	for _, s := range l.Records {
		if ip, err := netip.ParseAddr(s); err == nil && len(ips) < maxAddresses {
			ips = append(ips, ip)
		}
	}
	return ips
}

// goResolver asks the first resolver for those libraries that want a *net.Resolver.
func (r *Run) goResolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if len(r.Resolvers) == 0 {
			return nil, errors.New("no resolver is known")
		}
		if err := r.over.Err(); err != nil {
			return nil, err
		}
		conn, err := r.Dialer.DialContext(ctx, network, r.Resolvers[0])
		if err == nil {
			// Package net goes on asking when nobody waits for it any more.
			context.AfterFunc(r.over, func() { conn.Close() })
		}
		return conn, err
	}}
}

// LookupProbe asks for the addresses of a host. It fails if there are none.
func (r *Run) LookupProbe(host string) Probe {
	return Probe{Name: "lookup " + host, Run: func(ctx context.Context) error {
		if len(r.Addresses(ctx, host)) == 0 {
			return fmt.Errorf("%s has no address", host)
		}
		return nil
	}}
}
