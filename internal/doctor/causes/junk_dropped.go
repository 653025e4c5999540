package causes

import (
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// junk.dropped: the recipient's server accepted the message, and it never showed up there.
// Only the server that sent it can tell that it was accepted. It may lie in a Junk that
// nobody looked into: that cannot be told apart from here, so it is likely at best.
var junkDropped = &infer.Cause{
	ID:       cause.JunkDropped,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{acceptedAndMissed},
	Excludes: []*infer.Sign{inJunk, mailLoops, messageRefused, messageDeferred, onlyDraft},
	Params:   func(e *evidence.Evidence) []cause.Param { return textParam("address", e.Complaint.Recipient) },
}

// settling is how long a message may take from its acceptance to the recipient's eyes.
const settling = 30 * time.Minute

// acceptedAndMissed: the complaint is that a message is missed, and the last of the account's
// messages to its recipient was accepted some time ago. It is no trouble by itself: most that is accepted is there.
var acceptedAndMissed = &infer.Sign{Name: "accepted-and-missed", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	to := e.Complaint.Recipient
	if to == "" || e.Complaint.Symptom != evidence.OneMessage {
		return infer.Unknown
	}
	now := newestFact(e)
	theirs := evidence.Where(e, func(t evidence.Told) bool { return t.Source == "queue" && isTo(t.To, to) })
	return both(
		noneOf(theirs, func(t evidence.Told) bool { return t.State != "delivered" }),
		anyOf(theirs, func(t evidence.Told) bool { return t.Since != nil && now.Sub(*t.Since) > settling }),
	)
}}
