package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.mtu-blackhole: on one and the same connection little gets through and
// more than a packet's worth does not. A line that loses at random, or a server that is
// slow, does not care for the size.
var networkMTUBlackhole = &infer.Cause{
	ID:       cause.NetworkMTUBlackhole,
	Requires: []*infer.Sign{largeLost},
	Explains: []infer.Link{
		{Sign: imapDead, P: 0.3},
		{Sign: submissionDead, P: 0.3},
		{Sign: providerDead, P: 0.3},
		{Sign: deadOnlyHere, P: 0.3},
		{Sign: helloKilled, P: 0.2},
		{Sign: submissionDown, P: 0.1},
		{Sign: readingDown, P: 0.1},
		{Sign: websiteDead, P: 0.5},
	},
	Proof: []*infer.Sign{largeLost},
}

var largeLost = &infer.Sign{Name: "large-packets-lost", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.All[evidence.LargePacket](e), func(l evidence.LargePacket) bool { return l.Outcome == evidence.TimedOut })
}}
