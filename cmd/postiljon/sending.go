package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/policy"
)

// sending is policy.Sending whose limits a reload can change: the counts go
// from the old one to the new one through their record.
type sending struct {
	record policy.Record
	log    *slog.Logger

	mu      sync.RWMutex
	current *policy.Sending
	limits  policy.SendingLimits
}

func openSending(ctx context.Context, c *config.Config, record policy.Record, log *slog.Logger) (*sending, error) {
	s := &sending{record: record, log: log, limits: sendingLimits(c)}
	var err error
	s.current, err = policy.NewSending(ctx, policy.SendingOptions{Limits: s.limits, Record: record, Log: log})
	return s, err
}

// change takes the limits of a configuration. On an error the old ones go on,
// but for their counts, which may be those of some seconds ago.
func (s *sending) change(ctx context.Context, c *config.Config) error {
	limits := sendingLimits(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Recipients and size of a message are told by the protocol at its start.
	limits.Recipients, limits.MessageSize = s.limits.Recipients, s.limits.MessageSize
	if limits == s.limits {
		return nil
	}
	if err := s.current.Close(ctx); err != nil {
		return err
	}
	next, err := policy.NewSending(ctx, policy.SendingOptions{Limits: limits, Record: s.record, Log: s.log})
	if err != nil {
		return err
	}
	s.current, s.limits = next, limits
	return nil
}

// Ask tells whether a message to so many recipients may be sent now.
func (s *sending) Ask(from string, recipients int) cause.Decision {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current.Ask(from, recipients)
}

func (s *sending) take(from string, recipients int) (undo func(), d cause.Decision) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current.Take(from, recipients)
}

// Used is how much an address sent within the hour, and its limit.
func (s *sending) Used(from string) (used, limit int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current.Used(from)
}

// UsedByDomain is how much a domain sent within the hour, and its limit.
func (s *sending) UsedByDomain(domain string) (used, limit int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current.UsedByDomain(domain)
}

func (s *sending) close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.Close(ctx)
}
