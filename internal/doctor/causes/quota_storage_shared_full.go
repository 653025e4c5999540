package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// quota.storage-shared-full: mail shares its storage with other data, and that fills it:
// the whole is full, mail is less than half of it. The mailbox looks full to everybody,
// but emptying it would help little.
var quotaStorageSharedFull = &infer.Cause{
	ID:       cause.QuotaStorageSharedFull,
	Requires: []*infer.Sign{otherDataFills},
	Explains: []infer.Link{{Sign: mailboxFull, P: infer.Usually}, {Sign: saidFull, P: infer.Sometimes}, {Sign: ownAddressRefused, P: infer.Sometimes}},
	Proof:    []*infer.Sign{otherDataFills},
	Upstream: []cause.ID{cause.QuotaMailboxFull},
	Params: func(e *evidence.Evidence) []cause.Param {
		if mail, other, limit := sharedStorage(e); limit > 0 {
			return []cause.Param{cause.Size("used", mail+other), cause.Size("limit", limit)}
		}
		return nil
	},
}

var otherDataFills = &infer.Sign{Name: "other-data-fills", Of: func(e *evidence.Evidence) infer.Truth {
	mail, other, limit := sharedStorage(e)
	if limit == 0 {
		return infer.Unknown
	}
	return infer.Is(mail+other >= limit-limit/200 && other > mail)
}}

// sharedStorage is how much mail and other data fill, and how much there is, as the
// server knows it, or as the account page shows it: by the names of what uses it, with
// "mail" for mail and "limit" for what there is.
func sharedStorage(e *evidence.Evidence) (mail, other, limit int64) {
	if i, ok := fromInside(e); ok && i.Usage != nil {
		return i.Usage.Mail, i.Usage.Other, i.Usage.Limit
	}
	for name, octets := range shown(e).Storage {
		switch name {
		case "mail":
			mail = octets
		case "limit":
			limit = octets
		default:
			other += octets
		}
	}
	return mail, other, limit
}
