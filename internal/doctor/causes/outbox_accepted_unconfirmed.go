package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// outbox.accepted-unconfirmed: the server took the message, but its yes never
// came back, so the program keeps it as unsent. The same message is in Sent, or in the server's
// queue: that is what separates it from one that waits.
var outboxAcceptedUnconfirmed = &infer.Cause{
	ID:       cause.OutboxAcceptedUnconfirmed,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{acceptedAnyway},
	Explains: []infer.Link{{Sign: outboxWaits, P: infer.Always}},
	Proof:    []*infer.Sign{acceptedAnyway},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, t := range waiting(e) {
			if known(e, t) {
				return timeParam("since", t.Since)
			}
		}
		return nil
	},
}

// acceptedAnyway: a message that the program believes unsent is there.
var acceptedAnyway = &infer.Sign{Name: "accepted-anyway", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(waiting(e), func(t evidence.Told) bool { return t.Tries > 0 && known(e, t) })
}}

// known tells whether the server has a message of the outbox: to the same, about the same, not older.
func known(e *evidence.Evidence, m evidence.Told) bool {
	if m.Subject == "" || len(m.To) == 0 {
		return false
	}
	for _, q := range queued(e) {
		if q.State != "refused" && isTo(m.To, firstOf(q.To)) && q.Subject == m.Subject && (m.Since == nil || q.Since == nil || !q.Since.Before(*m.Since)) {
			return true
		}
	}
	for _, s := range evidence.All[evidence.Sought](e) {
		if s.Role == "sent" && s.Count > 0 && s.Subject == m.Subject && isTo(m.To, s.To) {
			return true
		}
	}
	if c := e.Complaint.Client; c != nil {
		for _, s := range c.Sent {
			if strings.EqualFold(s.Subject, m.Subject) && isTo(s.To, m.To[0]) && (m.Since == nil || s.Date == nil || !s.Date.Before(*m.Since)) {
				return true
			}
		}
	}
	return false
}
