package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// recipient.refuses: the address exists, but its account is off, or takes mail
// only from some.
var recipientRefuses = &infer.Cause{
	ID:       cause.RecipientRefuses,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{toldRefuses},
	Explains: []infer.Link{{Sign: messageRefused, P: infer.Usually}},
	Proof:    []*infer.Sign{toldRefuses},
	Params:   refusedAddress(dialect.RecipientRefuses, dialect.SenderRefused),
}
