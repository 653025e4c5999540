package causes

import (
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// outbox.refused-in-limit: messages were refused while a sending limit was
// reached, the limit is over, and they were never tried again. While the limit still
// holds, that is the cause.
var outboxRefusedInLimit = &infer.Cause{
	ID:       cause.OutboxRefusedInLimit,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{refusedInLimit, limitOver},
	Explains: []infer.Link{{Sign: sendingWorks, P: infer.Always}, {Sign: messageRefused, P: infer.Sometimes}, {Sign: sentTooMuch, P: infer.Usually}, {Sign: domainSentTooMuch, P: infer.Sometimes}},
	Proof:    []*infer.Sign{refusedInLimit, limitOver},
	Params: func(e *evidence.Evidence) []cause.Param {
		found := inLimit(e)
		if len(found) == 0 {
			return nil
		}
		var since *time.Time
		for _, t := range found {
			if t.Since != nil && (since == nil || t.Since.Before(*since)) {
				since = t.Since
			}
		}
		return append(timeParam("since", since), cause.Count("count", int64(len(found))))
	},
}

// inLimit returns the messages that the account's server refused because of a limit and has not taken since.
func inLimit(e *evidence.Evidence) []evidence.Told {
	var found []evidence.Told
	for _, t := range append(outboxMessages(e), queued(e)...) {
		limited := strings.HasPrefix(t.Cause, "limit.") || t.Replied() && slices.ContainsFunc([]dialect.Kind{
			dialect.RateLimited, dialect.RateLimitedHourly, dialect.RateLimitedDaily, dialect.RateLimitedDomain,
		}, t.Reading.Says)
		if t.Own && limited && !sentSince(e, t) {
			found = append(found, t)
		}
	}
	return found
}

// sentSince tells whether the same message is under way or gone.
func sentSince(e *evidence.Evidence, m evidence.Told) bool {
	return slices.ContainsFunc(queued(e), func(t evidence.Told) bool {
		return t.State != "refused" && t.Subject == m.Subject && slices.Equal(t.To, m.To)
	})
}

var refusedInLimit = &infer.Sign{Name: "refused-in-limit", Of: func(e *evidence.Evidence) infer.Truth {
	if len(outboxMessages(e))+len(queued(e)) == 0 {
		return infer.Unknown
	}
	return infer.Is(len(inLimit(e)) > 0)
}}

// limitOver: the server would take a message now, and no counter is at its end.
var limitOver = &infer.Sign{Name: "limit-over", Normal: true, Leak: 0.5, Of: func(e *evidence.Evidence) infer.Truth {
	if i, ok := evidence.First[*evidence.Inside](e); ok {
		for _, l := range i.Limits {
			if l.Max > 0 && l.Used >= l.Max {
				return infer.No
			}
		}
		if len(i.Limits) > 0 && sendingWorks.Of(e) != infer.No {
			return infer.Yes
		}
	}
	return sendingWorks.Of(e)
}}
