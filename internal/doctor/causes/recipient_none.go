package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// recipient.none: a message waits that is for nobody (RFC 5321 section 3.3). It
// is known by its empty list of recipients, whatever the reply says.
var recipientNone = &infer.Cause{
	ID:       cause.RecipientNone,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{forNobody},
	Explains: []infer.Link{
		{Sign: toldMalformed, P: infer.Sometimes},
		{Sign: malformed, P: infer.Sometimes},
		{Sign: toldInvalid, P: infer.Sometimes},
		{Sign: addressInvalid, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{forNobody},
}

var forNobody = &infer.Sign{Name: "for-nobody", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(outboxMessages(e), func(t evidence.Told) bool { return len(t.To) == 0 && t.Tries > 0 })
}}
