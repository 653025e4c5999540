package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.forwarding-breaks-spf: the recipient forwards, and the last server sees
// the forwarder's address, which is not in the sender's SPF record, nor could it be. The
// sender's own server passes.
var senderForwardingBreaksSPF = &infer.Cause{
	ID:       cause.SenderForwardingBreaksSPF,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{spfFailsForwarded},
	Explains: []infer.Link{
		{Sign: toldSPF, P: infer.Usually},
		{Sign: toldDMARC, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually},
	},
	Excludes: []*infer.Sign{spfFails, spfBroken},
	Proof:    []*infer.Sign{spfFailsForwarded},
	Params: func(e *evidence.Evidence) []cause.Param {
		o, ok := evidence.Find(e, func(o evidence.Outgoing) bool { return o.Forwarder })
		if !ok {
			return textParam("domain", e.Complaint.Domain())
		}
		host := o.Host
		if host == "" {
			host = o.Addr.String()
		}
		return append(textParam("domain", e.Complaint.Domain()), cause.Text("host", host))
	},
}
