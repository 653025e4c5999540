package causes

import (
	"net/mail"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// recipient.address-invalid: no address is written so (RFC 5321 section 4.1.2):
// without "@", with a space, with two of them. A server can say so too.
var recipientAddressInvalid = &infer.Cause{
	ID:       cause.RecipientAddressInvalid,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{addressInvalid},
	Explains: []infer.Link{
		{Sign: domainGone, P: infer.Sometimes},
		{Sign: toldInvalid, P: infer.Usually},
		{Sign: toldUnknown, P: infer.Sometimes},
		{Sign: toldNoDomain, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{addressInvalid},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, to := range recipients(e) {
			if !wellFormed(to) {
				return textParam("address", to)
			}
		}
		return textParam("address", e.Complaint.Recipient)
	},
}

var addressInvalid = &infer.Sign{Name: "address-invalid", Of: func(e *evidence.Evidence) infer.Truth {
	if toldInvalid.Of(e) == infer.Yes {
		return infer.Yes
	}
	return anyOf(recipients(e), func(to string) bool { return !wellFormed(to) })
}}

// wellFormed tells whether an address is one, as far as it shows without asking.
func wellFormed(address string) bool {
	a, err := mail.ParseAddress("<" + address + ">")
	if err != nil || a.Address != address && !strings.Contains(address, `"`) {
		return false
	}
	domain := evidence.DomainOf(address)
	return strings.Contains(domain, ".") && !strings.HasPrefix(domain, ".") && !strings.Contains(domain, "..")
}
