package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.ptr-missing: the sending server's address has no reverse name, or one
// that does not lead back to it (RFC 1912 section 2.1), and others refuse its mail for that.
var senderPTRMissing = &infer.Cause{
	ID:       cause.SenderPTRMissing,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{reverseWrong},
	Explains: []infer.Link{
		{Sign: toldPTR, P: infer.Usually},
		{Sign: messageRefused, P: infer.Usually},
		{Sign: messageDeferred, P: infer.Sometimes},
	},
	Proof: []*infer.Sign{reverseWrong},
	Params: func(e *evidence.Evidence) []cause.Param {
		o, _ := outgoing(e)
		return append(sendingClient(e), textParam("host", o.Host)...)
	},
}

// reverseWrong: where it is only guessed from where mail is sent, a refusal must say so too.
var reverseWrong = &infer.Sign{Name: "reverse-name-wrong", Of: func(e *evidence.Evidence) infer.Truth {
	said := toldPTR.Of(e) == infer.Yes
	return anyOf(evidence.Where(e, func(r evidence.Reverse) bool { return said || !r.Assumed }), func(r evidence.Reverse) bool {
		return !r.Matches || said && !r.HeloOK
	})
}}
