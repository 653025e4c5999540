package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// outbox.expired: the server gave up after days of trying. The last reason, such
// as a server that did not answer, is part of the report; it is no longer what is to be done about.
var outboxExpired = &infer.Cause{
	ID:       cause.OutboxExpired,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{toldExpired},
	Explains: []infer.Link{
		{Sign: messageRefused, P: infer.Always},
		{Sign: toldUnreachable, P: infer.Sometimes},
		{Sign: recipientUnreachable, P: infer.Sometimes},
		{Sign: toldGreylisted, P: infer.Seldom},
	},
	Proof: []*infer.Sign{toldExpired},
	Params: func(e *evidence.Evidence) []cause.Param {
		r, ok := refusedAs(e, anybody, dialect.Expired)
		if !ok {
			return nil
		}
		return append(append(textParam("address", r.to), textParam("reply", r.reading.Text)...), timeParam("since", &r.since)...)
	},
}
