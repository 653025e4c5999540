package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// auth.app-password-required: the account's own password does not do in mail
// programs. The server says so; or it says only that the password is wrong, while
// the same password works on the web, or the provider takes none but app passwords.
var authAppPasswordRequired = &infer.Cause{
	ID:       cause.AuthAppPasswordRequired,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{appPasswordWanted},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: credentialsRefused, P: infer.Usually}, infer.Link{Sign: rightFormRefused, P: infer.Usually}, infer.Link{Sign: lockedOut, P: infer.Seldom}),
	Proof:    []*infer.Sign{appPasswordWanted},
}

var appPasswordWanted = &infer.Sign{Name: "app-password-wanted", Of: func(e *evidence.Evidence) infer.Truth {
	said := either(signInMeans(e, dialect.AppPasswordNeeded), clientMeans(e, dialect.AppPasswordNeeded))
	if said == infer.Yes || credentialsRefused.Of(e) != infer.Yes {
		return said
	}
	elsewhere := []infer.Truth{said, isSet(shown(e).WebLoginOK, true)}
	if p, ok := evidence.First[*evidence.Provider](e); ok && p.Result.Provider != nil && shown(e).WebLoginOK == nil {
		elsewhere = append(elsewhere, infer.Is(p.Result.Provider.AppPassword == settings.Always))
	}
	return either(elsewhere...)
}}
