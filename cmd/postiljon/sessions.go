package main

import (
	"context"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// sessions knows which connections are signed in to which account, so that they end when its
// password or its state changes. It is safe for concurrent use.
type sessions struct {
	mu       sync.Mutex
	accounts map[store.AccountID]map[any]func() // how to stop the session of a connection
	conns    map[any]store.AccountID
}

func newSessions() *sessions {
	return &sessions{accounts: map[store.AccountID]map[any]func(){}, conns: map[any]store.AccountID{}}
}

// enter notes that an account is signed in on a connection.
func (s *sessions) enter(a store.AccountID, conn any, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(conn)
	if s.accounts[a] == nil {
		s.accounts[a] = map[any]func(){}
	}
	s.accounts[a][conn], s.conns[conn] = stop, a
}

// leave forgets a connection, whether an account was signed in or not.
func (s *sessions) leave(conn any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(conn)
}

func (s *sessions) forget(conn any) {
	a, ok := s.conns[conn]
	if !ok {
		return
	}
	delete(s.conns, conn)
	if delete(s.accounts[a], conn); len(s.accounts[a]) == 0 {
		delete(s.accounts, a)
	}
}

// end stops all sessions of an account. They leave by themselves.
func (s *sessions) end(a store.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stop := range s.accounts[a] {
		stop()
	}
}

// enter lets who has just signed in on a connection be found by end. A change of the account that
// came between the check of the password and this would go unnoticed, so it is looked for.
func (p *policies) enter(ctx context.Context, conn any, stop func(), who sasl.Identity) cause.Decision {
	identity, ok := who.Account.(policy.Identity)
	if !ok {
		return cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	p.sessions.enter(identity.Account.ID, conn, stop)
	now, err := p.store.Account(ctx, identity.Account.ID)
	if err == nil && now.Version == identity.Account.Version {
		return cause.Allow()
	}
	p.sessions.leave(conn)
	if err != nil && store.KindOf(err) != store.KindNotFound {
		p.log.Error("account not read after sign-in", "account", identity.Account.Address, "error", err)
		return cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	return cause.Wait(cause.AuthSignedOut, time.Time{})
}
