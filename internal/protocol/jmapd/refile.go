package jmapd

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// refile puts an email into the mailboxes that it is to be in and takes it out of the others. It is never in none. What only goes from one
// mailbox to another is added to moves, to be made with those of others.
func (c *call) refile(ctx context.Context, p *picture, l *store.Located, patch *emailPatch, moves moveSteps) *methodError {
	var into []store.MailboxID
	target := p.target(l, patch)
	for m, on := range target {
		if on && !l.In(m) {
			into = append(into, m)
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(target)), true) {
		return badProperty("mailboxIds", "an email is in one mailbox at least")
	}
	slices.Sort(into)
	var from []store.PlacedIn
	for _, at := range l.At {
		if !target[at.Mailbox] {
			from = append(from, at)
		}
	}
	if len(into) == 1 && len(from) == 1 {
		moves.add(from[0], into[0], emailID(l.ID))
		return nil
	}
	// What comes and goes in pairs is moved, so that no crash leaves it twice; copies come first, as long as there is
	// something to copy.
	pairs := min(len(into), len(from))
	for _, m := range into[pairs:] {
		if e := c.place(ctx, p, l.At[0], m, false); e != nil {
			return e
		}
	}
	for i, m := range into[:pairs] {
		if e := c.place(ctx, p, from[i], m, true); e != nil {
			return e
		}
	}
	from = from[pairs:]
	for _, at := range from {
		if e := c.expunge(ctx, p, at.Mailbox, uid.Of(at.UID)); e != nil {
			return e
		}
	}
	return nil
}

// target says of mailboxes whether the email is to be in them.
func (p *picture) target(l *store.Located, patch *emailPatch) map[store.MailboxID]bool {
	target := map[store.MailboxID]bool{}
	for i := range l.At {
		on, named := patch.mailboxes[l.At[i].Mailbox]
		target[l.At[i].Mailbox] = patch.mailboxes == nil || on || !named && (!patch.whole || p.keepsWaiting(l.At[i].Mailbox, patch.mailboxes))
	}
	maps.Copy(target, patch.mailboxes)
	return target
}

// keepsWaiting reports whether an email stays in the Outbox though it is not among the mailboxes that it is to be in: who files it where
// sent messages are does not take it back.
func (p *picture) keepsWaiting(m store.MailboxID, target map[store.MailboxID]bool) bool {
	if !p.isOutbox(m) {
		return false
	}
	for other := range target {
		if b := p.boxes[other]; b != nil && (b.Role == store.RoleDrafts || b.Role == store.RoleTrash) {
			return false
		}
	}
	return true
}

// place moves or copies an email from one of its places to a mailbox.
func (c *call) place(ctx context.Context, p *picture, at store.PlacedIn, to store.MailboxID, move bool) *methodError {
	done, e := c.placeAll(ctx, p, at.Mailbox, uid.Of(at.UID), to, move)
	if e == nil && len(done.To) == 0 { // somebody was faster
		return &methodError{Type: "notFound"}
	}
	return e
}

// placeAll moves or copies emails from a mailbox to another. Those that are not there any more are left out.
func (c *call) placeAll(ctx context.Context, p *picture, at store.MailboxID, uids uid.Set, to store.MailboxID, move bool) (done store.Copied, e *methodError) {
	s, a := c.server.store, c.account.ID
	var err error
	ids := c.identify(ctx, at, uids)
	them := store.Copying{From: store.Place{Account: a, Mailbox: at}, To: store.Place{Account: a, Mailbox: to}, Set: uids, Lose: p.may(to).Fixed()}
	if move {
		done, err = s.MoveBetween(ctx, them)
	} else {
		done, err = s.CopyBetween(ctx, them)
	}
	switch {
	case err != nil:
		return done, c.setError(err, "mailboxIds")
	case len(done.To) == 0:
		return done, nil
	}
	from, into := p.boxes[at], p.boxes[to]
	if move {
		c.went(from, into, len(done.To), ids)
	} else {
		c.came(into, ids)
	}
	// What junk is to the owner nobody else says by where he files it.
	if c.server.options.Filed != nil && !p.sight.isShared() && from != nil && from.Role != into.Role {
		c.server.options.Filed(Filed{Account: a, Into: to, From: from.Role, To: into.Role, UIDs: uid.Of(done.To...)})
	}
	return done, nil
}

