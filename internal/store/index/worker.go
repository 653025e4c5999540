package index

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// worker is what keeps indexes up to date: one goroutine, and the accounts that wait for it.
type worker struct {
	mu      sync.Mutex
	waiting map[store.AccountID]bool // true: to be made anew
	all     bool                     // too many to know each
	closed  bool
	wake    chan struct{}
	changes atomic.Uint64
	missed  atomic.Uint64 // searches that had much to read because the index lies behind
	stop    context.CancelFunc
	done    chan struct{}
}

// maxWaiting bounds how many accounts are known to wait; beyond that all are looked at.
const maxWaiting = 16 << 10

func (w *worker) init() {
	w.waiting = map[store.AccountID]bool{}
	w.wake = make(chan struct{}, 1)
}

// changed notes that an account has something new.
func (w *worker) changed(a store.AccountID) {
	w.changes.Add(1)
	w.add(a, false)
}

// damaged notes that the index of an account must be made anew.
func (w *worker) damaged(a store.AccountID) { w.add(a, true) }

func (w *worker) add(a store.AccountID, anew bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if was, known := w.waiting[a]; known || anew || len(w.waiting) < maxWaiting {
		w.waiting[a] = was || anew
	} else {
		w.all = true
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns who waits.
func (w *worker) take() (waiting map[store.AccountID]bool, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting, all = w.waiting, w.all
	w.waiting, w.all = map[store.AccountID]bool{}, false
	return waiting, all
}

// Start begins to keep the indexes of all accounts up to date. Call it once; Close ends it.
func (x *Index) Start() {
	ctx, stop := context.WithCancel(context.Background())
	x.work.stop, x.work.done = stop, make(chan struct{})
	x.Store.WatchAll(x.work.changed)
	x.work.mu.Lock()
	x.work.all = true
	x.work.mu.Unlock()
	go x.run(ctx)
}

// Close ends the work after the message at hand.
func (x *Index) Close(ctx context.Context) error {
	if x.work.stop == nil {
		return nil
	}
	x.work.mu.Lock()
	x.work.closed = true
	x.work.mu.Unlock()
	x.work.stop()
	select {
	case <-x.work.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the worker.
func (x *Index) run(ctx context.Context) {
	defer close(x.work.done)
	sweep := time.NewTicker(x.Sweep)
	defer sweep.Stop()
	for ctx.Err() == nil {
		waiting, all := x.work.take()
		if all {
			x.everybody(ctx, waiting)
		}
		x.updateAll(ctx, waiting)
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			x.sweepAll(ctx)
		case <-x.work.wake:
		}
		sleep(ctx, x.Delay) // others may come
	}
}

// everybody adds all accounts to those that wait.
func (x *Index) everybody(ctx context.Context, waiting map[store.AccountID]bool) {
	accounts, err := x.Store.Accounts(ctx, "")
	if err != nil && ctx.Err() == nil {
		x.Log.Warn("index: cannot list accounts", "error", err)
	}
	for _, a := range accounts {
		if _, known := waiting[a.ID]; !known {
			waiting[a.ID] = false
		}
	}
}

// updateAll works for the accounts in turns, a batch at a time, so that a large one does not keep
// the others waiting.
func (x *Index) updateAll(ctx context.Context, waiting map[store.AccountID]bool) {
	var b *builder
	for len(waiting) > 0 && ctx.Err() == nil {
		for _, a := range slices.Sorted(maps.Keys(waiting)) {
			if b == nil {
				b = newBuilder(x.Store)
			}
			more, err := x.turn(ctx, a, waiting[a], b)
			if err != nil && ctx.Err() == nil {
				x.complain(a, err)
			}
			if more && err == nil {
				waiting[a] = false
			} else {
				delete(waiting, a)
			}
		}
	}
}

// While mail comes fast the worker takes a tenth of a processor at most: searches read what waits,
// deliveries need the processor now. restShare is how many times as long as it worked it rests then;
// it goes on as soon as there were fewer than busyChanges changes in a busyLook, or somebody searched and
// muchBehind messages or more had to be read for it, which the next search would read again.
const (
	muchBehind  = 256
	restShare   = 9
	busyLook    = 50 * time.Millisecond
	busyChanges = 5
)

// rest waits while the service is at work, at most restShare times as long as the worker was. missed is how many
// searches had missed the index before that.
func (x *Index) rest(ctx context.Context, worked time.Duration, missed uint64) {
	for left := restShare * worked; left > 0 && ctx.Err() == nil; left -= busyLook {
		before := x.work.changes.Load()
		sleep(ctx, min(left, busyLook))
		if x.work.changes.Load()-before < busyChanges || x.work.missed.Load() != missed {
			return
		}
	}
}

// turn adds a batch to the index of an account. Once it is up to date, so is what searches by flags and
// dates need after a start.
func (x *Index) turn(ctx context.Context, a store.AccountID, anew bool, b *builder) (more bool, err error) {
	if anew {
		if err := x.drop(ctx, a); err != nil {
			return false, err
		}
	}
	begun, missed := time.Now(), x.work.missed.Load()
	more, err = x.update(ctx, a, b, x.Least)
	if err == nil && !more {
		err = x.Store.Prepare(ctx, a)
	}
	x.rest(ctx, time.Since(begun), missed)
	return more, err
}

func (x *Index) drop(ctx context.Context, a store.AccountID) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	return x.Store.DropPostings(ctx, a)
}

// complain logs what hindered the work. A damaged index is made anew; what else fails is tried
// again at the account's next change.
func (x *Index) complain(a store.AccountID, err error) {
	switch {
	case store.KindOf(err) == store.KindNotFound: // the account is gone
	case store.KindOf(err) == store.KindNoSpace: // the index waits for room; others tell that there is none
	case errors.Is(err, errDamaged), store.KindOf(err) == store.KindCorrupt && !errors.Is(err, errEmails):
		x.Log.Warn("index: damaged, will be made anew", "account", a, "error", err)
		x.work.damaged(a)
	default:
		x.Log.Warn("index: not up to date", "account", a, "error", err)
	}
}

func (x *Index) sweepAll(ctx context.Context) {
	waiting := map[store.AccountID]bool{}
	x.everybody(ctx, waiting)
	for _, a := range slices.Sorted(maps.Keys(waiting)) {
		if ctx.Err() != nil {
			return
		}
		if err := x.sweep(ctx, a); err != nil && ctx.Err() == nil {
			x.complain(a, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
