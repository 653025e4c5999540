package imapd

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// This file is ACL (RFC 4314): who may do what with a mailbox. What the rights mean for other
// commands stands with those; place.go finds the mailboxes of others.

// aclCommand is SETACL, DELETEACL or LISTRIGHTS.
type aclCommand struct {
	mailbox, identifier string
	// Of SETACL: how the rights change.
	op     store.FlagOp
	rights store.Rights
}

// capabilitiesSharing are those about the mailboxes of others.
const capabilitiesSharing = " ACL RIGHTS=kxte LIST-MYRIGHTS"

// administered finds the mailbox of a command that needs the right to administer it.
func (s *session) administered(c *aclCommand) (p place, identifier string, o outcome) {
	if p, o = s.reach(c.mailbox, store.RightAdmin); o.refused != nil {
		return p, "", o
	}
	identifier, err := s.store.Identifier(s.ctx, p.account, c.identifier)
	switch store.KindOf(err) {
	case store.KindNotFound:
		return p, "", refuse(cause.Refuse(cause.RecipientUnknown, cause.Text("address", c.identifier)))
	case store.KindInvalid:
		return p, "", s.ownersRights(&p, c)
	}
	if err != nil {
		return p, "", s.failed(err, c.mailbox)
	}
	return p, identifier, done()
}

// ownersRights refuses an identifier that nothing can be given to: the owner always has all rights,
// others are none (RFC 4314 section 3).
func (s *session) ownersRights(p *place, c *aclCommand) outcome {
	if owner, err := s.store.Account(s.ctx, p.account); err == nil && isOwner(&owner, c.identifier) {
		return refuse(cause.Refuse(cause.AccountAccessDenied, cause.Text("mailbox", c.mailbox)))
	}
	return refuseProtocol("arguments")
}

func isOwner(owner *store.Account, identifier string) bool {
	identifier = strings.TrimPrefix(identifier, "-")
	if !strings.Contains(identifier, "@") {
		identifier += "@" + owner.Domain()
	}
	normal, err := store.NormalizeAddress(identifier)
	return err == nil && normal == owner.Address
}

// setACL is SETACL (RFC 4314 section 3.1).
func (s *session) setACL(c *aclCommand) outcome {
	return s.grant(c, func(before store.Rights) store.Rights {
		switch c.op {
		case store.FlagsAdd:
			return before | c.rights
		case store.FlagsRemove:
			return before &^ c.rights
		}
		return c.rights
	})
}

// deleteACL is DELETEACL (RFC 4314 section 3.2).
func (s *session) deleteACL(c *aclCommand) outcome {
	return s.grant(c, func(store.Rights) store.Rights { return 0 })
}

func (s *session) grant(c *aclCommand, update func(store.Rights) store.Rights) outcome {
	p, identifier, o := s.administered(c)
	if o.refused != nil {
		return o
	}
	before, now, err := s.store.SetGrant(s.ctx, p.account, p.ID, identifier, update)
	switch store.KindOf(err) {
	case store.KindLimit:
		return refuse(cause.Refuse(cause.MailboxLimit, cause.Count("limit", store.MaxGrants)).As("grants"))
	}
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	if now != before {
		s.note(Event{Kind: EventShared, Mailbox: p.Name, With: identifier, Rights: now}, p.account, p.prefix)
	}
	return done()
}

// getACL is GETACL (RFC 4314 section 3.3). The owner comes first.
func (s *session) getACL(c *mailboxCommand) outcome {
	p, o := s.reach(c.mailbox, store.RightAdmin)
	if o.refused != nil {
		return o
	}
	owner, err := s.store.Account(s.ctx, p.account)
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	list, err := s.store.Grants(s.ctx, p.account, p.ID)
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	list = slices.Insert(list, 0, store.Grant{Identifier: owner.Address, Rights: store.AllRights})
	b := s.appendMailbox(append(s.out, "* ACL "...), p.Name)
	for _, g := range list {
		b = appendAString(append(b, ' '), []byte(g.Identifier))
		b = append(append(b, ' '), g.Rights.Compatible()...)
	}
	s.out = append(b, "\r\n"...)
	return done()
}

// listRights is LISTRIGHTS (RFC 4314 section 3.4): no right is tied to another. The owner has all,
// and an identifier that is nobody yet could be given all.
func (s *session) listRights(c *aclCommand) outcome {
	p, o := s.reach(c.mailbox, store.RightAdmin)
	if o.refused != nil {
		return o
	}
	owner, err := s.store.Account(s.ctx, p.account)
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	b := s.appendMailbox(append(s.out, "* LISTRIGHTS "...), p.Name)
	b = appendAString(append(b, ' '), []byte(c.identifier))
	if isOwner(&owner, c.identifier) {
		b = append(append(b, ' '), store.AllRights.Compatible()...)
	} else {
		b = append(b, ` ""`...)
		for _, letter := range store.AllRights.Compatible() {
			b = append(b, ' ', byte(letter))
		}
	}
	s.out = append(b, "\r\n"...)
	return done()
}

// anyOfMine are the rights of which MYRIGHTS needs one (RFC 4314 section 4).
const anyOfMine = store.RightLookup | store.RightRead | store.RightInsert | store.RightCreate | store.RightDelete | store.RightAdmin

