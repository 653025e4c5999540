package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.dkim-broken: the key that signed the domain's mail is not published, or
// another one is (RFC 6376 section 6.1.2). When the body was changed on the way, as by a mailing
// list, the key is right all the same.
var senderDKIMBroken = &infer.Cause{
	ID:       cause.SenderDKIMBroken,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{dkimKeyWrong},
	Explains: []infer.Link{
		{Sign: toldDKIM, P: infer.Usually},
		{Sign: toldDMARC, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{dkimKeyWrong},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, p := range policies(e, "dkim") {
			if keyWrong(p) {
				return append(textParam("domain", p.Domain), textParam("selector", p.Selector)...)
			}
		}
		return nil
	},
}

// dkimKeyWrong: no signature of the From domain verifies, and with one of them it is the key's fault.
var dkimKeyWrong = &infer.Sign{Name: "dkim-key-wrong", Of: func(e *evidence.Evidence) infer.Truth {
	domain := organisation(evidence.DomainOf(fromAddress(e)))
	own := evidence.Where(e, func(p evidence.Policy) bool { return p.Kind == "dkim" && organisation(p.Domain) == domain })
	if anyOf(own, func(p evidence.Policy) bool { return p.State == "ok" }) == infer.Yes {
		return infer.No
	}
	return anyOf(own, keyWrong)
}}

func keyWrong(p evidence.Policy) bool {
	return p.State == "missing" || p.State == "mismatch" || p.State == "permerror"
}
