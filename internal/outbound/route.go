package outbound

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/public"
	"github.com/postiljon/postiljon/internal/resolver"
)

// later is a wait whose end the schedule decides.
func later(id cause.ID) cause.Decision { return cause.Wait(id, time.Time{}) }

// route is the way to a domain.
type route struct {
	domain string
	hosts  []resolver.MX // the servers that take its mail, the best first
	// secure tells that DNSSEC vouches for the hosts.
	secure   bool
	implicit bool         // the domain has no MX, so its own host is meant
	sts      mtasts.Found // its MTA-STS policy
	relay    *Relay       // whom everything is handed to instead
}

// wayFor is the way to a relay, if there is one, else to the domain itself.
func (q *Queue) wayFor(ctx context.Context, relay *Relay, domain string) (*route, cause.Decision) {
	if relay != nil {
		return relay.route(domain), cause.Allow()
	}
	return q.route(ctx, domain)
}

// route returns the hosts that take mail for a domain, the best first (RFC 5321
// section 5.1); or why there are none.
func (q *Queue) route(ctx context.Context, domain string) (*route, cause.Decision) {
	r := &route{domain: domain}
	if strings.HasPrefix(domain, "[") {
		r.hosts = []resolver.MX{{Host: domain}}
		return r, cause.Allow()
	}
	records, secure, err := q.opt.Resolver.MX(ctx, domain)
	r.secure = secure
	switch {
	case errors.Is(err, resolver.ErrNotExist):
		return nil, cause.Refuse(cause.RecipientDomainTypo)
	case errors.Is(err, resolver.ErrNoData):
		r.hosts, r.implicit = []resolver.MX{{Host: domain}}, true
	case err != nil:
		return nil, unresolved(err)
	case len(records) == 1 && records[0].Host == "": // RFC 7505 section 3
		return nil, cause.Refuse(cause.DNSMXNull)
	default:
		if r.hosts = orderMX(records, q.opt.Hostname); len(r.hosts) == 0 {
			// All mail of the domain would come back to us, who do not keep it.
			return nil, cause.Refuse(cause.RulesLoop)
		}
	}
	r.sts = q.opt.Policies.Find(ctx, domain)
	return r, cause.Allow()
}

// unresolved is why the DNS gives no answer now. Forged records must not make us take
// another way, so both wait.
func unresolved(err error) cause.Decision {
	if errors.Is(err, resolver.ErrBogus) {
		return later(cause.DNSDNSSECBogus)
	}
	return later(cause.DNSResolverDead)
}

// orderMX puts hosts in order of preference, equals at random. Where we are
// among them, those that are no better than us are left out, or mail would go
// in a circle.
func orderMX(records []resolver.MX, self string) (hosts []resolver.MX) {
	records = slices.Clone(records)
	rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	slices.SortStableFunc(records, func(a, b resolver.MX) int { return int(a.Preference) - int(b.Preference) })
	self = address.NormalizeDomain(self)
	for i, mx := range records {
		if address.NormalizeDomain(mx.Host) == self {
			better := func(r resolver.MX) bool { return r.Preference >= mx.Preference }
			records = slices.DeleteFunc(records[:i], better)
			break
		}
	}
	for _, mx := range records {
		known := slices.ContainsFunc(hosts, func(h resolver.MX) bool { return h.Host == mx.Host })
		if mx.Host != "" && !known {
			hosts = append(hosts, mx)
		}
	}
	return hosts
}

// locate returns where a host is, its addresses IPv6 and IPv4 in turn (RFC 8305
// section 4); or why it cannot be reached.
func (q *Queue) locate(ctx context.Context, r *route, host string) (resolver.Host, cause.Decision) {
	at := resolver.Host{Name: host}
	if strings.HasPrefix(host, "[") {
		ip, ok := address.Address{Domain: host}.LiteralIP()
		if !ok {
			return at, cause.Refuse(cause.RecipientAddressInvalid)
		}
		at.Addrs = []netip.Addr{ip}
	} else {
		var err error
		at, err = q.opt.Resolver.Host(ctx, host)
		if err != nil && !errors.Is(err, resolver.ErrNotExist) && !errors.Is(err, resolver.ErrNoData) {
			return at, unresolved(err)
		}
	}
	private := r.relay == nil && !q.opt.AllowPrivate
	if len(at.Addrs) == 0 && r.implicit {
		return at, cause.Refuse(cause.DNSMXMissing)
	}
	if private {
		at.Addrs = slices.DeleteFunc(slices.Clone(at.Addrs), isPrivate)
	}
	if len(at.Addrs) == 0 {
		return at, cause.Refuse(cause.DNSMXUnusable)
	}
	at.Addrs = interleave(at.Addrs)
	return at, cause.Allow()
}

// isPrivate reports whether an address is not reached over the Internet.
func isPrivate(ip netip.Addr) bool { return !public.Address(ip) }

// interleave puts IPv6 and IPv4 addresses in turn, IPv6 first.
func interleave(ips []netip.Addr) (list []netip.Addr) {
	var six, four []netip.Addr
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			four = append(four, ip)
		} else {
			six = append(six, ip)
		}
	}
	for i := range max(len(six), len(four)) {
		if i < len(six) {
			list = append(list, six[i])
		}
		if i < len(four) {
			list = append(list, four[i])
		}
	}
	return list
}
