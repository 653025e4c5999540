package outbound

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// DNSResolver asks recursive name servers.
type DNSResolver struct {
	servers []string
	udp     dns.Client
	tcp     dns.Client
}

var _ Resolver = (*DNSResolver)(nil)

const (
	dnsTimeout = 4 * time.Second // for one answer of one server
	dnsRounds  = 2               // how often each server is asked
	dnsBuffer  = 1232            // octets of an answer over UDP (RFC 9715)
)

// NewResolver returns a resolver that asks the given servers, each "address" or
// "address:port", or those of the system where there are none.
func NewResolver(servers ...string) (*DNSResolver, error) {
	if len(servers) == 0 {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("outbound: find name servers: %w", err)
		}
		for _, s := range conf.Servers {
			servers = append(servers, net.JoinHostPort(s, conf.Port))
		}
	}
	r := &DNSResolver{
		udp: dns.Client{Net: "udp", Timeout: dnsTimeout, UDPSize: dnsBuffer},
		tcp: dns.Client{Net: "tcp", Timeout: dnsTimeout},
	}
	for _, s := range servers {
		if ip, err := netip.ParseAddr(s); err == nil {
			s = net.JoinHostPort(ip.String(), "53")
		}
		if _, err := netip.ParseAddrPort(s); err != nil {
			return nil, fmt.Errorf("outbound: name server %q: %w", s, err)
		}
		r.servers = append(r.servers, s)
	}
	if len(r.servers) == 0 {
		return nil, errors.New("outbound: no name servers")
	}
	return r, nil
}

// LookupMX implements Resolver.
func (r *DNSResolver) LookupMX(ctx context.Context, domain string) (list []MX, err error) {
	answer, err := r.ask(ctx, domain, dns.TypeMX)
	if err != nil {
		return nil, err
	}
	for _, rr := range answer {
		if mx, ok := rr.(*dns.MX); ok {
			list = append(list, MX{Host: strings.ToLower(strings.TrimSuffix(mx.Mx, ".")), Preference: mx.Preference})
		}
	}
	return list, nil
}

// LookupIP implements Resolver. One of the two questions may fail if the other
// finds something.
func (r *DNSResolver) LookupIP(ctx context.Context, host string) (ips []netip.Addr, err error) {
	type result struct {
		ips []netip.Addr
		err error
	}
	kinds := []uint16{dns.TypeAAAA, dns.TypeA}
	results := make(chan result, len(kinds))
	for _, kind := range kinds {
		go func() {
			answer, err := r.ask(ctx, host, kind)
			results <- result{addressesIn(answer), err}
		}()
	}
	for range kinds {
		got := <-results
		ips = append(ips, got.ips...)
		if got.err != nil {
			err = got.err
		}
	}
	if len(ips) > 0 {
		return ips, nil
	}
	return nil, err
}

func addressesIn(answer []dns.RR) (ips []netip.Addr) {
	for _, rr := range answer {
		var raw net.IP
		switch rr := rr.(type) {
		case *dns.A:
			raw = rr.A
		case *dns.AAAA:
			raw = rr.AAAA
		}
		if ip, ok := netip.AddrFromSlice(raw); ok {
			ips = append(ips, ip.Unmap())
		}
	}
	return ips
}

// ask returns the answer section of the first server that knows; the others
// are asked where one does not answer or fails.
func (r *DNSResolver) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, fmt.Errorf("look up %q: %w", name, ErrNoSuchDomain)
	}
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(dnsBuffer, false)
	var failure error
	first := rand.IntN(len(r.servers))
	for i := range dnsRounds * len(r.servers) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		answer, err := r.exchange(ctx, q.Copy(), r.servers[(first+i)%len(r.servers)])
		switch {
		case err != nil:
			failure = err
		case answer.Rcode == dns.RcodeSuccess:
			return answer.Answer, nil
		case answer.Rcode == dns.RcodeNameError:
			return nil, fmt.Errorf("look up %s %s: %w", name, dns.TypeToString[kind], ErrNoSuchDomain)
		default:
			failure = errors.New(dns.RcodeToString[answer.Rcode])
		}
	}
	return nil, fmt.Errorf("look up %s %s: %w", name, dns.TypeToString[kind], failure)
}

// exchange asks one server, again over TCP where the answer was cut short (RFC
// 7766 section 5).
func (r *DNSResolver) exchange(ctx context.Context, q *dns.Msg, server string) (*dns.Msg, error) {
	q.Id = dns.Id()
	answer, _, err := r.udp.ExchangeContext(ctx, q, server)
	if err == nil && answer.Truncated {
		answer, _, err = r.tcp.ExchangeContext(ctx, q, server)
	}
	return answer, err
}
