package policy

import (
	"context"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// DomainStorage decides whether the accounts of a domain together have room for more mail. What they hold is added up anew
// once a minute; in between it is what was taken since.
type DomainStorage struct {
	sum   func(ctx context.Context, domain string) (int64, error)
	clock Clock

	mu    sync.Mutex
	known map[string]*domainSum
}

type domainSum struct {
	used      int64
	counted   time.Time
	fullSince time.Time // zero if there was room the last time
}

// sumFor is how long a sum is taken to be right.
const sumFor = time.Minute

// NewDomainStorage makes a DomainStorage; sum adds up what the accounts of a domain hold, in octets.
func NewDomainStorage(sum func(ctx context.Context, domain string) (int64, error), clock Clock) *DomainStorage {
	if clock == nil {
		clock = SystemClock{}
	}
	return &DomainStorage{sum: sum, clock: clock, known: map[string]*domainSum{}}
}

// Take decides on a message of size octets for an account of a domain, and counts it if there is room. Mail for a full
// domain waits for a week at its senders before it is refused, as for a full mailbox. Error: that of adding up.
func (s *DomainStorage) Take(ctx context.Context, d *store.Domain, size int64) (cause.Decision, error) {
	if d.Quota <= 0 {
		return cause.Allow(), nil
	}
	one, err := s.of(ctx, d.Name)
	if err != nil {
		return cause.Decision{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if size <= d.Quota-one.used {
		one.used += size
		one.fullSince = time.Time{}
		return cause.Allow(), nil
	}
	now := s.clock.Now()
	if one.fullSince.IsZero() {
		one.fullSince = now
	}
	params := []cause.Param{cause.Text("domain", d.Name), cause.Size("used", one.used), cause.Size("limit", d.Quota)}
	if now.Sub(one.fullSince) >= QuotaGrace {
		return cause.Refuse(cause.QuotaDomainFull, params...), nil
	}
	return cause.Wait(cause.QuotaDomainFull, time.Time{}, params...), nil
}

// Used is how much the accounts of a domain hold, in octets.
func (s *DomainStorage) Used(ctx context.Context, domain string) (int64, error) {
	one, err := s.of(ctx, domain)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.used, nil
}

// of is the sum of a domain, added up anew if it is old.
func (s *DomainStorage) of(ctx context.Context, domain string) (*domainSum, error) {
	s.mu.Lock()
	one := s.known[domain]
	fresh := one != nil && s.clock.Now().Sub(one.counted) < sumFor
	s.mu.Unlock()
	if fresh {
		return one, nil
	}
	used, err := s.sum(ctx, domain)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one == nil {
		one = &domainSum{}
		s.known[domain] = one
	}
	one.used, one.counted = used, s.clock.Now()
	return one, nil
}
