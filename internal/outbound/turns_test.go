package outbound

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// bench is a queue without workers: what is begun is finished by hand.
type bench struct {
	*Queue
	now    time.Time
	worker map[*destination]*worker
	begun  []*delivery
	ids    uint64
}

func newBench(l Limits) *bench {
	l.setDefaults()
	b := &bench{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), worker: map[*destination]*worker{}}
	b.Queue = &Queue{
		opt:   Options{Limits: l, Clock: &clock{now: b.now}, Metrics: nowhere{}},
		known: map[deliveryKey]*delivery{}, again: map[deliveryKey]time.Time{}, destinations: map[string]*destination{}, lanes: map[laneKey]*lane{}, readyOf: map[store.AccountID]int{}, phase: phaseRunning,
	}
	return b
}

func (b *bench) add(account store.AccountID, domain string) {
	b.ids++
	var id store.TraceID
	copy(id[:], fmt.Sprintf("%016d", b.ids))
	sub := &store.Submission{Account: account, ID: id}
	d := &delivery{key: keyOf(sub, &store.SubmissionRecipient{Address: "x@" + domain})}
	b.known[d.key] = d
	b.makeReady(d)
}

// run begins what can begin and notes it in order. Instead of workers, deliveries
// get one that is idle.
func (b *bench) run() {
	b.endSqueeze(b.now)
	for b.active < b.opt.Limits.Concurrency {
		l := b.nextLane(b.now)
		if l == nil {
			return
		}
		w := &worker{queue: b.Queue, dest: l.dest, next: make(chan *delivery, 1)}
		l.dest.idle = append(l.dest.idle, w)
		b.idle++
		b.begin(l, b.now)
		b.begun = append(b.begun, <-w.next)
	}
}

func (b *bench) end(d *delivery, f feeling) {
	dest := b.destinations[d.key.domain.Value()]
	b.learn(dest, f)
	b.finish(d, dest, time.Time{})
	b.discard(dest)
}

// TestTurns: nobody waits for an account with many messages, for a domain that
// many go to, or for one that hangs.
func TestTurns(t *testing.T) {
	tests := []struct {
		name  string
		add   func(b *bench)
		hangs func(domain string) bool
		most  int // begun before that of account 2 to one.test
	}{
		{"many to the same domain", func(b *bench) {
			for range 500 {
				b.add(1, "one.test")
			}
		}, nil, 10},
		{"many to many domains", func(b *bench) {
			for n := range 500 {
				b.add(1, fmt.Sprintf("d%d.test", n))
			}
		}, nil, 20},
		{"many accounts with many messages", func(b *bench) {
			for n := range 500 {
				b.add(store.AccountID(10+n%10), fmt.Sprintf("d%d.test", n%7))
			}
		}, nil, 60},
		{"domains that hang", func(b *bench) {
			for n := range 500 {
				b.add(1, fmt.Sprintf("d%d.test", n))
			}
		}, func(domain string) bool { return domain != "one.test" }, 20},
		{"one account, another domain", func(b *bench) {
			for range 500 {
				b.add(2, "big.test")
			}
		}, nil, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(Limits{Concurrency: 20, PerDestination: 10})
			tt.add(b)
			b.add(2, "one.test")
			mine := func(d *delivery) bool { return d.key.account == 2 && d.key.domain.Value() == "one.test" }
			for done := 0; ; {
				b.run()
				if i := slices.IndexFunc(b.begun, mine); i >= 0 {
					if i > tt.most {
						t.Errorf("%d began before", i)
					}
					return
				}
				next := slices.IndexFunc(b.begun[done:], func(d *delivery) bool { return tt.hangs == nil || !tt.hangs(d.key.domain.Value()) })
				if next < 0 {
					t.Fatalf("it never began; %d are under way", b.active)
				}
				b.begun[done], b.begun[done+next] = b.begun[done+next], b.begun[done]
				b.end(b.begun[done], feltSuccess)
				done++
			}
		})
	}
}

