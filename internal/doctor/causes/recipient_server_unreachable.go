package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// recipient.server-unreachable: the recipient's server does not answer: the
// account's server says so, or it cannot be reached from here, while the same port of others can.
// Networks of people often let nobody through there, which says nothing.
var recipientServerUnreachable = &infer.Cause{
	ID:       cause.RecipientServerUnreachable,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{recipientUnreachable},
	Explains: []infer.Link{
		{Sign: toldUnreachable, P: infer.Usually},
		{Sign: messageDeferred, P: infer.Usually},
		{Sign: messageRefused, P: infer.Sometimes},
	},
	Excludes: []*infer.Sign{domainGone},
	Proof:    []*infer.Sign{recipientUnreachable},
	Params: func(e *evidence.Evidence) []cause.Param {
		to := e.Complaint.Recipient
		if r, ok := refusedAs(e, anybody, dialect.HostUnreachable); ok {
			to = r.to
		}
		all := append(textParam("domain", evidence.DomainOf(to)), nextTry(e, to)...)
		if c, ok := evidence.Find(e, func(c evidence.Connect) bool { return c.Endpoint.Origin == evidence.RecipientMX }); ok {
			all = append(all, cause.Text("host", c.Endpoint.Host))
		}
		return onlyNext(all)
	},
}

// onlyNext leaves out when it is given up, which the texts of this cause do not tell.
func onlyNext(all []cause.Param) []cause.Param {
	var kept []cause.Param
	for _, p := range all {
		if p.Name != "giveup" {
			kept = append(kept, p)
		}
	}
	return kept
}

var recipientUnreachable = &infer.Sign{Name: "recipient-unreachable", Of: func(e *evidence.Evidence) infer.Truth {
	if toldUnreachable.Of(e) == infer.Yes {
		return infer.Yes
	}
	theirs := noneOf(evidence.Where(e, func(c evidence.Connect) bool { return c.Endpoint.Origin == evidence.RecipientMX }), connected)
	ours := anyOf(evidence.Where(e, func(c evidence.Connect) bool { return c.Endpoint.Origin == evidence.MX && c.Endpoint.Port == 25 }), connected)
	if theirs == infer.Yes && ours != infer.Yes {
		return infer.Unknown
	}
	return theirs
}}
