package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// content.too-large-recipient: the own server took the message, the recipient's
// does not: it says so, or announces to take less (RFC 1870).
var contentTooLargeRecipient = &infer.Cause{
	ID:       cause.ContentTooLargeRecipient,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{tooLargeRemote},
	Explains: []infer.Link{{Sign: toldTooLarge, P: infer.Usually}, {Sign: messageRefused, P: infer.Usually}},
	Excludes: []*infer.Sign{tooLargeOwn},
	Proof:    []*infer.Sign{tooLargeRemote},
	Params: func(e *evidence.Evidence) []cause.Param {
		all := sizeParams(largest(e), sizeLimit(e, recipientExchanger))
		return append(refusedAddress(dialect.RecipientTooLarge, dialect.MessageTooLarge)(e), all...)
	},
}

var tooLargeRemote = &infer.Sign{Name: "too-large-for-recipient", Of: func(e *evidence.Evidence) infer.Truth {
	if _, ok := refusedAs(e, remoteServer, dialect.RecipientTooLarge, dialect.MessageTooLarge); ok {
		return infer.Yes
	}
	size, limit := largest(e), sizeLimit(e, recipientExchanger)
	if size == 0 || limit == 0 {
		return infer.Unknown
	}
	return infer.Is(size > limit)
}}
