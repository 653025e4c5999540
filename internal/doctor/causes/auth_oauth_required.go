package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.oauth-required: the provider does not take passwords from mail programs any more. It
// offers only the ways to show a token (RFC 7628), or refuses a password and says why.
var authOAuthRequired = &infer.Cause{
	ID:       cause.AuthOAuthRequired,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{passwordsNotTaken},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: noCommonWay, P: infer.Sometimes}),
	Proof:    []*infer.Sign{passwordsNotTaken},
}

var passwordsNotTaken = &infer.Sign{Name: "passwords-not-taken", Of: func(e *evidence.Evidence) infer.Truth {
	if usesToken(e) {
		return infer.No
	}
	offered := anyOf(evidence.All[evidence.Capabilities](e), func(c evidence.Capabilities) bool {
		return c.Encrypted && !c.SignedIn && c.Endpoint.Origin != evidence.MX && onlyTokens(c)
	})
	return either(offered, signInMeans(e, dialect.OAuthNeeded), clientMeans(e, dialect.OAuthNeeded), settingWrong(e, string(cause.AuthOAuthRequired)))
}}

// onlyTokens reports whether a server offers ways to sign in, and all of them take a token.
func onlyTokens(c evidence.Capabilities) bool {
	offered := slices.DeleteFunc(c.Mechanisms(), func(m string) bool { return m == "XOAUTH2" || m == "OAUTHBEARER" })
	login := c.Endpoint.Protocol == evidence.IMAP && !c.Has("LOGINDISABLED") || c.Has("USER")
	return len(c.Mechanisms()) > 0 && len(offered) == 0 && !login
}

// usesToken reports whether the mail program signs in with a token.
func usesToken(e *evidence.Evidence) bool {
	return slices.Contains([]string{"oauth2", "oauth", "xoauth2", "oauthbearer"}, shownAccount(e).AuthMethod)
}
