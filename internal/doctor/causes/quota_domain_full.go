package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// quota.domain-full: the storage of the domain's plan is used up, by all its accounts
// together. The own mailbox may be nearly empty and is refused mail all the same.
var quotaDomainFull = &infer.Cause{
	ID:       cause.QuotaDomainFull,
	Requires: []*infer.Sign{domainFull},
	Explains: []infer.Link{{Sign: mailboxFull, P: infer.Sometimes}, {Sign: saidFull, P: infer.Sometimes}, {Sign: ownAddressRefused, P: infer.Sometimes}},
	Proof:    []*infer.Sign{domainFull},
	Params: func(e *evidence.Evidence) []cause.Param {
		params := []cause.Param{cause.Text("domain", e.Complaint.Domain())}
		if i, ok := fromInside(e); ok && i.Usage != nil && i.Usage.DomainLimit > 0 {
			return append(params, cause.Size("used", i.Usage.DomainUsed), cause.Size("limit", i.Usage.DomainLimit))
		}
		for _, q := range evidence.Where(e, func(q evidence.Quota) bool { return domainRoot(e, q) && q.Resource == "STORAGE" }) {
			return append(params, cause.Size("used", q.Used), cause.Size("limit", q.Limit))
		}
		return params
	},
}

var domainFull = &infer.Sign{Name: "domain-full", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{anyOf(evidence.Where(e, func(q evidence.Quota) bool { return q.Limit > 0 && domainRoot(e, q) }), quotaFull)}
	if i, ok := fromInside(e); ok && i.Usage != nil && i.Usage.DomainLimit > 0 {
		told = append(told, infer.Is(i.Usage.DomainUsed >= i.Usage.DomainLimit))
	}
	said := anyOf(evidence.All[evidence.Command](e), func(c evidence.Command) bool { return c.Reading.Cause == cause.QuotaDomainFull })
	return either(append(told, said)...)
}}
