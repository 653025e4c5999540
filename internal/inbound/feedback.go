package inbound

import (
	"context"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// isFeedback reports whether a message has a part in which somebody complains of another (RFC 5965).
func isFeedback(summary *message.Summary) bool {
	return slices.ContainsFunc(summary.Parts, func(p message.Part) bool { return message.IsFeedbackPart(&p) })
}

// joinFeedback notes in the trace of a message of an account here that who got it complains. The message is found by the trace
// that this server left in its Received field, in the journal of the account that the message is from: nobody can
// complain of what was not sent.
func (s *session) joinFeedback(ctx context.Context, ref blob.Ref) {
	eml, err := s.b.Store.Blobs().Read(ctx, nil, ref, 0, maxReport)
	if err != nil {
		s.b.Log.Error("read complaint", "trace", s.trace, "error", err)
		return
	}
	f, err := message.ReadFeedback(eml)
	if err != nil {
		return
	}
	from, _ := message.DecodedField(f.OriginalHeader, "From")
	for _, author := range message.ParseAddressList(from) {
		found, err := s.b.Store.Resolve(ctx, author.Email)
		if err != nil {
			continue // not one of ours
		}
		for i := range found.Accounts {
			s.noteFeedback(ctx, found.Accounts[i].ID, f)
		}
	}
}

func (s *session) noteFeedback(ctx context.Context, a store.AccountID, f *message.Feedback) {
	for _, id := range tracesIn(f.OriginalHeader, s.b.Hostname) {
		original, err := s.sentBy(ctx, a, id.Time().Add(-time.Second), id.Time().Add(time.Minute), func(e *store.Event) bool { return e.Trace == id })
		if err != nil {
			s.b.Log.Error("find message of complaint", "trace", s.trace, "error", err)
		}
		if err != nil || original.IsZero() {
			continue
		}
		e := store.Event{Time: s.b.Store.Now(), Trace: original, Account: a, Kind: journal.MessageComplained, Fields: []store.Field{
			{Name: "host", Value: s.mail.From.Domain}, {Name: "type", Value: f.Type}, {Name: "report", Value: s.trace.String()},
		}}
		for _, to := range f.To[:min(len(f.To), 5)] {
			e.Fields = append(e.Fields, store.Field{Name: "to", Value: to})
		}
		s.b.Journal.Record(e)
	}
}
