package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// content.malformed: the program writes mail that is not well formed (RFC 5322),
// and a server refuses it for that, or the message itself shows it.
var contentMalformed = &infer.Cause{
	ID:       cause.ContentMalformed,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{malformed},
	Explains: []infer.Link{{Sign: toldMalformed, P: infer.Usually}, {Sign: messageRefused, P: infer.Usually}, {Sign: toldSpam, P: infer.Seldom}},
	Proof:    []*infer.Sign{malformed},
	Params: func(e *evidence.Evidence) []cause.Param {
		var all []string
		for _, f := range broken(e) {
			all = append(all, string(f))
		}
		return textParam("detail", strings.Join(all, ", "))
	},
}

var malformed = &infer.Sign{Name: "malformed", Of: func(e *evidence.Evidence) infer.Truth {
	if toldMalformed.Of(e) == infer.Yes || len(broken(e)) > 0 {
		return infer.Yes
	}
	if len(letters(e)) == 0 && toldMalformed.Of(e) == infer.Unknown {
		return infer.Unknown
	}
	return infer.No
}}
