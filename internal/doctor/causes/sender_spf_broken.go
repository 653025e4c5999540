package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.spf-broken: the SPF record itself is wrong: it needs more than ten
// lookups, stands twice, or is not well formed (RFC 7208 sections 4.5 to 4.6). It shows
// without any message. A resolver that did not answer is no such fault.
var senderSPFBroken = &infer.Cause{
	ID:       cause.SenderSPFBroken,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{spfBroken},
	Explains: []infer.Link{
		{Sign: toldSPF, P: infer.Usually},
		{Sign: toldDMARC, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Sometimes},
	},
	Proof: []*infer.Sign{spfBroken},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, p := range policies(e, "spf") {
			if p.State == "permerror" {
				return append(textParam("domain", p.Domain), textParam("detail", p.Detail)...)
			}
		}
		return nil
	},
}

var spfBroken = &infer.Sign{Name: "spf-broken", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(policies(e, "spf"), func(p evidence.Policy) bool { return p.State == "permerror" })
}}
