package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// limit.domain-hourly: all accounts of the domain together have sent what they may. The
// reply speaks of the domain, or its counter is full while the own one is not.
var limitDomainHourly = &infer.Cause{
	ID:       cause.LimitDomainHourly,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{domainSentTooMuch},
	Explains: []infer.Link{{Sign: ownFromRefused, P: infer.Sometimes}, {Sign: messageRefused, P: infer.Sometimes}, {Sign: sentTooMuch, P: infer.Sometimes}},
	Proof:    []*infer.Sign{domainSentTooMuch},
	Params: func(e *evidence.Evidence) []cause.Param {
		return append([]cause.Param{cause.Text("domain", e.Complaint.Domain())}, counterParams(e, string(cause.LimitDomainHourly))...)
	},
}

var domainSentTooMuch = &infer.Sign{Name: "domain-sent-too-much", Of: func(e *evidence.Evidence) infer.Truth {
	if counterFull(e, string(cause.LimitAddressHourly)) == infer.Yes {
		return infer.No
	}
	return either(commandMeans(e, evidence.Submission, dialect.RateLimitedDomain), clientMeans(e, dialect.RateLimitedDomain),
		bounceOfOwn(e, dialect.RateLimitedDomain), counterFull(e, string(cause.LimitDomainHourly)))
}}
