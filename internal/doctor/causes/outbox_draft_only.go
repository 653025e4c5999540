package causes

import (
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// outbox.draft-only: the message was written and never sent. It lies in Drafts,
// and neither in Sent, nor in the outbox, nor in the server's queue. A draft beside
// a message that was sent is nothing unusual.
var outboxDraftOnly = &infer.Cause{
	ID:       cause.OutboxDraftOnly,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{onlyDraft},
	Proof:    []*infer.Sign{onlyDraft},
	Params: func(e *evidence.Evidence) []cause.Param {
		var newest *time.Time
		if c := e.Complaint.Client; c != nil {
			for _, d := range c.Drafts {
				if d.Date != nil && isTo(d.To, e.Complaint.Recipient) && (newest == nil || d.Date.After(*newest)) {
					newest = d.Date
				}
			}
		}
		return timeParam("since", newest)
	},
}

// onlyDraft: what there is to the recipient is a draft and nothing else, as the
// program shows or as the account's own mailboxes tell.
var onlyDraft = &infer.Sign{Name: "only-a-draft", Of: func(e *evidence.Evidence) infer.Truth {
	to := e.Complaint.Recipient
	if to == "" {
		return infer.Unknown
	}
	for _, t := range append(outboxMessages(e), queued(e)...) {
		if isTo(t.To, to) {
			return infer.No
		}
	}
	drafts, sent := soughtTo(e, "drafts", to), soughtTo(e, "sent", to)
	if c := e.Complaint.Client; c != nil {
		drafts = orShown(drafts, c.Drafts, to)
		sent = orShown(sent, c.Sent, to)
	}
	switch {
	case drafts == infer.Unknown || sent == infer.Unknown:
		return infer.Unknown
	case drafts == infer.Yes:
		return sent.Not()
	}
	return infer.No
}}

// soughtTo tells what a search of a mailbox found to a recipient.
func soughtTo(e *evidence.Evidence, role, to string) infer.Truth {
	return anyOf(evidence.Where(e, func(s evidence.Sought) bool {
		return s.Role == role && s.Subject == "" && sameAddress(s.To, to)
	}), func(s evidence.Sought) bool { return s.Count > 0 })
}

// orShown adds what the program shows: a list that it does not show is nil.
func orShown(known infer.Truth, list []evidence.ClientMessage, to string) infer.Truth {
	if list == nil || known == infer.Yes {
		return known
	}
	return infer.Is(slices.ContainsFunc(list, func(m evidence.ClientMessage) bool { return isTo(m.To, to) }))
}

func isTo(list []string, to string) bool {
	return slices.ContainsFunc(list, func(a string) bool { return sameAddress(a, to) })
}
