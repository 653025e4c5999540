package clinic

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/store"
)

// runs are the looks that go on, and how many there may be.
type runs struct {
	now  func() time.Time
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	all    map[store.TraceID]*run
	going  int                    // how many have not ended
	public int                    // how many of those are of people who are not signed in
	recent map[string][]time.Time // when looks began, by whom and at what

	watches map[store.AccountID]int // pages that wait for a phone
}

// Bounds of what is looked at.
const (
	maxAtOnce       = 16
	maxPublicAtOnce = 8
	maxRemembered   = 1000             // with those that ended
	lookLasts       = 40 * time.Second // at most
	remembered      = time.Minute      // a run that ended: later, its report is there
)

// limit is how often something may be looked at.
type limit struct {
	most int
	in   time.Duration
}

// The limits: of an account; of a network address; and of a domain elsewhere, whose servers must not suffer.
var (
	perAccount = limit{30, time.Hour}
	perAddress = limit{6, 10 * time.Minute}
	perDomain  = limit{20, 10 * time.Minute}
)

// perHelp is how often somebody may write to the postmaster from here.
var perHelp = limit{5, time.Hour}

// maxRecent bounds what is remembered of who looked at what.
const maxRecent = 20_000

func newRuns(now func() time.Time) *runs {
	r := &runs{now: now, all: map[store.TraceID]*run{}, recent: map[string][]time.Time{}, watches: map[store.AccountID]int{}}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

func (r *runs) close() {
	r.end()
	r.work.Wait()
}

// run is one look.
type run struct {
	id      store.TraceID
	account store.AccountID
	tile    string
	address string

	mu      sync.Mutex
	steps   []step
	changed chan struct{} // closed when there is more
	kept    *kept         // set when it is over
}

// step is something that was looked at, for the page that follows.
type step struct {
	Key   string // of its words: "step_" before it
	Where string
	State probe.State
}

// errBusy and errOften tell why nothing was begun.
var errBusy = errors.New("too many looks at once")

// errOften carries when the next look may be.
type errOften struct{ until time.Time }

func (e errOften) Error() string { return "too many looks until " + e.until.Format(time.RFC3339) }

// counted is a limit and what it is counted for.
type counted struct {
	limit
	of string
}

// begin starts a look, which ends by itself. do fills in what was found.
func (r *runs) begin(one *run, counts []counted, do func(ctx context.Context, one *run) *kept) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life.Err() != nil || len(r.all) >= maxRemembered || r.going >= maxAtOnce || one.account == 0 && r.public >= maxPublicAtOnce {
		return errBusy
	}
	if err := r.count(counts); err != nil {
		return err
	}
	one.changed = make(chan struct{})
	r.all[one.id] = one
	r.going++
	if one.account == 0 {
		r.public++
	}
	r.work.Go(func() {
		ctx, cancel := context.WithTimeout(r.life, lookLasts)
		defer cancel()
		one.finish(do(ctx, one))
		r.ended(one)
	})
	return nil
}

// count notes a look, if no limit is reached.
func (r *runs) count(counts []counted) error {
	now := r.now()
	for _, c := range counts {
		list := r.recent[c.of]
		for len(list) > 0 && now.Sub(list[0]) >= c.in {
			list = list[1:]
		}
		if r.recent[c.of] = list; len(list) >= c.most {
			return errOften{list[0].Add(c.in)}
		}
	}
	if len(r.recent) > maxRecent {
		r.forget(now)
	}
	if len(r.recent) > maxRecent {
		return errBusy
	}
	for _, c := range counts {
		r.recent[c.of] = append(r.recent[c.of], now)
	}
	return nil
}

// countOnly notes something that is not a look.
func (r *runs) countOnly(c counted) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count([]counted{c})
}

// forget drops what is too old to count.
func (r *runs) forget(now time.Time) {
	for of, list := range r.recent {
		if len(list) == 0 || now.Sub(list[len(list)-1]) >= perAccount.in {
			delete(r.recent, of)
		}
	}
}

// ended makes room for others, and forgets the run after a while.
func (r *runs) ended(one *run) {
	r.mu.Lock()
	r.going--
	if one.account == 0 {
		r.public--
	}
	r.mu.Unlock()
	timer := time.AfterFunc(remembered, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, one.id)
	})
	context.AfterFunc(r.life, func() { timer.Stop() })
}

// find returns a run of an account that goes on or just ended, nil if there is none.
func (r *runs) find(a store.AccountID, id store.TraceID) *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.all[id]
	if one == nil || one.account != a {
		return nil
	}
	return one
}

// add notes a step.
func (one *run) add(s step) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.steps = append(one.steps, s)
	close(one.changed)
	one.changed = make(chan struct{})
}

func (one *run) finish(k *kept) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.kept = k
	close(one.changed)
	one.changed = make(chan struct{})
}

// state returns the steps so far, what tells of more, and what was found when it is over.
func (one *run) state() ([]step, <-chan struct{}, *kept) {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.steps[:len(one.steps):len(one.steps)], one.changed, one.kept
}

// network is what an address counts for: its own, or the /64 that a household has of IPv6.
func network(a netip.Addr) string {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return a.String()
	}
	return p.String()
}

// Pages that wait for a phone.
const (
	maxWatches        = 50
	maxAccountWatches = 2
)

// watching takes a place for a page that waits; release gives it back.
func (r *runs) watching(a store.AccountID) (release func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := 0
	for _, n := range r.watches {
		all += n
	}
	if all >= maxWatches || r.watches[a] >= maxAccountWatches || r.life.Err() != nil {
		return nil, false
	}
	r.watches[a]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.watches[a]--; r.watches[a] == 0 {
			delete(r.watches, a)
		}
	}, true
}
