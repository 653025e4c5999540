package account

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// later does things after a while in which they can be undone. What was not done when the service stops is not done: nothing is
// lost that nobody saw go.
type later struct {
	log  *slog.Logger
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	pending map[string]*waiting // by token
}

type waiting struct {
	account store.AccountID
	timer   *time.Timer
}

// maxWaiting is how much may wait for one account.
const maxWaiting = 10

func newLater(log *slog.Logger) *later {
	l := &later{log: log, pending: map[string]*waiting{}}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

func (l *later) close() {
	l.mu.Lock()
	l.end()
	for token, w := range l.pending {
		w.timer.Stop()
		delete(l.pending, token)
	}
	l.mu.Unlock()
	l.work.Wait()
}

// after does something after a while; false if too much waits already.
func (l *later) after(a store.AccountID, wait time.Duration, do func(context.Context) error) (token string, until time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, w := range l.pending {
		if w.account == a {
			n++
		}
	}
	if n >= maxWaiting || l.life.Err() != nil {
		return "", until, false
	}
	until = time.Now().Add(wait)
	token = store.NewTraceID(until).String()
	l.pending[token] = &waiting{account: a, timer: time.AfterFunc(wait, func() { l.due(token, do) })}
	return token, until, true
}

// due does what was not undone.
func (l *later) due(token string, do func(context.Context) error) {
	l.mu.Lock()
	if l.pending[token] == nil {
		l.mu.Unlock()
		return
	}
	delete(l.pending, token)
	l.work.Add(1)
	l.mu.Unlock()
	defer l.work.Done()
	if err := do(l.life); err != nil {
		l.log.Error("account: not done", "error", err)
	}
}

// undo takes back what waits; false if it does not any more.
func (l *later) undo(a store.AccountID, token string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.pending[token]
	if w == nil || w.account != a {
		return false
	}
	w.timer.Stop()
	delete(l.pending, token)
	return true
}
