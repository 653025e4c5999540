package control

import (
	"context"

	"github.com/postiljon/postiljon/internal/cause"
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
			From: l.From, Author: l.Author, To: l.To, Remote: l.Remote, AfterData: l.AfterData, Refused: l.Decision.Action == cause.ActionRefuse,
			Cause: l.Decision.Cause, Why: s.Catalogue.Explain(l.Decision, cause.ParseLang(r.Lang), reader).Title,
			Trace: l.Trace.String(), First: l.First, Last: l.Last, Times: l.Times, Came: l.Came,
		}
	}
	return list, nil
}

// allowSender lets mail of a sender through to an account, or takes that back.
func (s *Server) allowSender(ctx context.Context, r AllowSender) (None, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return None{}, err
	}
	if r.Not {
		return None{}, s.Store.DisallowSender(ctx, a.ID, r.Sender)
	}
	return None{}, s.Store.AllowSender(ctx, a.ID, r.Sender)
}

// allowedSenders lists whose mail an account lets through.
func (s *Server) allowedSenders(ctx context.Context, n Name) ([]AllowedSender, error) {
	a, err := s.find(ctx, n.Name)
	if err != nil {
		return nil, err
	}
	list, err := s.Store.AllowedSenders(ctx, a.ID)
	all := make([]AllowedSender, len(list))
	for i, one := range list {
		all[i] = AllowedSender{one.Sender, one.Since}
	}
	return all, err
}
