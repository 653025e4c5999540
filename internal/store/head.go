package store

import (
	"context"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// head is the record of an account that every change reads and writes: its
// change counter and what is counted for the whole account.
type head struct {
	modSeq       ModSeq
	nextMailbox  MailboxID
	nextEmail    EmailID
	lastValidity uint32 // the greatest UIDVALIDITY given out
	size         int64  // octets of all emails
	emails       int64
	vanishedFrom ModSeq // expunges up to here are forgotten
	fullSince    int64  // Unix seconds since mail was refused for quota, 0 if not
	removedFrom  ModSeq // removals up to here are forgotten
}

const headVersion = 1

func (h *head) encode() []byte {
	r := record{b: make([]byte, 0, 48)}
	r.putOctet(headVersion)
	r.putUint(uint64(h.modSeq))
	r.putUint(uint64(h.nextMailbox))
	r.putUint(uint64(h.nextEmail))
	r.putUint(uint64(h.lastValidity))
	r.putInt(h.size)
	r.putInt(h.emails)
	r.putUint(uint64(h.vanishedFrom))
	r.putInt(h.fullSince)
	r.putUint(uint64(h.removedFrom))
	return r.b
}

func readHead(r kv.Reader) (h head, err error) {
	b, ok, err := r.Get(table(tableHead))
	if err != nil {
		return h, err
	}
	if !ok {
		return h, &Error{Op: "read account", Kind: KindNotFound}
	}
	f := record{b: b}
	if f.octet() != headVersion {
		return h, fmt.Errorf("account's head: %w", errDamaged)
	}
	h.modSeq = ModSeq(f.uint())
	h.nextMailbox = MailboxID(f.uint())
	h.nextEmail = EmailID(f.uint())
	h.lastValidity = uint32(f.uint())
	h.size = f.int()
	h.emails = f.int()
	h.vanishedFrom = ModSeq(f.uint())
	h.fullSince = f.int()
	if len(f.b) > 0 { // heads of before had no more
		h.removedFrom = ModSeq(f.uint())
	}
	return h, f.err()
}

// Usage is what an account's mail takes.
type Usage struct {
	Size      int64     // octets of all emails, each counted once
	Emails    int64     // emails, each counted once
	ModSeq    ModSeq    // the account's change counter
	FullSince time.Time // since when mail is refused for quota, zero if it is not
}

// Usage returns what an account's mail takes.
func (s *Store) Usage(ctx context.Context, a AccountID) (u Usage, err error) {
	err = s.view(ctx, "read usage", a, func(r kv.Reader) error {
		h, err := readHead(r)
		u = Usage{Size: h.size, Emails: h.emails, ModSeq: h.modSeq}
		if h.fullSince != 0 {
			u.FullSince = time.Unix(h.fullSince, 0)
		}
		return err
	})
	return u, err
}

// MarkFull notes that mail for an account was refused for quota, if it is not
// noted already. The note goes when mail is deleted.
func (s *Store) MarkFull(ctx context.Context, a AccountID) error {
	err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		h, err := readHead(tx)
		if err != nil || h.fullSince != 0 {
			return err
		}
		h.fullSince = s.now().Unix()
		return tx.Set(table(tableHead), h.encode())
	})
	return wrap("note full account", err)
}

// change is a transaction that changes an account's mail. All that it does
// happens at one value of the change counter.
type change struct {
	tx        kv.Tx
	head      head
	now       time.Time
	before    ModSeq // the counter before the change
	mailboxes map[MailboxID]*mailboxRecord
	keywords  *Keywords

	// What the Outbox needs, see outbox.go.
	store    *Store
	account  AccountID
	settling bool             // the queue itself changes the Outbox
	taken    map[TraceID]bool // submissions that may be taken back
}

// begin reads the account's head.
func begin(tx kv.Tx, now time.Time) (*change, error) {
	h, err := readHead(tx)
	return &change{tx: tx, head: h, now: now, before: h.modSeq, mailboxes: map[MailboxID]*mailboxRecord{}}, err
}

// modSeq returns the value of the change counter at which the change happens.
func (c *change) modSeq() ModSeq {
	c.head.modSeq = c.before + 1
	return c.head.modSeq
}

