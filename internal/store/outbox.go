package store

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// The Outbox is a mailbox of the sender (RoleOutbox) that shows what waits for
// longer than its turn: messages of his whose first attempt did not succeed, that
// wait for a limit, or that are held. It is made when the first of them comes. A
// message is in it as long as its submission waits: both change in one
// transaction. Who takes a message out of it (moves it to Drafts, expunges it)
// takes the submission back for all recipients that still wait, in that same
// transaction; only the queue puts messages in.

// Keywords of messages in the Outbox.
const (
	KeywordWaiting = "$Waiting" // it is tried again by itself
	KeywordHeld    = "$Held"    // it waits until somebody releases it
)

// Outbox is the queue as the store must know it.
type Outbox interface {
	// Take is asked before a waiting submission is taken back; false means that it
	// is being sent right now. It must not block nor call the store.
	Take(sub *Submission) bool
	// Taken is called after the transaction for what Take allowed, whether it was
	// committed or not. It must not block nor call the store before it returns.
	Taken(a AccountID, id TraceID)
}

// SetOutbox tells the store of the queue. It is called before anything uses
// mailboxes.
func (s *Store) SetOutbox(o Outbox) { s.outbox = o }

// Waits reports whether a submission waits for longer than its turn, for a
// reason that is known, or since it is to go later.
func (s *Submission) Waits() bool {
	return slices.ContainsFunc(s.Recipients, func(r SubmissionRecipient) bool {
		return r.State == Held || r.State == Queued && (r.Cause != "" || s.Scheduled && r.Next.After(s.Created))
	})
}

// outboxKeyword is how the Outbox shows a submission.
func (s *Submission) outboxKeyword() string {
	waits := func(r SubmissionRecipient) bool { return r.State == Queued }
	if slices.ContainsFunc(s.Recipients, waits) {
		return KeywordWaiting
	}
	return KeywordHeld
}

func outboxKey(u uid.UID) key { return table(tableOutbox).uid(u) }

// PlaceInOutbox shows a submission that waits in its sender's Outbox, which is
// made if there is none. It does nothing if the submission is shown already, does
// not wait, is gone, or belongs to no account. It counts for the quota and is
// never refused for it.
func (s *Store) PlaceInOutbox(ctx context.Context, a AccountID, id TraceID, n NewEmail) error {
	if a == AccountID(kv.System) {
		return nil
	}
	return s.change(ctx, "place in Outbox", a, func(c *change) error {
		sub, err := readSubmission(c.tx, a, id)
		if KindOf(err) == KindNotFound {
			return nil
		}
		if err != nil || sub.Outbox != 0 || !sub.Waits() {
			return err
		}
		if sub.Email != 0 {
			if err := c.showEmail(&sub); err != nil {
				return err
			}
		}
		if sub.Outbox != 0 {
			return putSubmission(c.tx, &sub)
		}
		m, err := c.outboxMailbox()
		if err != nil {
			return err
		}
		n.Flags, n.Keywords = FlagSeen, []string{sub.outboxKeyword()}
		if _, err := c.flags(n.Flags, n.Keywords); KindOf(err) == KindLimit {
			n.Keywords = nil // the account has all it can have
		}
		c.settling = true
		if sub.Outbox, err = c.place(m, &n, 0); err != nil {
			return err
		}
		if err := c.tx.Set(outboxKey(sub.Outbox), id[:]); err != nil {
			return err
		}
		return putSubmission(c.tx, &sub)
	})
}

// outboxMailbox returns the account's Outbox and makes it if there is none.
func (c *change) outboxMailbox() (*mailboxRecord, error) {
	m, err := readByRole(c.tx, RoleOutbox)
	if err == nil {
		return c.mailbox(m.id)
	}
	if KindOf(err) != KindNotFound {
		return nil, err
	}
	name := "Outbox"
	for n := 2; ; n++ {
		_, err := readByName(c.tx, name)
		if KindOf(err) == KindNotFound {
			break
		}
		if err != nil || n > MaxMailboxes {
			return nil, err
		}
		name = "Outbox " + strconv.Itoa(n)
	}
	if err := c.tx.Set(table(tableSubscription).text(name), nil); err != nil {
		return nil, err
	}
	return c.createMailbox(name, RoleOutbox)
}

// keepOutbox brings the Outbox in line with a submission that was changed: what
// does not wait any more goes, and how it waits shows.
func (c *change) keepOutbox(sub *Submission) error {
	if sub.Outbox == 0 {
		return nil
	}
	m, err := readByRole(c.tx, RoleOutbox)
	if KindOf(err) == KindNotFound {
		sub.Outbox = 0
		return nil
	}
	if err != nil {
		return err
	}
	if m, err = c.mailbox(m.id); err != nil {
		return err
	}
	c.settling = true
	if !sub.Waits() {
		if err := c.rescue(sub); err != nil {
			return err
		}
		gone := uid.Of(sub.Outbox)
		sub.Outbox = 0
		_, err := c.expunge(m, gone, false)
		return err
	}
	both, err := c.flags(Flags{}, []string{KeywordWaiting, KeywordHeld})
	if err != nil {
		return nil // it is shown without them
	}
	one, err := c.flags(Flags{}, []string{sub.outboxKeyword()})
	if err != nil {
		return err
	}
	return c.showAs(m, sub.Outbox, both, one)
}

