package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/ordered"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Mail is all mail of an account at one moment, without what the messages say: what JMAP's questions about
// mailboxes, conversations and order are answered from. It is immutable and shared; a later one shares with it what did
// not change.
type Mail struct {
	ModSeq    ModSeq  // the account's change counter
	NextEmail EmailID // emails that come later have this ID or a greater one
	Mailboxes []Mailbox
	Keywords  *Keywords
	Grants    map[MailboxID][]Grant  // access control lists of mailboxes that are shared
	emails    ordered.List[*Located] // ascending by ID
}

// Located is an email with all of its places. It is immutable.
type Located struct {
	ID         EmailID
	Thread     ThreadID
	Received   int64 // Unix seconds
	Size       int64
	At         []PlacedIn // by mailbox and UID; at least one
	Attachment bool       // RFC 8621 section 4.1.4: hasAttachment
}

// PlacedIn is a place of an email.
type PlacedIn struct {
	Mailbox MailboxID
	UID     uid.UID
	Flags   Flags
	ModSeq  ModSeq
}

func compareLocated(a, b *Located) int { return cmp.Compare(a.ID, b.ID) }

// Len is the number of emails.
func (m *Mail) Len() int { return m.emails.Len() }

// All returns all emails, ascending by ID.
func (m *Mail) All() iter.Seq[*Located] { return m.emails.All() }

// Email returns an email of the account, and whether it has one with this ID.
func (m *Mail) Email(id EmailID) (*Located, bool) { return m.emails.Get(&Located{ID: id}) }

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
	for i := range l.At {
		if l.At[i].Mailbox == m {
			return true
		}
	}
	return false
}

// MailChange says which emails are placed or flagged otherwise than before, came or went.
type MailChange struct {
	Emails []EmailID // ascending
	All    bool      // it is not known: all was read anew
}

// Mail returns the mail of an account as it is now. before is an earlier answer for the same account, which may be nil and
// is returned itself if nothing changed since; else only what changed is read, unless that is much.
func (s *Store) Mail(ctx context.Context, a AccountID, before *Mail) (m *Mail, change MailChange, err error) {
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
		if err := m.readRest(r); err != nil {
			return err
		}
		if before != nil && before.ModSeq >= h.removedFrom {
			done := false
			if change.Emails, done, err = m.advance(ctx, r, before); err != nil || done {
				return err
			}
		}
		change = MailChange{All: true}
		return m.readAll(ctx, r)
	})
	if err != nil {
		return nil, MailChange{}, err
	}
	return m, change, nil
}

// readRest reads all but the emails.
func (m *Mail) readRest(r kv.Reader) error {
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
	return eachGrant(r, 0, func(id MailboxID, g Grant) error {
		if m.Grants == nil {
			m.Grants = map[MailboxID][]Grant{}
		}
		m.Grants[id] = append(m.Grants[id], g)
		return nil
	})
}

