package store

import (
	"context"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// NewEmail is a message to be placed in a mailbox; its blob is durable already.
type NewEmail struct {
	Blob     blob.Ref
	Summary  *message.Summary
	Received time.Time // INTERNALDATE; zero means now
	// Arrived tells that the service took the message as mail, and wrote what stands above the first Received field itself: nothing
	// there is believed of what a program put into a mailbox, its own or somebody else's.
	Arrived  bool
	Flags    Flags // system flags
	Keywords []string
}

// Appended says where new messages are.
type Appended struct {
	UIDValidity uint32
	UIDs        []uid.UID // in the order of the messages
	ModSeq      ModSeq
}

// maxStep bounds how many messages one transaction changes: larger changes are
// done in several, each at its own MODSEQ, so that memory stays bounded.
const maxStep = 5000

// Append places new messages in a mailbox, all or none. Kinds: KindNotFound,
// KindOverQuota, KindLimit (keywords), KindNoSpace.
func (s *Store) Append(ctx context.Context, a AccountID, id MailboxID, messages []NewEmail, events ...Event) (done Appended, err error) {
	quota, err := s.quota(ctx, a)
	if err != nil {
		return done, err
	}
	err = s.change(ctx, "append", a, func(c *change) error {
		done = Appended{UIDs: make([]uid.UID, 0, len(messages))}
		m, err := c.mailbox(id)
		if err != nil {
			return err
		}
		for i := range messages {
			u, err := c.place(m, &messages[i], quota)
			if err != nil {
				return err
			}
			done.UIDs = append(done.UIDs, u)
		}
		done.UIDValidity, done.ModSeq = m.uidValidity, m.highestModSeq
		return s.putEvents(c.tx, a, events)
	})
	if err == nil {
		for i := range messages {
			s.pending.named(messages[i].Blob)
		}
	}
	return done, err
}

// quota returns how many octets an account may hold, 0 for no bound.
func (s *Store) quota(ctx context.Context, a AccountID) (int64, error) {
	account, err := s.Account(ctx, a)
	return account.Quota, err
}

// place stores a new email and puts it into a mailbox.
func (c *change) place(m *mailboxRecord, n *NewEmail, quota int64) (uid.UID, error) {
	size := n.Summary.Size
	if quota > 0 && c.head.size+size > quota {
		return 0, fail("place message", KindOverQuota, "%d octets are used of %d, %d more do not fit", c.head.size, quota, size)
	}
	flags, err := c.flags(n.Flags, n.Keywords)
	if err != nil {
		return 0, err
	}
	id := c.head.nextEmail
	c.head.nextEmail++
	c.head.size += size
	c.head.emails++
	thread, err := c.thread(id, n.Summary)
	if err != nil {
		return 0, err
	}
	received := n.Received
	if received.IsZero() {
		received = c.now
	}
	if err := c.tx.Set(table(tableEmail).email(id), encodeEmail(thread, n, received)); err != nil {
		return 0, err
	}
	return c.putNew(m, Placement{Email: id, Flags: flags, Size: size, Saved: c.now})
}

// putNew gives a placement the next UID of a mailbox and writes it.
func (c *change) putNew(m *mailboxRecord, p Placement) (uid.UID, error) {
	if err := c.mayPlace(m); err != nil {
		return 0, err
	}
	if m.uidNext == uid.Max {
		return 0, fail("place message", KindLimit, "mailbox %d has no UIDs left", m.id)
	}
	p.UID, p.ModSeq = m.uidNext, c.modSeq()
	m.uidNext++
	m.count(&p, 1)
	if err := c.addUIDs(m, uid.Set{{First: p.UID, Last: p.UID}}); err != nil {
		return 0, err
	}
	if err := c.tx.Set(locationKey(p.Email, m.id, p.UID), nil); err != nil {
		return 0, err
	}
	return p.UID, c.put(m, &p)
}

// put writes a placement and its entry among the changes.
func (c *change) put(m *mailboxRecord, p *Placement) error {
	if err := c.tx.Set(table(tableChange).mailbox(m.id).modSeq(p.ModSeq).uid(p.UID), nil); err != nil {
		return err
	}
	return c.tx.Set(table(tablePlacement).mailbox(m.id).uid(p.UID), p.encode(make([]byte, 0, 40)))
}

func locationKey(e EmailID, m MailboxID, u uid.UID) key {
	return table(tableLocation).email(e).mailbox(m).uid(u)
}

// count adds a placement to a mailbox's counters, or takes it away with -1.
func (m *mailboxRecord) count(p *Placement, n int64) {
	m.messages += n
	m.size += n * p.Size
	if !p.Flags.Has(FlagSeen) {
		m.unseen += n
	}
	if p.Flags.Has(FlagDeleted) {
		m.deleted += n
	}
}

// Stored says what StoreFlags did.
type Stored struct {
	ModSeq   ModSeq  // the mailbox's highest after it
	Changed  uid.Set // whose flags are other than before
	Over     uid.Set // of Changed: what had changed after FlagChange.Since already
	Modified uid.Set // left alone: changed after unchangedSince (RFC 7162 section 3.1.3)
}

// StoreFlags changes flags of the messages of a mailbox whose UIDs are in the
// set; UIDs that do not exist are passed over. With unchangedSince, messages
// whose MODSEQ is greater are left alone. It works on a full volume: to set
// \Deleted is how room is made. Kinds: KindNotFound, KindLimit.
func (s *Store) StoreFlags(ctx context.Context, a AccountID, id MailboxID, set uid.Set, f FlagChange, unchangedSince *ModSeq) (done Stored, err error) {
	ctx = kv.WithReserve(ctx)
	for rest := set; ; {
		var step Stored
		err := s.change(ctx, "store flags", a, func(c *change) (err error) {
			step = Stored{}
			m, err := c.mailbox(id)
			if err != nil {
				return err
			}
			rest, err = c.storeFlags(m, rest, f, unchangedSince, &step)
			step.ModSeq = m.highestModSeq
			return err
		})
		if err != nil {
			return done, err
		}
		done.ModSeq = step.ModSeq
		done.Changed = done.Changed.Union(step.Changed)
		done.Over = done.Over.Union(step.Over)
		done.Modified = done.Modified.Union(step.Modified)
		if rest.Empty() {
			return done, nil
		}
	}
}

// storeFlags changes at most maxStep messages and returns the UIDs left to do.
func (c *change) storeFlags(m *mailboxRecord, set uid.Set, f FlagChange, unchangedSince *ModSeq, done *Stored) (rest uid.Set, err error) {
	arg, err := c.flags(f.System, f.Keywords)
	if err != nil {
		return nil, err
	}
	changed, rest, err := c.collect(m, set)
	if err != nil {
		return nil, err
	}
	for i := range changed {
		p := &changed[i]
		if unchangedSince != nil && p.ModSeq > *unchangedSince {
			done.Modified = done.Modified.Add(p.UID)
			continue
		}
		flags := f.apply(p.Flags, arg)
		if flags == p.Flags {
			continue
		}
		if err := c.tx.Delete(table(tableChange).mailbox(m.id).modSeq(p.ModSeq).uid(p.UID)); err != nil {
			return nil, err
		}
		if f.Since != 0 && p.ModSeq > f.Since {
			done.Over = done.Over.Add(p.UID)
		}
		m.count(p, -1)
		p.Flags, p.ModSeq = flags, c.modSeq()
		m.count(p, 1)
		if err := c.put(m, p); err != nil {
			return nil, err
		}
		done.Changed = done.Changed.Add(p.UID)
	}
	if !done.Changed.Empty() {
		c.touch(m)
	}
	return rest, nil
}

// collect reads the first maxStep placements of a set and returns the part of
// the set that lies behind them.
func (c *change) collect(m *mailboxRecord, set uid.Set) (list []Placement, rest uid.Set, err error) {
	err = eachPlacement(context.Background(), c.tx, m.id, set, func(p *Placement) error {
		if len(list) == maxStep {
			return errStepFull
		}
		list = append(list, *p)
		return nil
	})
	if err == errStepFull {
		rest, err = set.Minus(uid.Set{{First: 1, Last: list[len(list)-1].UID}}), nil
	}
	return list, rest, err
}

// errStepFull ends a walk that has enough for one transaction.
var errStepFull = &Error{Op: "collect", Kind: KindLimit}

// Expunge removes the messages of a mailbox whose UIDs are in the set, with
// onlyDeleted those alone that have \Deleted, and returns the UIDs that are
// gone. Emails that are in no mailbox any more are deleted. It works on a full
// volume.
func (s *Store) Expunge(ctx context.Context, a AccountID, id MailboxID, set uid.Set, onlyDeleted bool, events ...Event) (gone uid.Set, at ModSeq, err error) {
	ctx = kv.WithReserve(ctx)
	if onlyDeleted {
		if set, err = s.DeletedAmong(ctx, a, id, set); err != nil {
			return nil, 0, err
		}
	}
	for rest := set; ; {
		var step expunged
		err := s.change(ctx, "expunge", a, func(c *change) error {
			m, err := c.mailbox(id)
			if err != nil {
				return err
			}
			if step, err = c.expunge(m, rest, onlyDeleted); err != nil {
				return err
			}
			at = m.highestModSeq
			if step.gone.Empty() {
				return nil
			}
			return s.putEvents(c.tx, a, events)
		})
		if err != nil {
			return gone, at, err
		}
		gone = gone.Union(step.gone)
		if rest = step.rest; rest.Empty() {
			return gone, at, nil
		}
	}
}

// DeletedAmong narrows a set to the messages that have \Deleted, so that an
// expunge need not look at the others.
func (s *Store) DeletedAmong(ctx context.Context, a AccountID, id MailboxID, set uid.Set) (uid.Set, error) {
	m, err := s.Mailbox(ctx, a, id)
	if err != nil || m.Deleted == 0 {
		return nil, err
	}
	f, err := s.FlagSets(ctx, a, id)
	if err != nil {
		return nil, err
	}
	return f.With(FlagDeleted).Within(set).Set(), nil
}

type expunged struct{ gone, rest uid.Set }

// expunge removes at most maxStep messages from a mailbox.
func (c *change) expunge(m *mailboxRecord, set uid.Set, onlyDeleted bool) (done expunged, err error) {
	if onlyDeleted && m.deleted == 0 {
		return done, nil
	}
	list, rest, err := c.collect(m, set)
	if err != nil {
		return done, err
	}
	done.rest = rest
	for i := range list {
		p := &list[i]
		if onlyDeleted && !p.Flags.Has(FlagDeleted) {
			continue
		}
		if err := c.remove(m, p); err != nil {
			return done, err
		}
		if err := c.dropEmail(p); err != nil {
			return done, err
		}
		done.gone = done.gone.Add(p.UID)
	}
	return done, c.vanish(m, done.gone)
}

// remove takes a placement out of a mailbox.
func (c *change) remove(m *mailboxRecord, p *Placement) error {
	if err := c.leaveOutbox(m, p.UID); err != nil {
		return err
	}
	m.count(p, -1)
	for _, k := range []key{
		table(tablePlacement).mailbox(m.id).uid(p.UID),
		table(tableChange).mailbox(m.id).modSeq(p.ModSeq).uid(p.UID),
		locationKey(p.Email, m.id, p.UID),
	} {
		if err := c.tx.Delete(k); err != nil {
			return err
		}
	}
	return c.noteRemoval(p.Email, 0)
}

// dropEmail deletes an email that is in no mailbox any more; its blob is
// collected later.
func (c *change) dropEmail(p *Placement) (err error) {
	t := table(tableLocation).email(p.Email)
	it := c.tx.Iterate(t, t.after())
	placed := it.Next()
	if err := it.Close(); err != nil || placed {
		return err
	}
	c.head.size -= p.Size
	c.head.emails--
	c.head.fullSince = 0
	thread, err := c.threadOf(p.Email)
	if err != nil {
		return err
	}
	if err := c.noteRemoval(p.Email, thread); err != nil {
		return err
	}
	if err := c.tx.Delete(junkKey(junkEmail).email(p.Email)); err != nil {
		return err
	}
	return c.tx.Delete(table(tableEmail).email(p.Email))
}

// vanish notes the UIDs that a change expunged and takes them from the index.
func (c *change) vanish(m *mailboxRecord, gone uid.Set) error {
	if gone.Empty() {
		return nil
	}
	if err := c.removeUIDs(m, gone); err != nil {
		return err
	}
	return c.tx.Set(table(tableVanished).mailbox(m.id).modSeq(c.modSeq()), encodeSet(gone))
}

// Copied says where the messages of Copy and Move went.
type Copied struct {
	UIDValidity uint32
	From, To    []uid.UID // pairwise, From ascending
	ModSeq      ModSeq
}

// Copy places messages in another mailbox of the account as well, with their
// flags; Saved is now (RFC 8514). All or none.
func (s *Store) Copy(ctx context.Context, a AccountID, from MailboxID, set uid.Set, to MailboxID) (done Copied, err error) {
	return s.copy(ctx, a, from, set, to, Flags{})
}

// copy is Copy of all flags but those to lose.
func (s *Store) copy(ctx context.Context, a AccountID, from MailboxID, set uid.Set, to MailboxID, lose Flags) (done Copied, err error) {
	err = s.change(ctx, "copy", a, func(c *change) error {
		done = Copied{}
		source, target, err := c.pair(from, to)
		if err != nil {
			return err
		}
		return eachPlacement(ctx, c.tx, source.id, boundTo(set, source), func(p *Placement) error {
			return c.copyTo(source, target, *p, lose, &done)
		})
	})
	return done, err
}

// boundTo keeps a copy within one mailbox from meeting its own results.
func boundTo(set uid.Set, m *mailboxRecord) uid.Set {
	return set.Intersect(uid.Set{{First: 1, Last: max(m.uidNext, 2) - 1}})
}

func (c *change) pair(from, to MailboxID) (source, target *mailboxRecord, err error) {
	if source, err = c.mailbox(from); err != nil {
		return nil, nil, err
	}
	target, err = c.mailbox(to)
	return source, target, err
}

func (c *change) copyTo(source, target *mailboxRecord, p Placement, lose Flags, done *Copied) (err error) {
	done.From = append(done.From, p.UID)
	if p.Flags, err = c.fromOutbox(source, target, p.Flags); err != nil {
		return err
	}
	p.Saved, p.Flags = c.now, p.Flags.Without(lose)
	u, err := c.putNew(target, p)
	done.To = append(done.To, u)
	done.UIDValidity, done.ModSeq = target.uidValidity, target.highestModSeq
	return err
}

// Move places messages in another mailbox and removes them from theirs (RFC
// 6851), in steps of maxStep, each whole or not at all. It works on a full
// volume: many programs delete by moving to Trash.
func (s *Store) Move(ctx context.Context, a AccountID, from MailboxID, set uid.Set, to MailboxID, events ...Event) (done Copied, err error) {
	return s.move(ctx, a, from, set, to, Flags{}, events)
}

// move is Move of all flags but those to lose.
func (s *Store) move(ctx context.Context, a AccountID, from MailboxID, set uid.Set, to MailboxID, lose Flags, events []Event) (done Copied, err error) {
	ctx = kv.WithReserve(ctx)
	last := uid.UID(0)
	for rest := set; ; {
		var step Copied
		var left uid.Set
		err := s.change(ctx, "move", a, func(c *change) error {
			step = Copied{}
			source, target, err := c.pair(from, to)
			if err != nil {
				return err
			}
			if last == 0 {
				last = max(source.uidNext, 2) - 1 // do not meet what a move within one mailbox adds
			}
			left, err = c.move(source, target, rest.Intersect(uid.Set{{First: 1, Last: last}}), lose, &step)
			if err != nil || len(step.From) == 0 {
				return err
			}
			return s.putEvents(c.tx, a, events)
		})
		if err != nil {
			return done, err
		}
		done.From, done.To = append(done.From, step.From...), append(done.To, step.To...)
		done.UIDValidity, done.ModSeq = step.UIDValidity, step.ModSeq
		if rest = left; rest.Empty() {
			return done, nil
		}
	}
}

func (c *change) move(source, target *mailboxRecord, set uid.Set, lose Flags, done *Copied) (rest uid.Set, err error) {
	list, rest, err := c.collect(source, set)
	if err != nil {
		return nil, err
	}
	var gone uid.Set
	for i := range list {
		if err := c.copyTo(source, target, list[i], lose, done); err != nil {
			return nil, err
		}
		if err := c.remove(source, &list[i]); err != nil {
			return nil, err
		}
		gone = gone.Add(list[i].UID)
	}
	return rest, c.vanish(source, gone)
}
