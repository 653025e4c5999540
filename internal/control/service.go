package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

func (s *Server) status(ctx context.Context, _ None) (Status, error) {
	st := s.Status(ctx)
	domains, err := s.Store.Domains(ctx)
	if err != nil {
		return st, err
	}
	accounts, err := s.Store.Accounts(ctx, "")
	if err != nil {
		return st, err
	}
	queue := s.Queue.Stats()
	st.Queue.Waiting, st.Queue.Ready, st.Queue.Active = queue.Waiting, queue.Ready, queue.Active
	st.Domains, st.Accounts, st.Bans = len(domains), len(accounts), len(s.Guard.Bans(ctx))
	st.EventsDropped = s.Journal.Dropped()
	return st, nil
}

func (s *Server) reload(ctx context.Context, _ None) (None, error) {
	if err := s.Reload(ctx); err != nil {
		return None{}, &Error{Message: "not reloaded: " + err.Error(), Status: http.StatusBadRequest,
			Next: "The old configuration goes on. Correct the file and reload again."}
	}
	return None{}, nil
}

func (s *Server) listBans(ctx context.Context, _ None) ([]Ban, error) {
	bans := s.Guard.Bans(ctx)
	all := make([]Ban, len(bans))
	for i, b := range bans {
		all[i] = Ban{Key: b.Key, Cause: b.Cause, Since: b.Since, Until: b.Until, Failures: b.Failures, Last: b.Last}
	}
	return all, nil
}

func (s *Server) liftBan(ctx context.Context, r Name) (None, error) {
	err := s.Guard.Lift(ctx, r.Name)
	if errors.Is(err, policy.ErrNoBan) {
		return None{}, missing("'postiljon ban list' shows the bans.", "there is no ban of %s", r.Name)
	}
	return None{}, err
}

// ---- the queue

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

func (s *Server) queued(ctx context.Context, sub *store.Submission) Queued {
	q := Queued{ID: sub.ID.String(), From: sub.From, Size: sub.Size, Created: sub.Created, Expires: sub.Expires}
	if sub.Account != 0 {
		if a, err := s.Store.Account(ctx, sub.Account); err == nil {
			q.Account = a.Address
		}
	}
	for _, r := range sub.Recipients {
		one := QueuedRecipient{
			Address: r.Address, State: string(r.State), Attempts: r.Attempts, Next: r.Next,
			Reply: r.Reply, Host: r.Host, Cause: r.Cause,
		}
		if r.Cause != "" {
			one.Why = s.Catalogue.Explain(cause.Decision{Action: cause.ActionWait, Cause: r.Cause}, cause.English, cause.Operator).Title
		}
		q.Recipients = append(q.Recipients, one)
	}
	return q
}

// item finds a message of the queue: its id tells all but whose it is.
func (s *Server) item(ctx context.Context, text string) (account store.AccountID, id store.TraceID, err error) {
	if id, err = store.ParseTraceID(text); err != nil {
		return 0, id, invalid("%q is no id of a message; 'postiljon queue list' shows them", text)
	}
	found := false
	err = s.Store.AllSubmissions(ctx, func(sub *store.Submission) error {
		if sub.ID == id {
			account, found = sub.Account, true
		}
		return nil
	})
	if err == nil && !found {
		err = missing("'postiljon queue list' shows what waits, 'postiljon trace "+text+"' what became of it.", "no message %s is in the queue", text)
	}
	return account, id, err
}

func (s *Server) sendNow(ctx context.Context, r QueueItem) (None, error) {
	account, id, err := s.item(ctx, r.ID)
	if err != nil {
		return None{}, err
	}
	return None{}, s.Queue.SendNow(ctx, account, id)
}

func (s *Server) cancel(ctx context.Context, r QueueItem) (None, error) {
	account, id, err := s.item(ctx, r.ID)
	if err != nil {
		return None{}, err
	}
	return None{}, s.Queue.Cancel(ctx, account, id, r.Recipient)
}

// ---- traces

func (s *Server) trace(ctx context.Context, r TraceQuery) (Trace, error) {
	// What happened a moment ago may still wait to be kept.
	if err := s.Journal.Flush(ctx); err != nil {
		return Trace{}, err
	}
	timeline, err := s.Journal.Trace(ctx, journal.Query{Text: r.Text, From: r.From, Reader: cause.Operator, Limit: r.Limit})
	if err != nil {
		return Trace{}, err
	}
	var b bytes.Buffer
	answer := Trace{Found: len(timeline.Lines)}
	if r.JSON {
		if err := timeline.JSON(&b); err != nil {
			return Trace{}, err
		}
		answer.JSON = json.RawMessage(b.Bytes())
		return answer, nil
	}
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		zone = time.UTC
	}
	err = timeline.Render(&b, cause.ParseLang(r.Lang), s.Catalogue, zone)
	answer.Text = b.String()
	return answer, err
}
