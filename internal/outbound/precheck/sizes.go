package precheck

import (
	"sync"
	"time"
)

// sizes remembers the largest message that the servers of a domain said they take (RFC 1870).
type sizes struct {
	mu    sync.Mutex
	known map[string]said
}

type said struct {
	limit int64 // octets, 0 for any
	until time.Time
}

const (
	sizeAge  = 24 * time.Hour
	maxSizes = 10_000 // domains
)

// Announced notes what a server of a domain said to take, in octets; 0 where it named no limit. Of
// several servers of a domain the most generous counts.
func (c *Checker) Announced(domain string, limit int64) {
	now := c.opt.Now()
	s := &c.sizes
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]said{}
	}
	old, ok := s.known[domain]
	if ok && now.Before(old.until) && old.limit != limit && (old.limit == 0 || limit != 0 && limit < old.limit) {
		return
	}
	for other := range s.known { // any, if there is no room
		if ok || len(s.known) < maxSizes {
			break
		}
		delete(s.known, other)
	}
	s.known[domain] = said{limit, now.Add(sizeAge)}
}

// Takes is the largest message that the servers of a domain said to take, in octets; 0 if that is not known.
func (c *Checker) Takes(domain string) int64 { return c.sizes.limit(domain, c.opt.Now()) }

// limit is the largest message that a domain takes, 0 if that is not known.
func (s *sizes) limit(domain string, now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.known[domain]; now.Before(one.until) {
		return one.limit
	}
	return 0
}
