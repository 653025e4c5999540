package control

import (
	"context"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

func (s *Server) ledger(ctx context.Context, r LedgerQuery) ([]TurnedAway, error) {
	return s.ledgerFor(ctx, r, cause.Operator)
}

// ledgerFor explains to a reader what was turned away.
func (s *Server) ledgerFor(ctx context.Context, r LedgerQuery, reader cause.Audience) ([]TurnedAway, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	lines, err := s.Journal.Ledger(ctx, a.ID, r.Since)
	if err != nil {
		return nil, err
	}
	list := make([]TurnedAway, len(lines))
	for i, l := range lines {
		list[i] = TurnedAway{
			From: l.From, To: l.To, Remote: l.Remote, AfterData: l.AfterData, Refused: l.Decision.Action == cause.ActionRefuse,
			Cause: l.Decision.Cause, Why: s.Catalogue.Explain(l.Decision, cause.ParseLang(r.Lang), reader).Title,
			Trace: l.Trace.String(), First: l.First, Last: l.Last, Times: l.Times, Came: l.Came,
		}
	}
	return list, nil
}

// allowSender makes a sender somebody whom the account corresponds with: the filter lets through whom people write to.
func (s *Server) allowSender(ctx context.Context, r AllowSender) (None, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return None{}, err
	}
	sender, err := store.NormalizeAddress(r.Sender)
	if err != nil {
		return None{}, invalid("%q is no mail address", r.Sender)
	}
	return None{}, s.Store.AllowSender(ctx, a.ID, sender)
}