// finish writes what the change touched, if it changed anything.
func (c *change) finish() error {
	if c.head.modSeq == c.before {
		return nil
	}
	for id, m := range c.mailboxes {
		if !m.touched {
			continue
		}
		if err := c.tx.Set(table(tableMailbox).mailbox(id), m.encode()); err != nil {
			return err
		}
	}
	return c.tx.Set(table(tableHead), c.head.encode())
}

// change runs fn in a transaction of the account and tells its watchers.
func (s *Store) change(ctx context.Context, op string, a AccountID, fn func(c *change) error) error {
	changed, taken := false, map[TraceID]bool(nil)
	expected := expectation(ctx, a, ofMail)
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		c, err := begin(tx, s.now())
		if err != nil {
			return err
		}
		if err := expected.check(tx); err != nil {
			return err
		}
		c.store, c.account, c.taken = s, a, taken
		err = fn(c)
		taken = c.taken
		if err != nil {
			return err
		}
		changed = c.head.modSeq != c.before
		return c.finish()
	})
	for id := range taken {
		s.outbox.Taken(a, id)
	}
	if changed {
		expected.meet()
	}
	switch {
	case changed && err == nil:
		s.hub.notify(a)
	case changed:
		s.hub.count(a) // the wait for the disk may have failed behind the change
	}
	return wrap(op, err)
}

// mailbox returns a mailbox's record for reading.
func (c *change) mailbox(id MailboxID) (*mailboxRecord, error) {
	if m := c.mailboxes[id]; m != nil {
		return m, nil
	}
	m, err := readMailbox(c.tx, id)
	if err != nil {
		return nil, err
	}
	c.mailboxes[id] = m
	return m, nil
}

// touch marks a mailbox as changed at this change's MODSEQ.
func (c *change) touch(m *mailboxRecord) {
	m.highestModSeq, m.touched = c.modSeq(), true
}

// addUIDs and removeUIDs change which UIDs a mailbox has.
func (c *change) addUIDs(m *mailboxRecord, s uid.Set) error {
	return c.changeChunks(m, s, uid.Chunk.Add)
}

func (c *change) removeUIDs(m *mailboxRecord, s uid.Set) error {
	return c.changeChunks(m, s, uid.Chunk.Remove)
}

func (c *change) changeChunks(m *mailboxRecord, s uid.Set, op func(uid.Chunk, uid.Set) uid.Chunk) error {
	c.touch(m)
	m.uidsModSeq = m.highestModSeq
	for len(s) > 0 {
		number := uid.ChunkOf(s[0].First)
		base := uid.UID(number) << uid.ChunkBits
		within := uid.Set{{First: base, Last: base | (1<<uid.ChunkBits - 1)}}
		chunk, err := readChunk(c.tx, m.id, number)
		if err != nil {
			return err
		}
		chunk = op(chunk, s.Intersect(within))
		k := table(tableChunk).mailbox(m.id).chunk(number)
		if chunk.Len() == 0 {
			err = c.tx.Delete(k)
		} else {
			err = c.tx.Set(k, chunk.AppendBinary(nil))
		}
		if err != nil {
			return err
		}
		s = s.Minus(within)
	}
	return nil
}

func readChunk(r kv.Reader, m MailboxID, number uint32) (uid.Chunk, error) {
	b, ok, err := r.Get(table(tableChunk).mailbox(m).chunk(number))
	if err != nil {
		return uid.Chunk{}, err
	}
	if !ok {
		return uid.NewChunk(number, nil), nil
	}
	return uid.ParseChunk(number, b)
}

// flags returns the flags that a change names, adding keywords that the account
// does not know.
func (c *change) flags(system Flags, keywords []string) (Flags, error) {
	f := system
	for _, name := range keywords {
		known, err := c.table()
		if err != nil {
			return f, err
		}
		bit, ok := known.Lookup(name)
		if !ok {
			if c.keywords, bit, err = known.with(name); err != nil {
				return f, err
			}
			if err := c.tx.Set([]byte{tableKeywords}, []byte(c.keywords.raw)); err != nil {
				return f, err
			}
		}
		f = f.With(bit)
	}
	return f, nil
}

func (c *change) table() (*Keywords, error) {
	if c.keywords != nil {
		return c.keywords, nil
	}
	b, _, err := c.tx.Get([]byte{tableKeywords})
	if err != nil {
		return nil, err
	}
	c.keywords, err = parseKeywords(b)
	return c.keywords, err
}
