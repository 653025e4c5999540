package jmapd

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/postiljon/postiljon/internal/store"
)

// accounts keep what is known of accounts in memory: their pictures and the results of their latest queries, as long as
// there is room.
type accounts struct {
	mu   sync.Mutex
	of   map[store.AccountID]*account
	used uint64 // counts uses
	size int64  // octets, about
}

// account is what is known of one.
type account struct {
	latest  atomic.Pointer[moment]
	advance sync.Mutex // held to make the next moment
	queries queries
	ruled   atomic.Pointer[ruled]

	id store.AccountID
	// Under the lock of accounts.
	used uint64
	size int64
}

// moment is a picture and the store's count of changes before it was looked at.
type moment struct {
	picture *picture
	changes uint64
}

// picture returns the mail of an account as it is now.
func (s *Server) picture(ctx context.Context, a store.AccountID) (*picture, error) {
	one := s.accountOf(a)
	p, grown, err := one.now(ctx, s.store, a)
	if grown {
		s.accounts.weigh(one, s.options.Memory)
	}
	return p, err
}

// accountOf returns what is known of an account, if only that nothing is.
func (s *Server) accountOf(a store.AccountID) *account {
	c := &s.accounts
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[store.AccountID]*account{}
	}
	one := c.of[a]
	if one == nil {
		one = &account{id: a}
		c.of[a] = one
	}
	c.used++
	one.used = c.used
	return one
}

// now returns the picture as it is now; grown is true if it is another one than before.
func (c *account) now(ctx context.Context, s *store.Store, a store.AccountID) (p *picture, grown bool, err error) {
	if m := c.latest.Load(); m != nil && m.changes == s.Changes(a) {
		return m.picture, false, nil
	}
	c.advance.Lock()
	defer c.advance.Unlock()
	before, changes := c.latest.Load(), s.Changes(a)
	var known *store.Mail
	if before != nil {
		if before.changes == changes {
			return before.picture, false, nil
		}
		known = before.picture.mail
	}
	mail, change, err := s.Mail(ctx, a, known)
	if err != nil {
		return nil, false, err
	}
	next := &moment{changes: changes}
	switch {
	case before == nil:
		next.picture = newPicture(mail)
	case mail == known:
		next.picture = before.picture
	default:
		next.picture = before.picture.advance(mail, change)
	}
	c.latest.Store(next)
	return next.picture, true, nil
}

// weigh drops what was used least lately until all fits into so many octets. The account whose weight changed stays.
func (c *accounts) weigh(changed *account, most int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[changed.id] != changed {
		return // it was dropped already
	}
	now := changed.footprint()
	c.size += now - changed.size
	changed.size = now
	for c.size > most {
		oldest := store.AccountID(0)
		for a, one := range c.of {
			if one != changed && (oldest == 0 || one.used < c.of[oldest].used) {
				oldest = a
			}
		}
		if oldest == 0 {
			return
		}
		c.size -= c.of[oldest].size
		delete(c.of, oldest)
	}
}

// How many octets of memory things take, about: measured by BenchmarkMemory.
const (
	accountWeight = 8 << 10
	emailWeight   = 120 // with its place in lists
	threadWeight  = 96
	rowWeight     = 18 // of a result
	keyWeight     = 250
)

func (c *account) footprint() int64 {
	m := c.latest.Load()
	if m == nil {
		return 0
	}
	p := m.picture
	return accountWeight + int64(p.mail.Len())*emailWeight + int64(p.threads.Len())*threadWeight + int64(p.log.size)*56 + c.queries.footprint()
}
