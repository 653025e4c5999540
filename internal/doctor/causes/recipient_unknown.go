package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// recipient.unknown: the recipient's server does not know the address. When there
// is no such domain at all, or the address came from the suggestions, that says more.
var recipientUnknown = &infer.Cause{
	ID:       cause.RecipientUnknown,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{toldUnknown},
	Explains: []infer.Link{{Sign: messageRefused, P: infer.Usually}, {Sign: toldMoved, P: infer.Seldom}},
	Excludes: []*infer.Sign{recipientNull},
	Proof:    []*infer.Sign{toldUnknown},
	Params:   refusedAddress(dialect.RecipientUnknown),
}
