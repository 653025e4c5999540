package outbound

import (
	"container/heap"
	"context"
	"slices"
	"time"
	"unique"

	"github.com/postiljon/postiljon/internal/store"
)

// delivery is what the queue remembers of the recipients of a submission that
// share a domain: they are tried together.
type delivery struct {
	key    deliveryKey
	from   unique.Handle[string] // the sender's domain
	due    time.Time
	index  int   // in the heap while it waits
	in     *lane // while it is ready
	state  deliveryState
	probes bool   // it is with a worker and counts in Queue.probing
	slow   bool   // it is with a worker and counts in Queue.slow instead of active
	run    uint32 // how often it ended

	// unrecorded is what an attempt found and the store could not take.
	unrecorded *attempted
}

// sender is the domain of the return path, "" for none.
func (d *delivery) sender() string {
	if d.from == (unique.Handle[string]{}) {
		return ""
	}
	return d.from.Value()
}

type deliveryKey struct {
	account store.AccountID
	id      store.TraceID
	domain  unique.Handle[string] // many have the same
}

func keyOf(sub *store.Submission, r *store.SubmissionRecipient) deliveryKey {
	return deliveryKey{sub.Account, sub.ID, unique.Make(sub.Destination(r))}
}

type deliveryState uint8

const (
	deliveryWaiting deliveryState = iota // in the heap
	deliveryReady                        // in its lane
	deliveryActive                       // with a worker
	deliveryHeld                         // being cancelled, held or moved away
)

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
			q.await(keyOf(sub, r), unique.Make(sub.Sender()), r.Next)
		}
	}
}

