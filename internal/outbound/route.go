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
)

// later is a wait whose end the schedule decides.
func later(id cause.ID) cause.Decision { return cause.Wait(id, time.Time{}) }

// route returns the hosts that take mail for a domain, the best first (RFC 5321
// section 5.1); or why there are none.
func (q *Queue) route(ctx context.Context, domain string) ([]string, cause.Decision) {
	if strings.HasPrefix(domain, "[") {
		return []string{domain}, cause.Allow()
	}
	records, err := q.opt.Resolver.LookupMX(ctx, domain)
	switch {
	case errors.Is(err, ErrNoSuchDomain):
		return nil, cause.Refuse(cause.RecipientDomainTypo)
	case err != nil:
		return nil, later(cause.DNSResolverDead)
	case len(records) == 0:
		return []string{domain}, cause.Allow() // the implicit MX
	case len(records) == 1 && records[0].Host == "":
		return nil, cause.Refuse(cause.DNSMXNull)
	}
	hosts := orderMX(records, q.opt.Hostname)
	if len(hosts) == 0 {
		// All mail of the domain would come back to us, who do not keep it.
		return nil, cause.Refuse(cause.RulesLoop)
	}
	return hosts, cause.Allow()
}

// orderMX puts hosts in order of preference, equals at random. Where we are
// among them, those that are no better than us are left out, or mail would go
// in a circle.
func orderMX(records []MX, self string) (hosts []string) {
	records = slices.Clone(records)
	rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	slices.SortStableFunc(records, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	self = address.NormalizeDomain(self)
	for i, mx := range records {
		if address.NormalizeDomain(mx.Host) == self {
			better := func(r MX) bool { return r.Preference >= mx.Preference }
			records = slices.DeleteFunc(records[:i], better)
			break
		}
	}
	for _, mx := range records {
		if mx.Host != "" && !slices.Contains(hosts, mx.Host) {
			hosts = append(hosts, mx.Host)
		}
	}
	return hosts
}

// addresses returns where a host is, IPv6 and IPv4 in turn (RFC 8305 section
// 4); or why it cannot be reached.
func (q *Queue) addresses(ctx context.Context, host, domain string) ([]netip.Addr, cause.Decision) {
	var ips []netip.Addr
	if strings.HasPrefix(host, "[") {
		ip, ok := address.Address{Domain: host}.LiteralIP()
		if !ok {
			return nil, cause.Refuse(cause.RecipientAddressInvalid)
		}
		ips = append(ips, ip)
	} else {
		var err error
		ips, err = q.opt.Resolver.LookupIP(ctx, host)
		if err != nil && !errors.Is(err, ErrNoSuchDomain) {
			return nil, later(cause.DNSResolverDead)
		}
	}
	if len(ips) == 0 {
		if host == domain {
			return nil, cause.Refuse(cause.DNSMXMissing)
		}
		return nil, cause.Refuse(cause.DNSMXUnusable)
	}
	if !q.opt.AllowPrivate {
		ips = slices.DeleteFunc(slices.Clone(ips), isPrivate)
	}
	if len(ips) == 0 {
		return nil, cause.Refuse(cause.DNSMXUnusable)
	}
	return interleave(ips), cause.Allow()
}

// reserved are blocks that no server on the Internet has its address in and
// that netip does not name (RFC 6890).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001:db8::/32"),
}

// isPrivate reports whether an address is not reached over the Internet.
func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap()
	return !ip.IsGlobalUnicast() || ip.IsPrivate() ||
		slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(ip) })
}

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
