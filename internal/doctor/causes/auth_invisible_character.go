package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.invisible-character: a space or something without width is in the user name or
// the password. Without it the sign-in succeeds that failed with it.
var authInvisibleCharacter = &infer.Cause{
	ID:       cause.AuthInvisibleCharacter,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{trimmedFormWorks},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: credentialsRefused, P: infer.Usually}),
	Proof:    []*infer.Sign{trimmedFormWorks},
}

// trimmedFormWorks: the sign-in succeeds without what cannot be seen; or nothing could be
// tried, and it is in the user name, where it never belongs.
var trimmedFormWorks = &infer.Sign{Name: "trimmed-form-works", Of: func(e *evidence.Evidence) infer.Truth {
	tried := anyOf(evidence.Where(e, func(s evidence.SignIn) bool { return s.Form == evidence.Trimmed && s.Outcome == evidence.OK }), func(s evidence.SignIn) bool { return s.Accepted })
	if tried != infer.Unknown {
		return tried
	}
	if anyAccepted(e) == infer.Yes {
		return infer.No
	}
	return settingWrong(e, string(cause.AuthInvisibleCharacter))
}}
