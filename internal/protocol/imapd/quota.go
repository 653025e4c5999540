package imapd

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// quotaRoot is the quota root of all mail of the account (RFC 9208 section 3.1). Another account has
// the name before those of its mailboxes.
const quotaRoot = ""

// quotaUnit is what STORAGE counts in (RFC 9208 section 5.1).
const quotaUnit = 1024

// getQuota is GETQUOTA (RFC 9208 section 4.1.1).
func (s *session) getQuota(c *quotaCommand) outcome {
	if c.root == quotaRoot {
		return s.tellQuota(s.conn.Account, quotaRoot)
	}
	list, err := s.shared(store.RightRead)
	if err != nil {
		return s.failed(err, c.root)
	}
	for i := range list {
		if list[i].quotaRoot() == c.root {
			return s.tellQuota(list[i].account, c.root)
		}
	}
	return refuse(cause.Refuse(cause.MailboxNotFound, cause.Text("mailbox", c.root)))
}

// getQuotaRoot is GETQUOTAROOT (RFC 9208 section 4.1.2).
func (s *session) getQuotaRoot(c *mailboxCommand) outcome {
	m, o := s.reach(c.mailbox, store.RightRead)
	if o.refused != nil {
		return o
	}
	s.raw("* QUOTAROOT ")
	s.out = s.appendMailbox(s.out, m.Name)
	s.out = s.appendMailbox(append(s.out, ' '), m.quotaRoot())
	s.raw("\r\n")
	return s.tellQuota(m.account, m.quotaRoot())
}

// quotaRoot is the one of a mailbox's owner: messages count there, whoever puts them in.
func (p *place) quotaRoot() string {
	return strings.TrimSuffix(p.prefix, store.Separator)
}

// setQuota refuses SETQUOTA (RFC 9208 section 4.1.3): quotas are set by who runs the service, and
// QUOTASET is not among the capabilities.
func (s *session) setQuota(*quotaCommand) outcome {
	return refuse(cause.Refuse(cause.AccountAccessDenied))
}

// tellQuota writes a QUOTA response; an account without a quota has no resource in it.
func (s *session) tellQuota(owner store.AccountID, root string) outcome {
	account, err := s.store.Account(s.ctx, owner)
	if err != nil {
		return s.failed(err, "")
	}
	usage, err := s.store.Usage(s.ctx, owner)
	if err != nil {
		return s.failed(err, "")
	}
	b := append(s.appendMailbox(append(s.out, "* QUOTA "...), root), " ("...)
	if account.Quota > 0 {
		b = append(b, "STORAGE "...)
		b = appendUint(b, (usage.Size+quotaUnit-1)/quotaUnit)
		b = append(b, ' ')
		b = appendUint(b, account.Quota/quotaUnit)
	}
	s.out = append(b, ")\r\n"...)
	return done()
}

// deletedStorage is how many octets an EXPUNGE of a mailbox would remove (RFC 9208 section 4.1.4).
// Only where there is something to remove are the messages looked at.
func (s *session) deletedStorage(m *place) (size int64, err error) {
	if m.Deleted == 0 {
		return 0, nil
	}
	flags, err := s.store.FlagSets(s.ctx, m.account, m.ID)
	if err != nil {
		return 0, err
	}
	deleted := flags.With(store.FlagDeleted).Set()
	err = s.store.Placements(s.ctx, m.account, m.ID, deleted, func(p *store.Placement) error {
		if p.Flags.Has(store.FlagDeleted) {
			size += p.Size
		}
		return nil
	})
	return size, err
}
