package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.local-firewall: the device itself says no, at once, to every mail
// server of anybody. There is a way out: names are found, or web pages come.
var networkLocalFirewall = &infer.Cause{
	ID:       cause.NetworkLocalFirewall,
	Requires: []*infer.Sign{deniedHere},
	Explains: []infer.Link{
		{Sign: imapUnreachable, P: infer.Always},
		{Sign: submissionUnreachable, P: infer.Always},
		{Sign: referenceUnreachable, P: infer.Always},
		{Sign: imapDead, P: infer.Always},
		{Sign: submissionDead, P: infer.Always},
		{Sign: websiteDead, P: 0.15},
		{Sign: canaryAltered, P: 0.01},
	},
	Proof: []*infer.Sign{deniedHere},
}

var deniedHere = &infer.Sign{Name: "denied-by-the-device", Of: func(e *evidence.Evidence) infer.Truth {
	all := slices.Concat(ownConnects(e), referenceConnects(e))
	if len(all) < 3 || len(referenceConnects(e)) == 0 {
		return infer.Unknown
	}
	denied := func(c evidence.Connect) bool { return c.Outcome == evidence.Denied || c.Outcome == evidence.NoHost }
	return both(
		anyOf(referenceConnects(e), denied), // one of the others may be down beside it
		noneOf(referenceConnects(e), connected),
		allOf(ownConnects(e), func(c evidence.Connect) bool { return denied(c) || c.Outcome == evidence.NoNetwork && isV6(c.Addr) }),
	)
}}
