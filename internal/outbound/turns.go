package outbound

import (
	"container/heap"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// Who comes next is decided so that nobody waits for others longer than must be.
// What is ready stands in lanes, one for each account and destination. The
// accounts that have lanes take turns, and each of them lets its lanes take turns:
// neither an account with a great many messages nor a domain that many go to is
// in the way of the others. A lane whose destination has no room is parked there
// and comes when a place is free, again in turn; those destinations and the
// accounts are served alternately. Destinations of which it is not known that
// they take mail have at most half of all places, and an eighth of the turns and places while
// others wait; and who keeps a place for some
// seconds loses it to others while going on, so that however many servers hang, the
// rest goes on.

// destination is a domain that messages go to, or a relay that they go to instead.
type destination struct {
	domain   string // or the name of the relay behind relayPrefix
	relay    *Relay // nil for none
	pace     pace
	ready    int     // deliveries in its lanes
	parked   []*lane // lanes that wait for room here, in turn
	probe    *lane   // the one lane in Queue.unproven, if any
	freed    bool    // it is in Queue.freed
	paused   bool    // it is in Queue.paused
	index    int     // there
	active   int
	slow     int       // of those, that lost their place
	squeezed bool      // it is in Queue.squeezed
	idle     []*worker // with an open connection, waiting for a message
	down     *outage   // no server of the domain answered a moment ago
}

// outage is the answer for deliveries to a domain whose servers have just been
// found out of reach.
type outage struct {
	until  time.Time
	result outcome
}

// lane is what is ready of one account for one destination, in order.
type lane struct {
	account store.AccountID
	dest    *destination
	ready   []*delivery
	in      *turns // where it stands in line; places that it left count for nothing
	wants   bool   // the store has more for it that is due, which is looked for when no more than so many are left
	more    int
}

type laneKey struct {
	account store.AccountID
	dest    *destination
}

// turns lets accounts take turns, and each account its lanes.
type turns struct {
	order []*turn // the accounts that have lanes
	of    map[store.AccountID]*turn
}

type turn struct {
	account store.AccountID
	lanes   []*lane
}

func (t *turns) push(l *lane) {
	one := t.of[l.account]
	if one == nil {
		if t.of == nil {
			t.of = map[store.AccountID]*turn{}
		}
		one = &turn{account: l.account}
		t.of[l.account] = one
		t.order = append(t.order, one)
	}
	one.lanes = append(one.lanes, l)
	l.in = t
}

// pop takes out the lane whose turn it is, nil if there is none.
func (t *turns) pop() *lane {
	for len(t.order) > 0 {
		one := t.order[0]
		l := shift(&one.lanes)
		if len(one.lanes) == 0 {
			shift(&t.order)
			delete(t.of, one.account)
		}
		if l.in != t {
			continue
		}
		if l.in = nil; len(one.lanes) > 0 {
			t.order = append(t.order, shift(&t.order))
		}
		return l
	}
	return nil
}

// shift takes the first of a list out of it.
func shift[T any](list *[]*T) *T {
	first := (*list)[0]
	(*list)[0] = nil
	*list = (*list)[1:]
	return first
}

// makeReady puts a delivery in its lane. Neither a destination that takes too
// little nor an account that sends too much fills the memory: what is too much is
// looked for in the store again soon.
func (q *Queue) makeReady(d *delivery) {
	d.state = deliveryReady
	dest := q.destination(d.sender(), d.key.domain.Value())
	if d.unrecorded == nil && q.crowded(d.key.account, dest) {
		delete(q.known, d.key)
		q.forget(q.opt.Clock.Now().Add(retryStore))
		return
	}
	k := laneKey{d.key.account, dest}
	l := q.lanes[k]
	if l == nil {
		l = &lane{account: d.key.account, dest: dest}
		q.lanes[k] = l
		q.enlist(l)
	}
	l.ready, d.in = append(l.ready, d), l
	q.countReady(l, 1)
}

// crowded reports whether an account has all that it may in memory: half as much as is left, of all there is, and of what a
// destination has there. So however many send a great deal, there is room for one more (dynamic thresholds, as switches
// share their buffers), and who has nothing there has room. If an account has enough, more is looked for when half of that is gone.
func (q *Queue) crowded(a store.AccountID, dest *destination) bool {
	most := q.opt.Limits.Remembered
	if dest != nil {
		if l := q.lanes[laneKey{a, dest}]; l != nil && len(l.ready) > 0 && len(l.ready) >= (most/4-dest.ready)/2 {
			l.wants, l.more = true, len(l.ready)/2
			return true
		}
	}
	if n := q.readyOf[a]; n > 0 && n >= (most-q.ready)/2 {
		if q.moreOf == nil {
			q.moreOf = map[store.AccountID]int{}
		}
		if _, ok := q.moreOf[a]; !ok {
			q.moreOf[a] = n / 2
		}
		return true
	}
	return false
}

// countReady notes that there are so many more deliveries in a lane.
func (q *Queue) countReady(l *lane, n int) {
	l.dest.ready += n
	q.ready += n
	if q.readyOf[l.account] += n; q.readyOf[l.account] == 0 {
		delete(q.readyOf, l.account)
	}
	if l.wants && len(l.ready) <= l.more {
		l.wants = false
		q.forget(q.opt.Clock.Now())
	}
	if level, ok := q.moreOf[l.account]; ok && q.readyOf[l.account] <= level {
		delete(q.moreOf, l.account)
		q.forget(q.opt.Clock.Now())
	}
}

// unready takes a delivery out of its lane. A lane that is empty then goes when
// its turn comes.
func (q *Queue) unready(d *delivery) {
	l := d.in
	l.ready = slices.DeleteFunc(l.ready, func(r *delivery) bool { return r == d })
	q.countReady(l, -1)
}

func (q *Queue) destination(sender, domain string) *destination {
	name, relay := q.destinationName(sender, domain)
	dest := q.destinations[name]
	if dest == nil {
		q.sweep()
		dest = &destination{domain: name, relay: relay, pace: newPace(&q.opt.Limits)}
		if relay != nil {
			dest.pace = relay.pace(&q.opt.Limits)
		}
		q.destinations[name] = dest
	}
	return dest
}

// enlist puts a lane in line for one of all places. Of a destination that is not
// proven, one lane stands there for all.
func (q *Queue) enlist(l *lane) {
	switch dest := l.dest; {
	case dest.pace.proven:
		q.proven.push(l)
	case dest.probe == nil:
		dest.probe = l
		q.unproven.push(l)
	default:
		dest.parked = append(dest.parked, l)
	}
}

// learn lets a destination's pace follow what an attempt found. One that turns
// out to take mail does not stand in line with the others any more.
func (q *Queue) learn(dest *destination, f feeling) {
	dest.pace.learn(f, q.opt.Clock.Now())
	q.keepPause(dest)
	if dest.pace.proven && dest.probe != nil {
		q.proven.push(dest.probe)
		dest.probe = nil
	}
}

// dispatch gives ready deliveries to workers, as long as there are places.
func (q *Queue) dispatch(now time.Time) {
	for q.active < q.opt.Limits.Concurrency {
		l := q.nextLane(now)
		if l == nil {
			return
		}
		q.begin(l, now)
	}
}

// nextLane returns the lane whose turn it is and that can go, nil if there is
// none.
func (q *Queue) nextLane(now time.Time) *lane {
	for {
		l := q.popLane()
		switch {
		case l == nil:
			return nil
		case len(l.ready) == 0: // cancelled
			q.closeLane(l)
			q.unpark(l.dest, now)
		case !l.dest.pace.proven && !q.mayProbe():
			q.enlist(l) // it was proven when it got in line
		case q.hasRoom(l.dest, now):
			return l
		default:
			q.park(l, now)
		}
	}
}

// popLane takes a lane out of the lines: of destinations with a free place and
// of accounts, alternately; and of those the eighth time one of a destination that is not proven, which
// others with a great many messages would keep waiting otherwise.
func (q *Queue) popLane() (l *lane) {
	q.picks++
	if q.picks%2 == 1 && len(q.freed) > 0 {
		return q.popFreed()
	}
	if q.picks%8 == 0 && q.probing < max(q.opt.Limits.Concurrency/8, 1) {
		l = q.popUnproven()
	}
	if l == nil {
		l = q.proven.pop()
	}
	if l == nil && q.mayProbe() {
		l = q.popUnproven()
	}
	if l == nil && len(q.freed) > 0 {
		return q.popFreed()
	}
	return l
}

func (q *Queue) popUnproven() *lane {
	l := q.unproven.pop()
	if l != nil {
		l.dest.probe = nil
	}
	return l
}

func (q *Queue) popFreed() *lane {
	dest := shift(&q.freed)
	dest.freed = false
	return shift(&dest.parked)
}

// mayProbe reports whether a delivery may begin to a destination of which it is
// not known whether it takes mail.
func (q *Queue) mayProbe() bool { return q.probing < max(q.opt.Limits.Concurrency/2, 1) }

// hasRoom reports whether another delivery may begin to a destination.
func (q *Queue) hasRoom(d *destination, now time.Time) bool {
	return d.active < int(d.pace.window) && !now.Before(d.pace.until) && !(d.slow > 0 && q.pressed())
}

// pressed reports whether so many deliveries take long that those who hang get no more: all that may take long would be
// theirs, and then all places.
func (q *Queue) pressed() bool { return q.slow >= q.maxSlow()/2 }

// park lets a lane wait until its destination has room.
func (q *Queue) park(l *lane, now time.Time) {
	l.dest.parked = append(l.dest.parked, l)
	q.keepBack(l.dest, now)
}

// keepBack notes for what a destination with parked lanes waits, beside the end of its own deliveries.
func (q *Queue) keepBack(dest *destination, now time.Time) {
	if dest.pace.until.After(now) && !dest.paused {
		dest.paused = true
		heap.Push(&q.paused, dest)
	}
	if dest.slow > 0 && q.pressed() && !dest.squeezed {
		dest.squeezed = true
		q.squeezed = append(q.squeezed, dest)
	}
}

// endSqueeze lets those go on that were kept back because so many deliveries took long.
func (q *Queue) endSqueeze(now time.Time) {
	if q.pressed() {
		return
	}
	for _, dest := range q.squeezed {
		dest.squeezed = false
		q.unpark(dest, now)
	}
	q.squeezed = nil
}

// keepPause keeps a destination in its place among those that pause, whose pause may have got longer.
func (q *Queue) keepPause(dest *destination) {
	if dest.paused {
		heap.Fix(&q.paused, dest.index)
	}
}

// endPauses lets those go on whose pause is over.
func (q *Queue) endPauses(now time.Time) {
	for len(q.paused) > 0 && !q.paused[0].pace.until.After(now) {
		dest := heap.Pop(&q.paused).(*destination)
		dest.paused = false
		q.unpark(dest, now)
	}
}

// unpark puts the next lane of a destination that has room in line again.
func (q *Queue) unpark(dest *destination, now time.Time) {
	switch {
	case len(dest.parked) == 0 || dest.freed:
	case !q.hasRoom(dest, now): // maybe for something that began after they were parked
		q.keepBack(dest, now)
	case dest.pace.proven:
		dest.freed = true
		q.freed = append(q.freed, dest)
	default:
		q.enlist(shift(&dest.parked))
	}
}

// begin gives the first delivery of a lane to a worker. The lane gets in line
// again behind those that wait for the same destination.
func (q *Queue) begin(l *lane, now time.Time) {
	dest := l.dest
	d := shift(&l.ready)
	d.state, d.in = deliveryActive, nil
	q.countReady(l, -1)
	dest.active++
	q.active++
	if !dest.pace.proven {
		d.probes = true
		q.probing++
	}
	dest.pace.begun(now)
	q.noteRunning(running{d, dest, d.run, now})
	if n := len(dest.idle); n > 0 {
		dest.idle[n-1].next <- d // has room for one
		dest.idle = dest.idle[:n-1]
		q.idle--
	} else {
		w := &worker{queue: q, dest: dest, next: make(chan *delivery, 1)}
		w.next <- d
		q.work.Go(w.run)
	}
	switch {
	case len(l.ready) == 0:
		q.closeLane(l)
	case len(dest.parked) > 0:
		dest.parked = append(dest.parked, l)
	default:
		q.enlist(l)
	}
	q.unpark(dest, now)
}

// running is a delivery that began.
type running struct {
	d     *delivery
	dest  *destination
	run   uint32
	begun time.Time
}

// noteRunning keeps who runs; those that ended are dropped when they are most of
// all.
func (q *Queue) noteRunning(r running) {
	const few = 1024
	if len(q.running) >= few+2*(q.active+q.slow) {
		q.running = slices.DeleteFunc(q.running, func(r running) bool { return r.d.run != r.run })
	}
	q.running = append(q.running, r)
}

// patience is how long a delivery keeps its place among all.
const patience = 5 * time.Second

// maxSlow bounds how many deliveries are under way beside those that have a place.
func (q *Queue) maxSlow() int { return 4 * q.opt.Limits.Concurrency }

// losePatience takes their places from deliveries that take long. They go on.
func (q *Queue) losePatience(now time.Time) {
	for len(q.running) > 0 {
		r := &q.running[0]
		under := r.d.run == r.run
		if under && (now.Sub(r.begun) < patience || q.slow >= q.maxSlow()) {
			return
		}
		if under {
			q.leavePlace(r.d, r.dest)
			r.d.slow = true
			r.dest.slow++
			q.slow++
		}
		*r = running{}
		q.running = q.running[1:]
	}
}

// leavePlace takes a delivery's place from it.
func (q *Queue) leavePlace(d *delivery, dest *destination) {
	if d.slow {
		d.slow = false
		dest.slow--
		q.slow--
		return
	}
	q.active--
	if d.probes {
		d.probes = false
		q.probing--
	}
}

func (q *Queue) closeLane(l *lane) {
	delete(q.lanes, laneKey{l.account, l.dest})
	q.discard(l.dest)
}

// sweep drops destinations that were kept for what is over.
func (q *Queue) sweep() {
	const few = 1024
	if len(q.destinations) < max(q.swept, few) {
		return
	}
	for _, dest := range q.destinations {
		q.discard(dest)
	}
	q.swept = 2 * len(q.destinations)
}

// discard drops a destination that nothing uses and of which nothing is to be
// remembered.
func (q *Queue) discard(dest *destination) {
	now := q.opt.Clock.Now()
	stillDown := dest.down != nil && now.Before(dest.down.until)
	used := dest.probe != nil || dest.ready > 0 || dest.active > 0 || len(dest.idle) > 0 || len(dest.parked) > 0 || dest.freed || dest.paused || dest.squeezed
	if !used && !stillDown && !now.Before(dest.pace.remember) && q.destinations[dest.domain] == dest {
		delete(q.destinations, dest.domain)
	}
}

// pausedHeap has the destination whose pause ends first at its top.
type pausedHeap []*destination

func (h pausedHeap) Len() int           { return len(h) }
func (h pausedHeap) Less(i, j int) bool { return h[i].pace.until.Before(h[j].pace.until) }
func (h pausedHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *pausedHeap) Push(x any) {
	d := x.(*destination)
	d.index = len(*h)
	*h = append(*h, d)
}
func (h *pausedHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}
