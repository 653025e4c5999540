package precheck

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"blitiri.com.ar/go/spf"

	"github.com/postiljon/postiljon/internal/resolver"
)

// Outcome is what SPF says of an address (RFC 7208 section 2.6).
type Outcome string

// The outcomes that differ for who sends: all but Pass and Trouble mean that SPF does not prove a
// message from the address.
const (
	Pass    Outcome = "pass"
	Trouble Outcome = "temperror" // the DNS did not answer
)

// SPF returns what the SPF record of a domain says of mail that comes from an address.
func SPF(ctx context.Context, dns DNS, addr netip.Addr, domain string) Outcome {
	result, err := spf.CheckHostWithSender(addr.AsSlice(), domain, "postmaster@"+domain,
		spf.WithContext(ctx), spf.WithResolver(spfResolver{dns}))
	if errors.Is(err, resolver.ErrTemporary) || ctx.Err() != nil {
		return Trouble
	}
	return Outcome(result)
}

// spfResolver gives the SPF library our resolver.
type spfResolver struct{ dns DNS }

var _ spf.DNSResolver = spfResolver{}

// absent turns an error into the one that the library knows.
func absent(name string, err error) error {
	if errors.Is(err, resolver.ErrNotExist) || errors.Is(err, resolver.ErrNoData) {
		return &net.DNSError{Err: err.Error(), Name: name, IsNotFound: true}
	}
	return err
}

// LookupTXT implements spf.DNSResolver.
func (r spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, _, err := r.dns.TXT(ctx, name)
	return texts, absent(name, err)
}

// LookupMX implements spf.DNSResolver.
func (r spfResolver) LookupMX(ctx context.Context, name string) (all []*net.MX, err error) {
	list, _, err := r.dns.MX(ctx, name)
	for _, mx := range list {
		all = append(all, &net.MX{Host: mx.Host, Pref: mx.Preference})
	}
	return all, absent(name, err)
}

// LookupIPAddr implements spf.DNSResolver.
func (r spfResolver) LookupIPAddr(ctx context.Context, host string) (all []net.IPAddr, err error) {
	list, _, err := r.dns.Addrs(ctx, host)
	for _, ip := range list {
		all = append(all, net.IPAddr{IP: ip.AsSlice()})
	}
	return all, absent(host, err)
}

// LookupAddr implements spf.DNSResolver.
func (r spfResolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	names, _, err := r.dns.PTR(ctx, ip)
	return names, absent(addr, err)
}
