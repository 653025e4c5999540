package causes

import (
	"strconv"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// content.too-large-own: the message is larger than the account's own server
// takes, as it announces (RFC 1870) or says. When the own server takes it and another refuses it,
// it is too large for the recipient.
var contentTooLargeOwn = &infer.Cause{
	ID:       cause.ContentTooLargeOwn,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{tooLargeOwn},
	Explains: []infer.Link{
		{Sign: toldTooLarge, P: infer.Always},
		{Sign: messageRefused, P: infer.Usually},
		{Sign: tooLargeRemote, P: infer.Sometimes},
	},
	Proof: []*infer.Sign{tooLargeOwn},
	Params: func(e *evidence.Evidence) []cause.Param {
		return sizeParams(largest(e), sizeLimit(e, ownSubmission))
	},
}

func sizeParams(size, limit int64) []cause.Param {
	var all []cause.Param
	if size > 0 {
		all = append(all, cause.Size("size", size))
	}
	if limit > 0 {
		all = append(all, cause.Size("limit", limit))
	}
	return all
}

func ownSubmission(ep evidence.Endpoint) bool {
	return ep.Protocol == evidence.Submission && ep.Origin != evidence.Reference
}

func recipientExchanger(ep evidence.Endpoint) bool { return ep.Origin == evidence.RecipientMX }

// sizeLimit is the largest message that servers announce to take; 0 is not known, or no limit.
func sizeLimit(e *evidence.Evidence, of func(evidence.Endpoint) bool) int64 {
	var limit int64
	for _, c := range evidence.All[evidence.Capabilities](e) {
		if s, ok := c.Value("SIZE"); ok && of(c.Endpoint) {
			if n, err := strconv.ParseInt(s, 10, 64); err == nil && (limit == 0 || n < limit) {
				limit = n
			}
		}
	}
	return limit
}

// tooLargeOwn: it is larger than announced, or the own server said so.
var tooLargeOwn = &infer.Sign{Name: "too-large-for-own-server", Of: func(e *evidence.Evidence) infer.Truth {
	if r, ok := refusedAs(e, ownServer, dialect.MessageTooLarge); ok && !r.means(dialect.RecipientTooLarge) {
		return infer.Yes
	}
	size, limit := largest(e), sizeLimit(e, ownSubmission)
	if size == 0 || limit == 0 {
		return infer.Unknown
	}
	return infer.Is(size > limit)
}}
