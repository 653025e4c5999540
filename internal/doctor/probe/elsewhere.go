package probe

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/net/publicsuffix"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// This file looks at settings that nobody can be asked about: no source knows the right ones, so the
// servers themselves, and the names beside them, must tell.

// StandardPorts are where a service is as a rule (RFC 8314 sections 3.2 and 3.3), the better first.
func StandardPorts(p evidence.Protocol) []evidence.Endpoint {
	ports := map[evidence.Protocol][2]int{evidence.IMAP: {993, 143}, evidence.POP3: {995, 110}, evidence.Submission: {465, 587}}[p]
	return []evidence.Endpoint{
		{Protocol: p, Port: ports[0], Security: evidence.TLS, Origin: evidence.Alternative},
		{Protocol: p, Port: ports[1], Security: evidence.STARTTLS, Origin: evidence.Alternative},
	}
}

// OtherPorts looks for the service of a given endpoint at the usual ports of its host, where it does
// not greet at the given one and no source knows the right one.
func (r *Run) OtherPorts(ep evidence.Endpoint) Probe {
	return Probe{Name: "other ports than " + place(ep), Needs: []string{"lookup " + ep.Host}, After: []string{GreetingName(ep), "otherwise " + place(ep)}, Run: func(ctx context.Context) error {
		_, greets := evidence.Find(r.Evidence, func(g evidence.Greeting) bool {
			return g.Endpoint.Host == ep.Host && g.Endpoint.Port == ep.Port && g.Positive
		})
		if greets {
			return fmt.Errorf("not needed: %w", ErrBlocked)
		}
		var wg sync.WaitGroup
		others := StandardPorts(ep.Protocol)
		works := make([]bool, len(others))
		for i := range others {
			if others[i].Host = ep.Host; others[i].Port != ep.Port {
				wg.Go(func() { works[i] = r.offers(ctx, others[i]) })
			}
		}
		wg.Wait()
		for i, other := range others {
			if other.Port != ep.Port {
				r.Evidence.Add(evidence.OtherPort{Given: ep, Endpoint: other, Works: works[i]}, "")
			}
		}
		return nil
	}}
}

// offers reports whether an endpoint greets, and encrypts as it should.
func (r *Run) offers(ctx context.Context, ep evidence.Endpoint) bool {
	t, _, err := r.open(ctx, ep)
	if err == nil {
		t.close()
	}
	return err == nil
}

// Unguided returns the given endpoints where no source knows any right settings.
func (r *Run) Unguided() []evidence.Endpoint {
	if p, ok := evidence.First[*evidence.Provider](r.Evidence); ok && len(p.Result.Chosen) > 0 {
		return nil
	}
	return r.Evidence.Complaint.Given
}

// NearNames looks for what was meant by given names that do not exist: names of the account's
// domain, of the other servers in the settings, and of known providers.
func (r *Run) NearNames(eps []evidence.Endpoint) Probe {
	p := Probe{Name: "near names"}
	for _, ep := range eps {
		p.After = append(p.After, "lookup "+ep.Host)
	}
	p.Run = func(context.Context) error {
		for _, ep := range eps {
			if _, err := netip.ParseAddr(ep.Host); err == nil {
				continue
			}
			l, asked := evidence.Find(r.Evidence, func(l evidence.Lookup) bool { return l.Name == ep.Host && l.Type == "A" && l.Resolver == 0 })
			if asked && l.Answer == evidence.NXDomain {
				r.Evidence.Add(evidence.NearHost{Host: ep.Host, Meant: r.meant(ep.Host)}, "")
			}
		}
		return nil
	}
	return p
}

// meant is the name that a host is most likely a misspelling of; "" if none is near.
func (r *Run) meant(host string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	before := host[:len(host)-len(org)]
	candidates := []string{before + r.Evidence.Complaint.Domain()}
	for _, ep := range r.Evidence.Complaint.Given {
		if theirs, err := publicsuffix.EffectiveTLDPlusOne(ep.Host); err == nil && ep.Host != host {
			candidates = append(candidates, before+theirs, ep.Host)
		}
	}
	if near := settings.Nearest(host, candidates); near != "" {
		return near
	}
	return r.Table.NearestHost(host)
}

// SamePort reads at one port what the settings expect at it twice, as two protocols: only one of them can be right.
func (r *Run) SamePort(ep, other evidence.Endpoint) Probe {
	return Probe{Name: "same port " + place(ep) + " as " + string(ep.Protocol), After: []string{GreetingName(other)}, Run: func(context.Context) error {
		g, ok := evidence.Find(r.Evidence, func(g evidence.Greeting) bool { return g.Endpoint == other })
		if !ok {
			return fmt.Errorf("nothing greets there: %w", ErrBlocked)
		}
		g.Endpoint, g.Positive = ep, g.Positive && sameProtocol(g.Speaks, ep.Protocol)
		if !sameProtocol(g.Speaks, ep.Protocol) {
			g.Outcome = evidence.Garbled
		}
		r.Evidence.Add(g, "")
		return nil
	}}
}

// Twice returns pairs of given endpoints of different protocols at the same port: the second, and the
// first, which is looked at.
func (r *Run) Twice() (pairs [][2]evidence.Endpoint) {
	given := r.Evidence.Complaint.Given
	for i, ep := range given {
		for _, first := range given[:i] {
			if first.Host == ep.Host && first.Port == ep.Port {
				pairs = append(pairs, [2]evidence.Endpoint{ep, first})
				break
			}
		}
	}
	return pairs
}
