package control

import (
	"context"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// refusedSince is how far back the list of what limits refused goes: people notice late.
const refusedSince = 24 * time.Hour

func metersOf(all []policy.Meter) []Meter {
	list := make([]Meter, len(all))
	for i, m := range all {
		list[i] = Meter(m)
	}
	return list
}

func (s *Server) showLimits(ctx context.Context, r Name) (Limits, error) {
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return Limits{}, err
	}
	meters, err := s.Sending.Meters(ctx, &a)
	if err != nil {
		return Limits{}, err
	}
	refused, err := s.Journal.RefusedInLimit(ctx, a.ID, s.Store.Now().Add(-refusedSince))
	if err != nil {
		return Limits{}, err
	}
	l := Limits{Address: a.Address, Meters: metersOf(meters), Refused: make([]Refusal, len(refused))}
	for i, one := range refused {
		l.Refused[i] = Refusal(one)
	}
	return l, nil
}

// reopen opens sending before the hour is over.
func (s *Server) reopen(ctx context.Context, r Name) (None, error) {
	if !strings.Contains(r.Name, "@") {
		if _, err := s.Store.Domain(ctx, r.Name); err != nil {
			return None{}, s.noDomain(ctx, r.Name, "", err)
		}
		s.Sending.Reopen(address.NormalizeDomain(r.Name))
		return None{}, s.sendAll(ctx, r.Name)
	}
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return None{}, err
	}
	s.Sending.Reopen(a.Address)
	s.Queue.Reopened(a.ID)
	return None{}, nil
}

// sendAll lets all go that waits for a limit in the Outboxes of a domain.
func (s *Server) sendAll(ctx context.Context, domain string) error {
	all, err := s.Store.Accounts(ctx, domain)
	if err != nil {
		return err
	}
	ids := make([]store.AccountID, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	s.Queue.Reopened(ids...)
	return nil
}

// some tells whether anything is to be changed.
func (c *ChangeLimits) some() bool { return *c != ChangeLimits{} }

// checkLimits refuses limits that nobody can have.
func (s *Server) checkLimits(c *ChangeLimits) error {
	if c.Plan != nil && *c.Plan != "" {
		if _, ok := s.Sending.Plans().Named[*c.Plan]; !ok {
			return missing("Plans stand in the configuration, as [plans."+*c.Plan+"].", "there is no plan %s", *c.Plan)
		}
	}
	for _, n := range []*int64{c.AddressHourly, c.DomainHourly, c.RecipientsHourly} {
		if n != nil && *n < 0 {
			return invalid("a limit of %d is below zero", *n)
		}
	}
	return nil
}

func (c *ChangeLimits) apply(plan *string, l *store.SendingLimits) {
	set(plan, c.Plan)
	set(&l.AddressHourly, c.AddressHourly)
	set(&l.DomainHourly, c.DomainHourly)
	set(&l.RecipientsHourly, c.RecipientsHourly)
}
