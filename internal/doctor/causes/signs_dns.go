package causes

import (
	"net/netip"
	"slices"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// Signs of the DNS that several causes share.
var (
	// noNames: not one name is found at the device's resolver, nor the names of others, which exist.
	noNames = &infer.Sign{Name: "no-name-resolves", Of: func(e *evidence.Evidence) infer.Truth {
		asked := evidence.Where(e, func(l evidence.Lookup) bool { return l.Resolver == 0 && !l.CheckingDisabled })
		if len(asked) < 2 {
			return infer.Unknown
		}
		return either(allOf(asked, unanswered), deniesAll(e, asked))
	}}
	// otherResolverAnswers: another resolver does, reached by its address.
	otherResolverAnswers = &infer.Sign{Name: "other-resolver-answers", Leak: 0.9, Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
		return anyOf(evidence.Where(e, func(l evidence.Lookup) bool { return l.Resolver == 1 }), func(l evidence.Lookup) bool { return !unanswered(l) })
	}}
)

// deniesAll is Yes where a resolver says of every name that it does not exist, those of two or more
// organisations among them that have nothing to do with the account.
func deniesAll(e *evidence.Evidence, asked []evidence.Lookup) infer.Truth {
	own := []string{organisation(e.Complaint.Domain()), organisation(evidence.DomainOf(e.Complaint.Recipient))}
	for _, host := range ownHosts(e) {
		own = append(own, organisation(host))
	}
	for _, g := range e.Complaint.Given {
		own = append(own, organisation(g.Host))
	}
	others := map[string]bool{}
	for _, l := range asked {
		if l.Answer != evidence.NXDomain && !unanswered(l) {
			return infer.No
		}
		if org := organisation(l.Name); (l.Type == "A" || l.Type == "AAAA") && !slices.Contains(own, org) {
			others[org] = true
		}
	}
	if len(others) < 2 {
		return infer.Unknown
	}
	return infer.Yes
}

func unanswered(l evidence.Lookup) bool {
	return l.Answer == evidence.NoAnswer || l.Answer == evidence.ServFail || l.Answer == evidence.DNSRefuse
}

// lookup returns an answer of a resolver, without the CD bit.
func lookup(e *evidence.Evidence, resolver int, name, kind string) (evidence.Lookup, bool) {
	return evidence.Find(e, func(l evidence.Lookup) bool {
		return l.Resolver == resolver && l.Name == name && l.Type == kind && !l.CheckingDisabled
	})
}

// foundElsewhere is Yes when the other resolver has a record, No when it has none.
func foundElsewhere(e *evidence.Evidence, name, kind string) infer.Truth {
	l, ok := lookup(e, 1, name, kind)
	if !ok || unanswered(l) {
		return infer.Unknown
	}
	return infer.Is(l.Answer == evidence.Found)
}

// mxRecords returns the domain's MX lookup at the device's resolver.
func mxRecords(e *evidence.Evidence) (evidence.Lookup, bool) {
	return lookup(e, 0, e.Complaint.Domain(), "MX")
}

// ownHosts returns the hosts of the account's provider that are looked at.
func ownHosts(e *evidence.Evidence) []string {
	hosts := slices.Concat(rightHosts(e, evidence.IMAP), rightHosts(e, evidence.Submission))
	for _, g := range e.Complaint.Given {
		if own(e, g) {
			hosts = append(hosts, g.Host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// misled returns a host of the provider for which the device's resolver gives
// other addresses than another one does, and those addresses.
func misled(e *evidence.Evidence) (host string, addrs []netip.Addr, ok bool) {
	for _, host := range ownHosts(e) {
		mine, asked := lookup(e, 0, host, "A")
		theirs, compared := lookup(e, 1, host, "A")
		if !asked || !compared || theirs.Answer != evidence.Found || unanswered(mine) {
			continue
		}
		if slices.ContainsFunc(mine.Records, func(r string) bool { return slices.Contains(theirs.Records, r) }) {
			continue
		}
		for _, r := range mine.Records {
			if a, err := netip.ParseAddr(r); err == nil {
				addrs = append(addrs, a)
			}
		}
		return host, addrs, true
	}
	return "", nil, false
}

// strangerAt is Yes when, at the addresses that the device's resolver gives, a
// mail server answers that is not the provider's, No when nothing of the kind does.
func strangerAt(e *evidence.Evidence, host string, addrs []netip.Addr) infer.Truth {
	if len(addrs) == 0 {
		return infer.No
	}
	at := func(ep evidence.Endpoint, a netip.Addr) bool { return ep.Host == host && slices.Contains(addrs, a) }
	greets := evidence.Where(e, func(g evidence.Greeting) bool { return at(g.Endpoint, g.Addr) && g.Positive })
	shakes := evidence.Where(e, func(h evidence.Handshake) bool { return at(h.Endpoint, h.Addr) && h.Outcome == evidence.OK })
	if allOf(shakes, func(h evidence.Handshake) bool { return h.Trust == evidence.Trusted }) == infer.Yes {
		return infer.Unknown // a genuine server: only another of several
	}
	return infer.Is(len(greets) > 0)
}
