package store

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Dates tells when the messages of a mailbox were received and sent. That never
// changes, so that only messages which came since are read, and whole chunks of a
// large mailbox are stored. A value of Dates is immutable, and shared.
type Dates struct {
	uidValidity uint32
	next        uid.UID // of all messages with smaller UIDs the dates are here
	chunks      []dateChunk
	stored      uint32 // chunks with smaller numbers are stored
}

// dateChunk has the dates of the UIDs of a chunk from the first that there is. UIDs
// that no message has have those of the message before.
type dateChunk struct {
	number   uint32
	first    uid.UID
	received []int64 // Unix seconds
	sent     []int32 // days since 1970, noDay where the message does not say
	// The bounds of both, which spare a look at most chunks where mail lies in the
	// order of its arrival.
	earliest, latest  int64
	firstDay, lastDay int32 // without noDay
	undated           bool  // there is a noDay
}

const (
	noDay        = math.MinInt32
	secondsOfDay = 24 * 60 * 60
)

// MessageDates are those of one message.
type MessageDates struct {
	Received int64 // INTERNALDATE, Unix seconds
	// Sent is the day that the Date field names, in its own zone: the Unix
	// seconds at which that day begins in UTC, if HasSent.
	Sent    int64
	HasSent bool
}

// DatesOf returns the dates of an email.
func DatesOf(e *Email) MessageDates {
	d := MessageDates{Received: e.Received.Unix()}
	if date := e.Summary.Date(); !date.IsZero() {
		_, offset := date.Zone()
		seconds := date.Unix() + int64(offset)
		d.Sent, d.HasSent = seconds-(seconds%secondsOfDay+secondsOfDay)%secondsOfDay, true
	}
	return d
}

// DateWindow is a span of time in which messages were received, or with Sent, that the
// Date field names: From <= t < Until.
type DateWindow struct {
	Sent        bool
	From, Until int64
}

// Has reports whether a message is in the window.
func (w DateWindow) Has(d MessageDates) bool {
	t := d.Received
	if w.Sent {
		if !d.HasSent {
			return false
		}
		t = d.Sent
	}
	return w.From <= t && t < w.Until
}

// Dates returns the dates of all messages that a mailbox has.
func (s *Store) Dates(ctx context.Context, a AccountID, id MailboxID) (d *Dates, err error) {
	at := viewKey{a, id}
	cached, _ := s.dates.get(at).(*Dates)
	err = s.view(ctx, "read dates", a, func(r kv.Reader) error {
		m, err := readMailbox(r, id)
		if err != nil {
			return err
		}
		if cached != nil && cached.uidValidity == m.uidValidity && cached.next >= m.uidNext {
			d = cached
			return nil
		}
		if cached != nil && cached.uidValidity == m.uidValidity {
			d = &Dates{uidValidity: m.uidValidity, next: cached.next, chunks: slices.Clone(cached.chunks), stored: cached.stored}
		} else if d, err = storedDates(r, m); err != nil {
			return err
		}
		return d.read(ctx, r, m)
	})
	if err != nil {
		return nil, err
	}
	if d != cached {
		s.saveDates(ctx, at, d)
		s.dates.put(at, d)
	}
	return d, nil
}

// read adds the messages from next on.
func (d *Dates) read(ctx context.Context, r kv.Reader, m *mailboxRecord) error {
	if n := len(d.chunks); n > 0 { // others see the slices that the last chunk has
		last := &d.chunks[n-1]
		last.received = slices.Clone(last.received)
		last.sent = slices.Clone(last.sent)
	}
	err := eachMessage(ctx, r, m.id, uid.Set{{First: d.next, Last: uid.Max}}, func(m *Message) error {
		d.add(m.UID, DatesOf(&m.Email))
		return nil
	})
	d.next = max(d.next, m.uidNext)
	return err
}

func (d *Dates) add(u uid.UID, dates MessageDates) {
	number := uid.ChunkOf(u)
	if n := len(d.chunks); n == 0 || d.chunks[n-1].number != number {
		d.chunks = append(d.chunks, dateChunk{number: number, first: u})
	}
	c := &d.chunks[len(d.chunks)-1]
	for c.first+uid.UID(len(c.sent)) < u { // UIDs that no message has
		c.add(c.received[len(c.received)-1], c.sent[len(c.sent)-1])
	}
	sent := int32(noDay)
	if dates.HasSent {
		sent = int32(dates.Sent / secondsOfDay)
	}
	c.add(dates.Received, sent)
}

func (c *dateChunk) add(received int64, sent int32) {
	if len(c.received) == 0 {
		c.earliest, c.latest, c.firstDay, c.lastDay = received, received, math.MaxInt32, math.MinInt32
	}
	c.received, c.sent = append(c.received, received), append(c.sent, sent)
	c.earliest, c.latest = min(c.earliest, received), max(c.latest, received)
	if sent == noDay {
		c.undated = true
	} else {
		c.firstDay, c.lastDay = min(c.firstDay, sent), max(c.lastDay, sent)
	}
}

// Select returns which of some messages are in a window. Messages that came later
// than the dates, or went earlier, are not.
func (d *Dates) Select(some *uid.Index, w DateWindow) *uid.Index {
	var selected []uid.Chunk
	chunks := d.chunks
	for _, c := range some.Chunks() {
		i, ok := slices.BinarySearchFunc(chunks, c.Number(), func(c dateChunk, n uint32) int { return cmp.Compare(c.number, n) })
		if chunks = chunks[i:]; ok {
			selected = append(selected, chunks[0].within(c, w))
		}
	}
	return uid.NewIndex(selected)
}

