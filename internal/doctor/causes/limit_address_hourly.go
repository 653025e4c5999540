package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// limit.address-hourly: the address has sent as much as it may for now. Signed in, the
// server refuses the next message for that reason, or its counter stands at the limit.
// A reply that speaks of the domain is not meant, nor one of the recipient's side.
var limitAddressHourly = &infer.Cause{
	ID:       cause.LimitAddressHourly,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{sentTooMuch},
	Explains: []infer.Link{{Sign: ownFromRefused, P: infer.Sometimes}, {Sign: messageRefused, P: infer.Sometimes}},
	Excludes: []*infer.Sign{domainSentTooMuch},
	Proof:    []*infer.Sign{sentTooMuch},
	Params: func(e *evidence.Evidence) []cause.Param {
		return append([]cause.Param{cause.Text("address", e.Complaint.Address)}, counterParams(e, string(cause.LimitAddressHourly))...)
	},
}

var sentTooMuch = &infer.Sign{Name: "sent-too-much", Of: func(e *evidence.Evidence) infer.Truth {
	return either(commandMeans(e, evidence.Submission, sendingLimits...), clientMeans(e, sendingLimits...), bounceOfOwn(e, sendingLimits...),
		counterFull(e, string(cause.LimitAddressHourly)))
}}

// counterParams tells a counter's limit and when it opens again.
func counterParams(e *evidence.Evidence, id string) []cause.Param {
	if i, ok := fromInside(e); ok {
		if l, full := counter(i, id); full {
			params := []cause.Param{cause.Count("limit", l.Max)}
			if l.Until != nil {
				params = append(params, cause.Time("until", *l.Until))
			}
			return params
		}
	}
	for _, c := range evidence.All[evidence.Command](e) {
		if !c.Positive && !c.Reading.Until.IsZero() {
			return []cause.Param{cause.Time("until", c.Reading.Until)}
		}
	}
	return nil
}

// bounceOfOwn is whether a report that the own server made, not a remote one, mostly means one of the kinds.
func bounceOfOwn(e *evidence.Evidence, kinds ...dialect.Kind) infer.Truth {
	b, ok := evidence.First[evidence.Bounced](e)
	if !ok {
		return infer.Unknown
	}
	for _, r := range b.Recipients {
		if r.RemoteMTA == "" && means(r.Reading, kinds...) {
			return infer.Yes
		}
	}
	return infer.No
}