// prove makes a destination known to take mail.
func (b *bench) prove(domain string) {
	b.add(1, domain)
	b.run()
	b.destinations[domain].pace.remember = b.now.Add(24 * time.Hour) // as if there were always something for it
	b.end(b.begun[len(b.begun)-1], feltSuccess)
	b.begun = b.begun[:len(b.begun)-1]
}

// TestNewDestination: who writes to a domain that nothing is known of does not wait until a bulk sender is done with all the domains that
// are known to take mail.
func TestNewDestination(t *testing.T) {
	b := newBench(Limits{Concurrency: 20, PerDestination: 20})
	for n := range 50 {
		b.prove(fmt.Sprintf("d%d.test", n))
	}
	for n := range 5000 {
		b.add(1, fmt.Sprintf("d%d.test", n%50))
	}
	b.run()
	b.add(2, "new.test")
	for done := range 100 {
		b.end(b.begun[done], feltSuccess)
		b.run()
		if slices.ContainsFunc(b.begun, func(d *delivery) bool { return d.key.account == 2 }) {
			return
		}
	}
	t.Error("it waits for all of them")
}

// TestDeadDomains: many domains that hang keep few places from those that take mail, as long as those have something to do.
func TestDeadDomains(t *testing.T) {
	b := newBench(Limits{Concurrency: 40, PerDestination: 20})
	for n := range 10 {
		b.prove(fmt.Sprintf("d%d.test", n))
	}
	for n := range 2000 {
		b.add(1, fmt.Sprintf("d%d.test", n%10))
		b.add(2, fmt.Sprintf("dead%d.test", n))
	}
	for range 200 {
		b.run()
		i := slices.IndexFunc(b.begun, func(d *delivery) bool { return d.key.account == 1 })
		b.end(b.begun[i], feltSuccess)
		b.begun = slices.Delete(b.begun, i, i+1)
	}
	if b.probing > 5 {
		t.Errorf("%d of 40 places are with domains that hang", b.probing)
	}
}

// TestHangingProviders: domains that took mail and then hang do not get all that may take long, and so all places.
func TestHangingProviders(t *testing.T) {
	b := newBench(Limits{Concurrency: 20, PerDestination: 20})
	for n := range 60 {
		b.prove(fmt.Sprintf("hangs%d.test", n))
	}
	b.prove("one.test")
	for n := range 60 {
		for range 20 {
			b.add(1, fmt.Sprintf("hangs%d.test", n))
		}
	}
	for range 30 {
		b.run()
		b.pass(patience)
	}
	for range 100 {
		b.add(2, "one.test")
	}
	done := 0
	for range 200 {
		b.run()
		i := slices.IndexFunc(b.begun, func(d *delivery) bool { return d.key.account == 2 })
		if i < 0 {
			break
		}
		b.end(b.begun[i], feltSuccess)
		b.begun = slices.Delete(b.begun, i, i+1)
		done++
	}
	if done != 100 {
		t.Errorf("%d of 100 messages went; %d deliveries have a place, %d take long", done, b.active, b.slow)
	}
	for _, d := range b.begun { // and the others go on once those end
		b.end(d, feltSilence)
	}
	b.begun = nil
	if b.run(); b.active == 0 {
		t.Error("nothing goes on")
	}
}

// TestSqueezedLater: a domain that has no room while it is full, and then since so many deliveries take long, goes on when those end.
func TestSqueezedLater(t *testing.T) {
	b := newBench(Limits{Concurrency: 2, PerDestination: 2})
	b.prove("some.test")
	for n := range 4 {
		b.prove(fmt.Sprintf("hangs%d.test", n))
	}
	for range 4 {
		b.add(1, "some.test")
	}
	b.run()
	b.pass(patience)
	b.run() // it has all that it may have
	for n := range 4 {
		b.add(2, fmt.Sprintf("hangs%d.test", n))
		b.run()
		b.pass(patience)
	}
	if dest := b.destinations["some.test"]; !b.pressed() || dest.slow != 2 || len(dest.parked) != 1 {
		t.Fatalf("%d take long, %d of them there; %d wait there", b.slow, dest.slow, len(dest.parked))
	}
	b.end(b.begun[0], feltSuccess)
	for _, d := range b.begun[2:] {
		b.end(d, feltSilence)
	}
	n := len(b.begun)
	if b.run(); len(b.begun) == n {
		t.Errorf("%d take long, and nothing goes on", b.slow)
	}
}

