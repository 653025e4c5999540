package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Places tells which email each UID of a mailbox has, so that a set of emails becomes
// one of UIDs without a look-up for each. That never changes: only messages that came
// since are read, and whole chunks of a large mailbox are stored. Mail that lies in the
// order of its arrival takes next to nothing. A value of Places is immutable, and shared.
type Places struct {
	uidValidity uint32
	next        uid.UID // of all messages with smaller UIDs the emails are here
	chunks      []placeChunk
	stored      uint32 // chunks with smaller numbers are stored
}

// placeChunk has the emails of the UIDs of a chunk.
type placeChunk struct {
	number uint32
	runs   []placeRun // ascending by UID
}

// placeRun is UIDs that follow each other, whose emails do as well.
type placeRun struct {
	email     EmailID
	first     uint16 // of its chunk
	available uint16 // how many there are
}

// Places returns which emails the messages of a mailbox are.
func (s *Store) Places(ctx context.Context, a AccountID, id MailboxID) (p *Places, err error) {
	at := viewKey{a, id}
	cached, _ := s.places.get(at).(*Places)
	err = s.view(ctx, "read places", a, func(r kv.Reader) error {
		m, err := readMailbox(r, id)
		if err != nil {
			return err
		}
		if cached != nil && cached.uidValidity == m.uidValidity && cached.next >= m.uidNext {
			p = cached
			return nil
		}
		if cached != nil && cached.uidValidity == m.uidValidity {
			p = &Places{uidValidity: m.uidValidity, next: cached.next, chunks: slices.Clone(cached.chunks), stored: cached.stored}
		} else if p, err = storedPlaces(r, m); err != nil {
			return err
		}
		return p.read(ctx, r, m)
	})
	if err != nil {
		return nil, err
	}
	if p != cached {
		s.savePlaces(ctx, at, p)
		s.places.put(at, p)
	}
	return p, nil
}

// read adds the messages from next on.
func (p *Places) read(ctx context.Context, r kv.Reader, m *mailboxRecord) error {
	if n := len(p.chunks); n > 0 { // others see the slice that the last chunk has
		p.chunks[n-1].runs = slices.Clone(p.chunks[n-1].runs)
	}
	err := eachPlacement(ctx, r, m.id, uid.Set{{First: p.next, Last: uid.Max}}, func(m *Placement) error {
		p.add(m.UID, m.Email)
		return nil
	})
	p.next = max(p.next, m.uidNext)
	return err
}

func (p *Places) add(u uid.UID, e EmailID) {
	number, low := uid.ChunkOf(u), uint16(u&(1<<uid.ChunkBits-1))
	if n := len(p.chunks); n == 0 || p.chunks[n-1].number != number {
		p.chunks = append(p.chunks, placeChunk{number: number})
	}
	c := &p.chunks[len(p.chunks)-1]
	if n := len(c.runs); n > 0 {
		if last := &c.runs[n-1]; last.first+last.available == low && last.email+EmailID(last.available) == e {
			last.available++
			return
		}
	}
	c.runs = append(c.runs, placeRun{email: e, first: low, available: 1})
}

// Select returns which of some messages are emails of a set. The set tells of 64 emails at
// a time, from the one that it is asked for, the least bit first. Messages that came later
// than the places, or went earlier, are not selected.
func (p *Places) Select(some *uid.Index, set func(first EmailID) uint64) *uid.Index {
	var selected []uid.Chunk
	chunks := p.chunks
	for _, c := range some.Chunks() {
		i, ok := slices.BinarySearchFunc(chunks, c.Number(), func(c placeChunk, n uint32) int { return cmp.Compare(c.number, n) })
		if chunks = chunks[i:]; ok {
			selected = append(selected, chunks[0].within(set))
		}
	}
	return some.And(uid.NewIndex(selected))
}

// within returns which UIDs of a chunk are emails of a set.
func (c *placeChunk) within(set func(first EmailID) uint64) uid.Chunk {
	var words uid.ChunkWords
	for _, r := range c.runs {
		for i := uint16(0); i < r.available; {
			at := r.first + i
			n := min(64-at%64, r.available-i)
			words[at/64] |= set(r.email+EmailID(i)) & (1<<n - 1) << (at % 64)
			i += n
		}
	}
	return uid.ChunkOfWords(c.number, &words)
}

