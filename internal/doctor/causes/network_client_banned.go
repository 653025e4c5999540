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
		{Sign: imapDead, P: infer.Usually},
		{Sign: submissionDead, P: infer.Usually},
		{Sign: imapUnreachable, P: 0.6},
		{Sign: submissionUnreachable, P: 0.6},
		{Sign: providerDead, P: infer.Usually},
		{Sign: deadOnlyHere, P: infer.Always},
		{Sign: imapSignInRefused, P: infer.Sometimes},
		{Sign: submissionSignInRefused, P: infer.Sometimes},
		{Sign: pop3SignInRefused, P: infer.Sometimes},
		{Sign: submissionDown, P: infer.Sometimes},
		{Sign: readingDown, P: infer.Sometimes},
		{Sign: websiteDead, P: 0.02},
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
		return own(e, g.Endpoint) && !g.Positive && g.Reading.First().Kind == dialect.ClientBanned
	}); said {
		return infer.Yes
	}
	return both(providerDead.Of(e), deadOnlyHere.Of(e), websiteDead.Of(e).Not(), helloKilled.Of(e).Not())
}}
