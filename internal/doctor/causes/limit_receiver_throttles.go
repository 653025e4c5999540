package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/message"
)

// limit.receiver-throttles: the recipient's side slows this sender down. It is the remote
// server that says so, for now, and the message is tried again; the own server's
// limits are told before a message leaves it.
var limitReceiverThrottles = &infer.Cause{
	ID:       cause.LimitReceiverThrottles,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{throttled},
	Explains: []infer.Link{{Sign: messageDeferred, P: infer.Usually}, {Sign: messageRefused, P: infer.Seldom}},
	Proof:    []*infer.Sign{throttled},
	Params: func(e *evidence.Evidence) []cause.Param {
		to := throttledRecipient(e)
		if to == "" {
			to = e.Complaint.Recipient
		}
		if domain := evidence.DomainOf(to); domain != "" {
			return []cause.Param{cause.Text("domain", domain)}
		}
		return nil
	},
}

var throttled = &infer.Sign{Name: "throttled-by-receiver", Of: func(e *evidence.Evidence) infer.Truth {
	if throttledRecipient(e) != "" || remoteThrottles(e) {
		return infer.Yes
	}
	if _, ok := evidence.First[evidence.Bounced](e); ok || e.Complaint.Recipient != "" {
		return infer.No
	}
	if _, ok := fromInside(e); ok {
		return infer.No
	}
	return infer.Unknown
}}

// throttledRecipient is the recipient whose side slows down, by a report or the queue; "" if none is known.
func throttledRecipient(e *evidence.Evidence) string {
	if b, ok := evidence.First[evidence.Bounced](e); ok {
		for _, r := range b.Recipients {
			if r.Action != message.ActionDelivered && means(r.Reading, dialect.ReceiverThrottles) {
				return r.Address
			}
		}
	}
	if i, ok := fromInside(e); ok {
		for _, q := range i.Queue {
			if q.Cause == string(cause.LimitReceiverThrottles) {
				return q.To
			}
		}
	}
	return ""
}

// remoteThrottles reports whether the recipient's own server says so to us.
func remoteThrottles(e *evidence.Evidence) bool {
	to := e.Complaint.Recipient
	_, found := evidence.Find(e, func(c evidence.Command) bool {
		return to != "" && c.Endpoint.Protocol == evidence.SMTP && !c.Positive && strings.EqualFold(c.Command, "RCPT TO:<"+to+">") && means(c.Reading, dialect.ReceiverThrottles)
	})
	return found
}
