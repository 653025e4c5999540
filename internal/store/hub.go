package store

import "sync"

// hub tells sessions that an account changed. Notices are only hints: the
// change counter is the truth.
type hub struct {
	mu       sync.RWMutex
	watchers map[AccountID]map[*watcher]struct{}
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

func (h *hub) notify(a AccountID) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for w := range h.watchers[a] {
		w.wake()
	}
}
