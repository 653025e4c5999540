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
	"github.com/postiljon/postiljon/internal/policy"
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

func (s *Server) reload(ctx context.Context, _ None) (Reloaded, error) {
	restart, err := s.Reload(ctx)
	if err != nil {
		return Reloaded{}, &Error{Message: "not reloaded: " + err.Error(), Status: http.StatusBadRequest,
			Next: "The old configuration goes on. Correct the file and reload again."}
	}
	return Reloaded{Restart: restart}, nil
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

// ---- traces

func (s *Server) trace(ctx context.Context, r TraceQuery) (Trace, error) {
	// What happened a moment ago may still wait to be kept.
	if err := s.Journal.Flush(ctx); err != nil {
		return Trace{}, err
	}
	timeline, err := s.Journal.Trace(ctx, journal.Query{Text: r.Text, With: r.With, From: r.From, To: r.To, Reader: cause.Operator, Limit: r.Limit})
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