// TestPausesInOrder: a destination whose pause gets longer while it pauses does not keep the others waiting.
func TestPausesInOrder(t *testing.T) {
	b := newBench(Limits{Concurrency: 20, PerDestination: 5})
	for _, domain := range []string{"a.test", "b.test"} {
		for range 5 {
			b.add(1, domain)
		}
		b.run()
	}
	first := b.begun
	b.begun = nil
	for _, d := range first[:len(first)-1] {
		b.end(d, feltThrottle)
	}
	for _, domain := range []string{"a.test", "b.test"} {
		for range 5 {
			b.add(1, domain)
		}
	}
	b.run()
	if len(b.paused) != 2 {
		t.Fatalf("%d destinations pause", len(b.paused))
	}
	top := b.paused[0]
	b.learn(top, feltNothing)
	top.pace.deaf = b.now
	b.learn(top, feltThrottle) // its pause gets longer
	if b.paused[0] == top {
		t.Error("the one that pauses longest is looked at first")
	}
	b.pass(firstGap)
	if b.run(); len(b.begun) == 0 {
		t.Error("who pauses no longer waits for who does")
	}
}

// TestTimerBesideForgotten: what is in the store alone, and cannot be read for want of room, takes nobody's timer away.
func TestTimerBesideForgotten(t *testing.T) {
	b := newBench(Limits{Concurrency: 1, Remembered: 8})
	for n := range 8 {
		b.add(store.AccountID(n+1), fmt.Sprintf("d%d.test", n))
	}
	b.run()
	b.forget(b.now)
	b.schedule()
	if want := b.now.Add(patience); b.stopTimer == nil || !b.timer.Equal(want) {
		t.Errorf("the timer goes off at %v, want %v", b.timer, want)
	}
}

// TestAskedWhileActive: what is to be tried at once while it is being tried comes again, though its worker knows nothing of that.
func TestAskedWhileActive(t *testing.T) {
	b := newBench(Limits{Concurrency: 1})
	b.add(1, "one.test")
	b.run()
	d := b.begun[0]
	b.await(d.key, d.from, b.now)
	b.finish(d, b.destinations["one.test"], b.now.Add(time.Hour))
	if d.state != deliveryWaiting || !d.due.Equal(b.now) || len(b.again) != 0 {
		t.Errorf("it comes in %v, state %d", d.due.Sub(b.now), d.state)
	}
}

// TestTurnsProperty: whatever comes and goes, no limit is broken, nothing is
// left behind, and nothing waits while it could go.
func TestTurnsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{Concurrency: rapid.IntRange(1, 6).Draw(t, "concurrency"), PerDestination: rapid.IntRange(1, 8).Draw(t, "per destination")}
		b := newBench(limits)
		left, done := 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				b.add(store.AccountID(rapid.IntRange(1, 3).Draw(t, "account")), fmt.Sprintf("d%d.test", rapid.IntRange(1, 4).Draw(t, "domain")))
				left++
			},
			"end": func(t *rapid.T) {
				if len(b.begun) == 0 {
					t.Skip("nothing is under way")
				}
				n := rapid.IntRange(0, len(b.begun)-1).Draw(t, "which")
				b.end(b.begun[n], feeling(rapid.IntRange(int(feltNothing), int(feltSilence)).Draw(t, "felt")))
				b.begun = slices.Delete(b.begun, n, n+1)
				done++
			},
			"cancel": func(t *rapid.T) {
				var ready []*delivery // in an order that a failure can be repeated with
				for _, d := range b.known {
					if d.state == deliveryReady {
						ready = append(ready, d)
					}
				}
				if len(ready) == 0 {
					t.Skip("nothing is ready")
				}
				slices.SortFunc(ready, func(x, y *delivery) int { return bytes.Compare(x.key.id[:], y.key.id[:]) })
				d := rapid.SampledFrom(ready).Draw(t, "which")
				b.unready(d)
				delete(b.known, d.key)
				left--
			},
			"time": func(*rapid.T) { b.pass(longestGap) },
			"": func(t *rapid.T) {
				b.run()
				check(t, b, limits)
			},
		})
		for range 10 * (left + 1) {
			for _, d := range b.begun {
				b.end(d, feltSuccess)
				done++
			}
			b.begun = nil
			b.pass(longestGap)
			b.run()
		}
		if done != left || b.ready != 0 || b.active != 0 || b.slow != 0 || b.probing != 0 || len(b.lanes) != 0 || len(b.readyOf) != 0 {
			t.Fatalf("%d of %d done; %d ready, %d active, %d probing, %d lanes", done, left, b.ready, b.active, b.probing, len(b.lanes))
		}
	})
}

