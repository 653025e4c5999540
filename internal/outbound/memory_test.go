package outbound

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// TestMemory: what waits takes little memory.
func TestMemory(t *testing.T) {
	const waiting, most = 50_000, 400
	l := Limits{}
	l.setDefaults()
	clock := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	q := &Queue{
		opt:   Options{Limits: l, Clock: clock, Metrics: nowhere{}},
		known: map[deliveryKey]*delivery{}, destinations: map[string]*destination{}, lanes: map[laneKey]*lane{}, readyOf: map[store.AccountID]int{}, phase: phaseRunning,
	}
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	for n := range waiting {
		sub := &store.Submission{
			ID: store.NewTraceID(clock.now), Account: store.AccountID(n % 100), Created: clock.now,
			Recipients: []store.SubmissionRecipient{{
				Address: fmt.Sprintf("somebody%d@a-rather-long-domain-%d.test", n, n%1000), State: store.Queued, Next: clock.now.Add(time.Hour + time.Duration(n)),
			}},
		}
		q.Notify(sub)
	}
	each := (used() - before) / waiting
	t.Logf("%d octets for each of %d", each, len(q.known))
	if len(q.known) != waiting || each > most {
		t.Errorf("%d octets for each of %d, want at most %d", each, len(q.known), most)
	}
	if len(clock.alarms) > 1 {
		t.Errorf("%d timers", len(clock.alarms))
	}
	runtime.KeepAlive(q)
}