// showAs replaces some flags of a message.
func (c *change) showAs(m *mailboxRecord, u uid.UID, without, with Flags) error {
	list, _, err := c.collect(m, uid.Of(u))
	if err != nil || len(list) == 0 {
		return err
	}
	p := &list[0]
	flags := p.Flags.Without(without).With(with)
	if flags == p.Flags {
		return nil
	}
	if err := c.tx.Delete(table(tableChange).mailbox(m.id).modSeq(p.ModSeq).uid(p.UID)); err != nil {
		return err
	}
	p.Flags, p.ModSeq = flags, c.modSeq()
	c.touch(m)
	return c.put(m, p)
}

// leaveOutbox is called for each message that leaves a mailbox. If that is the
// Outbox, and it is not the queue that takes it out, the submission is taken back.
func (c *change) leaveOutbox(m *mailboxRecord, u uid.UID) error {
	if m.role != RoleOutbox {
		return nil
	}
	k := outboxKey(u)
	b, ok, err := c.tx.Get(k)
	if err != nil || !ok || len(b) != len(TraceID{}) {
		return err
	}
	id := TraceID(b)
	if err := c.tx.Delete(k); err != nil || c.settling {
		return err
	}
	sub, err := readSubmission(c.tx, c.account, id)
	if KindOf(err) == KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return c.takeBack(&sub)
}

// kindCancelled is the kind of event that tells of a recipient for whom a message
// was taken back.
const kindCancelled = "message.cancelled"

// take keeps the queue from sending a submission as long as the change goes on; false if it is being sent.
func (c *change) take(sub *Submission) bool {
	o := c.store.outbox
	if o == nil || c.taken[sub.ID] {
		return true
	}
	if !o.Take(sub) {
		return false
	}
	if c.taken == nil {
		c.taken = map[TraceID]bool{}
	}
	c.taken[sub.ID] = true
	return true
}

// takeBack cancels what waits of a submission.
func (c *change) takeBack(sub *Submission) error {
	if !c.take(sub) {
		return fail("take back message", KindInUse, "%s is being sent", sub.ID)
	}
	var events []Event
	for i := range sub.Recipients {
		if r := &sub.Recipients[i]; !r.State.Final() {
			r.State, r.Last, r.Next = Cancelled, c.now, time.Time{}
			events = append(events, Event{
				Time: c.now, Trace: sub.ID, Account: sub.Account, Kind: kindCancelled, Fields: []Field{{"to", r.Address}},
			})
		}
	}
	sub.Outbox = 0
	if err := putSubmission(c.tx, sub); err != nil {
		return err
	}
	if err := c.unsend(sub); err != nil {
		return err
	}
	return c.store.putEvents(c.tx, sub.Account, events)
}

// mayPlace refuses what others than the queue would put into the Outbox.
func (c *change) mayPlace(m *mailboxRecord) error {
	if m.role == RoleOutbox && !c.settling {
		return fail("place message", KindInvalid, "only messages that wait to be sent are in %s", m.name)
	}
	return nil
}

// fromOutbox returns the flags that a message has outside of the Outbox.
func (c *change) fromOutbox(source, target *mailboxRecord, f Flags) (Flags, error) {
	if source.role != RoleOutbox {
		return f, nil
	}
	known, err := c.table()
	if err != nil {
		return f, err
	}
	for _, name := range []string{KeywordWaiting, KeywordHeld} {
		if bit, ok := known.Lookup(name); ok {
			f = f.Without(bit)
		}
	}
	if target.role == RoleDrafts {
		f = f.With(FlagDraft)
	}
	return f, nil
}

// InOutbox returns the submission that a message in an account's Outbox shows.
// Kind: KindNotFound.
func (s *Store) InOutbox(ctx context.Context, a AccountID, u uid.UID) (sub Submission, err error) {
	err = s.view(ctx, "find submission", a, func(r kv.Reader) error {
		b, ok, err := r.Get(outboxKey(u))
		if err != nil || !ok || len(b) != len(TraceID{}) {
			return orMissing("find submission", err, "message %d in the Outbox", u)
		}
		sub, err = readSubmission(r, a, TraceID(b))
		return err
	})
	return sub, err
}

// outbox compares the Outbox with the submissions.
func (v *verifier) outbox() error {
	m, err := readByRole(v.r, RoleOutbox)
	if err != nil && KindOf(err) != KindNotFound {
		return err
	}
	shown := map[TraceID]uid.UID{}
	err = v.scan(table(tableOutbox), func(k, b []byte) error {
		if len(k) != 1+4 || len(b) != len(TraceID{}) {
			v.problem("entry %x of the Outbox is malformed", k)
			return nil
		}
		u := uid.UID(binary.BigEndian.Uint32(k[1:]))
		shown[TraceID(b)] = u
		var there bool
		if m != nil {
			_, there, err = v.r.Get(table(tablePlacement).mailbox(m.id).uid(u))
		}
		if err == nil && !there {
			v.problem("message %d of the Outbox is not there", u)
		}
		return err
	})
	if err != nil {
		return err
	}
	return eachSubmission(v.r, v.account, func(sub *Submission) error {
		if shown[sub.ID] != sub.Outbox {
			v.problem("submission %s is message %d of the Outbox, which has it as %d", sub.ID, sub.Outbox, shown[sub.ID])
		}
		return nil
	})
}