// myRights is MYRIGHTS (RFC 4314 section 3.5).
func (s *session) myRights(c *mailboxCommand) outcome {
	p, o := s.reach(c.mailbox, 0)
	if o.refused != nil {
		return o
	}
	if !p.rights.Any(anyOfMine) {
		return noRight(c.mailbox, p.rights)
	}
	s.tellMyRights(&p)
	return done()
}

// tellMyRights writes a MYRIGHTS response.
func (s *session) tellMyRights(p *place) {
	b := s.appendMailbox(append(s.out, "* MYRIGHTS "...), p.Name)
	b = append(append(b, ' '), p.rights.Compatible()...)
	s.out = append(b, "\r\n"...)
}

// stillMay looks, before a command, what the client may do now with the mailbox that is selected:
// rights that were taken away hold no longer (RFC 4314 section 5.1.1). One that it may not read any
// more refuses the commands that are about it.
func (s *session) stillMay(c *command, about bool) outcome {
	if s.selected.prefix == "" {
		return done()
	}
	if err := s.refreshRights(); err != nil {
		return s.failed(err, s.selected.view.Mailbox.Name)
	}
	switch c.name {
	case "CHECK", "CLOSE", "UNSELECT", "CANCELUPDATE":
		return done()
	}
	if about && s.selected.lost {
		return refuse(cause.Refuse(cause.AccountAccessDenied, cause.Text("mailbox", s.selected.view.Mailbox.Name)))
	}
	return done()
}

// refreshRights reads the rights on another's mailbox that is selected. If they changed the client
// is told which flags it can change. Who may not read it any more has lost it, until it is selected
// again: sync tells that its messages are gone.
func (s *session) refreshRights() error {
	sel := s.selected
	at := s.store.RightsVersion(sel.account)
	if at == sel.rightsAt {
		return nil
	}
	rights, err := s.store.RightsOf(s.ctx, sel.account, sel.id, s.conn.Account)
	if store.KindOf(err) == store.KindNotFound { // the mailbox or its owner is gone
		rights, err = 0, nil
	}
	if err != nil {
		return err
	}
	if sel.rightsAt = at; rights == sel.rights {
		return nil
	}
	flags := rights.Fixed() != sel.rights.Fixed()
	sel.rights = rights
	if sel.lost = sel.lost || !rights.Has(store.RightRead); flags && !sel.lost {
		s.describeFlags()
	}
	return nil
}

// mayChange refuses to change the mailbox that is selected if it was opened by EXAMINE or the
// client lacks rights there.
func (s *session) mayChange(need store.Rights) outcome {
	switch {
	case s.selected.readOnly:
		return s.readOnly()
	case !s.selected.rights.Has(need):
		return refuse(cause.Refuse(cause.AccountAccessDenied, cause.Text("mailbox", s.selected.view.Mailbox.Name)))
	}
	return done()
}

// permitted leaves of a change of flags what the rights on the mailbox cover, and then tells what
// became of the flags, also after .SILENT. It refuses a change that they do not cover at all (RFC
// 4314 section 4, STORE).
func (s *session) permitted(c *storeCommand, change *store.FlagChange) outcome {
	if s.selected.rights == store.AllRights {
		return done()
	}
	rights := s.selected.rights
	others := len(change.Keywords) > 0 || !change.System.Without(store.FlagSeen).Without(store.FlagDeleted).IsZero()
	may := change.Op == store.FlagsReplace && rights.Any(flagRights) ||
		change.System.Has(store.FlagSeen) && rights.Has(store.RightSeen) ||
		change.System.Has(store.FlagDeleted) && rights.Has(store.RightTrash) ||
		others && rights.Has(store.RightWrite)
	if !may {
		return s.mayChange(store.AllRights)
	}
	change.Fixed = rights.Fixed()
	if change.Op == store.FlagsReplace || change.System.Any(change.Fixed) || len(change.Keywords) > 0 && !rights.Has(store.RightWrite) {
		c.silent = false
	}
	if !rights.Has(store.RightWrite) {
		change.Keywords = nil // none that the owner does not have already
	}
	return done()
}

// flagRights are the rights to change flags, changeRights those without which a mailbox is
// READ-ONLY (RFC 4314 section 5.2).
const (
	flagRights   = store.RightSeen | store.RightWrite | store.RightTrash
	changeRights = flagRights | store.RightInsert | store.RightExpunge
)

// setACL reads SETACL.
func (p *parser) setACL() any {
	c := &aclCommand{mailbox: p.mailbox()}
	p.sp()
	c.identifier = p.identifier()
	p.sp()
	letters := string(p.astring())
	switch {
	case strings.HasPrefix(letters, "+"):
		c.op, letters = store.FlagsAdd, letters[1:]
	case strings.HasPrefix(letters, "-"):
		c.op, letters = store.FlagsRemove, letters[1:]
	default:
		c.op = store.FlagsReplace
	}
	var err error
	if c.rights, err = store.ParseRights(letters); err != nil {
		p.fail("%v", err)
	}
	return c
}

// aclOf reads DELETEACL and LISTRIGHTS.
func (p *parser) aclOf() any {
	c := &aclCommand{mailbox: p.mailbox()}
	p.sp()
	c.identifier = p.identifier()
	return c
}

// identifier reads and prepares an identifier (RFC 4314 section 3).
func (p *parser) identifier() string {
	text := sasl.Prepare(string(p.astring()))
	if text == "" {
		p.fail("want an identifier")
	}
	return text
}
