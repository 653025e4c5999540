package causes

import (
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.client-banned: the provider shuts out this address after failed
// sign-ins. The server says so, or its operator knows of it; or all ports for mail are
// dead from here alone while the provider's web site is not, which no block of a network
// and no outage looks like.
var networkClientBanned = &infer.Cause{
	ID:       cause.NetworkClientBanned,
	Requires: []*infer.Sign{shutOut},
	Explains: []infer.Link{
		{Sign: imapDead, P: 0.5},
		{Sign: submissionDead, P: 0.5},
		{Sign: imapUnreachable, P: 0.3},
		{Sign: submissionUnreachable, P: 0.3},
		{Sign: providerDead, P: 0.5},
		{Sign: deadOnlyHere, P: infer.Always},
		{Sign: hostsRefuse, P: 0.3},
		{Sign: imapSignInRefused, P: 0.15},
		{Sign: submissionSignInRefused, P: 0.15},
		{Sign: pop3SignInRefused, P: 0.15},
		{Sign: submissionDown, P: 0.15},
		{Sign: readingDown, P: 0.15},
		{Sign: websiteDead, P: 0.02},
		{Sign: tooManyConnections, P: 0.1},
		{Sign: saysUnavailable, P: 0.1},
	},
	Proof: []*infer.Sign{shutOut},
	Params: func(e *evidence.Evidence) []cause.Param {
		var params []cause.Param
		if in, ok := evidence.First[*evidence.Inside](e); ok && len(in.Bans) > 0 {
			params = append(params, cause.Text("client", in.Bans[0].Client))
			if in.Bans[0].Until.After(time.Time{}) {
				params = append(params, cause.Time("until", in.Bans[0].Until))
			}
		}
		return params
	},
}

var shutOut = &infer.Sign{Name: "address-shut-out", Of: func(e *evidence.Evidence) infer.Truth {
	if in, ok := evidence.First[*evidence.Inside](e); ok && len(in.Bans) > 0 {
		return infer.Yes
	}
	if _, said := evidence.Find(e, func(g evidence.Greeting) bool {
		// Before a name was given, it can only be the address that is locked.
		return own(e, g.Endpoint) && !g.Positive && (g.Reading.Says(dialect.ClientBanned) || g.Reading.Says(dialect.AccountLocked))
	}); said {
		return infer.Yes
	}
	return both(providerDead.Of(e), deadOnlyHere.Of(e), websiteDead.Of(e).Not(), infer.Is(helloKilled.Of(e) != infer.Yes), infer.Is(serverRefuses.Of(e) != infer.Yes),
		infer.Is(addressForged.Of(e) != infer.Yes), infer.Is(largeLost.Of(e) != infer.Yes))
}}
