package brief

import (
	"sync"
	"time"
)

// Tally counts what is done under a name, and says when that is often enough. It is safe for concurrent use.
type Tally struct {
	limit int

	mu     sync.Mutex
	counts *Map[*int]
}

// NewTally lets limit things be done under a name in a while, which begins with the first; it knows at most so many names.
func NewTally(limit int, while time.Duration, most int) *Tally {
	return &Tally{limit: limit, counts: New[*int](while, most)}
}

// Allow counts one more, and reports whether that is within the limit.
func (t *Tally) Allow(name string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.counts.Get(name, now)
	if !ok {
		n = new(int)
		t.counts.Put(name, n, now)
	}
	*n++
	return *n <= t.limit
}
