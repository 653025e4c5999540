package policy

import (
	"net/netip"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// Refusals tells which refused connections are worth an event: of those of one address (an IPv4
// address or an IPv6 /64) by one protocol for one cause, the first in a minute. So a flood neither
// fills the journal nor drives out of it what matters. It is safe for concurrent use.
type Refusals struct {
	clock Clock

	mu   sync.Mutex
	last *recent[refusal, time.Time]
}

type refusal struct {
	address  netip.Prefix
	protocol string
	cause    cause.ID
}

// notableEvery is how often the same is worth an event.
const notableEvery = time.Minute

// NewRefusals makes a Refusals; a nil clock is SystemClock.
func NewRefusals(clock Clock) *Refusals {
	if clock == nil {
		clock = SystemClock{}
	}
	return &Refusals{clock: clock, last: newRecent[refusal, time.Time](20_000)}
}

// Notable reports whether a connection that was just refused is worth an event. If so, the same is
// not for a minute.
func (r *Refusals) Notable(remote netip.Addr, protocol string, id cause.ID) bool {
	key := refusal{addressKey(remote.Unmap()).prefix, protocol, id}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if at, ok := r.last.get(key); ok && now.Sub(at) < notableEvery {
		return false
	}
	r.last.put(key, now)
	return true
}
