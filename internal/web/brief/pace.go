package brief

import (
	"sync"
	"time"
)

// Pace lets something be done under a name less and less often: after each time one waits longer until the next, and after the last
// until the while since the first is over. It is safe for concurrent use.
type Pace struct {
	while time.Duration
	waits []time.Duration

	mu   sync.Mutex
	done *Map[times]
}

// times is how often something was done in a while, since when, and when last.
type times struct {
	n           int
	first, last time.Time
}

// NewPace lets something be done once, and again after each of the waits, within a while; it knows at most so many names.
func NewPace(while time.Duration, most int, waits ...time.Duration) *Pace {
	return &Pace{while: while, waits: waits, done: New[times](while, most)}
}

// Allow reports whether it may be done now, and then counts it. What is not allowed makes nobody wait longer.
func (p *Pace) Allow(name string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.done.Get(name, now)
	if !ok || now.Sub(t.first) >= p.while {
		t = times{first: now}
	}
	if t.n > len(p.waits) || t.n > 0 && now.Sub(t.last) < p.waits[t.n-1] {
		return false
	}
	t.n, t.last = t.n+1, now
	p.done.Put(name, t, now)
	return true
}
