package causes

import (
	"net/netip"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.lossy: the same address takes a connection and lets the next one
// vanish, at the provider and at others. What fails always at one address, port or
// family is another cause; what fails now and then at the provider alone is its own.
var networkLossy = &infer.Cause{
	ID:       cause.NetworkLossy,
	Requires: []*infer.Sign{mixedConnects},
	Explains: []infer.Link{
		{Sign: imapUnreachable, P: 0.05},
		{Sign: submissionUnreachable, P: 0.05},
		{Sign: imapDead, P: 0.1},
		{Sign: submissionDead, P: 0.1},
		{Sign: providerDead, P: 0.05},
		{Sign: deadOnlyHere, P: 0.05},
		{Sign: turnedAway, P: 0.05},
		{Sign: followsAddress, P: 0.15},
		{Sign: portBlocked, P: 0.05},
		{Sign: submissionDown, P: 0.05},
		{Sign: readingDown, P: 0.05},
		{Sign: websiteDead, P: 0.3},
		{Sign: largeLost, P: 0.05},
		{Sign: ipv6Dead, P: 0.02},
	},
	Proof: []*infer.Sign{mixedConnects},
}

var mixedConnects = &infer.Sign{Name: "connections-come-and-go", Of: func(e *evidence.Evidence) infer.Truth {
	type target struct {
		place
		addr netip.Addr
	}
	ok, lost := map[target]bool{}, map[target]bool{}
	reference, all := 0, slices.Concat(ownConnects(e), referenceConnects(e))
	if len(all) < 8 {
		return infer.Unknown
	}
	for _, c := range all {
		t := target{placeOf(c.Endpoint), c.Addr}
		ok[t] = ok[t] || connected(c)
		lost[t] = lost[t] || c.Outcome == evidence.TimedOut
	}
	mixed := map[string]bool{}
	for _, c := range all {
		if t := (target{placeOf(c.Endpoint), c.Addr}); ok[t] && lost[t] {
			mixed[t.host] = true
			if c.Endpoint.Origin == evidence.Reference {
				reference++
			}
		}
	}
	return infer.Is(len(mixed) > 1 && reference > 0)
}}
