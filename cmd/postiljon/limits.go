package main

import (
	"context"
	"errors"
	"math"
	"syscall"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// The limits of the configuration as the policies know them.

func hashParams(c *config.Config) policy.HashParams {
	p := policy.DefaultHashParams()
	p.MinLength = c.Auth.PasswordLength
	p.MemoryKiB, p.Passes = uint32(c.Auth.HashMemory>>10), uint32(c.Auth.HashPasses)
	if c.Auth.HashConcurrency > 0 {
		p.Concurrent = c.Auth.HashConcurrency
	}
	return p
}

func guardLimits(c *config.Config) policy.GuardLimits {
	l, g := policy.DefaultGuardLimits(), &c.Guard
	l.FreeFailures, l.FirstDelay, l.MaxDelay = g.FreeFailures, time.Duration(g.FirstDelay), time.Duration(g.MaxDelay)
	l.Forget, l.KnownFor = time.Duration(g.Forget), time.Duration(g.KnownFor)
	l.AddressFailures, l.BlockFailures, l.AccountFailures = g.AddressFailures, g.BlockFailures, g.AccountFailures
	l.Ban, l.MaxBan = time.Duration(g.Ban), time.Duration(g.MaxBan)
	l.Exempt = config.Prefixes(g.Exempt)
	return l
}

func plans(c *config.Config) policy.Plans {
	p := policy.Plans{
		Default: policy.SendingLimits{
			AddressHourly: int64(c.Limits.AddressHourly), DomainHourly: int64(c.Limits.DomainHourly),
			RecipientsHourly: int64(c.Limits.RecipientsHourly),
		},
		Named: map[string]policy.SendingLimits{},
	}
	for name, plan := range c.Plans {
		p.Named[name] = policy.SendingLimits{
			AddressHourly: int64(plan.AddressHourly), DomainHourly: int64(plan.DomainHourly), RecipientsHourly: int64(plan.RecipientsHourly),
		}
	}
	return p
}

func connectionLimits(c *config.Config) policy.ConnectionLimits {
	return policy.ConnectionLimits{
		Total:      int64(c.Limits.Connections),
		PerAddress: int64(c.Limits.ConnectionsPerAddress), PerBlock: int64(c.Limits.ConnectionsPerBlock),
		PerMinute: int64(c.Limits.ConnectionsPerMinute), Sessions: int64(c.Limits.SessionsPerAccount),
		Exempt: config.Prefixes(c.Limits.Exempt),
	}
}

// roomToSend is how many messages at most an account may send now: each has one recipient at least. What cannot be found out
// is left to who decides on each.
func (s *service) roomToSend(ctx context.Context, id store.AccountID) int {
	a, err := s.store.Account(ctx, id)
	if err != nil {
		return math.MaxInt
	}
	meters, err := s.policies.sending.Meters(ctx, &a)
	if err != nil {
		return math.MaxInt
	}
	room := int64(math.MaxInt32)
	for _, m := range meters {
		if m.Closed {
			return 0
		}
		room = min(room, max(m.Limit-m.Used, 0))
	}
	return int(room)
}

// isLocked reports that another process holds the lock of a folder.
func isLocked(err error) bool { return errors.Is(err, syscall.EAGAIN) }
