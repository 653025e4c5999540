package netserve

import (
	"sync/atomic"
	"time"
)

// Activity is when a connection was last used and whether it waits for news. Its session tells, anybody
// may read; a nil Activity is never used.
type Activity struct {
	used  atomic.Int64 // nanoseconds since 1970
	waits atomic.Bool
}

// Used notes that the client said something.
func (a *Activity) Used(at time.Time) {
	if a != nil {
		a.used.Store(at.UnixNano())
	}
}

// Wait notes that the client waits for news (IDLE, RFC 2177), or does not any more.
func (a *Activity) Wait(waits bool) {
	if a != nil {
		a.waits.Store(waits)
	}
}

// Last returns when the client last said something, the zero time if it never did, and whether it waits.
func (a *Activity) Last() (at time.Time, waits bool) {
	if a == nil || a.used.Load() == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, a.used.Load()), a.waits.Load()
}
