package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// outbox.poison: one message that can never go holds up the others. It was
// refused for good more than once; those behind it were not refused by anybody. What the
// refusal says of that message is part of it, so it is not told as a cause beside it.
var outboxPoison = &infer.Cause{
	ID:       cause.OutboxPoison,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{outboxBlocked},
	Explains: append([]infer.Link{
		{Sign: outboxWaits, P: infer.Always},
		{Sign: messageRefused, P: infer.Always},
	}, itsReply()...),
	Proof: []*infer.Sign{outboxBlocked},
	Params: func(e *evidence.Evidence) []cause.Param {
		p, ok := poison(e)
		if !ok {
			return nil
		}
		return append(textParam("reply", p.Reading.Text), cause.Count("count", int64(p.Tries)))
	},
}

func itsReply() []infer.Link {
	var links []infer.Link
	for _, s := range []*infer.Sign{toldUnknown, toldNoDomain, toldInvalid, toldSpam, toldAttachment, toldMalformed, toldTooLarge, tooLargeOwn, malformed} {
		links = append(links, infer.Link{Sign: s, P: infer.Sometimes})
	}
	return links
}

// poison finds the message of the outbox that was refused for good again and again.
func poison(e *evidence.Evidence) (evidence.Told, bool) {
	for _, t := range outboxMessages(e) {
		if t.Reading.Class == dialect.Permanent && t.Tries >= 2 {
			return t, true
		}
	}
	return evidence.Told{}, false
}

// outboxBlocked: one is refused for good, others wait behind it.
var outboxBlocked = &infer.Sign{Name: "outbox-blocked", Of: func(e *evidence.Evidence) infer.Truth {
	c := e.Complaint.Client
	if c == nil || c.Outbox == nil {
		return infer.Unknown
	}
	_, found := poison(e)
	return infer.Is(found && len(waiting(e)) > 0)
}}
