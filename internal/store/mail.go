package store

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Mail is all mail of an account at one moment, without what the messages say: what JMAP's questions about
// mailboxes, conversations and order are answered from. It is immutable and shared.
type Mail struct {
	ModSeq    ModSeq  // the account's change counter
	NextEmail EmailID // emails that come later have this ID or a greater one
	Mailboxes []Mailbox
	Keywords  *Keywords
	Emails    []Located // ascending by ID
}

// Located is an email with all of its places.
type Located struct {
	ID       EmailID
	Thread   ThreadID
	Received time.Time
	Size     int64
	At       []PlacedIn // by mailbox and UID; at least one
}

// PlacedIn is a place of an email.
type PlacedIn struct {
	Mailbox MailboxID
	Placement
}

// Email returns an email of the account, and whether it has one with this ID.
func (m *Mail) Email(id EmailID) (*Located, bool) {
	at, ok := slices.BinarySearchFunc(m.Emails, id, func(l Located, id EmailID) int { return compareIDs(l.ID, id) })
	if !ok {
		return nil, false
	}
	return &m.Emails[at], true
}

func compareIDs[T ~uint64 | ~uint32](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Flags are the flags that the email has in any of its places.
func (l *Located) Flags() (f Flags) {
	for i := range l.At {
		f = f.With(l.At[i].Flags)
	}
	return f
}

// ModSeq is that of the last change of a place.
func (l *Located) ModSeq() (last ModSeq) {
	for i := range l.At {
		last = max(last, l.At[i].ModSeq)
	}
	return last
}

// In reports whether a mailbox has the email.
func (l *Located) In(m MailboxID) bool {
	return slices.ContainsFunc(l.At, func(p PlacedIn) bool { return p.Mailbox == m })
}

// Mail returns the mail of an account as it is now. What never changes of emails is taken from before, an earlier
// answer for the same account, which may be nil and is returned itself if nothing changed since.
func (s *Store) Mail(ctx context.Context, a AccountID, before *Mail) (m *Mail, err error) {
	err = s.view(ctx, "read mail", a, func(r kv.Reader) error {
		h, err := readHead(r)
		if err != nil {
			return err
		}
		if before != nil && before.ModSeq == h.modSeq {
			m = before
			return nil
		}
		m = &Mail{ModSeq: h.modSeq, NextEmail: h.nextEmail}
		return m.read(r, before)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Mail) read(r kv.Reader, before *Mail) error {
	subscribed, err := readSubscriptions(r)
	if err != nil {
		return err
	}
	err = eachMailbox(r, func(rec *mailboxRecord) error {
		m.Mailboxes = append(m.Mailboxes, rec.public(subscribed[rec.name]))
		return nil
	})
	if err != nil {
		return err
	}
	raw, _, err := r.Get([]byte{tableKeywords})
	if err != nil {
		return err
	}
	if m.Keywords, err = parseKeywords(raw); err != nil {
		return err
	}
	if err := m.readEmails(r, before); err != nil {
		return err
	}
	return m.readPlaces(r)
}

// readEmails takes the emails that before has, without their places, and reads those that came later. What is gone has
// no place and is left out by readPlaces.
func (m *Mail) readEmails(r kv.Reader, before *Mail) error {
	first := EmailID(0)
	if before != nil {
		first = before.NextEmail
		m.Emails = make([]Located, len(before.Emails), len(before.Emails)+64)
		for i, l := range before.Emails {
			l.At = nil
			m.Emails[i] = l
		}
	}
	return scan(r, table(tableEmail).email(first), table(tableEmail).after(), func(k, v []byte) error {
		var e Email
		if err := e.decode(EmailID(binary.BigEndian.Uint64(k[1:])), v); err != nil {
			return err
		}
		m.Emails = append(m.Emails, Located{ID: e.ID, Thread: e.Thread, Received: e.Received, Size: e.Size})
		return nil
	})
}

// readPlaces reads all placements and gives them to their emails.
func (m *Mail) readPlaces(r kv.Reader) error {
	places := make([]PlacedIn, 0, len(m.Emails))
	t := table(tablePlacement)
	err := scan(r, t, t.after(), func(k, v []byte) error {
		p := PlacedIn{Mailbox: MailboxID(binary.BigEndian.Uint32(k[1:]))}
		if err := p.decode(uid.UID(tail32(k)), v); err != nil {
			return err
		}
		places = append(places, p)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(places, func(a, b PlacedIn) int { return compareIDs(a.Email, b.Email) })
	kept := m.Emails[:0]
	for _, l := range m.Emails {
		for len(places) > 0 && places[0].Email < l.ID {
			places = places[1:]
		}
		n := 0
		for n < len(places) && places[n].Email == l.ID {
			n++
		}
		if l.At, places = places[:n:n], places[n:]; n > 0 {
			kept = append(kept, l)
		}
	}
	m.Emails = kept
	return nil
}

// Removal is an email that left a mailbox.
type Removal struct {
	Email EmailID
	// Thread is that of an email that is in no mailbox any more, 0 for one that still was in another.
	Thread ThreadID
}

// RemovedSince returns the emails that left a mailbox after a value of the change counter, in the order of time.
// It costs what was removed.
func (s *Store) RemovedSince(ctx context.Context, a AccountID, since ModSeq) (list []Removal, err error) {
	err = s.view(ctx, "read removals", a, func(r kv.Reader) error {
		t := table(tableRemoval)
		return scan(r, append(key(nil), t...).modSeq(since+1), t.after(), func(k, v []byte) error {
			thread := uint64(0)
			if len(v) > 0 {
				f := record{b: v}
				if thread = f.uint(); f.bad {
					return errDamaged
				}
			}
			list = append(list, Removal{EmailID(binary.BigEndian.Uint64(k[9:])), ThreadID(thread)})
			return nil
		})
	})
	return list, err
}

// noteRemoval notes that an email left a mailbox; thread is 0 if it still is in another.
func (c *change) noteRemoval(e EmailID, thread ThreadID) error {
	var value []byte
	if thread != 0 {
		value = binary.AppendUvarint(nil, uint64(thread))
	}
	return c.tx.Set(table(tableRemoval).modSeq(c.modSeq()).email(e), value)
}

// threadOf returns the conversation of a stored email, 0 if there is no such email.
func (c *change) threadOf(id EmailID) (ThreadID, error) {
	b, ok, err := c.tx.Get(table(tableEmail).email(id))
	if err != nil || !ok {
		return 0, err
	}
	r := record{b: b}
	r.octet()
	thread := ThreadID(r.uint())
	return thread, r.err()
}
