package causes

import (
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// outbox.stuck: a message waits in the program since the network was lost, though
// the network and the server are well now. No server ever refused it: that is what
// separates it from a message that cannot go; and the server does not have it: else it is sent.
var outboxStuck = &infer.Cause{
	ID:       cause.OutboxStuck,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{outboxWaits, sendingWorks},
	Excludes: []*infer.Sign{outgoingNotSet, acceptedAnyway, outboxBlocked, sendingFails},
	Proof:    []*infer.Sign{sendingWorks},
	Params: func(e *evidence.Evidence) []cause.Param {
		var oldest *time.Time
		for _, t := range waiting(e) {
			if t.Since != nil && (oldest == nil || t.Since.Before(*oldest)) {
				oldest = t.Since
			}
		}
		return timeParam("since", oldest)
	},
}

// waiting returns the messages of the outbox that no server refused and that are for somebody.
func waiting(e *evidence.Evidence) []evidence.Told {
	var found []evidence.Told
	for _, t := range outboxMessages(e) {
		if !t.Replied() && len(t.To) > 0 {
			found = append(found, t)
		}
	}
	return found
}

// outboxWaits: the program keeps messages that no server refused.
var outboxWaits = &infer.Sign{Name: "outbox-waits", Of: func(e *evidence.Evidence) infer.Truth {
	c := e.Complaint.Client
	if c == nil || c.Outbox == nil {
		return infer.Unknown
	}
	return infer.Is(len(waiting(e)) > 0)
}}

// outgoingNotSet: the program could not send even if it tried.
var outgoingNotSet = &infer.Sign{Name: "outgoing-not-set", Normal: true, Leak: 0.1, Of: func(e *evidence.Evidence) infer.Truth {
	c := e.Complaint.Client
	if c == nil || c.Account == nil {
		return infer.Unknown
	}
	off := func(b *bool) bool { return b != nil && !*b }
	return infer.Is(off(c.Account.OutgoingSelected) || off(c.Account.Online) || off(c.Account.Enabled) || off(c.Account.SMTPAuth) ||
		c.Network != nil && off(c.Network.DefaultRoute))
}}

// sendingFails: the way to the server, or the sign-in there, does not work now either.
var sendingFails = &infer.Sign{Name: "sending-fails", Normal: true, Leak: 0.1, Of: func(e *evidence.Evidence) infer.Truth {
	if submissionUnreachable.Of(e) == infer.Yes || submissionSignInRefused.Of(e) == infer.Yes {
		return infer.Yes
	}
	return sendingWorks.Of(e).Not()
}}
