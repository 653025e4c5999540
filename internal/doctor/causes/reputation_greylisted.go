package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// reputation.greylisted: the recipient's server refuses every first try of
// somebody new, on purpose (RFC 6647). The message passes at a later one.
var reputationGreylisted = &infer.Cause{
	ID:       cause.ReputationGreylisted,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{toldGreylisted},
	Explains: []infer.Link{{Sign: messageDeferred, P: infer.Usually}},
	Excludes: []*infer.Sign{toldExpired},
	Proof:    []*infer.Sign{toldGreylisted},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, t := range queued(e) {
			if t.Next != nil && t.Reading.Says(dialect.Greylisted) {
				return timeParam("until", t.Next)
			}
		}
		if r, ok := refusedAs(e, remoteServer, dialect.Greylisted); ok {
			return timeParam("until", &r.reading.Until)
		}
		return nil
	},
}
