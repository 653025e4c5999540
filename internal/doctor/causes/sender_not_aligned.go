package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.not-aligned: the address in From is of another organisation than the
// account, and that organisation asks others to refuse what its own servers did not send (DMARC).
// When From is the account's own, a DMARC refusal has its reason in SPF or DKIM.
var senderNotAligned = &infer.Cause{
	ID:       cause.SenderNotAligned,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{notAligned},
	Explains: []infer.Link{
		{Sign: toldDMARC, P: infer.Usually},
		{Sign: toldSPF, P: infer.Sometimes},
		{Sign: toldDKIM, P: infer.Seldom},
		{Sign: toldSpam, P: infer.Seldom},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{notAligned},
	Params: func(e *evidence.Evidence) []cause.Param {
		return append(textParam("domain", evidence.DomainOf(fromAddress(e))), sendingClient(e)...)
	},
}

var notAligned = &infer.Sign{Name: "not-aligned", Of: func(e *evidence.Evidence) infer.Truth {
	domain := evidence.DomainOf(fromAddress(e))
	if domain == "" {
		return infer.Unknown
	}
	foreign := organisation(domain) != organisation(e.Complaint.Domain())
	signed := slices.ContainsFunc(policies(e, "dkim"), func(p evidence.Policy) bool {
		return p.State == "ok" && organisation(p.Domain) == organisation(domain)
	})
	return infer.Is(foreign && !signed && (dmarcEnforced(e, domain) || toldDMARC.Of(e) == infer.Yes))
}}
