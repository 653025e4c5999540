package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.plaintext-refused: the mail program is set to no encryption, and the server takes
// no sign-in without: it offers none on the plain connection (RFC 9051 section 11.2, RFC 8314), or says so.
// Where encryption is wanted and cannot be had, it is not the settings.
var authPlaintextRefused = &infer.Cause{
	ID:       cause.AuthPlaintextRefused,
	Requires: []*infer.Sign{plainSetting, plainNotOffered},
	Explains: refusesSignIns(infer.Seldom),
	Proof:    []*infer.Sign{plainSetting, plainNotOffered},
}

// plainSetting: the mail program connects without encryption.
var plainSetting = &infer.Sign{Name: "plain-setting", Leak: 0.02, Of: func(e *evidence.Evidence) infer.Truth {
	if len(e.Complaint.Given) == 0 {
		return infer.Unknown
	}
	for _, ep := range e.Complaint.Given {
		if ep.Security == evidence.Plain {
			return infer.Yes
		}
	}
	return infer.No
}}

// plainNotOffered: without encryption the server offers no way to sign in, or says that it takes none.
var plainNotOffered = &infer.Sign{Name: "plain-not-offered", Of: func(e *evidence.Evidence) infer.Truth {
	plain := evidence.Where(e, func(c evidence.Capabilities) bool {
		return c.Endpoint.Security == evidence.Plain && !c.Encrypted && !c.SignedIn && c.Endpoint.Origin == evidence.Given && len(c.List) > 0
	})
	return either(anyOf(plain, func(c evidence.Capabilities) bool { return !offersSignIn(c) }), clientMeans(e, dialect.EncryptionNeeded))
}}

// offersSignIn reports whether a password is taken on a connection, by what is offered on it.
func offersSignIn(c evidence.Capabilities) bool {
	switch c.Endpoint.Protocol {
	case evidence.IMAP:
		return !c.Has("LOGINDISABLED")
	case evidence.POP3:
		return c.Has("USER") || len(c.Mechanisms()) > 0
	}
	return len(c.Mechanisms()) > 0
}
