package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// Signs of how far one comes, to the account's own servers and to those of others.
var (
	// imapDead, submissionDead: nothing at all greets at the account's own servers, whatever stands in the way.
	imapDead       = &infer.Sign{Name: "imap-does-not-greet", Of: func(e *evidence.Evidence) infer.Truth { return dead(e, evidence.IMAP) }}
	submissionDead = &infer.Sign{Name: "submission-does-not-greet", Of: func(e *evidence.Evidence) infer.Truth { return dead(e, evidence.Submission) }}
	// providerDead: nothing of the provider greets from here, and others' servers take connections; where none
	// are known to compare with, a page that comes as it should stands for them.
	providerDead = &infer.Sign{Name: "provider-dead-from-here", Of: func(e *evidence.Evidence) infer.Truth {
		if t := dead(e, evidence.IMAP, evidence.Submission, evidence.POP3); t != infer.Yes || places(e) < 2 {
			return infer.Is(false)
		}
		if onThisComputer(e) == infer.Yes {
			return infer.Yes
		}
		if others := referenceConnects(e); len(others) > 0 {
			return anyOf(others, connected)
		}
		return anyOf(evidence.All[evidence.Canary](e), func(c evidence.Canary) bool { return c.Outcome == evidence.OK && !c.Altered })
	}}
	// deadOnlyHere: another vantage sees what is dead from here; deadEverywhere: it does not either, or the
	// provider itself says that it is down. Neither means anything while the provider answers.
	deadOnlyHere = &infer.Sign{Name: "dead-only-from-here", Of: func(e *evidence.Evidence) infer.Truth {
		if providerDead.Of(e) != infer.Yes {
			return infer.Unknown
		}
		return anyOf(evidence.All[evidence.Vantage](e), greetedThere)
	}}
	deadEverywhere = &infer.Sign{Name: "dead-from-everywhere", Of: func(e *evidence.Evidence) infer.Truth {
		switch {
		case providerDead.Of(e) != infer.Yes:
			return infer.Unknown
		case saysDown(e, "mail") == infer.Yes, onThisComputer(e) == infer.Yes:
			return infer.Yes
		}
		looked := evidence.Where(e, func(v evidence.Vantage) bool { return v.Outcome != evidence.OtherFailure }) // else it had no name or way itself
		return noneOf(looked, greetedThere)
	}}
	// websiteDead: the web site of the domain is not reached either.
	websiteDead = &infer.Sign{Name: "website-dead", Leak: 0.05, Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
		shakes := evidence.Where(e, func(h evidence.Handshake) bool { return h.Endpoint.Origin == evidence.Web })
		if anyOf(shakes, func(h evidence.Handshake) bool { return h.Outcome == evidence.OK }) == infer.Yes {
			return infer.No
		}
		return noneOf(evidence.Where(e, func(c evidence.Connect) bool { return c.Endpoint.Origin == evidence.Web }), func(c evidence.Connect) bool {
			return connected(c) && len(shakes) == 0
		})
	}}
)

// onThisComputer is Yes where all servers are this computer and it says itself that nobody is there: no network is in between.
func onThisComputer(e *evidence.Evidence) infer.Truth {
	return allOf(ownConnects(e), func(c evidence.Connect) bool { return c.Addr.IsLoopback() && c.Outcome == evidence.Refused })
}

// greetedThere: another place was let in, not only answered.
func greetedThere(v evidence.Vantage) bool {
	return v.Outcome == evidence.OK && (strings.HasPrefix(v.Greeting, "220") || strings.HasPrefix(v.Greeting, "* OK") || strings.HasPrefix(v.Greeting, "+OK"))
}

// own reports whether an endpoint is the account's provider's: what is right,
// and what the mail program has, where that is the same host or nothing is known.
func own(e *evidence.Evidence, ep evidence.Endpoint) bool {
	switch ep.Origin {
	case evidence.Right, evidence.Alternative:
		return true
	case evidence.Given:
		return !foreignHost(e, ep)
	}
	return false
}

// foreignHost reports whether a given endpoint is at a host that is none of those known to be right.
func foreignHost(e *evidence.Evidence, ep evidence.Endpoint) bool {
	right := rightHosts(e, ep.Protocol)
	return len(right) > 0 && !slices.Contains(right, ep.Host)
}

// rightHosts returns the hosts that are right for a protocol, the chosen one first.
func rightHosts(e *evidence.Evidence, p evidence.Protocol) []string {
	found, ok := evidence.First[*evidence.Provider](e)
	if !ok {
		return nil
	}
	var hosts []string
	for _, c := range found.Result.Chosen {
		if protocolOf(string(c.Protocol)) == p {
			hosts = append(hosts, c.Host)
		}
	}
	for _, c := range found.Result.Candidates {
		for _, s := range c.Servers {
			if protocolOf(string(s.Protocol)) == p && !slices.Contains(hosts, s.Host) {
				hosts = append(hosts, s.Host)
			}
		}
	}
	return hosts
}

// protocolOf translates the word of package settings.
func protocolOf(s string) evidence.Protocol {
	if s == "smtp" {
		return evidence.Submission
	}
	return evidence.Protocol(s)
}

