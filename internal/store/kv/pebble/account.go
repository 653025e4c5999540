package pebble

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// shards divide the table of accounts so that its locks are seldom contended.
const shards = 64

// accounts knows the accounts that have a transaction running or a commit that
// is not durable yet, and some that had one lately, for their recent values: the
// table is hardly larger than the work at hand.
type accounts struct {
	shard [shards]struct {
		mu   sync.Mutex
		m    map[kv.Account]*account
		kept [keptAccounts]*account
		next int // whose place in kept the next one takes
	}
}

// keptAccounts is how many accounts of a shard stay known for their recent values.
const keptAccounts = 16

// account is the lock of one account and its last commit.
type account struct {
	id     kv.Account
	refs   int           // guarded by the shard's lock
	kept   bool          // among the shard's kept ones, guarded by its lock
	sem    chan struct{} // holds one token while locked
	last   atomic.Pointer[commit]
	recent recent
}

// commit is a batch on its way to the disk. done is closed when it is durable
// or has failed; err is set before.
type commit struct {
	done   chan struct{}
	err    error
	lazy   bool        // nobody waits for it: a sync must be asked for
	urgent atomic.Bool // somebody waits for it after all
}

func newCommit() *commit { return &commit{done: make(chan struct{})} }

func (c *commit) finish(err error) {
	c.err = err
	close(c.done)
}

func (as *accounts) init() {
	for i := range as.shard {
		as.shard[i].m = make(map[kv.Account]*account)
	}
}

// acquire returns the state of account a and keeps it known until release.
func (as *accounts) acquire(a kv.Account) *account {
	s := &as.shard[a%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	acc := s.m[a]
	if acc == nil {
		acc = &account{id: a, sem: make(chan struct{}, 1)}
		s.m[a] = acc
	}
	acc.refs++
	return acc
}

func (as *accounts) release(acc *account) {
	s := &as.shard[acc.id%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	acc.refs--
	if acc.refs > 0 {
		return
	}
	acc.last.Store(nil)
	switch {
	case acc.kept:
	case len(acc.recent.values) == 0:
		delete(s.m, acc.id)
	default:
		before := s.kept[s.next]
		s.kept[s.next], acc.kept = acc, true
		s.next = (s.next + 1) % keptAccounts
		if before == nil {
			return
		}
		before.kept = false
		if before.refs == 0 {
			delete(s.m, before.id)
		}
	}
}

// lastCommit returns the last commit of account a that may not be durable yet,
// or nil.
func (as *accounts) lastCommit(a kv.Account) *commit {
	s := &as.shard[a%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if acc := s.m[a]; acc != nil {
		return acc.last.Load()
	}
	return nil
}

// lockAll acquires and locks the accounts in ascending order.
func (as *accounts) lockAll(ctx context.Context, ids []kv.Account) ([]*account, error) {
	sorted := slices.Sorted(slices.Values(ids))
	if n := len(slices.Compact(slices.Clone(sorted))); n < len(ids) {
		return nil, fmt.Errorf("kv: %d accounts given, %d of them distinct", len(ids), n)
	}
	locked := make([]*account, 0, len(sorted))
	for _, a := range sorted {
		acc := as.acquire(a)
		if err := acc.lock(ctx); err != nil {
			as.release(acc)
			for _, acc := range locked {
				acc.unlock()
				as.release(acc)
			}
			return nil, err
		}
		locked = append(locked, acc)
	}
	return locked, nil
}

func (acc *account) lock(ctx context.Context) error {
	select {
	case acc.sem <- struct{}{}:
		return nil
	default:
	}
	select {
	case acc.sem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (acc *account) unlock() { <-acc.sem }

// lazyDelay bounds how long a record of Write stays unsynced when no other
// commit syncs the log and nobody looks.
const lazyDelay = 100 * time.Millisecond

// lazySyncer syncs the log for the commits that nobody waited for.
type lazySyncer struct {
	db   *DB
	mu   sync.Mutex
	list []lazyCommit
	wake chan bool // true: at once
	quit chan struct{}
	end  chan struct{}
}

type lazyCommit struct {
	acc *account
	c   *commit
}

func (l *lazySyncer) start(db *DB) {
	l.db = db
	l.wake = make(chan bool, 1)
	l.quit = make(chan struct{})
	l.end = make(chan struct{})
	go l.run()
}

// add notes an applied commit; it takes over the caller's hold on the account.
func (l *lazySyncer) add(acc *account, c *commit) {
	l.mu.Lock()
	l.list = append(l.list, lazyCommit{acc, c})
	first := len(l.list) == 1
	l.mu.Unlock()
	if urgent := c.urgent.Load(); urgent || first {
		l.signal(urgent)
	}
}

// hurry asks for a sync of c now. If c is not in the list yet, add does it.
func (l *lazySyncer) hurry(c *commit) {
	select {
	case <-c.done:
	default:
		c.urgent.Store(true)
		l.signal(true)
	}
}

// signal wakes run. An urgent signal must not be lost behind a pending one that
// is not.
func (l *lazySyncer) signal(urgent bool) {
	for {
		select {
		case l.wake <- urgent:
			return
		default:
		}
		if !urgent {
			return
		}
		select {
		case <-l.wake:
		default:
		}
	}
}

func (l *lazySyncer) run() {
	defer close(l.end)
	timer := time.NewTimer(lazyDelay)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case urgent := <-l.wake:
			if !urgent {
				timer.Reset(lazyDelay)
				continue
			}
			l.sync()
		case <-timer.C:
			l.sync()
		case <-l.quit:
			l.sync()
			return
		}
	}
}

// sync makes all commits in the list durable: an empty record synced after them.
func (l *lazySyncer) sync() {
	l.mu.Lock()
	list := l.list
	l.list = nil
	l.mu.Unlock()
	if len(list) == 0 {
		return
	}
	err := l.db.failed()
	if err == nil {
		err = l.db.commitError(l.db.pdb.LogData(nil, pebble.Sync))
	}
	for _, e := range list {
		e.c.finish(err)
		l.db.accounts.release(e.acc)
	}
}

func (l *lazySyncer) stop() error {
	close(l.quit)
	<-l.end
	return l.db.failed()
}
