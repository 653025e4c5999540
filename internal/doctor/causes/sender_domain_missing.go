package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.domain-missing: the domain of the From address does not exist, so nobody
// could answer, and servers refuse it. When it is the account's own domain that is gone, its
// registration is to blame, which is another cause.
var senderDomainMissing = &infer.Cause{
	ID:       cause.SenderDomainMissing,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{fromDomainMissing},
	Explains: []infer.Link{
		{Sign: toldNoSender, P: infer.Usually},
		{Sign: messageRefused, P: infer.Usually},
		{Sign: messageDeferred, P: infer.Sometimes},
	},
	Excludes: []*infer.Sign{fromInvalid, noNames},
	Proof:    []*infer.Sign{fromDomainMissing},
	Params: func(e *evidence.Evidence) []cause.Param {
		return textParam("domain", evidence.DomainOf(fromAddress(e)))
	},
}

var fromDomainMissing = &infer.Sign{Name: "from-domain-missing", Of: func(e *evidence.Evidence) infer.Truth {
	domain := evidence.DomainOf(fromAddress(e))
	if domain == "" || domain == e.Complaint.Domain() {
		return infer.Unknown
	}
	looked := evidence.Where(e, func(l evidence.Lookup) bool { return l.Name == domain && l.Resolver == 0 })
	return anyOf(looked, func(l evidence.Lookup) bool { return l.Answer == evidence.NXDomain || nullMX(l) })
}}

// takesNoMail is the domain of a recipient that says so; "" if none does.
func takesNoMail(e *evidence.Evidence) string {
	for _, to := range recipients(e) {
		domain := evidence.DomainOf(to)
		if slices.ContainsFunc(evidence.All[evidence.Lookup](e), func(l evidence.Lookup) bool { return l.Name == domain && l.Resolver == 0 && nullMX(l) }) {
			return domain
		}
	}
	if r, ok := refusedAs(e, anybody, dialect.NullMX); ok {
		return evidence.DomainOf(r.to)
	}
	return ""
}

// nullMX tells whether a domain says that it takes no mail (RFC 7505).
func nullMX(l evidence.Lookup) bool {
	return l.Type == "MX" && slices.ContainsFunc(l.Records, func(r string) bool { return r == "0 ." })
}
