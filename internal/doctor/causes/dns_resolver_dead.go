package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.resolver-dead: no name at all resolves while another resolver, reached by
// its address, answers. Offline, nothing answers; one domain that fails is the domain's.
var dnsResolverDead = &infer.Cause{
	ID:       cause.DNSResolverDead,
	Requires: []*infer.Sign{noNames, otherResolverAnswers},
	Proof:    []*infer.Sign{noNames, otherResolverAnswers},
}
