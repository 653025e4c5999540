package imapd

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// uses are the special uses of RFC 6154 that a mailbox can have here, in upper case.
var uses = map[string]store.Role{
	"SENT":    store.RoleSent,
	"DRAFTS":  store.RoleDrafts,
	"JUNK":    store.RoleJunk,
	"TRASH":   store.RoleTrash,
	"ARCHIVE": store.RoleArchive,
}

// create is CREATE (RFC 9051 section 6.3.4) with USE (RFC 6154 section 3). A "/" at the end says
// that mailboxes below are to come, which every mailbox here can have.
func (s *session) create(c *createCommand) outcome {
	role := store.RoleNone
	for i, use := range c.use {
		var ok bool
		if role, ok = uses[use]; !ok || i > 0 {
			return useAttribute(c.mailbox)
		}
	}
	name := c.mailbox
	if len(name) > 1 {
		name = strings.TrimSuffix(name, store.Separator)
	}
	if isForeign(name) {
		return s.createForeign(name, role)
	}
	if role != store.RoleNone {
		if _, err := s.store.MailboxByRole(s.ctx, s.conn.Account, role); err == nil {
			return useAttribute(name)
		}
	}
	m, err := s.store.CreateMailbox(s.ctx, s.conn.Account, name, role)
	if err != nil {
		return s.failedName(err, name)
	}
	return doneWith(append(appendObjectID([]byte("MAILBOXID ("), 'F', m.ID), ')'))
}

// failedName is failed for a command that makes a mailbox: it tells which limit was met.
func (s *session) failedName(err error, name string) outcome {
	o := s.failed(err, name)
	if o.refused.Cause != cause.MailboxLimit {
		return o
	}
	limit, variant := store.MaxMailboxes, "mailboxes"
	switch {
	case len(name) > store.MaxMailboxNameSize:
		limit, variant = store.MaxMailboxNameSize, "name-length"
	case strings.Count(name, store.Separator) >= store.MaxMailboxDepth:
		limit, variant = store.MaxMailboxDepth, "depth"
	}
	return refuse(cause.Refuse(cause.MailboxLimit, cause.Count("limit", int64(limit))).As(variant))
}

// useAttribute refuses a special use that cannot be given (RFC 6154 section 3).
func useAttribute(mailbox string) outcome {
	return refuse(cause.Refuse(cause.MailboxSpecialUse, cause.Text("mailbox", mailbox)))
}

// deleteMailbox is DELETE (RFC 9051 section 6.3.5). Mailboxes below stay.
func (s *session) deleteMailbox(c *mailboxCommand) outcome {
	account, name, prefix := s.conn.Account, c.mailbox, ""
	if isForeign(c.mailbox) {
		p, o := s.reach(c.mailbox, store.RightDelete)
		if o.refused != nil {
			return o
		}
		account, name, prefix = p.account, strings.TrimPrefix(p.Name, p.prefix), p.prefix
	}
	if err := s.store.DeleteMailbox(s.ctx, account, name); err != nil {
		o := s.failed(err, c.mailbox)
		if o.refused.Cause == cause.MailboxNameInvalid {
			o.refused.Variant = "inbox"
		}
		return o
	}
	s.note(Event{Kind: EventMailboxDeleted, Mailbox: c.mailbox}, account, prefix)
	return done()
}

// rename is RENAME (RFC 9051 section 6.3.6).
func (s *session) rename(c *renameCommand) outcome {
	to := c.to
	if len(to) > 1 {
		to = strings.TrimSuffix(to, store.Separator)
	}
	if isForeign(c.from) || isForeign(to) {
		return s.renameForeign(c.from, to)
	}
	err := s.store.RenameMailbox(s.ctx, s.conn.Account, c.from, to)
	if err == nil {
		return done()
	}
	return s.failedRename(err, c.from, to)
}

// failedRename maps an error of giving a mailbox another name.
func (s *session) failedRename(err error, from, to string) outcome {
	name := to
	if store.KindOf(err) == store.KindNotFound {
		name = from
	}
	o := s.failedName(err, name)
	if o.refused.Cause == cause.MailboxNameInvalid && strings.HasPrefix(to, from+store.Separator) {
		o.refused.Variant = "in-itself"
	}
	return o
}

func (s *session) subscribe(c *mailboxCommand) outcome { return s.setSubscribed(c, true) }

func (s *session) unsubscribe(c *mailboxCommand) outcome { return s.setSubscribed(c, false) }

// setSubscribed is SUBSCRIBE and UNSUBSCRIBE. The mailbox need not exist (RFC 9051 section 6.3.7).
func (s *session) setSubscribed(c *mailboxCommand, on bool) outcome {
	name := c.mailbox
	if isForeign(name) {
		name = s.canonical(name)
	}
	if err := s.store.Subscribe(s.ctx, s.conn.Account, name, on); err != nil {
		return s.failed(err, c.mailbox)
	}
	return done()
}
