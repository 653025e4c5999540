package jmapd

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/ordered"
)

// picture is the mail of an account at one moment as JMAP sees it: what has \Deleted is not there (RFC 8621
// section 4.1.1). It is immutable; a later one shares with it what did not change.
type picture struct {
	sight sight
	mail  *store.Mail
	// rights are those on the mailboxes of another, nil in one's own mail; of is the owner's change counter then.
	rights map[store.MailboxID]store.Rights
	of     store.ModSeq
	// threads are conversations, but not those of one email that has the conversation's number: most are such.
	threads ordered.List[*thread]
	boxes   map[store.MailboxID]*box
	trash   store.MailboxID // 0 for none
	// shape is the value of the change counter since which mailboxes have been as they are, their counts apart, as far as is known.
	shape store.ModSeq
	log   log
	// delivery is the last email that came to be read, not written here: the state of the type EmailDelivery (RFC 8621
	// section 1.5).
	delivery store.EmailID
}

// thread is a conversation.
type thread struct {
	id     store.ThreadID
	emails []*store.Located // visible, the oldest first
}

// box is a mailbox with its place in the tree and its counts.
type box struct {
	store.Mailbox
	in                     sight
	may                    store.Rights    // of who looks
	parent                 store.MailboxID // 0 for none
	name                   string          // without those above it
	renamed                bool            // it may be
	emails, unread         int
	threads, unreadThreads int
}

func compareThreads(a, b *thread) int { return cmp.Compare(a.id, b.id) }

// newPicture makes a picture of mail, of which nothing is known from before.
func newPicture(p *picture) *picture {
	m := p.mail
	p.shape, p.log = m.ModSeq, log{from: m.ModSeq}
	emails := make([]*store.Located, 0, m.Len())
	for l := range m.All() {
		if l = visible(l); l != nil {
			emails = append(emails, l)
		}
	}
	slices.SortFunc(emails, func(a, b *store.Located) int {
		return cmp.Or(cmp.Compare(a.Thread, b.Thread), cmp.Compare(a.Received, b.Received), cmp.Compare(a.ID, b.ID))
	})
	p.tree()
	var list []*thread
	for len(emails) > 0 {
		n := 1
		for n < len(emails) && emails[n].Thread == emails[0].Thread {
			n++
		}
		if !plain(emails[0].Thread, emails[:n]) {
			list = append(list, &thread{emails[0].Thread, slices.Clone(emails[:n])})
		}
		p.count(emails[:n], 1, nil)
		emails = emails[n:]
	}
	p.threads = ordered.Build(compareThreads, list)
	for l := range p.emails() {
		if p.delivered(l) {
			p.delivery = l.ID
		}
	}
	return p
}

// plain reports whether a conversation is found without an entry of its own.
func plain(t store.ThreadID, emails []*store.Located) bool {
	return len(emails) == 0 || len(emails) == 1 && store.EmailID(t) == emails[0].ID
}

func hidden(p store.PlacedIn) bool { return p.Flags.Has(store.FlagDeleted) }

// visible is an email with its visible places alone, nil if it has none.
func visible(l *store.Located) *store.Located {
	if !slices.ContainsFunc(l.At, hidden) {
		return l
	}
	shown := *l
	shown.At = slices.DeleteFunc(slices.Clone(l.At), hidden)
	if len(shown.At) == 0 {
		return nil
	}
	return &shown
}

// email returns a visible email.
func (p *picture) email(id store.EmailID) (*store.Located, bool) {
	l, ok := p.mail.Email(id)
	if !ok {
		return nil, false
	}
	l = visible(l)
	return l, l != nil
}

// emails are all visible emails in the order of their ids.
func (p *picture) emails() iter.Seq[*store.Located] {
	return func(yield func(*store.Located) bool) {
		for l := range p.mail.All() {
			if l = visible(l); l != nil && !yield(l) {
				return
			}
		}
	}
}

// thread are the visible emails of a conversation, the oldest first.
func (p *picture) thread(t store.ThreadID) []*store.Located {
	if known, ok := p.threads.Get(&thread{id: t}); ok {
		return known.emails
	}
	if l, ok := p.email(store.EmailID(t)); ok && l.Thread == t {
		return []*store.Located{l}
	}
	return nil
}

// advance is the picture after a change of some emails. It costs what changed.
func (p *picture) advance(next *picture, changed []store.EmailID) *picture {
	next.threads, next.shape, next.trash, next.delivery = p.threads, p.shape, p.trash, p.delivery
	if !next.carryBoxes(p) {
		return newPicture(next) // which mailbox is the trash decides what counts
	}
	touches := make([]touch, 0, len(changed))
	threads := map[store.ThreadID]bool{}
	for _, id := range changed {
		if t, ok := touched(p, next, id); ok {
			touches = append(touches, t)
			threads[t.thread] = true
			if id >= p.mail.NextEmail && t.now != nil && next.delivered(t.now) {
				next.delivery = id
			}
		}
	}
	edit := p.threads.Edit()
	for t := range threads {
		before := p.thread(t)
		var emails []*store.Located
		for _, l := range before {
			if _, found := slices.BinarySearch(changed, l.ID); !found {
				emails = append(emails, l)
			}
		}
		for i := range touches {
			if touches[i].thread == t && touches[i].now != nil {
				emails = append(emails, touches[i].now)
			}
		}
		slices.SortFunc(emails, func(a, b *store.Located) int {
			return cmp.Or(cmp.Compare(a.Received, b.Received), cmp.Compare(a.ID, b.ID))
		})
		if plain(t, emails) {
			edit.Delete(&thread{id: t})
		} else {
			edit.Set(&thread{t, emails})
		}
		next.count(before, -1, p.boxes)
		next.count(emails, 1, p.boxes)
	}
	next.threads = edit.List()
	next.log = p.log.with(next.mail.ModSeq, touches)
	return next
}

