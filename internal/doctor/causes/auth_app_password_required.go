package causes

import (
	"regexp"
	"strings"

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
	Proof:    []*infer.Sign{appPasswordShown},
}

var appPasswordWanted = &infer.Sign{Name: "app-password-wanted", Of: func(e *evidence.Evidence) infer.Truth {
	said := either(signInMeans(e, dialect.AppPasswordNeeded), clientMeans(e, dialect.AppPasswordNeeded))
	if said == infer.Yes || credentialsRefused.Of(e) != infer.Yes {
		return said
	}
	elsewhere := []infer.Truth{said, isSet(shown(e).WebLoginOK, true)}
	if p, ok := evidence.First[*evidence.Provider](e); ok && p.Result.Provider != nil && shown(e).WebLoginOK == nil {
		elsewhere = append(elsewhere, infer.Is(p.Result.Provider.AppPassword == settings.Always && looksMade(e) != infer.Yes))
	}
	return either(elsewhere...)
}}

// appPasswordShown: the server says so, the password works on the web, or the provider takes app passwords alone
// and this is none by its form. A provider whose app passwords have no form that is known leaves a doubt: it may be one that is wrong.
var appPasswordShown = &infer.Sign{Name: "app-password-shown", Normal: true, Leak: 0.5, Of: func(e *evidence.Evidence) infer.Truth {
	said := either(signInMeans(e, dialect.AppPasswordNeeded), clientMeans(e, dialect.AppPasswordNeeded), isSet(shown(e).WebLoginOK, true))
	if said == infer.Yes || appPasswordWanted.Of(e) != infer.Yes {
		return said
	}
	return either(said, looksMade(e).Not())
}}

// madeForms are how providers write the passwords that they make for programs: groups of four letters, which people
// type with the marks between them or without.
var madeForms = map[string]*regexp.Regexp{
	"icloud": regexp.MustCompile(`^([a-z]{4}-){3}[a-z]{4}$`),
	"gmail":  regexp.MustCompile(`^([a-z]{4} ?){3}[a-z]{4}$`),
	"yahoo":  regexp.MustCompile(`^([a-z]{4} ?){3}[a-z]{4}$`),
	"aol":    regexp.MustCompile(`^([a-z]{4} ?){3}[a-z]{4}$`),
}

// looksMade tells whether the password that was given is one that the provider made, by its form.
func looksMade(e *evidence.Evidence) infer.Truth {
	p, ok := evidence.First[*evidence.Provider](e)
	if !ok || madeForms[p.ID] == nil || e.Complaint.Password == "" {
		return infer.Unknown
	}
	return infer.Is(madeForms[p.ID].MatchString(strings.TrimSpace(e.Complaint.Password)))
}
