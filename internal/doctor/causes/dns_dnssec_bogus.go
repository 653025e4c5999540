package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.dnssec-bogus: a validating resolver fails for the domain, and answers
// when it is told not to check (RFC 4035 section 3.2.2). A name server that is down fails either way.
var dnsDNSSECBogus = &infer.Cause{
	ID:       cause.DNSDNSSECBogus,
	Requires: []*infer.Sign{bogus},
	Proof:    []*infer.Sign{bogus},
	Params: func(e *evidence.Evidence) []cause.Param {
		return []cause.Param{cause.Text("domain", e.Complaint.Domain())}
	},
}

var bogus = &infer.Sign{Name: "dnssec-bogus", Of: func(e *evidence.Evidence) infer.Truth {
	unchecked := evidence.Where(e, func(l evidence.Lookup) bool { return l.CheckingDisabled })
	if len(unchecked) == 0 {
		_, asked := lookup(e, 0, e.Complaint.Domain(), "SOA")
		if !asked {
			return infer.Unknown
		}
		return infer.No
	}
	return anyOf(unchecked, func(l evidence.Lookup) bool { return !unanswered(l) })
}}