// delivered reports whether an email came to be read: it is no draft, nor one that was sent from here.
func (p *picture) delivered(l *store.Located) bool {
	if l.Flags().Has(store.FlagDraft) {
		return false
	}
	return slices.ContainsFunc(l.At, func(at store.PlacedIn) bool {
		b := p.boxes[at.Mailbox]
		return b != nil && b.Role != store.RoleDrafts && b.Role != store.RoleSent && b.Role != store.RoleOutbox
	})
}

// touched says what happened to an email from one picture to another; ok is false if neither has it.
func touched(old, next *picture, id store.EmailID) (t touch, ok bool) {
	before, had := old.mail.Email(id)
	now, has := next.mail.Email(id)
	t = touch{id: id}
	if had {
		t.thread, before = before.Thread, visible(before)
	}
	if has {
		t.thread, t.now = now.Thread, visible(now)
	}
	t.was = had && before != nil
	t.filed = t.was != (t.now != nil) || t.was && !slices.EqualFunc(before.At, t.now.At, func(a, b store.PlacedIn) bool { return a.Mailbox == b.Mailbox })
	return t, had || has
}

// carryBoxes takes over the mailboxes with their counts; false if all must be counted anew.
func (p *picture) carryBoxes(old *picture) bool {
	same := len(p.mail.Mailboxes) == len(old.boxes)
	for i := range p.mail.Mailboxes {
		m := &p.mail.Mailboxes[i]
		b := old.boxes[m.ID]
		same = same && b != nil && b.Name == m.Name && b.Role == m.Role && b.Subscribed == m.Subscribed && b.Place == m.Place && b.may == p.may(m.ID)
	}
	if !same {
		p.tree()
		p.shape = p.mail.ModSeq
		for id, b := range p.boxes {
			if before := old.boxes[id]; before != nil {
				b.emails, b.unread, b.threads, b.unreadThreads = before.emails, before.unread, before.threads, before.unreadThreads
			}
		}
		return p.trash == old.trash
	}
	p.boxes = maps.Clone(old.boxes)
	for i := range p.mail.Mailboxes {
		if m := &p.mail.Mailboxes[i]; *m != old.boxes[m.ID].Mailbox {
			b := *old.boxes[m.ID]
			b.Mailbox = *m
			p.boxes[m.ID] = &b
		}
	}
	return true
}

// tree finds out which mailbox lies in which: the names of IMAP are paths. Where a level of a path is no mailbox, its
// name is part of the name below it.
func (p *picture) tree() {
	byName := map[string]store.MailboxID{}
	p.boxes = map[store.MailboxID]*box{}
	p.trash = 0
	for _, m := range p.mail.Mailboxes {
		byName[m.Name] = m.ID
		if m.Role == store.RoleTrash {
			p.trash = m.ID
		}
	}
	for _, m := range p.mail.Mailboxes {
		b := &box{Mailbox: m, name: m.Name, in: p.sight, may: p.may(m.ID)}
		for at := strings.LastIndex(m.Name, store.Separator); at > 0; at = strings.LastIndex(m.Name[:at], store.Separator) {
			if parent, ok := byName[m.Name[:at]]; ok {
				b.parent, b.name = parent, m.Name[at+len(store.Separator):]
				break
			}
		}
		// Another name is another place in the tree, where it must be allowed to make mailboxes (RFC 4314 section 4, RENAME).
		b.renamed = b.mayGo() && (p.rights == nil || p.may(b.parent).Has(store.RightCreate))
		p.boxes[m.ID] = b
	}
}

// count adds a conversation to the counts of mailboxes, n times (RFC 8621 section 2). A conversation is unread in a
// mailbox if any of its emails is, wherever it lies; but the trash counts for itself alone. Boxes that are those of the
// picture before are copied.
func (p *picture) count(thread []*store.Located, n int, before map[store.MailboxID]*box) {
	var few [8]store.MailboxID
	in := few[:0]
	unread, unreadInTrash := false, false
	for _, l := range thread {
		isUnread := !l.Flags().Any(store.FlagSeen.With(store.FlagDraft))
		last := store.MailboxID(0)
		for i := range l.At {
			m := l.At[i].Mailbox
			unread = unread || isUnread && m != p.trash
			unreadInTrash = unreadInTrash || isUnread && m == p.trash
			if m == last { // a second place of the same email in the mailbox
				continue
			}
			if last = m; !slices.Contains(in, m) {
				in = append(in, m)
			}
			if b := p.own(m, before); b != nil {
				b.emails += n
				if isUnread {
					b.unread += n
				}
			}
		}
	}
	for _, m := range in {
		if b := p.own(m, before); b != nil {
			b.threads += n
			if m == p.trash && unreadInTrash || m != p.trash && unread {
				b.unreadThreads += n
			}
		}
	}
}

// own is a box that may be changed, nil if there is no such mailbox.
func (p *picture) own(m store.MailboxID, before map[store.MailboxID]*box) *box {
	b := p.boxes[m]
	if b != nil && b == before[m] {
		own := *b
		b, p.boxes[m] = &own, &own
	}
	return b
}
