package store

import (
	"context"
	"math"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Dates tells when the messages of a mailbox were received and sent. That never
// changes, so that only messages which came since are read. A value of Dates is
// immutable, and shared.
type Dates struct {
	uidValidity uint32
	next        uid.UID // of all messages with smaller UIDs the dates are here
	chunks      []dateChunk
}

// dateChunk has the dates of the UIDs of a chunk from the first that there is.
type dateChunk struct {
	number   uint32
	first    uid.UID
	received []int64 // Unix seconds
	sent     []int32 // days since 1970, noDay where the message does not say
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
		d = &Dates{uidValidity: m.uidValidity, next: 1}
		if cached != nil && cached.uidValidity == m.uidValidity {
			d.next, d.chunks = cached.next, append(d.chunks, cached.chunks...)
		}
		return d.read(ctx, r, m)
	})
	if err != nil {
		return nil, err
	}
	if d != cached {
		s.dates.put(at, d)
	}
	return d, nil
}

// read adds the messages from next on.
func (d *Dates) read(ctx context.Context, r kv.Reader, m *mailboxRecord) error {
	if n := len(d.chunks); n > 0 { // others see the slices that the last chunk has
		last := &d.chunks[n-1]
		last.received = append([]int64(nil), last.received...)
		last.sent = append([]int32(nil), last.sent...)
	}
	err := eachMessage(ctx, r, m.id, uid.Set{{First: d.next, Last: uid.Max}}, func(m *Message) error {
		d.add(m.UID, DatesOf(&m.Email))
		return nil
	})
	d.next = m.uidNext
	return err
}

func (d *Dates) add(u uid.UID, dates MessageDates) {
	number := uid.ChunkOf(u)
	if n := len(d.chunks); n == 0 || d.chunks[n-1].number != number {
		d.chunks = append(d.chunks, dateChunk{number: number, first: u})
	}
	c := &d.chunks[len(d.chunks)-1]
	for c.first+uid.UID(len(c.sent)) < u { // UIDs that no message has
		c.received, c.sent = append(c.received, 0), append(c.sent, noDay)
	}
	sent := int32(noDay)
	if dates.HasSent {
		sent = int32(dates.Sent / secondsOfDay)
	}
	c.received, c.sent = append(c.received, dates.Received), append(c.sent, sent)
}

// Select returns which of some messages are wanted. Messages that came later
// than the dates, or went earlier, are not.
func (d *Dates) Select(some *uid.Index, wanted func(MessageDates) bool) *uid.Index {
	var b uid.Builder
	chunks := d.chunks
	for _, c := range some.Chunks() {
		for len(chunks) > 0 && chunks[0].number < c.Number() {
			chunks = chunks[1:]
		}
		if len(chunks) == 0 || chunks[0].number != c.Number() {
			continue
		}
		dates := &chunks[0]
		for u := range c.Set().All() {
			i := int64(u) - int64(dates.first)
			if i < 0 || i >= int64(len(dates.sent)) {
				continue
			}
			sent := dates.sent[i]
			if wanted(MessageDates{dates.received[i], int64(sent) * secondsOfDay, sent != noDay}) {
				b.Add(u)
			}
		}
	}
	return b.Index()
}

func (d *Dates) footprint() int {
	n := 64
	for i := range d.chunks {
		n += 64 + 12*len(d.chunks[i].sent)
	}
	return n
}

func (d *Dates) newerThan(old keepable) bool {
	other, ok := old.(*Dates)
	return !ok || d.next >= other.next || d.uidValidity != other.uidValidity
}