func ownConnects(e *evidence.Evidence) []evidence.Connect {
	return evidence.Where(e, func(c evidence.Connect) bool { return own(e, c.Endpoint) })
}

func ownHandshakes(e *evidence.Evidence) []evidence.Handshake {
	return evidence.Where(e, func(h evidence.Handshake) bool { return own(e, h.Endpoint) })
}

func ownGreetings(e *evidence.Evidence) []evidence.Greeting {
	return evidence.Where(e, func(g evidence.Greeting) bool { return own(e, g.Endpoint) })
}

func referenceConnects(e *evidence.Evidence) []evidence.Connect {
	return evidence.Where(e, func(c evidence.Connect) bool { return c.Endpoint.Origin == evidence.Reference })
}

func referenceHandshakes(e *evidence.Evidence) []evidence.Handshake {
	return evidence.Where(e, func(h evidence.Handshake) bool {
		return (h.Endpoint.Origin == evidence.Reference) && h.Outcome == evidence.OK
	})
}

// places counts the different ports of the provider that were tried.
func places(e *evidence.Evidence) int {
	seen := map[place]bool{}
	for _, c := range ownConnects(e) {
		seen[placeOf(c.Endpoint)] = true
	}
	return len(seen)
}

// place is a port of a host.
type place struct {
	host string
	port int
}

func placeOf(ep evidence.Endpoint) place { return place{ep.Host, ep.Port} }

// dead is Yes when connections to the provider by protocols were tried and
// nothing greeted. A server that counts connections is not dead.
func dead(e *evidence.Evidence, protocols ...evidence.Protocol) infer.Truth {
	of := func(ep evidence.Endpoint) bool { return slices.Contains(protocols, ep.Protocol) && own(e, ep) }
	for _, g := range evidence.All[evidence.Greeting](e) {
		if of(g.Endpoint) && (g.Positive && !lostInTLS(e, g.Endpoint) || g.Reading.First().Kind == dialect.ConnectionsLimit) {
			return infer.No
		}
	}
	tried := evidence.Where(e, func(c evidence.Connect) bool { return of(c.Endpoint) })
	if len(tried) == 0 {
		return infer.Unknown
	}
	return infer.Yes
}

// lostInTLS tells of an endpoint that greeted and then fell silent, or broke off, at the change to TLS.
func lostInTLS(e *evidence.Evidence, ep evidence.Endpoint) bool {
	shakes := evidence.Where(e, func(h evidence.Handshake) bool { return h.Endpoint == ep })
	return ep.Security == evidence.STARTTLS && noneOf(shakes, func(h evidence.Handshake) bool {
		return h.Outcome != evidence.TimedOut && h.Outcome != evidence.Reset && h.Outcome != evidence.Closed
	}) == infer.Yes
}

// saysDown reads the provider's status page: Yes if it says that one of the services is down.
func saysDown(e *evidence.Evidence, services ...string) infer.Truth {
	pages := evidence.Where(e, func(s evidence.Status) bool { return s.Outcome == evidence.OK })
	return anyOf(pages, func(s evidence.Status) bool {
		return slices.ContainsFunc(s.Down, func(d string) bool { return slices.Contains(services, d) })
	})
}

// allOf is Yes when there are facts and all of them are so.
func allOf[T any](facts []T, so func(T) bool) infer.Truth {
	return noneOf(facts, func(f T) bool { return !so(f) })
}

// either is Yes if one of the truths is, No if all that are known are No.
func either(truths ...infer.Truth) infer.Truth {
	switch {
	case slices.Contains(truths, infer.Yes):
		return infer.Yes
	case slices.Contains(truths, infer.No):
		return infer.No
	}
	return infer.Unknown
}

// both is Yes if all truths are, No if one of them is No.
func both(truths ...infer.Truth) infer.Truth {
	switch {
	case slices.Contains(truths, infer.No):
		return infer.No
	case slices.Contains(truths, infer.Unknown):
		return infer.Unknown
	}
	return infer.Yes
}

// failed is an outcome of a connection that did not come about in the network.
func failed(c evidence.Connect) bool {
	return c.Outcome == evidence.TimedOut || c.Outcome == evidence.Reset || c.Outcome == evidence.Refused || c.Outcome == evidence.NoHost
}

func isV6(a netip.Addr) bool { return a.Is6() && !a.Is4In6() }

// firstHost is the host of the provider that stands for it in texts.
func firstHost(e *evidence.Evidence) string {
	for _, c := range ownConnects(e) {
		return c.Endpoint.Host
	}
	if hosts := rightHosts(e, evidence.IMAP); len(hosts) > 0 {
		return hosts[0]
	}
	return ""
}

// providerName is what to call the provider in texts.
func providerName(e *evidence.Evidence) string {
	if p, ok := evidence.First[*evidence.Provider](e); ok && p.Name != "" {
		return p.Name
	}
	return e.Complaint.Domain()
}

// worksAsGiven tells whether the mail program has settings that work: what is wrong at
// another port of the provider does not matter then.
func worksAsGiven(e *evidence.Evidence, p evidence.Protocol) bool {
	_, ok := evidence.Find(e, func(s evidence.SignIn) bool {
		return s.Endpoint.Protocol == p && isGiven(e, s.Endpoint) && s.Accepted
	})
	return ok
}