// pass lets time pass, as schedule does.
func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.opt.Clock.(*clock).advance(d)
	b.endPauses(b.now)
	b.losePatience(b.now)
}

func check(t *rapid.T, b *bench, l Limits) {
	if b.active > l.Concurrency || b.active+b.slow != len(b.begun) || b.slow > b.maxSlow() {
		t.Fatalf("%d active, %d slow, %d begun", b.active, b.slow, len(b.begun))
	}
	ready := 0
	for _, dest := range b.destinations {
		ready += dest.ready
		if dest.active > l.PerDestination {
			t.Fatalf("%d active at one destination", dest.active)
		}
		if dest.ready > 0 && b.hasRoom(dest, b.now) && b.active < l.Concurrency && (dest.pace.proven || b.mayProbe()) {
			t.Fatalf("%s could go", dest.domain)
		}
	}
	if ready != b.ready {
		t.Fatalf("%d ready, counted %d", ready, b.ready)
	}
}

func TestPace(t *testing.T) {
	p := newPace(&Limits{PerDestination: 20})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		felt   feeling
		times  int
		after  time.Duration
		window int
		gap    time.Duration
	}{
		{feltSuccess, 3, 0, 8, 0},
		{feltSuccess, 30, 0, 20, 0},
		{feltTrouble, 1, 0, 10, 0},
		{feltSuccess, 10, 0, 10, 0}, // slowly
		{feltSuccess, 10, 0, 11, 0},
		{feltThrottle, 5, 0, 5, time.Second}, // five answers at once tell one thing
		{feltThrottle, 1, time.Second, 2, 2 * time.Second},
		{feltThrottle, 1, 2 * time.Second, 1, 4 * time.Second},
		{feltThrottle, 9, time.Minute, 1, 8 * time.Second},
		{feltSuccess, 30, time.Minute, 5, 0},
		{feltSilence, 1, 0, 2, 0},
		{feltAnswer, 1, 0, 2, 0},
	} {
		now = now.Add(step.after)
		for range step.times {
			p.learn(step.felt, now)
		}
		if int(p.window) != step.window || p.gap != step.gap {
			t.Errorf("after %d times %d: window %v, gap %v, want %d, %v", step.times, step.felt, p.window, p.gap, step.window, step.gap)
		}
		if proven := step.felt != feltSilence; p.proven != proven {
			t.Errorf("proven %t after %d", p.proven, step.felt)
		}
	}
}

