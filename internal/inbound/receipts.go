package inbound

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// isReceipt reports whether a message has a part in which a reader's program tells what became of another (RFC 8098).
func isReceipt(summary *message.Summary) bool {
	return slices.ContainsFunc(summary.Parts, func(p message.Part) bool { return message.IsDispositionPart(&p) })
}

// joinReceipt notes what a read receipt says in the trace of the message that it is about, and with its email submission, if there is
// one: only for who sent that message, and never in the way of the receipt itself.
func (s *session) joinReceipt(ctx context.Context, ref blob.Ref, to []store.DeliverTo, results []store.Delivered) {
	eml, err := s.b.Store.Blobs().Read(ctx, nil, ref, 0, maxReport)
	if err != nil {
		s.b.Log.Error("read receipt", "trace", s.trace, "error", err)
		return
	}
	d, err := message.ReadMDN(eml)
	if err != nil {
		return
	}
	for i := range to {
		if results[i].Err != nil || results[i].Duplicate || results[i].Mailbox == 0 {
			continue
		}
		a := to[i].Account
		original, err := s.receiptFor(ctx, a, d)
		if err == nil && !original.IsZero() {
			err = s.noteReceipt(ctx, a, original, d, &results[i])
		}
		if err != nil {
			s.b.Log.Error("note receipt", "trace", s.trace, "error", err)
		}
	}
}

// noteReceipt leaves the event, and the receipt with the email submission.
func (s *session) noteReceipt(ctx context.Context, a store.AccountID, original store.TraceID, d *message.Disposition, came *store.Delivered) error {
	const longest = 320 // octets of an address (RFC 3696)
	about := d.Original
	if about == "" {
		about = d.Final
	}
	e := store.Event{Time: s.b.Store.Now(), Trace: original, Account: a, Kind: journal.MessageDisplayed}
	if about != "" && len(about) <= longest {
		e.Fields = append(e.Fields, store.Field{Name: "to", Value: about})
	}
	var opened []string
	if d.Type == message.Displayed {
		opened = []string{d.Original, d.Final}
	} else {
		e.Kind = journal.MessageReceipt
		e.Fields = append(e.Fields, store.Field{Name: "disposition", Value: d.Type})
	}
	e.Fields = append(e.Fields, store.Field{Name: "report", Value: s.trace.String()})
	s.b.Journal.Record(e)
	return s.b.Store.NoteReceipt(ctx, a, original, came.Mailbox, came.UID, opened...)
}

// receiptsFor are the times before now in which the message of a receipt is looked for, the latest first: people read mail soon,
// as a rule, and events are kept for a month.
var receiptsFor = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 31 * 24 * time.Hour}

// receiptFor finds the message of an account that a receipt is about, zero if the account did not send it: by its Message-ID, or by the trace
// that this server left in its Received field.
func (s *session) receiptFor(ctx context.Context, a store.AccountID, d *message.Disposition) (store.TraceID, error) {
	for _, id := range tracesIn(d.OriginalHeader, s.b.Hostname) {
		found, err := s.sentBy(ctx, a, id.Time().Add(-time.Second), id.Time().Add(time.Minute), func(e *store.Event) bool { return e.Trace == id })
		if err != nil || !found.IsZero() {
			return found, err
		}
	}
	if d.OriginalMessageID == "" {
		return store.TraceID{}, nil
	}
	handed, err := s.b.Store.EmailSubmissionsOf(ctx, a, d.OriginalMessageID)
	if err != nil {
		return store.TraceID{}, err
	}
	if n := len(handed); n > 0 {
		return store.ParseTraceID(handed[n-1].Trace)
	}
	until := s.b.Store.Now()
	for _, age := range receiptsFor {
		from := s.b.Store.Now().Add(-age)
		found, err := s.sentBy(ctx, a, from, until, func(e *store.Event) bool {
			return strings.Trim(e.Field("message-id"), "<>") == d.OriginalMessageID
		})
		if err != nil || !found.IsZero() {
			return found, err
		}
		until = from
	}
	return store.TraceID{}, nil
}
