package imapd

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// createForeign is CREATE below a mailbox of another (RFC 4314 section 4): the nearest mailbox above
// that there is must give the right to. The answer without it is the same whether there is such an
// account and such a mailbox or not.
func (s *session) createForeign(name string, role store.Role) outcome {
	if role != store.RoleNone { // roles are the owner's to give
		return useAttribute(name)
	}
	owner, local, o := s.mayCreate(name)
	if o.refused != nil {
		return o
	}
	m, err := s.store.CreateMailbox(s.ctx, owner, local, store.RoleNone)
	if err != nil {
		return s.failedName(err, name)
	}
	return doneWith(append(s.appendID([]byte("MAILBOXID ("), owner, 'F', uint64(m.ID)), ')'))
}

// mayCreate returns the owner and the owner's name of a mailbox that the client wants to create, if
// it may.
func (s *session) mayCreate(name string) (store.AccountID, string, outcome) {
	denied := refuse(cause.Refuse(cause.AccountAccessDenied, cause.Text("mailbox", name)))
	owner, local, err := s.owner(name)
	if store.KindOf(err) == store.KindNotFound {
		return 0, "", denied
	}
	if err != nil {
		return 0, "", s.failed(err, name)
	}
	for up := range superiors(local) {
		m, err := s.store.MailboxByName(s.ctx, owner.ID, up)
		if store.KindOf(err) == store.KindNotFound {
			continue
		}
		rights := store.Rights(0)
		if err == nil {
			rights, err = s.store.RightsOf(s.ctx, owner.ID, m.ID, s.conn.Account)
		}
		switch {
		case err != nil && store.KindOf(err) != store.KindNotFound:
			return 0, "", s.failed(err, name)
		case !rights.Has(store.RightCreate):
			return 0, "", denied
		}
		return owner.ID, local, done()
	}
	return 0, "", denied
}

// renameForeign is RENAME of another's mailbox (RFC 4314 section 4): it needs the right to delete
// the mailbox and all below it, which go with it, and the right to create below the new superior.
// From one account to another mailboxes cannot be renamed, nor can INBOX, which would be emptied.
func (s *session) renameForeign(from, to string) outcome {
	p, o := s.reach(from, store.RightDelete)
	if o.refused != nil {
		return o
	}
	denied := refuse(cause.Refuse(cause.AccountAccessDenied, cause.Text("mailbox", to)))
	if !p.isForeign() || !strings.HasPrefix(to, p.prefix) || p.ID == store.InboxID {
		return denied
	}
	if o := s.mayMoveBelow(&p); o.refused != nil {
		return o
	}
	_, local, o := s.mayCreate(to)
	if o.refused != nil {
		return o
	}
	err := s.store.RenameMailbox(s.ctx, p.account, strings.TrimPrefix(p.Name, p.prefix), local)
	if err == nil {
		return done()
	}
	return s.failedRename(err, from, to)
}

// mayMoveBelow checks the rights on the mailboxes below one.
func (s *session) mayMoveBelow(p *place) outcome {
	all, err := s.store.Mailboxes(s.ctx, p.account)
	if err != nil {
		return s.failed(err, p.Name)
	}
	for i := range all {
		if !strings.HasPrefix(p.prefix+all[i].Name, p.Name+store.Separator) {
			continue
		}
		rights, err := s.store.RightsOf(s.ctx, p.account, all[i].ID, s.conn.Account)
		switch {
		case err != nil && store.KindOf(err) != store.KindNotFound:
			return s.failed(err, p.Name)
		case err == nil && !rights.Has(store.RightDelete):
			return noRight(p.Name, p.rights)
		}
	}
	return done()
}
