package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.spf-fail: the server that sends the domain's mail is not in its SPF
// record (RFC 7208), as evaluating it for that server's real address shows. A record that
// cannot be evaluated is another cause, and so is a forwarder's address.
var senderSPFFail = &infer.Cause{
	ID:       cause.SenderSPFFail,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{spfFails},
	Explains: []infer.Link{
		{Sign: toldSPF, P: infer.Usually},
		{Sign: toldDMARC, P: infer.Sometimes},
		{Sign: toldSpam, P: infer.Seldom},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{spfFails},
	Params: func(e *evidence.Evidence) []cause.Param {
		return append(textParam("domain", e.Complaint.Domain()), sendingClient(e)...)
	},
}
