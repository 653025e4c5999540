package store

import (
	"sync"
	"sync/atomic"
)

// hub tells sessions that an account changed. Notices are only hints: the
// change counter is the truth.
type hub struct {
	mu       sync.RWMutex
	watchers map[AccountID]map[*watcher]struct{}
	all      []func(AccountID) // told of every account
	// counters count changes, each those of the accounts that share it.
	counters [1024]atomic.Uint64
	// annotated counts changes of annotations in the same way.
	annotated [256]atomic.Uint64
	// scripted counts changes of scripts in the same way.
	scripted [256]atomic.Uint64
}

type watcher struct{ wake func() }

func (h *hub) init() { h.watchers = map[AccountID]map[*watcher]struct{}{} }

// Watch calls wake after every durable change of the account's mail until
// cancel is called. wake must not block and must not call the store.
func (s *Store) Watch(a AccountID, wake func()) (cancel func()) {
	h, w := &s.hub, &watcher{wake}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers[a] == nil {
		h.watchers[a] = map[*watcher]struct{}{}
	}
	h.watchers[a][w] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers[a], w)
		if len(h.watchers[a]) == 0 {
			delete(h.watchers, a)
		}
	}
}

// Changes returns a number that is another one after every change of the
// account's mail, and may be another one without. Who reads it before looking at
// mail learns from reading it again, at the cost of one load, that what was seen
// is still so: a change counts before the call that made it returns.
func (s *Store) Changes(a AccountID) uint64 { return s.hub.counter(a).Load() }

func (h *hub) counter(a AccountID) *atomic.Uint64 { return &h.counters[a%AccountID(len(h.counters))] }

// AnnotationChanges is Changes for annotations alone.
func (s *Store) AnnotationChanges(a AccountID) uint64 {
	return s.hub.annotated[a%AccountID(len(s.hub.annotated))].Load()
}

// annotate notes a change of annotations and wakes who waits for it.
func (h *hub) annotate(a AccountID) {
	h.annotated[a%AccountID(len(h.annotated))].Add(1)
	h.notify(a)
}

// count notes a change, or one of which it is not known whether it happened.
func (h *hub) count(a AccountID) { h.counter(a).Add(1) }

// notify notes a change and wakes who waits for it.
func (h *hub) notify(a AccountID) {
	h.count(a)
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, wake := range h.all {
		wake(a)
	}
	for w := range h.watchers[a] {
		w.wake()
	}
}

// watched returns the accounts that somebody watches.
func (h *hub) watched() (list []AccountID) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for a := range h.watchers {
		list = append(list, a)
	}
	return list
}

// WatchAll calls wake after every durable change of any account's mail, as long
// as the store is used. wake must not block and must not call the store.
func (s *Store) WatchAll(wake func(AccountID)) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.all = append(s.hub.all, wake)
}
