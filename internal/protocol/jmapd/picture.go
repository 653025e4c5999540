package jmapd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// picture is the mail of an account at one moment as JMAP sees it: what has \Deleted is not there (RFC 8621
// section 4.1.1). It is immutable.
type picture struct {
	mail    *store.Mail
	emails  []store.Located // ascending by ID; At holds visible places alone
	threads map[store.ThreadID][]*store.Located
	boxes   map[store.MailboxID]*box
}

// box is a mailbox with its place in the tree and its counts.
type box struct {
	store.Mailbox
	parent                 store.MailboxID // 0 for none
	name                   string          // without those above it
	emails, unread         int
	threads, unreadThreads int
}

// mailCache keeps the latest pictures.
type mailCache struct {
	mu       sync.Mutex
	pictures map[store.AccountID]*picture
}

// maxPictures bounds the cache; what is dropped at random is read again.
const maxPictures = 64

// picture returns the mail of an account as it is now.
func (s *Server) picture(ctx context.Context, a store.AccountID) (*picture, error) {
	s.mail.mu.Lock()
	before := s.mail.pictures[a]
	s.mail.mu.Unlock()
	var known *store.Mail
	if before != nil {
		known = before.mail
	}
	mail, err := s.store.Mail(ctx, a, known)
	if err != nil {
		return nil, err
	}
	if mail == known {
		return before, nil
	}
	p := newPicture(mail)
	s.mail.put(a, p)
	return p, nil
}

func (c *mailCache) put(a store.AccountID, p *picture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pictures == nil {
		c.pictures = map[store.AccountID]*picture{}
	}
	if old := c.pictures[a]; old != nil && old.mail.ModSeq > p.mail.ModSeq {
		return
	}
	c.pictures[a] = p
	for other := range c.pictures {
		if len(c.pictures) <= maxPictures {
			return
		}
		if other != a {
			delete(c.pictures, other)
		}
	}
}

func newPicture(m *store.Mail) *picture {
	p := &picture{mail: m, threads: map[store.ThreadID][]*store.Located{}, boxes: map[store.MailboxID]*box{}}
	p.emails = make([]store.Located, 0, len(m.Emails))
	for _, l := range m.Emails {
		if slices.ContainsFunc(l.At, hidden) {
			l.At = slices.DeleteFunc(slices.Clone(l.At), hidden)
		}
		if len(l.At) > 0 {
			p.emails = append(p.emails, l)
		}
	}
	for i := range p.emails {
		l := &p.emails[i]
		p.threads[l.Thread] = append(p.threads[l.Thread], l)
	}
	for _, t := range p.threads {
		slices.SortStableFunc(t, func(a, b *store.Located) int { return a.Received.Compare(b.Received) })
	}
	p.tree()
	p.count()
	return p
}

func hidden(p store.PlacedIn) bool { return p.Flags.Has(store.FlagDeleted) }

// tree finds out which mailbox lies in which: the names of IMAP are paths. Where a level of a path is no mailbox, its
// name is part of the name below it.
func (p *picture) tree() {
	byName := map[string]store.MailboxID{}
	for _, m := range p.mail.Mailboxes {
		byName[m.Name] = m.ID
	}
	for _, m := range p.mail.Mailboxes {
		b := &box{Mailbox: m, name: m.Name}
		for at := strings.LastIndex(m.Name, store.Separator); at > 0; at = strings.LastIndex(m.Name[:at], store.Separator) {
			if parent, ok := byName[m.Name[:at]]; ok {
				b.parent, b.name = parent, m.Name[at+len(store.Separator):]
				break
			}
		}
		p.boxes[m.ID] = b
	}
}

