package doctor

import (
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// This file is the list of all probes. Each list is run as a whole, in
// parallel; a probe can need those before it.

// onPaper reads what came with the complaint: no network, no waiting.
func onPaper(r *probe.Run, c Case) []probe.Probe {
	return []probe.Probe{
		r.ClientState(),
		r.ReadBounce(c.Bounce),
		r.ReadLetter(c.Letter),
		r.Outbox(),
	}
}

// surroundings looks at the device, its network, and the domain's records.
func surroundings(r *probe.Run, c Case) []probe.Probe {
	probes := []probe.Probe{r.Interfaces(), r.Canary()}
	probes = append(probes, r.Reference()...)
	probes = append(probes, r.Domain()...)
	probes = append(probes, r.Policies()...)
	probes = append(probes, r.Recipient()...)
	probes = append(probes, r.Signatures(c.Letter))
	probes = append(probes, r.SecondResolver(), r.DomainWithoutDNSSEC(), r.Website(), r.PolicyMTASTS(), r.PolicyDANE())
	if !r.InsideSignsIn {
		probes = append(probes, r.Inside(), r.Queue())
	}
	return probes
}

// services looks at the servers: those that the mail program has, and those
// that are right.
func services(r *probe.Run, c Case) []probe.Probe {
	endpoints := r.Endpoints()
	probes := []probe.Probe{r.CompareGiven(), r.ReadClientErrors(endpoints)}
	for _, host := range probe.Hosts(endpoints) {
		probes = append(probes, r.LookupProbe(host), r.ContrastHost(host))
	}
	for _, ep := range endpoints {
		probes = append(probes, r.Endpoint(ep)...)
		if ep.Origin != evidence.MX {
			probes = append(probes, r.Repeat(ep, 2), r.Otherwise(ep))
		}
		switch {
		case ep.Origin == evidence.MX:
			probes = append(probes, r.OwnAddress(ep), r.Encryption(ep))
		case ep.Protocol == evidence.Submission:
			probes = append(probes, r.WithoutSignIn(ep))
		}
	}
	probes = append(probes, unguided(r)...)
	probes = append(probes, r.SignIns(endpoints)...)
	if r.InsideSignsIn {
		probes = append(probes, r.Inside(), r.Queue())
	}
	probes = append(probes, r.Account()...)
	probes = append(probes, r.StatusPage())
	probes = append(probes, r.Search(), r.FindLetter(), r.Idle(), r.Webmail())
	if c.HoldIdle > 0 {
		probes = append(probes, r.HoldIdle(c.HoldIdle))
	}
	if c.SendTest != nil {
		probes = append(probes, r.RoundTrip(c.SendTest))
	}
	return append(probes, r.Outgoing(), r.Reverse(), r.SPF(), r.Blocklists())
}

// unguided looks at settings for which no source knows the right ones, or that contradict themselves.
func unguided(r *probe.Run) []probe.Probe {
	eps := r.Unguided()
	probes := []probe.Probe{r.NearNames(eps)}
	seen := map[string]bool{}
	for _, ep := range eps {
		if p := r.OtherPorts(ep); !seen[p.Name] {
			seen[p.Name] = true
			probes = append(probes, p)
		}
	}
	for _, pair := range r.Twice() {
		probes = append(probes, r.SamePort(pair[0], pair[1]))
	}
	return probes
}

// followUps are looks that cost more, or that only make sense after what was found.
func followUps(r *probe.Run, c infer.Conclusion) []probe.Probe {
	// Large packets come last: where they vanish, they end the connection of the sign-in.
	return append(r.LargePackets(), r.OtherVantage(r.Unanswered()), r.PublishedSettings())
}
