package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.provider-blocked: everything of the provider fails from here, others'
// servers do not, and another vantage sees the provider well. The web site is blocked as
// well, as a rule; a ban for failed sign-ins leaves it open. Connections that end at the
// client's hello are a filter's doing: a server that is down takes none.
var networkProviderBlocked = &infer.Cause{
	ID:       cause.NetworkProviderBlocked,
	Prior:    0.008,
	Requires: []*infer.Sign{providerDead},
	Explains: []infer.Link{
		{Sign: imapDead, P: infer.Always},
		{Sign: submissionDead, P: infer.Always},
		{Sign: imapUnreachable, P: 0.3},
		{Sign: submissionUnreachable, P: 0.3},
		{Sign: deadOnlyHere, P: infer.Always},
		{Sign: websiteDead, P: 0.9},
		{Sign: helloKilled, P: 0.15},
	},
	Excludes: []*infer.Sign{deadEverywhere, shutOut, serverRefuses, addressForged, domainExpired, largeLost},
	Proof:    []*infer.Sign{providerDead, deadOnlyHere},
	Params: func(e *evidence.Evidence) []cause.Param {
		return []cause.Param{cause.Text("host", firstHost(e))}
	},
}

// hostsRefuse: the hosts themselves, or who answers for them, say at every port that nobody is there, while others' servers take
// connections. A service that stopped shows so; who keeps a network from a provider mostly stays silent.
var hostsRefuse = &infer.Sign{Name: "hosts-refuse", Normal: true, Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	if providerDead.Of(e) != infer.Yes {
		return infer.Unknown
	}
	return refused(e, func(c evidence.Connect) bool { return own(e, c.Endpoint) })
}}

// helloKilled: connections to the provider come about and end, or fall silent, at the first
// octets of TLS; those to others do not.
var helloKilled = &infer.Sign{Name: "killed-at-hello", Of: func(e *evidence.Evidence) infer.Truth {
	if len(referenceHandshakes(e)) == 0 {
		return infer.Unknown
	}
	return allOf(ownHandshakes(e), func(h evidence.Handshake) bool {
		return h.Outcome == evidence.Reset || h.Outcome == evidence.TimedOut || h.Outcome == evidence.Closed && h.Alert == 0
	})
}}

// serverRefuses: the servers themselves say no, with words.
var serverRefuses = &infer.Sign{Name: "servers-refuse-with-words", Leak: 0.05, Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(ownGreetings(e), func(g evidence.Greeting) bool { return !g.Positive && g.Speaks != "" })
}}
