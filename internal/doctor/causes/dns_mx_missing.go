package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.mx-missing: the domain is there and names no server for its mail, nor
// takes the host of its own name any (RFC 5321 section 5.1); or the one that it names does not know the domain.
// A server that knows the domain and not the address is another cause.
var dnsMXMissing = &infer.Cause{
	ID:       cause.DNSMXMissing,
	About:    []evidence.Symptom{evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{mxMissing},
	Proof:    []*infer.Sign{mxMissing},
	Params:   aboutDomain,
}

func aboutDomain(e *evidence.Evidence) []cause.Param {
	return []cause.Param{cause.Text("domain", e.Complaint.Domain())}
}

var mxMissing = &infer.Sign{Name: "mx-missing", Of: func(e *evidence.Evidence) infer.Truth {
	l, asked := mxRecords(e)
	if !asked || unanswered(l) {
		return infer.Unknown
	}
	asksOwn := evidence.Where(e, func(c evidence.Command) bool {
		return c.Endpoint.Origin == evidence.MX && c.Stage == dialect.StageRcpt && strings.Contains(strings.ToLower(c.Command), strings.ToLower(e.Complaint.Address))
	})
	switch l.Answer {
	case evidence.NoData:
		return infer.Is(foundElsewhere(e, l.Name, "MX") != infer.Yes && anyOf(asksOwn, func(c evidence.Command) bool { return c.Positive }) != infer.Yes)
	case evidence.Found:
		return allOf(asksOwn, func(c evidence.Command) bool {
			return !c.Positive && !c.Reading.Says(dialect.RecipientUnknown) && (c.Reading.Says(dialect.RelayDenied) || c.Reading.Says(dialect.RecipientDomainUnknown))
		})
	}
	return infer.No
}}
