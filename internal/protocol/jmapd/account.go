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
	of   map[sight]*account
	used uint64 // counts uses
	size int64  // octets, about
}

// sight is an account's mail as somebody sees it: all of its own, or what another shares with it.
type sight struct{ owner, by store.AccountID }

func own(a store.AccountID) sight { return sight{a, a} }

func (v sight) isShared() bool { return v.owner != v.by }

// account is what is known of one, as somebody sees it.
type account struct {
	latest  atomic.Pointer[moment]
	advance sync.Mutex // held to make the next moment
	queries queries
	ruled   atomic.Pointer[ruled]
	// annotated is what is known of its annotations.
	annotated atomic.Pointer[annotated]
	rights    atomic.Pointer[rightsThere] // of what is shared

	id sight
	// Under the lock of accounts.
	used uint64
	size int64
}

// moment is a picture and the store's counts of changes before it was looked at.
type moment struct {
	picture *picture
	changes changeCounts
}

// changeCounts are of the account, of the directory, and of the account that looks.
type changeCounts [3]uint64

func (v sight) changes(s *store.Store) (n changeCounts) {
	if !v.isShared() {
		n[0] = s.Changes(v.owner)
		return n
	}
	version := s.RightsVersion(v.owner)
	return changeCounts{version[0], version[1], s.Changes(v.by)}
}

// picture returns the mail of an account as it is now.
func (s *Server) picture(ctx context.Context, a store.AccountID) (*picture, error) {
	return s.look(ctx, own(a))
}

// Mail returns the mail of an account as it is now, for others in this process: what is known of it is shared. It is not to be changed.
func (s *Server) Mail(ctx context.Context, a store.AccountID) (*store.Mail, error) {
	p, err := s.picture(ctx, a)
	if err != nil {
		return nil, err
	}
	return p.mail, nil
}

// look returns the mail of an account as it is now and as somebody sees it.
func (s *Server) look(ctx context.Context, v sight) (*picture, error) {
	one := s.accountOf(v)
	p, grown, err := one.now(ctx, s)
	if grown {
		s.accounts.weigh(one, s.options.Memory)
	}
	return p, err
}

// accountOf returns what is known of an account, if only that nothing is.
func (s *Server) accountOf(a sight) *account {
	c := &s.accounts
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[sight]*account{}
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
func (c *account) now(ctx context.Context, s *Server) (p *picture, grown bool, err error) {
	if m := c.latest.Load(); m != nil && m.changes == c.id.changes(s.store) {
		return m.picture, false, nil
	}
	c.advance.Lock()
	defer c.advance.Unlock()
	before, changes := c.latest.Load(), c.id.changes(s.store)
	if before != nil && before.changes == changes {
		return before.picture, false, nil
	}
	if before == nil {
		before = &moment{}
	}
	next := &moment{changes: changes}
	if c.id.isShared() {
		next.picture, err = s.shared(ctx, c.id, before.picture)
	} else {
		next.picture, err = s.whole(ctx, c.id, before.picture)
	}
	if err != nil {
		return nil, false, err
	}
	c.latest.Store(next)
	return next.picture, next.picture != before.picture, nil
}

// whole makes the picture of all of an account's mail from the one before, which may be nil.
func (s *Server) whole(ctx context.Context, v sight, before *picture) (*picture, error) {
	var known *store.Mail
	if before != nil {
		known = before.mail
	}
	mail, change, err := s.store.Mail(ctx, v.owner, known)
	switch {
	case err != nil:
		return nil, err
	case before == nil:
		return newPicture(&picture{sight: v, mail: mail}), nil
	case mail == known:
		return before, nil
	case change.All:
		return newPicture(&picture{sight: v, mail: mail}), nil
	}
	return before.advance(&picture{sight: v, mail: mail}, change.Emails), nil
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
		oldest := sight{}
		for a, one := range c.of {
			if one != changed && (oldest == sight{} || one.used < c.of[oldest].used) {
				oldest = a
			}
		}
		if (oldest == sight{}) {
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