// await puts a delivery in the heap, or brings it forward there.
func (q *Queue) await(k deliveryKey, from unique.Handle[string], due time.Time) {
	if d := q.known[k]; d != nil {
		if d.state == deliveryWaiting && due.Before(d.due) {
			d.due = due
			heap.Fix(&q.waiting, d.index)
		}
		if d.state == deliveryActive { // its worker may have read what was before
			if due.IsZero() {
				due = q.opt.Clock.Now()
			}
			q.again[k] = earlier(q.again[k], due)
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
	d := &delivery{key: k, from: from, due: due}
	q.known[k] = d
	heap.Push(&q.waiting, d)
}

// beyond reports whether a delivery comes too late to be kept in memory. Time moves
// the horizon on as far as nothing is in the store alone.
func (q *Queue) beyond(due time.Time) bool {
	if q.horizon.IsZero() || due.Before(q.horizon) {
		return false
	}
	if ahead := earlier(q.forgotten, q.opt.Clock.Now().Add(window)); !q.scanning && ahead.After(q.horizon) {
		q.horizon = ahead
	}
	return !due.Before(q.horizon)
}

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
	q.endPauses(now)
	q.losePatience(now)
	q.endSqueeze(now)
	q.dispatch(now)
	q.recall(now)

	var next time.Time
	if q.forgotten.After(now) { // else the store is read when there is room, which those make that end
		next = q.forgotten
	}
	if len(q.waiting) > 0 {
		next = earlier(next, q.waiting[0].due)
	}
	if len(q.paused) > 0 {
		next = earlier(next, q.paused[0].pace.until)
	}
	if len(q.running) > 0 && q.slow < q.maxSlow() {
		next = earlier(next, q.running[0].begun.Add(patience))
	}
	q.wakeAt(next, now)
}

// wakeAt sets the timer, unless it is set so already.
func (q *Queue) wakeAt(next, now time.Time) {
	if q.stopTimer != nil && next.Equal(q.timer) {
		return
	}
	if q.stopTimer != nil {
		q.stopTimer()
		q.stopTimer = nil
	}
	if q.timer = next; next.After(now) {
		q.stopTimer = q.opt.Clock.AfterFunc(next.Sub(now), q.wake)
	}
}

func (q *Queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopTimer = nil
	q.schedule()
}

// finish takes a delivery back from its worker. A due time that is zero means
// that nothing of it waits any more.
func (q *Queue) finish(d *delivery, dest *destination, due time.Time) {
	dest.active--
	q.leavePlace(d, dest)
	d.run++
	if asked, ok := q.again[d.key]; ok {
		delete(q.again, d.key)
		due = earlier(due, asked)
	}
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
	q.unpark(dest, q.opt.Clock.Now())
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
			q.unready(d)
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

// recall reads the store again when the time of what is there alone has come
// and there is room, or will be when what waits for longer is forgotten.
func (q *Queue) recall(now time.Time) {
	if q.forgotten.IsZero() || q.forgotten.After(now) || q.scanning || len(q.known)-len(q.waiting) > q.opt.Limits.Remembered/2 {
		return
	}
	q.scanning = true
	q.work.Go(func() {
		err := q.read(q.life)
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

// window is how far ahead memory holds what waits.
const window = 10 * time.Minute

// read takes up from the store what comes within the window, as far as there is
// room: some of each account, and of each destination, those first that were left
// out the last time.
func (q *Queue) read(ctx context.Context) error {
	q.mu.Lock()
	now, first := q.opt.Clock.Now(), q.turn
	q.forgotten, q.horizon = time.Time{}, now.Add(window)
	q.mu.Unlock()
	r := &reading{q: q, now: now, room: max(q.opt.Limits.Remembered/2, 1)}
	for _, ahead := range []bool{true, false} { // from whose turn it is, then from the beginning
		err := q.opt.Store.Queues(ctx, func(a store.AccountID) error {
			if (a >= first) != ahead {
				return ctx.Err()
			}
			return r.account(ctx, a)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reading is a walk through what the store has queued.
type reading struct {
	q    *Queue
	now  time.Time
	room int // how many deliveries it may take up
	full bool

	of        int    // deliveries that it took up of the account
	minute    int64  // of the entries before
	to        string // and their destination
	toAlready int    // deliveries that it took up there
}

// account takes up some of what waits of an account.
func (r *reading) account(ctx context.Context, a store.AccountID) error {
	if r.full {
		return nil
	}
	r.of, r.to, r.toAlready = 0, "", 0
	err := r.q.opt.Store.EachUnsettled(ctx, a, func(id store.TraceID, to string) error {
		r.q.mu.Lock()
		defer r.q.mu.Unlock()
		r.q.await(deliveryKey{a, id, unique.Make(to)}, unique.Handle[string]{}, r.now.Add(retryStore))
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return r.q.opt.Store.EachDue(ctx, a, func(d *store.Due) (store.DueStep, error) {
		r.q.mu.Lock()
		defer r.q.mu.Unlock()
		return r.take(a, d), ctx.Err()
	})
}

// take takes up an entry, and says how the walk goes on. Queue.mu is held.
func (r *reading) take(a store.AccountID, d *store.Due) store.DueStep {
	q, most := r.q, r.q.opt.Limits.Remembered
	to, _ := q.destinationName(d.From, d.Destination)
	key := deliveryKey{a, d.ID, unique.Make(d.Destination)}
	if minute := d.At.Unix() / 60; minute != r.minute || d.Destination != r.to {
		r.minute, r.to, r.toAlready = minute, d.Destination, 0
	}
	switch {
	case q.known[key] != nil:
		return store.DueNext
	case q.beyond(d.At.Truncate(time.Minute)):
		q.forget(d.At)
		return store.DueStop // so does all that follows
	case r.room <= 0:
		q.turn, r.full = a, true
		q.forget(r.now)
		return store.DueStop
	case r.of >= max(most/8, 1): // the others first
		q.forget(r.now)
		return store.DueStop
	case q.crowded(a, q.destinations[to]):
		q.forget(r.now.Add(retryStore))
		return store.DueSkip
	case r.toAlready >= max(most/16, 1):
		q.forget(r.now)
		return store.DueSkip
	}
	if q.await(key, unique.Make(d.From), d.At); q.known[key] != nil {
		r.room--
		r.of++
		r.toAlready++
	}
	return store.DueNext
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
