package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.smtp-intercepted: a middlebox answers SMTP in the server's place, or
// edits what it offers. What shows is the same at every provider: the greeting is
// one and the same, or STARTTLS is missing at others too. A server that has no STARTTLS
// by itself is alone with it.
var networkSMTPIntercepted = &infer.Cause{
	ID:       cause.NetworkSMTPIntercepted,
	About:    []evidence.Symptom{evidence.Send, evidence.SignsIn},
	Requires: []*infer.Sign{smtpIntercepted},
	Explains: []infer.Link{
		{Sign: starttlsMissing, P: 0.5},
		{Sign: submissionDead, P: 0.05},
		{Sign: certWrongName, P: 0.05},
		{Sign: certUntrusted, P: 0.05},
	},
	Proof: []*infer.Sign{smtpIntercepted},
}

var smtpIntercepted = &infer.Sign{Name: "smtp-intercepted", Of: func(e *evidence.Evidence) infer.Truth {
	if worksAsGiven(e, evidence.Submission) {
		return infer.No
	}
	starts := func(ep evidence.Endpoint) bool {
		return ep.Protocol == evidence.Submission && ep.Security == evidence.STARTTLS
	}
	reference := func(ep evidence.Endpoint) bool { return ep.Origin == evidence.Reference && starts(ep) }
	ours := func(ep evidence.Endpoint) bool { return own(e, ep) && starts(ep) }
	return either(sameGreeting(e, ours, reference), strippedEverywhere(e, ours, reference))
}}

// sameGreeting is Yes when two providers' servers greet with the same name.
func sameGreeting(e *evidence.Evidence, ours, others func(evidence.Endpoint) bool) infer.Truth {
	names := func(of func(evidence.Endpoint) bool) []string {
		var all []string
		for _, g := range evidence.All[evidence.Greeting](e) {
			if f := strings.Fields(g.Text); of(g.Endpoint) && g.Positive && len(f) > 1 && strings.Contains(f[1], ".") {
				all = append(all, strings.ToLower(f[1]))
			}
		}
		return all
	}
	mine, theirs := names(ours), names(others)
	if len(mine) == 0 || len(theirs) == 0 {
		return infer.Unknown
	}
	return infer.Is(slices.ContainsFunc(mine, func(n string) bool { return slices.Contains(theirs, n) }))
}

// strippedEverywhere is Yes when neither of two providers offers STARTTLS in the first EHLO.
func strippedEverywhere(e *evidence.Evidence, ours, others func(evidence.Endpoint) bool) infer.Truth {
	lacks := func(of func(evidence.Endpoint) bool) infer.Truth {
		return allOf(evidence.Where(e, func(c evidence.Capabilities) bool { return of(c.Endpoint) && !c.Encrypted && len(c.List) > 0 }),
			func(c evidence.Capabilities) bool { return !c.Has("STARTTLS") })
	}
	return both(lacks(ours), lacks(others))
}
