package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.domain-expired: the registry does not know the domain of the address any
// more, or it lies at name servers where registrars park what was not renewed. A domain
// whose own name servers fail is still registered.
var dnsDomainExpired = &infer.Cause{
	ID:       cause.DNSDomainExpired,
	Requires: []*infer.Sign{domainExpired},
	Explains: []infer.Link{
		{Sign: mxMissing, P: 0.15},
		{Sign: mxUnusable, P: 0.05},
		{Sign: hostMisspelt, P: 0.05},
		{Sign: websiteDead, P: 0.15},
		{Sign: imapDead, P: 0.15},
		{Sign: submissionDead, P: 0.15},
		{Sign: imapUnreachable, P: 0.15},
		{Sign: submissionUnreachable, P: 0.15},
		{Sign: providerDead, P: 0.15},
		{Sign: deadEverywhere, P: 0.15},
		{Sign: certWrongName, P: 0.05},
	},
	Excludes: []*infer.Sign{noNames},
	Proof:    []*infer.Sign{domainExpired},
	Params:   aboutDomain,
}

// parking are name servers of domains that nobody has, or has no more, and
// what such servers are called elsewhere.
var (
	parking = []string{
		"sedoparking.com", "parkingcrew.net", "bodis.com", "above.com", "ztomy.com", "parklogic.com",
		"pendingrenewaldeletion.com", "renewyourname.net",
	}
	parkingWords = []string{"expired", "parked", "suspended-domain", "pendingrenewal"}
)

var domainExpired = &infer.Sign{Name: "domain-expired", Of: func(e *evidence.Evidence) infer.Truth {
	domain := e.Complaint.Domain()
	if unregistrable(domain) {
		return infer.No
	}
	soa, asked := lookup(e, 0, domain, "SOA")
	if !asked || unanswered(soa) {
		return infer.Unknown
	}
	if soa.Answer == evidence.NXDomain {
		return infer.Is(foundElsewhere(e, domain, "SOA") != infer.Yes)
	}
	ns, _ := lookup(e, 0, domain, "NS")
	return infer.Is(slices.ContainsFunc(ns.Records, parked))
}}

// unregistrable reports whether a domain lies where nothing can be registered
// (RFC 6761, RFC 8375, and what companies use inside).
func unregistrable(domain string) bool {
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	return slices.Contains([]string{"test", "invalid", "localhost", "local", "internal", "arpa"}, last)
}

func parked(server string) bool {
	return slices.ContainsFunc(parking, func(p string) bool { return server == p || strings.HasSuffix(server, "."+p) }) ||
		slices.ContainsFunc(parkingWords, func(w string) bool { return strings.Contains(server, w) })
}