// savePlaces stores the chunks in which no message can come any more. Nobody else
// knows p yet.
func (s *Store) savePlaces(ctx context.Context, at viewKey, p *Places) {
	whole := uid.ChunkOf(p.next)
	if whole <= p.stored {
		return
	}
	if s.prepared(ctx, at.account, at.mailbox, p.uidValidity, func(tx kv.Tx) error {
		from, err := unstored(tx, preparedKey(at.mailbox, preparedPlaces), p.chunks, func(c *placeChunk) uint32 { return c.number }, p.stored)
		if err != nil {
			return err
		}
		for i := range p.chunks {
			c := &p.chunks[i]
			if c.number < from || c.number >= whole {
				continue
			}
			if err := tx.Set(preparedKey(at.mailbox, preparedPlaces).chunk(c.number), c.encode(p.uidValidity)); err != nil {
				return err
			}
		}
		return nil
	}) {
		p.stored = whole
	}
}

func (c *placeChunk) encode(validity uint32) []byte {
	var r record
	r.putForm(preparedForm, validity)
	next, email := uint16(0), EmailID(0)
	for _, run := range c.runs {
		r.putUint(uint64(run.first - next))
		r.putUint(uint64(run.available))
		r.putInt(int64(run.email - email))
		next, email = run.first+run.available, run.email+EmailID(run.available)
	}
	return r.b
}

// storedPlaces returns the places of the chunks that were stored, up to the first that
// cannot be read. A chunk that is not there before one that is has no messages.
func storedPlaces(r kv.Reader, m *mailboxRecord) (*Places, error) {
	p := &Places{uidValidity: m.uidValidity, next: 1}
	t := key(preparedKey(m.id, preparedPlaces))
	err := scan(r, t, t.after(), func(k, b []byte) error {
		c, ok := decodePlaces(tail32(k), b, m.uidValidity)
		if !ok {
			return errStepFull
		}
		p.chunks = append(p.chunks, c)
		p.stored = c.number + 1
		p.next = uid.UID(p.stored) << uid.ChunkBits
		return nil
	})
	if errors.Is(err, errStepFull) {
		err = nil
	}
	return p, err
}

func decodePlaces(number uint32, b []byte, validity uint32) (c placeChunk, ok bool) {
	rec := record{b: b}
	if !rec.hasForm(preparedForm, validity) {
		return c, false
	}
	c.number = number
	next, email := uint64(0), EmailID(0)
	for len(rec.b) > 0 {
		gap, n := rec.uint(), rec.uint()
		email += EmailID(rec.int())
		if rec.bad || gap >= 1<<uid.ChunkBits || n == 0 || n > 1<<uid.ChunkBits || next+gap+n > 1<<uid.ChunkBits {
			return c, false
		}
		c.runs = append(c.runs, placeRun{email: email, first: uint16(next + gap), available: uint16(n)})
		next, email = next+gap+n, email+EmailID(n)
	}
	return c, len(c.runs) > 0
}

// of returns the email of a message, if it is here.
func (p *Places) of(u uid.UID) (e EmailID, ok bool) {
	i, ok := slices.BinarySearchFunc(p.chunks, uid.ChunkOf(u), func(c placeChunk, n uint32) int { return cmp.Compare(c.number, n) })
	if !ok {
		return 0, false
	}
	low := uint16(u & (1<<uid.ChunkBits - 1))
	for _, r := range p.chunks[i].runs {
		if low >= r.first && low < r.first+r.available {
			return r.email + EmailID(low-r.first), true
		}
	}
	return 0, false
}

func (p *Places) footprint() int {
	n := 64
	for i := range p.chunks {
		n += 32 + 16*cap(p.chunks[i].runs)
	}
	return n
}

func (p *Places) newerThan(old keepable) bool {
	other, ok := old.(*Places)
	return !ok || p.next >= other.next || p.uidValidity != other.uidValidity
}
