package causes

import (
	"net/netip"
	"slices"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// Signs of a provider's servers that several causes share.
var (
	// submissionDown, readingDown: one half of the service does not greet, the other does, and
	// others' servers of the kind do from here.
	submissionDown = &infer.Sign{Name: "only-submission-down", Of: func(e *evidence.Evidence) infer.Truth {
		return both(dead(e, evidence.Submission), dead(e, evidence.IMAP).Not(), either(referenceTakes(e, evidence.Submission), refusedOutright(e, evidence.Submission)), portBlocked.Of(e).Not())
	}}
	readingDown = &infer.Sign{Name: "only-reading-down", Of: func(e *evidence.Evidence) infer.Truth {
		return both(dead(e, evidence.IMAP), dead(e, evidence.Submission).Not(), either(referenceTakes(e, evidence.IMAP), refusedOutright(e, evidence.IMAP)))
	}}
	// readingCompared, submissionCompared: others' servers of the kind do greet from here; without them it is likely at best.
	readingCompared    = &infer.Sign{Name: "reading-elsewhere-works", Normal: true, Leak: 0.5, Of: func(e *evidence.Evidence) infer.Truth { return referenceTakes(e, evidence.IMAP) }}
	submissionCompared = &infer.Sign{Name: "submission-elsewhere-works", Normal: true, Leak: 0.5, Of: func(e *evidence.Evidence) infer.Truth { return referenceTakes(e, evidence.Submission) }}
	// turnedAway: a server turns a connection away and takes another.
	turnedAway = &infer.Sign{Name: "turned-away-now-and-then", Of: func(e *evidence.Evidence) infer.Truth {
		good, bad := map[evidence.Endpoint]bool{}, map[evidence.Endpoint]bool{}
		for _, g := range ownGreetings(e) {
			at := g.Endpoint // spoken to in one way: with the wrong encryption a server is silent every time
			at.Origin = ""
			good[at] = good[at] || g.Positive
			bad[at] = bad[at] || rejects(g)
		}
		if len(good) == 0 {
			return infer.Unknown
		}
		for p := range good {
			if good[p] && bad[p] {
				return infer.Yes
			}
		}
		return infer.No
	}}
	// saysBusy: greetings say that the server has too much to do.
	saysBusy = &infer.Sign{Name: "says-busy", Of: func(e *evidence.Evidence) infer.Truth { return greetingSays(e, dialect.Overloaded) }}
	// followsAddress: at one address of a host everything fails, at another nothing does.
	followsAddress = &infer.Sign{Name: "outcome-follows-address", Of: func(e *evidence.Evidence) infer.Truth {
		return infer.Is(brokenAddress(e).IsValid())
	}}
)

// rejects: the server greets with a no, or not at all, though it took the connection. One
// that counts the connections of an account or address is another matter.
func rejects(g evidence.Greeting) bool {
	return !g.Positive && (g.Speaks != "" || g.Outcome == evidence.Closed || g.Outcome == evidence.Reset || g.Outcome == evidence.TimedOut) &&
		!g.Reading.Says(dialect.ConnectionsLimit) && g.Reading.First().Kind != dialect.ClientBanned && g.Reading.First().Kind != dialect.Maintenance
}

// greetingSays is Yes when a greeting of the provider is a no that most likely means one of the kinds.
func greetingSays(e *evidence.Evidence, kinds ...dialect.Kind) infer.Truth {
	return anyOf(ownGreetings(e), func(g evidence.Greeting) bool {
		return !g.Positive && g.Speaks != "" && slices.Contains(kinds, g.Reading.First().Kind)
	})
}

// referenceTakes is Yes when somebody else's server of the protocol takes a connection.
func referenceTakes(e *evidence.Evidence, p evidence.Protocol) infer.Truth {
	return anyOf(slices.DeleteFunc(referenceConnects(e), func(c evidence.Connect) bool { return c.Endpoint.Protocol != p }), connected)
}

// refused is Yes where connections were tried and the hosts themselves said that nobody is there.
func refused(e *evidence.Evidence, which func(evidence.Connect) bool) infer.Truth {
	return allOf(evidence.Where(e, which), func(c evidence.Connect) bool { return c.Outcome == evidence.Refused })
}

// refusedOutright is Yes where the usual ports of a protocol were tried at the provider's hosts and all were
// refused by them: no network in between does that as a rule.
func refusedOutright(e *evidence.Evidence, p evidence.Protocol) infer.Truth {
	usual, odd := map[place]bool{}, false
	for _, c := range ownConnects(e) {
		if c.Endpoint.Protocol != p {
			continue
		}
		if slices.ContainsFunc(probe.StandardPorts(p), func(s evidence.Endpoint) bool { return s.Port == c.Endpoint.Port }) {
			usual[placeOf(c.Endpoint)] = true
		} else {
			odd = true
		}
	}
	if odd || len(usual) < 2 {
		return infer.Unknown
	}
	return refused(e, func(c evidence.Connect) bool { return c.Endpoint.Protocol == p && own(e, c.Endpoint) })
}

// brokenAddress returns an address of the provider at which all tries of a port
// failed, where another address of the same host and port always works.
func brokenAddress(e *evidence.Evidence) netip.Addr {
	type target struct {
		place
		addr netip.Addr
	}
	good, bad := map[target]int{}, map[target]int{}
	for _, c := range ownConnects(e) {
		if t := (target{placeOf(c.Endpoint), c.Addr}); failed(c) {
			bad[t]++
		}
	}
	for _, h := range ownHandshakes(e) {
		if t := (target{placeOf(h.Endpoint), h.Addr}); h.Outcome != evidence.OK {
			bad[t]++
		}
	}
	for _, g := range ownGreetings(e) {
		if t := (target{placeOf(g.Endpoint), g.Addr}); g.Positive {
			good[t]++
		} else if g.Outcome != evidence.OK || rejects(g) {
			bad[t]++
		}
	}
	for t, n := range bad {
		if n < 2 || good[t] > 0 {
			continue
		}
		for other, m := range good {
			if other.place == t.place && other.addr != t.addr && m > 0 && bad[other] == 0 {
				return t.addr
			}
		}
	}
	return netip.Addr{}
}
