package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// outbox.deferred: the message waits in the server's queue, because the
// recipient's server said "not now". Where it said why, and the why is a cause of its
// own, that one is told: it explains the waiting too.
var outboxDeferred = &infer.Cause{
	ID:       cause.OutboxDeferred,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{messageDeferred},
	Explains: []infer.Link{{Sign: testMissing, P: infer.Usually}},
	Proof:    []*infer.Sign{messageDeferred},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, r := range refusals(e) {
			if r.waits && r.reading.Class == dialect.Temporary {
				return append(append(textParam("domain", evidence.DomainOf(r.to)), textParam("reply", r.reading.Text)...), nextTry(e, r.to)...)
			}
		}
		return nil
	},
}

// nextTry tells when a message is tried again, and until when.
func nextTry(e *evidence.Evidence, to string) []cause.Param {
	for _, t := range queued(e) {
		if t.State == "deferred" && isTo(t.To, to) {
			return timeParam("next", t.Next)
		}
	}
	for _, b := range evidence.All[evidence.Bounced](e) {
		for i := range b.Recipients {
			if sameAddress(b.Recipients[i].Address, to) {
				return timeParam("giveup", &b.Recipients[i].RetryUntil)
			}
		}
	}
	return nil
}
