package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.auth-backend-down: the server cannot check sign-ins right now, whoever
// it is (RFC 4954 section 6: 454; RFC 5530: UNAVAILABLE). A wrong password is refused for good.
var providerAuthBackendDown = &infer.Cause{
	ID:       cause.ProviderAuthBackendDown,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn, evidence.Push},
	Requires: []*infer.Sign{uncheckedSignIns},
	Explains: []infer.Link{
		{Sign: credentialsRefused, P: 0.15},
		{Sign: imapSignInRefused, P: 0.8},
		{Sign: submissionSignInRefused, P: 0.8},
		{Sign: pop3SignInRefused, P: 0.8},
		{Sign: signInUnanswered, P: infer.Sometimes},
		{Sign: turnedAway, P: 0.02},
	},
	Proof: []*infer.Sign{cannotCheck},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, p := range aboutOutage(e) {
			if p.Name == "since" {
				return []cause.Param{p}
			}
		}
		return nil
	},
}

// cannotCheck: a refusal of a sign-in most likely means that it could not be checked.
var cannotCheck = &infer.Sign{Name: "sign-in-cannot-be-checked", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.All[evidence.SignIn](e), func(s evidence.SignIn) bool {
		return s.Outcome == evidence.OK && !s.Accepted && s.Reading.First().Kind == dialect.AuthBackendDown
	})
}}

// uncheckedSignIns: so it says, or the server that greeted and answered falls silent at every sign-in.
var uncheckedSignIns = &infer.Sign{Name: "sign-ins-unanswered", Of: func(e *evidence.Evidence) infer.Truth {
	all := evidence.All[evidence.SignIn](e)
	return either(cannotCheck.Of(e), allOf(all, func(s evidence.SignIn) bool { return s.Outcome == evidence.TimedOut }))
}}
