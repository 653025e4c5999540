package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.ipv6-broken: the device has a way for IPv6 and everything over it
// vanishes, at others' servers too, while IPv4 works. Without a way at all there is no
// fault: programs then use IPv4 at once.
var networkIPv6Broken = &infer.Cause{
	ID:       cause.NetworkIPv6Broken,
	Requires: []*infer.Sign{ipv6Dead},
	Explains: []infer.Link{{Sign: followsAddress, P: infer.Usually}},
	Proof:    []*infer.Sign{ipv6Dead},
}

var ipv6Dead = &infer.Sign{Name: "ipv6-dead", Of: func(e *evidence.Evidence) infer.Truth {
	var v6, v4 []evidence.Connect
	others := 0
	for _, c := range slices.Concat(ownConnects(e), referenceConnects(e)) {
		switch {
		case !isV6(c.Addr):
			v4 = append(v4, c)
		case c.Outcome == evidence.NoNetwork:
			return infer.No
		default:
			v6 = append(v6, c)
			if c.Endpoint.Origin == evidence.Reference {
				others++
			}
		}
	}
	if len(v6) < 2 || others == 0 {
		return infer.Unknown
	}
	return both(noneOf(v6, connected), anyOf(v4, connected))
}}
