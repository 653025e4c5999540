package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.password-wrong: every sign-in that was answered failed for the credentials, with the
// name in its right form too, and the web refuses them, as far as known. That the same password
// works on the web rules it out: programs need another one then.
var authPasswordWrong = &infer.Cause{
	ID:       cause.AuthPasswordWrong,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{credentialsRefused},
	Explains: []infer.Link{
		{Sign: imapSignInRefused, P: infer.Always},
		{Sign: submissionSignInRefused, P: infer.Always},
		{Sign: pop3SignInRefused, P: infer.Always},
		{Sign: rightFormRefused, P: infer.Always},
		{Sign: webRefuses, P: infer.Usually},
	},
	Excludes: []*infer.Sign{webAccepts},
	Proof:    []*infer.Sign{credentialsRefused},
}

// credentialsRefused: all sign-ins that were answered failed, and a server says that name or password is wrong.
// Without a sign-in of our own, an error of the mail program says it.
var credentialsRefused = &infer.Sign{Name: "credentials-refused", Of: func(e *evidence.Evidence) infer.Truth {
	switch anyAccepted(e) {
	case infer.Yes:
		return infer.No
	case infer.No:
		return signInMeans(e, dialect.CredentialsRefused)
	}
	return clientMeans(e, dialect.CredentialsRefused)
}}

// rightFormRefused: the sign-in was refused with name and password in the form that should be right, too.
var rightFormRefused = &infer.Sign{Name: "right-form-refused", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(s evidence.SignIn) bool { return s.Form != evidence.AsGiven && s.Outcome == evidence.OK }), func(s evidence.SignIn) bool {
		return !s.Accepted && means(s.Reading, dialect.CredentialsRefused)
	})
}}

// webAccepts, webRefuses: whether name and password work in the provider's webmail.
var (
	webAccepts = &infer.Sign{Name: "web-accepts", Normal: true, Leak: 0.5, Of: func(e *evidence.Evidence) infer.Truth { return isSet(shown(e).WebLoginOK, true) }}
	webRefuses = &infer.Sign{Name: "web-refuses", Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth { return isSet(shown(e).WebLoginOK, false) }}
)
