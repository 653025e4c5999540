package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// sender.address-invalid: the address in From, as the program has it, is none. An
// address that is well formed but somebody else's is another cause.
var senderAddressInvalid = &infer.Cause{
	ID:       cause.SenderAddressInvalid,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{fromInvalid},
	Explains: []infer.Link{
		{Sign: messageRefused, P: infer.Usually},
		{Sign: toldInvalid, P: infer.Sometimes},
		{Sign: addressInvalid, P: infer.Sometimes},
		{Sign: toldNoSender, P: infer.Sometimes},
		{Sign: toldMalformed, P: infer.Sometimes},
		{Sign: malformed, P: infer.Sometimes},
	},
	Proof: []*infer.Sign{fromInvalid},
	Params: func(e *evidence.Evidence) []cause.Param {
		return textParam("address", fromAddress(e))
	},
}

var fromInvalid = &infer.Sign{Name: "from-invalid", Of: func(e *evidence.Evidence) infer.Truth {
	address := fromAddress(e)
	if address == "" {
		return infer.Unknown
	}
	return infer.Is(!wellFormed(address))
}}