// within returns which UIDs of a chunk are in a window.
func (c *dateChunk) within(some uid.Chunk, w DateWindow) uid.Chunk {
	from, until := c.earliest, c.latest
	if w.Sent {
		from, until = int64(c.firstDay)*secondsOfDay, int64(c.lastDay)*secondsOfDay
	}
	if from > until || until < w.From || from >= w.Until {
		return uid.Chunk{}
	}
	set := some.Set().Intersect(uid.Set{{First: c.first, Last: c.first + uid.UID(len(c.sent)) - 1}})
	if w.From <= from && until < w.Until && !(w.Sent && c.undated) {
		return uid.NewChunk(c.number, set)
	}
	var in uid.Set
	for u := range set.All() {
		if w.Has(c.at(u)) {
			in = in.Add(u)
		}
	}
	return uid.NewChunk(c.number, in)
}

// saveDates stores the chunks in which no message can come any more. Nobody else
// knows d yet.
func (s *Store) saveDates(ctx context.Context, at viewKey, d *Dates) {
	whole := uid.ChunkOf(d.next)
	if whole <= d.stored {
		return
	}
	if s.prepared(ctx, at.account, at.mailbox, d.uidValidity, func(tx kv.Tx) error {
		from, err := unstored(tx, preparedKey(at.mailbox, preparedDates), d.chunks, func(c *dateChunk) uint32 { return c.number }, d.stored)
		if err != nil {
			return err
		}
		for i := range d.chunks {
			c := &d.chunks[i]
			if c.number < from || c.number >= whole {
				continue
			}
			if err := tx.Set(preparedKey(at.mailbox, preparedDates).chunk(c.number), c.encode(d.uidValidity)); err != nil {
				return err
			}
		}
		return nil
	}) {
		d.stored = whole
	}
}

func (c *dateChunk) encode(validity uint32) []byte {
	var r record
	r.putForm(preparedForm, validity)
	r.putUint(uint64(c.first))
	r.putUint(uint64(len(c.sent)))
	last := int64(0)
	for i, received := range c.received {
		r.putInt(received - last)
		last = received
		if c.sent[i] == noDay {
			r.putUint(0)
		} else {
			r.putUint(1)
			r.putInt(int64(c.sent[i]) - received/secondsOfDay)
		}
	}
	return r.b
}

// storedDates returns the dates of the chunks that were stored, up to the first that
// cannot be read. A chunk that is not there before one that is has no messages.
func storedDates(r kv.Reader, m *mailboxRecord) (*Dates, error) {
	d := &Dates{uidValidity: m.uidValidity, next: 1}
	t := key(preparedKey(m.id, preparedDates))
	err := scan(r, t, t.after(), func(k, b []byte) error {
		c, ok := decodeDates(tail32(k), b, m.uidValidity)
		if !ok {
			return errStepFull
		}
		d.chunks = append(d.chunks, c)
		d.stored = c.number + 1
		d.next = uid.UID(d.stored) << uid.ChunkBits
		return nil
	})
	if errors.Is(err, errStepFull) {
		err = nil
	}
	return d, err
}

func decodeDates(number uint32, b []byte, validity uint32) (c dateChunk, ok bool) {
	rec := record{b: b}
	if !rec.hasForm(preparedForm, validity) {
		return c, false
	}
	c = dateChunk{number: number, first: uid.UID(rec.uint())}
	n := rec.uint()
	if rec.bad || n == 0 || n > 1<<uid.ChunkBits || uid.ChunkOf(c.first) != number || uid.ChunkOf(c.first+uid.UID(n)-1) != number {
		return c, false
	}
	c.received, c.sent = make([]int64, 0, n), make([]int32, 0, n)
	for received := int64(0); n > 0; n-- {
		received += rec.int()
		sent := int32(noDay)
		if rec.uint() != 0 {
			sent = int32(rec.int() + received/secondsOfDay)
		}
		c.add(received, sent)
	}
	return c, !rec.bad
}

// of returns the dates of a message, if they are here.
func (d *Dates) of(u uid.UID) (dates MessageDates, ok bool) {
	i, ok := slices.BinarySearchFunc(d.chunks, uid.ChunkOf(u), func(c dateChunk, n uint32) int { return cmp.Compare(c.number, n) })
	if !ok || u < d.chunks[i].first || u >= d.chunks[i].first+uid.UID(len(d.chunks[i].sent)) {
		return dates, false
	}
	return d.chunks[i].at(u), true
}

// at returns the dates of a UID that the chunk has.
func (c *dateChunk) at(u uid.UID) MessageDates {
	d := MessageDates{Received: c.received[u-c.first]}
	if sent := c.sent[u-c.first]; sent != noDay {
		d.Sent, d.HasSent = int64(sent)*secondsOfDay, true
	}
	return d
}

func (d *Dates) footprint() int {
	n := 64
	for i := range d.chunks {
		n += 96 + 12*len(d.chunks[i].sent)
	}
	return n
}

func (d *Dates) newerThan(old keepable) bool {
	other, ok := old.(*Dates)
	return !ok || d.next >= other.next || d.uidValidity != other.uidValidity
}
