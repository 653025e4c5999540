package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.mechanism-mismatch: program and server know no common way to sign in. The
// program is set to one that the server does not offer, or the server offers, over
// TLS, none that takes a password, and no token either.
var authMechanismMismatch = &infer.Cause{
	ID:       cause.AuthMechanismMismatch,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{mechanismMissing},
	Explains: append(refusesSignIns(infer.Seldom), infer.Link{Sign: noCommonWay, P: infer.Sometimes}),
	Excludes: []*infer.Sign{passwordsNotTaken},
	Proof:    []*infer.Sign{mechanismMissing},
	Params: func(e *evidence.Evidence) []cause.Param {
		if m := wantedMechanism(e); m != "" {
			return []cause.Param{cause.Text("mechanism", m)}
		}
		return nil
	},
}

// noCommonWay: a server that can be trusted offers no way to sign in that we know.
var noCommonWay = &infer.Sign{Name: "no-common-way", Of: func(e *evidence.Evidence) infer.Truth {
	if len(evidence.Where(e, func(n evidence.NoCommonMechanism) bool { return n.Encrypted })) > 0 {
		return infer.Yes
	}
	if anyAccepted(e) == infer.Unknown {
		return infer.Unknown // nothing came as far as a sign-in
	}
	return infer.No
}}

var mechanismMissing = &infer.Sign{Name: "mechanism-missing", Of: func(e *evidence.Evidence) infer.Truth {
	return either(noCommonWay.Of(e), setMechanismMissing(e), signInMeans(e, dialect.MechanismUnsupported), clientMeans(e, dialect.MechanismUnsupported))
}}

// wantedMechanism is the way to sign in that the mail program is set to, by its name in
// the register of SASL; "" if it takes what there is.
func wantedMechanism(e *evidence.Evidence) string {
	m := strings.ToUpper(shownAccount(e).AuthMethod)
	if slices.Contains([]string{"CRAM-MD5", "DIGEST-MD5", "NTLM", "GSSAPI", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL"}, m) {
		return m
	}
	return ""
}

// setMechanismMissing is whether the server does not offer what the program is set to.
func setMechanismMissing(e *evidence.Evidence) infer.Truth {
	wanted := wantedMechanism(e)
	if wanted == "" {
		return infer.Unknown
	}
	offers := evidence.Where(e, func(c evidence.Capabilities) bool {
		return c.Encrypted && !c.SignedIn && c.Endpoint.Origin != evidence.MX && c.Endpoint.Protocol != evidence.POP3
	})
	return anyOf(offers, func(c evidence.Capabilities) bool { return !slices.Contains(c.Mechanisms(), wanted) })
}
