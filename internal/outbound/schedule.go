package outbound

import (
	"container/heap"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// delivery is what the queue remembers of the recipients of a submission that
// share a domain: they are tried together.
type delivery struct {
	key   deliveryKey
	due   time.Time
	state deliveryState
	index int // in the heap while it waits

	// unrecorded is what an attempt found and the store could not take.
	unrecorded *attempted
}

type deliveryKey struct {
	account store.AccountID
	id      store.TraceID
	domain  string
}

type deliveryState uint8

const (
	deliveryWaiting deliveryState = iota // in the heap
	deliveryReady                        // in its destination's line
	deliveryActive                       // with a worker
	deliveryHeld                         // being cancelled
)

// destination is a domain that messages go to.
type destination struct {
	domain string
	ready  []*delivery
	listed bool // in Queue.runnable
	active int
	idle   []*worker // with an open connection, waiting for a message
	down   *outage   // no server of the domain answered a moment ago
}

// outage is the answer for deliveries to a domain whose servers have just been
// found out of reach.
type outage struct {
	until  time.Time
	result outcome
}

// dismissIdle ends the workers that only keep a connection open.
func (q *Queue) dismissIdle(d *destination) {
	for _, w := range d.idle {
		close(w.next)
	}
	q.idle -= len(d.idle)
	d.idle = nil
}

// remember notes when the recipients of a submission that wait come next.
func (q *Queue) remember(sub *store.Submission) {
	for i := range sub.Recipients {
		if r := &sub.Recipients[i]; r.State == store.Queued {
			q.await(deliveryKey{sub.Account, sub.ID, domainOf(r.Address)}, r.Next)
		}
	}
}

// await puts a delivery in the heap, or brings it forward there.
func (q *Queue) await(k deliveryKey, due time.Time) {
	if d := q.known[k]; d != nil {
		if d.state == deliveryWaiting && due.Before(d.due) {
			d.due = due
			heap.Fix(&q.waiting, d.index)
		}
		return
	}
	if len(q.known) >= q.opt.Limits.Remembered {
		q.forgetLater()
	}
	if q.beyond(due) || len(q.known) >= q.opt.Limits.Remembered {
		q.forget(due)
		return
	}
	d := &delivery{key: k, due: due}
	q.known[k] = d
	heap.Push(&q.waiting, d)
}

// beyond reports whether a delivery comes too late to be kept in memory.
func (q *Queue) beyond(due time.Time) bool { return !q.horizon.IsZero() && !due.Before(q.horizon) }

// forgetLater makes room by dropping the later half of what waits, also when all
// comes at the same time. So memory holds all that comes before the horizon, and
// the store what comes after it.
func (q *Queue) forgetLater() {
	if len(q.waiting) == 0 {
		return
	}
	slices.SortFunc(q.waiting, func(a, b *delivery) int { return a.due.Compare(b.due) })
	half := len(q.waiting) / 2
	q.horizon = q.waiting[half].due
	kept := q.waiting[:half]
	for _, d := range q.waiting[half:] {
		if d.unrecorded != nil { // which exists nowhere else
			kept = append(kept, d)
			continue
		}
		q.forget(d.due)
		delete(q.known, d.key)
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
	for i, d := range q.waiting { // sorted, so still a heap
		d.index = i
	}
}

func (q *Queue) forget(due time.Time) {
	if due.IsZero() {
		due = q.opt.Clock.Now()
	}
	if q.forgotten.IsZero() || due.Before(q.forgotten) {
		q.forgotten = due
	}
}

// schedule starts what is due, as far as there is room, and sets the timer for
// what comes next. q.mu is held.
func (q *Queue) schedule() {
	if q.phase != phaseRunning {
		return
	}
	now := q.opt.Clock.Now()
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) {
		q.makeReady(heap.Pop(&q.waiting).(*delivery))
	}
	q.dispatch()
	q.recall(now)

	next := q.forgotten
	if len(q.waiting) > 0 && (next.IsZero() || q.waiting[0].due.Before(next)) {
		next = q.waiting[0].due
	}
	if q.stopTimer != nil {
		q.stopTimer()
		q.stopTimer = nil
	}
	if next.After(now) {
		q.stopTimer = q.opt.Clock.AfterFunc(next.Sub(now), q.wake)
	}
}

func (q *Queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.schedule()
}

// makeReady puts a delivery in its destination's line. A destination that
// takes too little does not fill the memory: what is too much for its line is
// looked for in the store again soon.
func (q *Queue) makeReady(d *delivery) {
	d.state = deliveryReady
	dest := q.destinations[d.key.domain]
	if dest == nil {
		q.sweep()
		dest = &destination{domain: d.key.domain}
		q.destinations[d.key.domain] = dest
	}
	if len(dest.ready) >= max(q.opt.Limits.Remembered/4, 1) && d.unrecorded == nil {
		delete(q.known, d.key)
		q.forget(q.opt.Clock.Now().Add(retryStore))
		return
	}
	dest.ready = append(dest.ready, d)
	q.enlist(dest)
}

// enlist puts a destination that can use another worker in line.
func (q *Queue) enlist(dest *destination) {
	if !dest.listed && len(dest.ready) > 0 && dest.active < q.opt.Limits.PerDestination {
		dest.listed = true
		q.runnable = append(q.runnable, dest)
	}
}

// dispatch gives ready deliveries to workers, one of each destination in turn,
// so that none starves behind a large one.
func (q *Queue) dispatch() {
	for len(q.runnable) > 0 && q.active < q.opt.Limits.Concurrency {
		dest := q.runnable[0]
		q.runnable = q.runnable[1:]
		dest.listed = false
		d := q.take(dest)
		if d == nil { // they were cancelled
			q.discard(dest)
			continue
		}
		if n := len(dest.idle); n > 0 {
			dest.idle[n-1].next <- d // has room for one
			dest.idle = dest.idle[:n-1]
			q.idle--
		} else {
			w := &worker{queue: q, dest: dest, next: make(chan *delivery, 1)}
			w.next <- d
			q.work.Go(w.run)
		}
		q.enlist(dest)
	}
}

// take makes the first ready delivery of a destination active.
func (q *Queue) take(dest *destination) *delivery {
	if len(dest.ready) == 0 || dest.active >= q.opt.Limits.PerDestination {
		return nil
	}
	d := dest.ready[0]
	dest.ready[0] = nil
	dest.ready = dest.ready[1:]
	d.state = deliveryActive
	dest.active++
	q.active++
	return d
}

// finish takes a delivery back from its worker. A due time that is zero means
// that nothing of it waits any more.
func (q *Queue) finish(d *delivery, dest *destination, due time.Time) {
	dest.active--
	q.active--
	switch {
	case due.IsZero():
		delete(q.known, d.key)
	case q.beyond(due) && d.unrecorded == nil:
		delete(q.known, d.key)
		q.forget(due)
	default:
		d.state, d.due = deliveryWaiting, due
		heap.Push(&q.waiting, d)
	}
	q.enlist(dest)
}

// sweep drops destinations that were kept for an outage that is over.
func (q *Queue) sweep() {
	const often = 1024
	if len(q.destinations)%often == often-1 {
		for _, dest := range q.destinations {
			q.discard(dest)
		}
	}
}

// discard drops a destination that nothing uses.
func (q *Queue) discard(dest *destination) {
	stillDown := dest.down != nil && q.opt.Clock.Now().Before(dest.down.until)
	if len(dest.ready) == 0 && dest.active == 0 && len(dest.idle) == 0 && !stillDown && !dest.listed {
		delete(q.destinations, dest.domain)
	}
}

// hold keeps deliveries from starting until release; false if one is active.
func (q *Queue) hold(keys map[deliveryKey]bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k := range keys {
		if d := q.known[k]; d != nil && (d.state == deliveryActive || d.state == deliveryHeld || d.unrecorded != nil) {
			return false
		}
	}
	for k := range keys {
		d := q.known[k]
		switch {
		case d == nil:
			q.known[k] = &delivery{key: k, state: deliveryHeld}
			continue
		case d.state == deliveryWaiting:
			heap.Remove(&q.waiting, d.index)
		case d.state == deliveryReady:
			dest := q.destinations[k.domain]
			dest.ready = slices.DeleteFunc(dest.ready, func(r *delivery) bool { return r == d })
		}
		d.state = deliveryHeld
	}
	return true
}

func (q *Queue) release(keys map[deliveryKey]bool, sub *store.Submission) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k := range keys {
		delete(q.known, k)
	}
	q.remember(sub)
	q.schedule()
}

// recall reads the store again when the time of what was forgotten has come
// and there is room, or will be when what waits for longer is forgotten.
func (q *Queue) recall(now time.Time) {
	if q.forgotten.IsZero() || q.forgotten.After(now) || q.scanning || len(q.known)-len(q.waiting) > q.opt.Limits.Remembered/2 {
		return
	}
	q.scanning, q.forgotten, q.horizon = true, time.Time{}, time.Time{}
	q.work.Go(func() {
		err := q.opt.Store.AllSubmissions(q.life, func(sub *store.Submission) error {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.remember(sub)
			return q.life.Err()
		})
		q.mu.Lock()
		defer q.mu.Unlock()
		q.scanning = false
		if err != nil {
			q.log.Error("outbound: read the queue", "error", err)
			q.forget(q.opt.Clock.Now().Add(retryStore))
		}
		q.schedule()
	})
}

// deliveryHeap has the delivery that is due first at its top.
type deliveryHeap []*delivery

func (h deliveryHeap) Len() int           { return len(h) }
func (h deliveryHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h deliveryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *deliveryHeap) Push(x any) {
	d := x.(*delivery)
	d.index = len(*h)
	*h = append(*h, d)
}
func (h *deliveryHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}
