package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.password-wrong: every sign-in that was answered failed for the credentials, and the web refuses them too, as far as known.
var authPasswordWrong = &infer.Cause{
	ID:       cause.AuthPasswordWrong,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{credentialsRefused},
	Explains: []infer.Link{
		{Sign: imapSignInRefused, P: infer.Always},
		{Sign: submissionSignInRefused, P: infer.Always},
		{Sign: pop3SignInRefused, P: infer.Always},
	},
	Proof: []*infer.Sign{credentialsRefused},
}

// credentialsRefused: all sign-ins that were answered failed, and a server says that name or password is wrong.
var credentialsRefused = &infer.Sign{Name: "credentials-refused", Of: func(e *evidence.Evidence) infer.Truth {
	tried := evidence.Where(e, func(s evidence.SignIn) bool { return s.Outcome == evidence.OK })
	if anyOf(tried, func(s evidence.SignIn) bool { return s.Accepted }) == infer.Yes {
		return infer.No
	}
	return signInSays(e, dialect.CredentialsRefused)
}}
