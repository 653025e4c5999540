package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// quota.mailbox-full: the mailbox is full. GETQUOTA (RFC 9208) shows it, the server
// refuses mail to the account for that reason, or the program shows that reply.
var quotaMailboxFull = &infer.Cause{
	ID:       cause.QuotaMailboxFull,
	Requires: []*infer.Sign{mailboxFull},
	Explains: []infer.Link{{Sign: ownAddressRefused, P: infer.Sometimes}, {Sign: saidFull, P: infer.Sometimes}, {Sign: messageRefused, P: infer.Sometimes}, {Sign: testMissing, P: infer.Sometimes}},
	Proof:    []*infer.Sign{mailboxFull},
	Params:   storageParams,
}

// mailboxFull: the account has no room for another message.
var mailboxFull = &infer.Sign{Name: "mailbox-full", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{
		anyOf(ownQuotas(e), quotaFull),
		anyOf(ownRcpt(e), func(c evidence.Command) bool {
			return !c.Positive && means(c.Reading, dialect.RecipientFull, dialect.MailboxFull)
		}),
		saidFull.Of(e),
	}
	if i, ok := fromInside(e); ok && i.Usage != nil && i.Usage.Limit > 0 {
		told = append(told, infer.Is(i.Usage.Mail+i.Usage.Other >= i.Usage.Limit))
	}
	return either(told...)
}}

// saidFull: a reply to the mail program, or to us, says that the own mailbox is full.
var saidFull = &infer.Sign{Name: "said-full", Leak: 0.01, Of: func(e *evidence.Evidence) infer.Truth {
	return either(clientMeans(e, dialect.MailboxFull), commandMeans(e, evidence.IMAP, dialect.MailboxFull), commandMeans(e, evidence.Submission, dialect.MailboxFull))
}}

// ownQuotas are the quotas of the account itself, not those of the domain.
func ownQuotas(e *evidence.Evidence) []evidence.Quota {
	return evidence.Where(e, func(q evidence.Quota) bool { return q.Limit > 0 && !domainRoot(e, q) })
}

// domainRoot reports whether a quota root is that of the whole domain, by its name.
func domainRoot(e *evidence.Evidence, q evidence.Quota) bool {
	root := strings.ToLower(q.Root)
	return strings.Contains(root, "domain") || root != "" && strings.TrimPrefix(root, "#") == e.Complaint.Domain()
}

// quotaFull leaves no room for a message of a few thousand octets.
func quotaFull(q evidence.Quota) bool {
	if q.Resource == "STORAGE" {
		return q.Limit-q.Used < 4096
	}
	return q.Used >= q.Limit
}

// storageParams tells how much of the storage is used.
func storageParams(e *evidence.Evidence) []cause.Param {
	if i, ok := fromInside(e); ok && i.Usage != nil && i.Usage.Limit > 0 {
		return []cause.Param{cause.Size("used", i.Usage.Mail+i.Usage.Other), cause.Size("limit", i.Usage.Limit)}
	}
	for _, q := range ownQuotas(e) {
		if q.Resource == "STORAGE" {
			return []cause.Param{cause.Size("used", q.Used), cause.Size("limit", q.Limit)}
		}
	}
	return nil
}
