package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// client.from-not-owned: the From address does not belong to the account that is
// signed in. The server takes the account's own address, and refuses the other one.
var clientFromNotOwned = &infer.Cause{
	ID:       cause.ClientFromNotOwned,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{fromRefused},
	Explains: []infer.Link{{Sign: messageRefused, P: infer.Usually}},
	Excludes: []*infer.Sign{ownFromRefused, fromInvalid},
	Proof:    []*infer.Sign{fromRefused},
	Params: func(e *evidence.Evidence) []cause.Param {
		if from := shownAccount(e).From; from != "" && !strings.EqualFold(from, e.Complaint.Address) {
			return []cause.Param{cause.Text("address", from)}
		}
		return nil
	},
}

// fromRefused: the From address of the mail program was refused, to us or to it.
var fromRefused = &infer.Sign{Name: "from-refused", Of: func(e *evidence.Evidence) infer.Truth {
	from := shownAccount(e).From
	others := infer.Unknown
	if from != "" && !strings.EqualFold(from, e.Complaint.Address) {
		others = anyOf(evidence.Where(e, func(c evidence.Command) bool {
			return c.Endpoint.Protocol == evidence.Submission && c.SignedIn && strings.EqualFold(c.Command, "MAIL FROM:<"+from+">") && c.Outcome == evidence.OK
		}), func(c evidence.Command) bool { return !c.Positive && c.Reading.Class == dialect.Permanent })
	}
	return either(others, clientMeans(e, dialect.FromNotOwned), bounceMeans(e, dialect.FromNotOwned), commandMeans(e, evidence.Submission, dialect.FromNotOwned))
}}