func TestFelt(t *testing.T) {
	for _, tt := range []struct {
		o    outcome
		want feeling
	}{
		{outcome{state: store.Relayed, reply: "250 2.0.0 ok"}, feltSuccess},
		{outcome{state: store.Placed}, feltSuccess},
		{outcome{state: store.Failed, reply: "550 5.1.1 no", decision: cause.Refuse(cause.RecipientUnknown)}, feltAnswer},
		{outcome{state: store.Queued, reply: "421 4.7.0 slow down", decision: later(cause.OutboxDeferred)}, feltThrottle},
		{outcome{state: store.Queued, reply: "450 4.7.1 rate limit", decision: later(cause.LimitReceiverThrottles)}, feltThrottle},
		{outcome{state: store.Queued, reply: "450 4.3.2 later", decision: later(cause.OutboxDeferred)}, feltTrouble},
		{outcome{state: store.Queued, reply: "450 4.2.0 greylisted", decision: later(cause.ReputationGreylisted)}, feltAnswer},
		{outcome{state: store.Queued, decision: later(cause.RecipientServerUnreachable)}, feltSilence},
		{outcome{state: store.Queued, decision: later(cause.RecipientServerUnreachable), echo: true}, feltNothing},
		{outcome{state: store.Queued, decision: later(cause.DNSResolverDead)}, feltNothing},
	} {
		if got := felt([]outcome{tt.o}); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.o, got, tt.want)
		}
	}
}

// TestRunning: what is kept of those that run does not grow while one of them does
// not end.
func TestRunning(t *testing.T) {
	b := newBench(Limits{Concurrency: 10})
	b.add(1, "slow.test")
	b.run()
	for range 10_000 {
		b.add(1, "fast.test")
		b.run()
		b.end(b.begun[len(b.begun)-1], feltSuccess)
	}
	if n := len(b.running); n > 1100 || b.running[0].d != b.begun[0] || b.active != 1 {
		t.Errorf("%d are kept, %d active", n, b.active)
	}
}

// TestFull: an account with more than memory holds leaves room for others.
func TestFull(t *testing.T) {
	const room = 100
	b := newBench(Limits{Concurrency: 1, Remembered: room})
	for n := range 3 * room {
		b.add(1, fmt.Sprintf("d%d.test", n))
	}
	if b.ready != room/3 || b.forgotten.IsZero() {
		t.Errorf("%d of %d are ready; forgotten %v", b.ready, room, b.forgotten)
	}
	b.add(2, "one.test")
	for range 3 {
		b.run()
		b.end(b.begun[len(b.begun)-1], feltSuccess)
	}
	if !slices.ContainsFunc(b.begun, func(d *delivery) bool { return d.key.account == 2 }) {
		t.Error("the other account waits")
	}
}

// TestRoomBesideBulk: however many send a great deal, and to the same domain, who sends one message has a place in memory, and its turn
// comes soon.
func TestRoomBesideBulk(t *testing.T) {
	const room = 10_000
	b := newBench(Limits{Concurrency: 20, Remembered: room})
	for n := range 20 * room {
		b.add(store.AccountID(1+n%30), fmt.Sprintf("d%d.test", n%50%10))
	}
	if b.ready >= room {
		t.Fatalf("%d are in memory", b.ready)
	}
	for n := range 10 {
		b.add(100, fmt.Sprintf("d%d.test", n))
	}
	if b.readyOf[100] != 10 {
		t.Errorf("%d of 10 messages have a place", b.readyOf[100])
	}
	for done := range 400 {
		b.run()
		b.end(b.begun[done], feltSuccess)
	}
	if n := b.readyOf[100]; n != 0 {
		t.Errorf("%d messages still wait", n)
	}
}

// TestMoreWhenHalfIsGone: what had no room is looked for in the store when half of what was there is gone, and not before.
func TestMoreWhenHalfIsGone(t *testing.T) {
	b := newBench(Limits{Concurrency: 1, Remembered: 240})
	for range 60 {
		b.add(1, "one.test")
	}
	had := b.ready
	b.forgotten = time.Time{}
	for looked := 0; b.ready > 0; looked++ {
		b.run()
		b.end(b.begun[looked], feltSuccess)
		if more := !b.forgotten.IsZero(); more != (b.ready <= had/2) {
			t.Fatalf("%d of %d are left, looked for more: %v", b.ready, had, !b.forgotten.IsZero())
		}
	}
}
