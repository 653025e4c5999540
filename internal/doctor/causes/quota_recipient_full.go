package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// quota.recipient-full: the recipient's mailbox is full: the remote server says so,
// in a report, in the queue or to us. When it is the account's own server that says it of the account's own
// address, the own mailbox is full.
var quotaRecipientFull = &infer.Cause{
	ID:       cause.QuotaRecipientFull,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{recipientFull},
	Explains: []infer.Link{{Sign: messageRefused, P: infer.Usually}, {Sign: messageDeferred, P: infer.Usually}},
	Proof:    []*infer.Sign{recipientFull},
	Params: func(e *evidence.Evidence) []cause.Param {
		if address := fullRecipient(e); address != "" {
			return []cause.Param{cause.Text("address", address)}
		}
		return nil
	},
}

var recipientFull = &infer.Sign{Name: "recipient-full", Of: func(e *evidence.Evidence) infer.Truth {
	if fullRecipient(e) != "" || toldRecipientFull(e) {
		return infer.Yes
	}
	if _, bounced := evidence.First[evidence.Bounced](e); bounced || e.Complaint.Client != nil || e.Complaint.Recipient != "" {
		return infer.No
	}
	return infer.Unknown
}}

// toldRecipientFull reports whether an error that the program shows, of sending, says that a recipient is full.
func toldRecipientFull(e *evidence.Evidence) bool {
	return slices.ContainsFunc(evidence.All[evidence.ClientError](e), func(c evidence.ClientError) bool {
		return c.Protocol == evidence.Submission && means(c.Reading, dialect.RecipientFull) && !strings.Contains(strings.ToLower(c.Text), strings.ToLower(e.Complaint.Address))
	})
}

// fullRecipient is the recipient whose mailbox is full; "" if none is known.
func fullRecipient(e *evidence.Evidence) string {
	if b, ok := evidence.First[evidence.Bounced](e); ok {
		for _, r := range b.Recipients {
			if means(r.Reading, dialect.RecipientFull) && !strings.EqualFold(r.Address, e.Complaint.Address) {
				return r.Address
			}
		}
	}
	if i, ok := fromInside(e); ok {
		for _, q := range i.Queue {
			if q.Cause == string(cause.QuotaRecipientFull) {
				return q.To
			}
		}
	}
	for _, c := range evidence.All[evidence.Command](e) {
		to := e.Complaint.Recipient
		if to != "" && !c.Positive && strings.EqualFold(c.Command, "RCPT TO:<"+to+">") && means(c.Reading, dialect.RecipientFull) {
			return to
		}
	}
	return ""
}
