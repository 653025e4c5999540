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
	Requires: []*infer.Sign{greylists},
	Explains: []infer.Link{{Sign: messageDeferred, P: infer.Usually}, {Sign: toldGreylisted, P: infer.Always}},
	Excludes: []*infer.Sign{toldExpired},
	Proof:    []*infer.Sign{greylists},
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

// greylists: it says so of a message that waits. A stranger that asks, as the
// doctor does, is greylisted everywhere: that is no trouble.
var greylists = &infer.Sign{Name: "greylists", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(refusals(e), func(r refusal) bool { return !r.live && !r.own && r.means(dialect.Greylisted) })
}}
