package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// limit.recipients: one message has more recipients than the server takes. The reply
// says so, or the message that waits has more than the provider allows. Too
// many messages in an hour is another matter: a message to one would be refused, too.
var limitRecipients = &infer.Cause{
	ID:       cause.LimitRecipients,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{tooManyRecipients},
	Explains: []infer.Link{{Sign: messageRefused, P: infer.Usually}},
	Proof:    []*infer.Sign{tooManyRecipients},
	Params: func(e *evidence.Evidence) []cause.Param {
		if n := recipientsAllowed(e); n > 0 {
			return []cause.Param{cause.Count("limit", int64(n))}
		}
		return nil
	},
}

var tooManyRecipients = &infer.Sign{Name: "too-many-recipients", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{clientMeans(e, dialect.TooManyRecipients), bounceMeans(e, dialect.TooManyRecipients), commandMeans(e, evidence.Submission, dialect.TooManyRecipients)}
	if allowed := recipientsAllowed(e); allowed > 0 && e.Complaint.Client != nil {
		most := 0
		for _, m := range shown(e).Outbox {
			most = max(most, len(m.To))
		}
		told = append(told, infer.Is(most > allowed))
	}
	return either(told...)
}}

// recipientsAllowed is how many recipients the provider takes in one message; 0 is not known.
func recipientsAllowed(e *evidence.Evidence) int {
	p, ok := evidence.First[*evidence.Provider](e)
	if !ok || p.Result.Provider == nil {
		return 0
	}
	return p.Result.Provider.Limits.Recipients
}
