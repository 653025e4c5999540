package jmapd

import (
	"context"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// What the rights of RFC 4314 mean for the methods that change something, each as for the command of IMAP that does the same.
// In one's own account everything is allowed.

func forbidden(description string) *methodError {
	return &methodError{Type: "forbidden", Description: description}
}

// mayPatch holds a patch of an email to the rights on the mailboxes that it is in and those that it is to be in.
func (p *picture) mayPatch(l *store.Located, patch *emailPatch) *methodError {
	if p.rights == nil {
		return nil
	}
	var after []store.MailboxID
	for m, on := range p.target(l, patch) {
		switch in := l.In(m); {
		case in && !on && !p.may(m).Has(removing):
			return forbidden("emails may not be removed from " + p.boxes[m].name)
		case !in && on && !p.boxes[m].mayAdd():
			return forbidden("emails may not be added to " + p.boxes[m].name)
		}
		if on {
			after = append(after, m)
		}
	}
	if patch.keywords == nil {
		return nil
	}
	has := keywordsOf(l.Flags(), p.mail.Keywords)
	for k, on := range patch.keywords {
		if _, is := has[k]; is != on {
			if e := p.mayFlag(k, after); e != nil {
				return e
			}
		}
	}
	for k := range has {
		if _, stays := patch.keywords[k]; patch.replace && !stays {
			if e := p.mayFlag(k, after); e != nil {
				return e
			}
		}
	}
	return nil
}

// mayFlag reports whether a keyword can be changed in all of these mailboxes (RFC 8621 section 2, maySetSeen and maySetKeywords).
func (p *picture) mayFlag(keyword string, in []store.MailboxID) *methodError {
	need := store.RightWrite
	if f, system := systemFlag(keyword); system && f == store.FlagSeen {
		need = store.RightSeen
	}
	for _, m := range in {
		if !p.may(m).Has(need) {
			return forbidden(keyword + " may not be changed in " + p.boxes[m].name)
		}
	}
	return nil
}

// covered leaves of a change of flags what the rights on a mailbox cover.
func (p *picture) covered(m store.MailboxID, change store.FlagChange) store.FlagChange {
	change.Fixed = change.Fixed.With(p.may(m).Fixed())
	if !p.may(m).Has(store.RightWrite) {
		change.Keywords = nil // none that the owner does not have already
	}
	return change
}

// mayPlace holds a new email to the rights on the mailboxes that it is to be in.
func (p *picture) mayPlace(patch *emailPatch) *methodError {
	if p.rights == nil {
		return nil
	}
	var in []store.MailboxID
	for m := range patch.mailboxes {
		if !p.boxes[m].mayAdd() {
			return forbidden("emails may not be added to " + p.boxes[m].name)
		}
		in = append(in, m)
	}
	for k := range patch.keywords {
		if e := p.mayFlag(k, in); e != nil {
			return e
		}
	}
	return nil
}

// mayCreate holds a new mailbox to the rights on that above it. What lies at the top, and roles, are the owner's.
func (p *picture) mayCreate(m *mailboxSettings) *methodError {
	switch {
	case p.rights == nil:
		return nil
	case m.parent == nil || *m.parent == 0 || !p.may(*m.parent).Has(store.RightCreate):
		return forbidden("mailboxes may not be made there")
	case m.role != nil && *m.role != store.RoleNone:
		return forbidden("roles are the owner's to give")
	case m.place != nil:
		return forbidden("the order is the owner's to choose")
	}
	return nil
}

// mayArrange holds another role or place to whose mailbox it is.
func (p *picture) mayArrange(b *box, m *mailboxSettings) *methodError {
	role := m.role != nil && *m.role != b.Role
	switch {
	case p.rights == nil || !role && (m.place == nil || *m.place == uint32(b.sortOrder())+1):
		return nil
	case role:
		return forbidden("roles are the owner's to give")
	}
	return forbidden("the order is the owner's to choose")
}

// mayRename holds a new name or parent to the rights on the mailbox, on all below it, which go with it, and on the new parent.
func (c *call) mayRename(ctx context.Context, p *picture, b *box, m *mailboxSettings) *methodError {
	if p.rights == nil {
		return nil
	}
	parent := b.parent
	if m.parent != nil {
		parent = *m.parent
	}
	if !b.mayGo() || !p.may(parent).Has(store.RightCreate) {
		return forbidden("the mailbox may not be renamed so")
	}
	below, err := c.below(ctx, b)
	if err != nil {
		return c.setError(err)
	}
	if slices.ContainsFunc(below, func(m store.MailboxID) bool { return !p.may(m).Has(store.RightDelete) }) {
		return forbidden("a mailbox below it may not be renamed")
	}
	return nil
}

// mayDestroy holds the end of a mailbox to the rights on it. What is in it must be known to who takes it away.
func (c *call) mayDestroy(ctx context.Context, b *box) *methodError {
	if !c.sight().isShared() {
		return nil
	}
	if !b.may.Has(store.RightDelete | store.RightRead) {
		return forbidden("the mailbox may not be deleted")
	}
	below, err := c.below(ctx, b)
	if err != nil {
		return c.setError(err)
	}
	if len(below) > 0 {
		return &methodError{Type: "mailboxHasChild"}
	}
	return nil
}

// below are the owner's mailboxes below one, whether they can be seen or not.
func (c *call) below(ctx context.Context, b *box) (ids []store.MailboxID, err error) {
	all, err := c.server.store.Mailboxes(ctx, c.account.ID)
	for i := range all {
		if strings.HasPrefix(all[i].Name, b.Name+store.Separator) {
			ids = append(ids, all[i].ID)
		}
	}
	return ids, err
}

// subscribe has a mailbox shown by programs that show what is subscribed to, or no longer. Everybody subscribes for himself, under
// the name that IMAP has for it (RFC 8621 section 2, isSubscribed).
func (c *call) subscribe(ctx context.Context, name string, on bool) error {
	if c.sight().isShared() {
		name = store.SharedName(c.account, name)
	}
	return c.server.store.Subscribe(ctx, c.user.ID, name, on)
}
