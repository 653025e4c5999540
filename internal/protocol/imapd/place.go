package imapd

import (
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

// place is a mailbox as a name leads to it: one of the account that is signed in, which may do
// everything there, or one that another shares with it.
type place struct {
	account store.AccountID // whose mailbox it is
	rights  store.Rights    // of the account that is signed in
	prefix  string          // what stands before the owner's name for it; "" for an own mailbox
	store.Mailbox
}

// otherUsers begins the names of the mailboxes of others (RFC 2342): then come the local part of
// the owner's address and the owner's name for the mailbox.
const otherUsers = store.OtherUsers + store.Separator

// isForeign reports whether a name is one of a mailbox of others.
func isForeign(name string) bool {
	return strings.HasPrefix(name, otherUsers) || name == store.OtherUsers
}

// isForeign reports whether it is another's mailbox.
func (p *place) isForeign() bool { return p.prefix != "" }

// at is the place as the store knows it.
func (p *place) at() store.Place { return store.Place{Account: p.account, Mailbox: p.ID} }

// reach finds the mailbox with a name and checks that the client has rights there, at this moment.
func (s *session) reach(name string, need store.Rights) (place, outcome) {
	if !isForeign(name) {
		m, err := s.store.MailboxByName(s.ctx, s.conn.Account, name)
		if err != nil {
			return place{}, s.failed(err, name)
		}
		return place{s.conn.Account, store.AllRights, "", m}, done()
	}
	p, err := s.foreign(name)
	switch {
	case err != nil:
		return place{}, s.failed(err, name)
	case !p.rights.Has(need):
		return place{}, noRight(name, p.rights)
	}
	return p, done()
}

// reachTarget is reach for a command that puts messages into a mailbox: if that does not exist, the
// client is told that it can create it (RFC 9051 section 6.3.12), if it can.
func (s *session) reachTarget(name string) (place, outcome) {
	p, o := s.reach(name, store.RightInsert)
	if p.Role == store.RoleOutbox {
		return p, refuse(cause.Refuse(cause.AccountAccessDenied, cause.Text("mailbox", name)).As("outbox"))
	}
	if o.refused == nil || o.refused.Cause != cause.MailboxNotFound {
		return p, o
	}
	if _, err := store.ParseMailboxName(name); err != nil {
		return p, s.failed(err, name) // that it cannot
	}
	if isForeign(name) {
		if _, _, no := s.mayCreate(name); no.refused != nil {
			return p, o
		}
	}
	o.refused.Variant = "try-create"
	return p, o
}

// noRight refuses what the rights on a mailbox do not cover. Who may not see it must not learn that
// it is there (RFC 4314 section 6).
func noRight(mailbox string, has store.Rights) outcome {
	name := cause.Text("mailbox", mailbox)
	if !has.Has(store.RightLookup) {
		return refuse(cause.Refuse(cause.MailboxNotFound, name))
	}
	return refuse(cause.Refuse(cause.AccountAccessDenied, name))
}

// foreign finds another's mailbox by its name. Kind: store.KindNotFound, also where the account has
// no rights at all.
func (s *session) foreign(name string) (p place, err error) {
	owner, local, err := s.owner(name)
	if err != nil {
		return p, err
	}
	m, rights, err := s.store.SharedMailbox(s.ctx, owner.ID, local, s.conn.Account)
	return foreignPlace(&owner, m, rights), err
}

func foreignPlace(owner *store.Account, m store.Mailbox, rights store.Rights) place {
	p := place{owner.ID, rights, prefixOf(owner), m}
	p.Name = p.prefix + m.Name
	p.Role = store.RoleNone // it is what the mailbox is to its owner
	p.Subscribed = false
	return p
}

// owner returns whose mailbox a name of another's is, and what it is called there.
func (s *session) owner(name string) (owner store.Account, local string, err error) {
	missing := &store.Error{Op: "find mailbox", Kind: store.KindNotFound, Err: fmt.Errorf("mailbox %q", name)}
	user, local, ok := store.ParseSharedName(name)
	if !ok {
		return owner, "", missing
	}
	own, err := s.store.Account(s.ctx, s.conn.Account)
	if err != nil {
		return owner, "", err
	}
	owner, err = s.store.AccountByAddress(s.ctx, address.Address{Local: user, Domain: own.Domain()}.String())
	if err == nil && owner.ID == own.ID {
		err = missing
	}
	return owner, local, err
}

// canonical writes a name of another's mailbox as it is listed, if there is such an owner.
func (s *session) canonical(name string) string {
	owner, local, err := s.owner(name)
	if err != nil {
		return name
	}
	if local, err = store.ParseMailboxName(local); err != nil {
		return name
	}
	return prefixOf(&owner) + local
}

// prefixOf is what stands before the names of an owner's mailboxes.
func prefixOf(owner *store.Account) string { return store.SharedName(owner, "") }

// shared returns the mailboxes of others where the account has one of some rights.
func (s *session) shared(any store.Rights) (list []place, err error) {
	all, err := s.store.SharedWith(s.ctx, s.conn.Account)
	for i := range all {
		if all[i].Rights.Any(any) {
			list = append(list, foreignPlace(&all[i].Owner, all[i].Mailbox, all[i].Rights))
		}
	}
	return list, err
}

// look reads the state of a mailbox; its name is the one that this client has for it.
func (s *session) look(account store.AccountID, id store.MailboxID, prefix string) (*store.View, error) {
	v, err := s.store.View(s.ctx, account, id)
	if err != nil || prefix == "" {
		return v, err
	}
	named := *v
	named.Mailbox.Name, named.Mailbox.Role = prefix+v.Mailbox.Name, store.RoleNone
	return &named, nil
}

// note tells the journal of the mailbox's owner what the client did there.
func (s *session) note(e Event, account store.AccountID, prefix string) {
	if account != s.conn.Account {
		e.Owner = account
		e.Mailbox = strings.TrimPrefix(e.Mailbox, prefix)
	}
	s.server.options.Backend.Event(&s.conn, e)
}

// appendID writes an identifier of RFC 8474. Those of another account have its number in them: no
// two that one client sees are the same.
func (s *session) appendID(b []byte, account store.AccountID, kind byte, n uint64) []byte {
	if account == s.conn.Account {
		return appendObjectID(b, kind, n)
	}
	b = appendUint(append(b, kind), uint64(account))
	return appendUint(append(b, '-'), n)
}
