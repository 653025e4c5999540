package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.token-revoked: the mail program signs in with a token, and the server refuses
// it: the grant is gone. A refusal of what is a token is never one of a password.
var authTokenRevoked = &infer.Cause{
	ID:       cause.AuthTokenRevoked,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{tokenRefused},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: credentialsRefused, P: infer.Usually}),
	Proof:    []*infer.Sign{tokenRefused},
}

var tokenRefused = &infer.Sign{Name: "token-refused", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{signInMeans(e, dialect.TokenRefused), clientMeans(e, dialect.TokenRefused)}
	if usesToken(e) {
		told = append(told, credentialsRefused.Of(e))
	}
	return either(told...)
}}
