package store

import (
	"slices"

	"github.com/postiljon/postiljon/internal/store/ordered"
)

// Part is the mail of an account as far as it lies in some of its mailboxes: what another account may see of it. Of an email
// that lies elsewhere, too, nothing is known but its places here; so the rest of the account cannot be learned from it.
// The change counter of the account itself, which moves with all of its mail, is not in it: ModSeq is a counter of the caller's.
type Part struct {
	Mailboxes []Mailbox          // all that can be seen
	Read      map[MailboxID]bool // those whose emails can be
}

// Of returns the part of m with the value of the caller's counter.
func (p *Part) Of(m *Mail, at ModSeq) *Mail {
	part := &Mail{ModSeq: at, Mailboxes: p.Mailboxes, Keywords: m.Keywords}
	var list []*Located
	for l := range m.All() {
		if l = p.of(l); l != nil {
			list = append(list, l)
			part.NextEmail = l.ID + 1
		}
	}
	part.emails = ordered.Build(compareLocated, list)
	return part
}

// After is Of by what was before: the part of the same account's mail as it was, and the emails that may be other than then
// in m. It also returns those that are other, ascending.
func (p *Part) After(before, m *Mail, may []EmailID, at ModSeq) (part *Mail, changed []EmailID) {
	part = &Mail{ModSeq: at, NextEmail: before.NextEmail, Mailboxes: p.Mailboxes, Keywords: m.Keywords}
	edit := before.emails.Edit()
	for _, id := range may {
		old, had := before.Email(id)
		now, has := m.Email(id)
		if has {
			now = p.of(now)
			has = now != nil
		}
		switch {
		case has && (!had || !slices.Equal(old.At, now.At)):
			edit.Set(now)
			part.NextEmail = max(part.NextEmail, id+1)
		case had && !has:
			edit.Delete(old)
		default:
			continue
		}
		changed = append(changed, id)
	}
	part.emails = edit.List()
	return part, changed
}

// of is an email with its places in the part alone, nil if it has none.
func (p *Part) of(l *Located) *Located {
	foreign := func(at PlacedIn) bool { return !p.Read[at.Mailbox] }
	if !slices.ContainsFunc(l.At, foreign) {
		return l
	}
	own := *l
	if own.At = slices.DeleteFunc(slices.Clone(l.At), foreign); len(own.At) == 0 {
		return nil
	}
	return &own
}
