package main

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// sessions knows which connections are signed in to which account, so that they end when its
// password or its state changes. It is safe for concurrent use.
type sessions struct {
	mu       sync.Mutex
	accounts map[store.AccountID]map[any]session // by connection
	conns    map[any]store.AccountID
}

// session is an account that is signed in on a connection.
type session struct {
	protocol string
	remote   netip.Addr
	since    time.Time
	stop     func() // ends it
	activity *netserve.Activity
	// program is what the client says it is, credential the app password that it signed in with; both may be empty.
	program, credential string
}

func newSessions() *sessions {
	return &sessions{accounts: map[store.AccountID]map[any]session{}, conns: map[any]store.AccountID{}}
}

// enter notes that an account is signed in on a connection.
func (s *sessions) enter(a store.AccountID, conn any, one session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(conn)
	if s.accounts[a] == nil {
		s.accounts[a] = map[any]session{}
	}
	s.accounts[a][conn], s.conns[conn] = one, a
}

// describe notes what the client on a connection says it is.
func (s *sessions) describe(conn any, program string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.conns[conn]
	if !ok {
		return
	}
	one := s.accounts[a][conn]
	one.program = program
	s.accounts[a][conn] = one
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
	for _, one := range s.accounts[a] {
		one.stop()
	}
}

// of lists the sessions of an account, the oldest first.
func (s *sessions) of(a store.AccountID) (all []control.EvidenceSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.accounts[a] {
		used, waits := one.activity.Last()
		if used.Before(one.since) {
			used = one.since
		}
		all = append(all, control.EvidenceSession{
			Protocol: one.protocol, Client: one.remote.String(), Program: one.program, Since: one.since, LastIO: used, Idle: waits, Open: true, Credential: one.credential,
		})
	}
	slices.SortFunc(all, func(a, b control.EvidenceSession) int { return a.Since.Compare(b.Since) })
	return all
}

// enter lets who has just signed in on a connection be found by end. A change of the account that
// came between the check of the password and this would go unnoticed, so it is looked for.
func (p *policies) enter(ctx context.Context, conn any, one session, who sasl.Identity) cause.Decision {
	identity, ok := who.Account.(policy.Identity)
	if !ok {
		return cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	p.sessions.enter(identity.Account.ID, conn, one)
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
