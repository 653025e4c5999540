package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/journal"
)

// ErrQuestion reports a question of a holder that cannot be understood.
var ErrQuestion = errors.New("control: bad question")

// TraceOf answers the holder of an account "Where is my mail?": q is an address, a Message-ID, a trace id or words of the
// subject, with the other side, since a span such as 3d. Only what the account may know is told. Who asks must have been let to.
func (s *Server) TraceOf(ctx context.Context, address string, query url.Values) (json.RawMessage, error) {
	a, err := s.find(ctx, address)
	if err != nil {
		return nil, err
	}
	from, err := s.since(query)
	if err != nil {
		return nil, err
	}
	q := journal.Query{Text: query.Get("q"), With: query.Get("with"), From: from, Account: a.ID, Reader: cause.Holder}
	if q.Text == "" {
		q.Text = a.Address
	}
	timeline, err := s.Journal.Trace(ctx, q)
	if errors.Is(err, journal.ErrQuery) {
		return nil, fmt.Errorf("%w: q is no address, Message-ID, trace id or word of a subject", ErrQuestion)
	}
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := timeline.JSON(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// since reads a span such as 3d; all that is kept, without one.
func (s *Server) since(query url.Values) (from time.Time, err error) {
	text := query.Get("since")
	if text == "" {
		return from, nil
	}
	span, err := config.ParseDuration(text)
	if err != nil {
		return from, fmt.Errorf("%w: since is no time such as 2h or 3d", ErrQuestion)
	}
	return s.Store.Now().Add(-span), nil
}

// LimitsOf tells the holder of an account how far its sending limits are used up, and what they kept back. Who asks must have been let to.
func (s *Server) LimitsOf(ctx context.Context, address string) (Limits, error) {
	return s.showLimits(ctx, Name{address})
}

// RefusedOf tells the holder of an account what mail was turned away. Who asks must have been let to.
func (s *Server) RefusedOf(ctx context.Context, address string, query url.Values) ([]TurnedAway, error) {
	from, err := s.since(query)
	if err != nil {
		return nil, err
	}
	return s.ledgerFor(ctx, LedgerQuery{Address: address, Since: from, Lang: query.Get("lang")}, cause.Holder)
}
