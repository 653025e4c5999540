package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// recipient.none: no recipient of a message was accepted (RFC 5321 section 3.3),
// as the server says after DATA; or the message is for nobody, as its empty list of recipients shows.
// When one address is refused and named, it is that one.
var recipientNone = &infer.Cause{
	ID:       cause.RecipientNone,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{forNobody},
	Explains: []infer.Link{
		{Sign: toldUnknown, P: infer.Sometimes},
		{Sign: toldRefuses, P: infer.Sometimes},
		{Sign: toldMalformed, P: infer.Sometimes},
		{Sign: malformed, P: infer.Sometimes},
		{Sign: toldInvalid, P: infer.Sometimes},
		{Sign: addressInvalid, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{forNobody},
}

var forNobody = &infer.Sign{Name: "for-nobody", Of: func(e *evidence.Evidence) infer.Truth {
	if _, ok := refusedAs(e, ownServer, dialect.NoRecipients); ok {
		return infer.Yes
	}
	return anyOf(outboxMessages(e), func(t evidence.Told) bool { return len(t.To) == 0 && t.Tries > 0 })
}}
