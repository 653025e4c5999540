package control

import (
	"context"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

func (s *Server) listQueue(ctx context.Context, r QueueFilter) ([]Queued, error) {
	f := outbound.Filter{Domain: r.Domain, Limit: r.Limit}
	if r.Account != "" {
		a, err := s.find(ctx, r.Account)
		if err != nil {
			return nil, err
		}
		f.Account = &a.ID
	}
	list, err := s.Queue.List(ctx, f)
	if err != nil {
		return nil, err
	}
	all := make([]Queued, len(list))
	for i := range list {
		all[i] = s.queued(ctx, &list[i])
	}
	return all, nil
}

// showQueued tells of one message all that is known.
func (s *Server) showQueued(ctx context.Context, r QueueItem) (Queued, error) {
	sub, err := s.item(ctx, r.ID)
	if err != nil {
		return Queued{}, err
	}
	q := s.queued(ctx, &sub)
	q.MessageID = sub.MessageID
	const head = 64 << 10
	if b, err := s.Store.Blobs().Read(ctx, nil, sub.Blob, 0, head); err == nil {
		q.Subject, _ = message.DecodedField(b, "Subject")
	}
	return q, nil
}

func (s *Server) queued(ctx context.Context, sub *store.Submission) Queued {
	q := Queued{ID: sub.ID.String(), From: sub.From, Size: sub.Size, Created: sub.Created, Expires: sub.Expires}
	if sub.Account != 0 {
		if a, err := s.Store.Account(ctx, sub.Account); err == nil {
			q.Account = a.Address
		}
	}
	for i := range sub.Recipients {
		r := &sub.Recipients[i]
		one := QueuedRecipient{
			Address: r.Address, State: string(s.Queue.Progress(sub, r)), Attempts: r.Attempts, Last: r.Last,
			Reply: r.Reply, Host: r.Host, Cause: r.Cause,
		}
		if r.State == store.Queued { // else it is when a report is due
			one.Next = r.Next
		}
		if d := s.Queue.Why(sub, r); !d.Allowed() {
			told := s.Catalogue.Explain(d, cause.English, cause.Operator)
			one.Why, one.Text, one.Actor, one.NextStep = told.Title, told.Text, told.Actor, told.NextStep
		}
		q.Recipients = append(q.Recipients, one)
	}
	return q
}

// item finds a message of the queue: its id tells all but whose it is.
func (s *Server) item(ctx context.Context, text string) (store.Submission, error) {
	id, err := store.ParseTraceID(text)
	if err != nil {
		return store.Submission{}, invalid("%q is no id of a message; 'postiljon queue list' shows them", text)
	}
	sub, err := s.Store.FindSubmission(ctx, id)
	if store.KindOf(err) == store.KindNotFound {
		err = missing("'postiljon queue list' shows what waits, 'postiljon trace "+text+"' what became of it.", "no message %s is in the queue", text)
	}
	return sub, err
}

func (s *Server) retry(ctx context.Context, r QueueItem) (None, error) {
	sub, err := s.item(ctx, r.ID)
	if err != nil {
		return None{}, err
	}
	return None{}, s.Queue.SendNow(ctx, sub.Account, sub.ID)
}

// change is the handler of what the queue does with a message, for one recipient
// or for all.
func (s *Server) change(do func(q *outbound.Queue, ctx context.Context, a store.AccountID, id store.TraceID, recipient string) error) func(context.Context, QueueItem) (None, error) {
	return func(ctx context.Context, r QueueItem) (None, error) {
		sub, err := s.item(ctx, r.ID)
		if err != nil {
			return None{}, err
		}
		return None{}, do(s.Queue, ctx, sub.Account, sub.ID, r.Recipient)
	}
}