// moveSteps are emails that go from one mailbox to another, those of the same way at once: a thousand that are archived are one change, and not
// as many waits for the disk.
type moveSteps map[way]map[uid.UID]string

type way struct{ from, to store.MailboxID }

func (m moveSteps) add(at store.PlacedIn, to store.MailboxID, id string) {
	w := way{at.Mailbox, to}
	if m[w] == nil {
		m[w] = map[uid.UID]string{}
	}
	m[w][at.UID] = id
}

// moveAll makes the moves, and says which emails did not come along.
func (c *call) moveAll(ctx context.Context, p *picture, moves moveSteps) map[string]*methodError {
	failed := map[string]*methodError{}
	for _, w := range slices.SortedFunc(maps.Keys(moves), func(a, b way) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) }) {
		ids := moves[w]
		done, e := c.placeAll(ctx, p, w.from, uid.Of(slices.Collect(maps.Keys(ids))...), w.to, true)
		for _, u := range done.From {
			delete(ids, u)
		}
		if e == nil { // somebody was faster
			e = &methodError{Type: "notFound"}
		}
		for _, id := range ids {
			failed[id] = e
		}
	}
	return failed
}

// destroyEmails takes emails out of all mailboxes, also those where they have \Deleted. What waits to be sent stays in the Outbox until it is
// sent: the end of an email changes nothing of that (RFC 8621 section 7.5).
func (c *call) destroyEmails(ctx context.Context, p *picture, s *set) {
	places := map[store.MailboxID]uid.Set{}
	in := map[store.MailboxID][]string{}
	for _, id := range s.destroy {
		l, e := c.destroyable(p, id)
		if e != nil {
			s.notDestroyed[id] = e
			continue
		}
		for _, at := range l.At {
			if !p.isOutbox(at.Mailbox) {
				places[at.Mailbox] = places[at.Mailbox].Add(at.UID)
				in[at.Mailbox] = append(in[at.Mailbox], id)
			}
		}
	}
	for _, m := range slices.Sorted(maps.Keys(places)) {
		if e := c.expunge(ctx, p, m, places[m]); e != nil {
			for _, id := range in[m] {
				s.notDestroyed[id] = e
			}
		}
	}
	for _, id := range s.destroy {
		if s.notDestroyed[id] == nil {
			s.destroyed = append(s.destroyed, id)
		}
	}
}

// destroyable finds an email that may be destroyed, in all mailboxes that it is in.
func (c *call) destroyable(p *picture, id string) (*store.Located, *methodError) {
	l, ok := p.located(id)
	if !ok {
		return nil, &methodError{Type: "notFound"}
	}
	if all, there := p.mail.Email(l.ID); there {
		l = all
	}
	for _, at := range l.At {
		if !p.may(at.Mailbox).Has(removing) {
			return nil, forbidden("emails may not be removed from " + p.boxes[at.Mailbox].name)
		}
	}
	if !c.implied && !slices.ContainsFunc(l.At, func(at store.PlacedIn) bool { return !p.isOutbox(at.Mailbox) }) {
		return nil, forbidden("it waits to be sent: cancel its submission, or move it to another mailbox, to take it back")
	}
	return l, nil
}

func (p *picture) isOutbox(m store.MailboxID) bool {
	b := p.boxes[m]
	return b != nil && b.Role == store.RoleOutbox
}

// expunge takes emails out of a mailbox.
func (c *call) expunge(ctx context.Context, p *picture, m store.MailboxID, uids uid.Set) *methodError {
	ids := c.identify(ctx, m, uids)
	gone, _, err := c.server.store.Expunge(ctx, c.account.ID, m, uids, false)
	if n := gone.Len(); n > 0 {
		c.went(p.boxes[m], nil, n, ids)
	}
	if err != nil {
		return c.setError(err, "mailboxIds")
	}
	return nil
}
