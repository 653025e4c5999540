package popd

import (
	"sync"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// locks give a maildrop to one session at a time (RFC 1939 section 4).
type locks struct {
	mu   sync.Mutex
	held map[store.AccountID]*Conn
}

// take locks an account for a connection, or names who has it.
func (l *locks) take(a store.AccountID, c *Conn) cause.Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	if holder := l.held[a]; holder != nil {
		return cause.Refuse(cause.POP3Locked, cause.Text("client", holder.Remote.Addr().String()))
	}
	l.held[a] = c
	return cause.Allow()
}

// drop gives back what a connection holds.
func (l *locks) drop(a store.AccountID, c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[a] == c {
		delete(l.held, a)
	}
}