// count counts emails and conversations (RFC 8621 section 2). A conversation is unread in a mailbox if any of
// its emails is, wherever it lies; but the trash counts for itself alone.
func (p *picture) count() {
	trash := store.MailboxID(0)
	for id, b := range p.boxes {
		if b.Role == store.RoleTrash {
			trash = id
		}
	}
	for _, thread := range p.threads {
		in := map[store.MailboxID]bool{}
		unread, unreadInTrash := false, false
		for _, l := range thread {
			isUnread := !l.Flags().Any(store.FlagSeen.With(store.FlagDraft))
			outside := false
			last := store.MailboxID(0)
			for i := range l.At {
				m := l.At[i].Mailbox
				outside = outside || m != trash
				unreadInTrash = unreadInTrash || isUnread && m == trash
				if m == last { // a second place of the same email in the mailbox
					continue
				}
				last, in[m] = m, true
				if b := p.boxes[m]; b != nil {
					b.emails++
					if isUnread {
						b.unread++
					}
				}
			}
			unread = unread || isUnread && outside
		}
		for m := range in {
			if b := p.boxes[m]; b != nil {
				b.threads++
				if m == trash && unreadInTrash || m != trash && unread {
					b.unreadThreads++
				}
			}
		}
	}
}

// email returns a visible email.
func (p *picture) email(id store.EmailID) (*store.Located, bool) {
	at, ok := slices.BinarySearchFunc(p.emails, id, func(l store.Located, id store.EmailID) int { return cmp.Compare(l.ID, id) })
	if !ok {
		return nil, false
	}
	return &p.emails[at], true
}

// emailState is the state of emails and of conversations: the change counter, and which emails had not come yet,
// by which those that were created since are told from those that changed.
func (p *picture) emailState() string { return fmt.Sprintf("%d.%d", p.mail.ModSeq, p.mail.NextEmail) }

func parseEmailState(s string) (since store.ModSeq, next store.EmailID, ok bool) {
	a, b, _ := strings.Cut(s, ".")
	m, err1 := strconv.ParseUint(a, 10, 64)
	n, err2 := strconv.ParseUint(b, 10, 64)
	return store.ModSeq(m), store.EmailID(n), err1 == nil && err2 == nil
}

// maxStateSet is how long a state may be; beyond it the mailboxes are not told in it.
const maxStateSet = 200

// mailboxState is the state of mailboxes: the change counter, and which mailboxes there are, by which it is known
// what was created and destroyed since.
func (p *picture) mailboxState() string {
	ids := make([]uid.UID, 0, len(p.boxes))
	for id := range p.boxes {
		ids = append(ids, uid.UID(id))
	}
	set := uid.Of(ids...).String()
	if len(set) > maxStateSet {
		set = "-"
	}
	return fmt.Sprintf("%d.%s", p.mail.ModSeq, set)
}

func parseMailboxState(s string) (since store.ModSeq, had uid.Set, ok bool) {
	a, b, _ := strings.Cut(s, ".")
	m, err1 := strconv.ParseUint(a, 10, 64)
	had, err2 := uid.Parse(b)
	return store.ModSeq(m), had, err1 == nil && err2 == nil
}

// changes are what happened to emails after a state.
type changes struct {
	created, updated []*store.Located
	destroyed        []store.EmailID
	threads          map[store.ThreadID]bool // that any of this is about
	threadOf         map[store.EmailID]store.ThreadID
}

// since finds out what happened to emails since a state; ok is false if that cannot be known. It costs a
// look at all emails in memory, and what was removed.
func (s *Server) since(ctx context.Context, a store.AccountID, p *picture, since store.ModSeq, next store.EmailID) (c changes, ok bool, err error) {
	c.threads = map[store.ThreadID]bool{}
	if since > p.mail.ModSeq || next > p.mail.NextEmail {
		return c, false, nil
	}
	touched := map[store.EmailID]store.ThreadID{}
	c.threadOf = touched
	for i := range p.mail.Emails {
		if l := &p.mail.Emails[i]; l.ModSeq() > since {
			touched[l.ID] = l.Thread
		}
	}
	gone, err := s.store.RemovedSince(ctx, a, since)
	if err != nil {
		return c, false, err
	}
	for _, g := range gone {
		thread := g.Thread
		if l, there := p.mail.Email(g.Email); there {
			thread = l.Thread
		} else if thread == 0 {
			continue // what removed it altogether is told, too
		}
		touched[g.Email] = thread
	}
	for id, thread := range touched {
		c.threads[thread] = true
		switch l, there := p.email(id); {
		case there && id >= next:
			c.created = append(c.created, l)
		case there:
			c.updated = append(c.updated, l)
		case id < next: // else the client never knew it
			c.destroyed = append(c.destroyed, id)
		}
	}
	return c, true, nil
}