// advance makes the emails from those before and what changed since. done is false if that is so much that all emails
// are better read in order.
func (m *Mail) advance(ctx context.Context, r kv.Reader, before *Mail) (changed []EmailID, done bool, err error) {
	most := max(64, before.Len()/manyChanges)
	for i := range m.Mailboxes {
		box := &m.Mailboxes[i]
		if box.HighestModSeq <= before.ModSeq {
			continue
		}
		uids, err := changedUIDs(r, box.ID, before.ModSeq, most-len(changed)+1)
		if errors.Is(err, errStepFull) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		err = eachPlacement(ctx, r, box.ID, uids, func(p *Placement) error {
			changed = append(changed, p.Email)
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	err = eachRemoval(r, before.ModSeq, func(g Removal) error {
		if changed = append(changed, g.Email); len(changed) > most {
			return errStepFull
		}
		return nil
	})
	if errors.Is(err, errStepFull) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	slices.Sort(changed)
	changed = slices.Compact(changed)
	edit := before.emails.Edit()
	for _, id := range changed {
		if err := locate(r, before, id, edit); err != nil {
			return nil, false, err
		}
	}
	m.emails = edit.List()
	return changed, true, nil
}

// locate reads the places of an email.
func locate(r kv.Reader, before *Mail, id EmailID, edit *ordered.Edit[*Located]) error {
	l := Located{ID: id}
	t := table(tableLocation).email(id)
	err := scan(r, t, t.after(), func(k, _ []byte) error {
		m, u := MailboxID(binary.BigEndian.Uint32(k[9:])), uid.UID(tail32(k))
		b, ok, err := r.Get(table(tablePlacement).mailbox(m).uid(u))
		var p Placement
		if err == nil && ok {
			err = p.decode(u, b)
			l.At = append(l.At, PlacedIn{Mailbox: m, UID: u, Flags: p.Flags, ModSeq: p.ModSeq})
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(l.At) == 0 {
		edit.Delete(&l)
		return nil
	}
	if old, ok := before.Email(id); ok {
		l.Thread, l.Received, l.Size, l.Attachment = old.Thread, old.Received, old.Size, old.Attachment
	} else {
		b, ok, err := r.Get(table(tableEmail).email(id))
		if err == nil && !ok {
			err = fmt.Errorf("email %d is missing: %w", id, errDamaged)
		}
		if err == nil {
			err = l.decode(b)
		}
		if err != nil {
			return err
		}
	}
	edit.Set(&l)
	return nil
}

// decode takes what never changes from the record of the email.
func (l *Located) decode(b []byte) error {
	var e Email
	if err := e.decode(l.ID, b); err != nil {
		return err
	}
	l.Thread, l.Received, l.Size, l.Attachment = e.Thread, e.Received.Unix(), e.Size, e.Summary.HasAttachment()
	return nil
}

// readAll reads all emails and all placements.
func (m *Mail) readAll(ctx context.Context, r kv.Reader) error {
	type placed struct {
		email EmailID
		PlacedIn
	}
	var places []placed
	for i := range m.Mailboxes {
		box := m.Mailboxes[i].ID
		places = slices.Grow(places, int(m.Mailboxes[i].Messages))
		err := eachPlacement(ctx, r, box, uid.All(), func(p *Placement) error {
			places = append(places, placed{p.Email, PlacedIn{Mailbox: box, UID: p.UID, Flags: p.Flags, ModSeq: p.ModSeq}})
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(places, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.email, b.email), cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.UID, b.UID))
	})
	// Emails lie in slabs, so that there are few things in memory to look after.
	const slab = 256
	var emails []*Located
	var free []Located
	var at []PlacedIn
	t := table(tableEmail)
	err := scan(r, t, t.after(), func(k, v []byte) error {
		id := EmailID(binary.BigEndian.Uint64(k[1:]))
		n := 0
		for n < len(places) && places[n].email <= id {
			n++
		}
		own := places[:n]
		places = places[n:]
		for len(own) > 0 && own[0].email < id { // of emails that are missing
			own = own[1:]
		}
		if len(own) == 0 {
			return nil
		}
		if len(free) == 0 {
			free = make([]Located, slab)
		}
		if len(at)+len(own) > cap(at) {
			at = make([]PlacedIn, 0, max(slab, len(own)))
		}
		first := len(at)
		for i := range own {
			at = append(at, own[i].PlacedIn)
		}
		l := &free[0]
		free = free[1:]
		l.ID, l.At = id, at[first:len(at):len(at)]
		emails = append(emails, l)
		return l.decode(v)
	})
	m.emails = ordered.Build(compareLocated, emails)
	return err
}

// Removal is an email that left a mailbox.
type Removal struct {
	Email EmailID
	At    ModSeq
	// Thread is that of an email that is in no mailbox any more, 0 for one that still was in another.
	Thread ThreadID
}

// RemovedSince returns the emails that left a mailbox after a value of the change counter, in the order of time. It costs
// what was removed. complete is false if removals that far back are forgotten.
func (s *Store) RemovedSince(ctx context.Context, a AccountID, since ModSeq) (list []Removal, complete bool, err error) {
	err = s.view(ctx, "read removals", a, func(r kv.Reader) error {
		h, err := readHead(r)
		if err != nil {
			return err
		}
		complete = since >= h.removedFrom
		return eachRemoval(r, since, func(g Removal) error {
			list = append(list, g)
			return nil
		})
	})
	return list, complete, err
}

func eachRemoval(r kv.Reader, since ModSeq, fn func(Removal) error) error {
	t := table(tableRemoval)
	return scan(r, append(key(nil), t...).modSeq(since+1), t.after(), func(k, v []byte) error {
		thread := uint64(0)
		if len(v) > 0 {
			f := record{b: v}
			if thread = f.uint(); f.bad {
				return errDamaged
			}
		}
		at := ModSeq(binary.BigEndian.Uint64(k[1:]))
		return fn(Removal{Email: EmailID(binary.BigEndian.Uint64(k[9:])), Thread: ThreadID(thread), At: at})
	})
}

// ForgetRemovals forgets which emails left mailboxes but for the latest of each account, at most keep. Who asks for
// older ones is told that they are not known. It works in bounded steps and on a full volume.
func (s *Store) ForgetRemovals(ctx context.Context, keep int) error {
	ctx = kv.WithReserve(ctx)
	err := s.records.Accounts(ctx, func(a kv.Account) error {
		if a == kv.System {
			return nil
		}
		many := 0
		err := s.records.View(ctx, a, func(r kv.Reader) error {
			t := table(tableRemoval)
			return scan(r, t, t.after(), func(_, _ []byte) error { many++; return nil })
		})
		for many -= keep; many > 0 && err == nil; many -= maxStep {
			err = s.records.Write(ctx, a, func(tx kv.Tx) error { return forgetRemovals(tx, min(many, maxStep)) })
		}
		return err
	})
	return wrap("forget removals", err)
}

// forgetRemovals forgets the oldest, and all that happened at the same value of the counter as the last of them.
func forgetRemovals(tx kv.Tx, n int) error {
	h, err := readHead(tx)
	if err != nil {
		return err
	}
	t := table(tableRemoval)
	err = scan(tx, t, t.after(), func(k, _ []byte) error {
		at := ModSeq(binary.BigEndian.Uint64(k[1:]))
		if n--; n < 0 && at != h.removedFrom {
			return errStepFull
		}
		h.removedFrom = at
		return tx.Delete(k)
	})
	if err != nil && !errors.Is(err, errStepFull) {
		return err
	}
	return tx.Set(table(tableHead), h.encode())
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
