// Package journal keeps events, the things that happened to messages, sign-ins and the service, and
// tells from them what became of a message: a trace.
//
// Writing never holds up what happens: events go through a bounded queue and are kept in batches
// (journal.go). What kinds there are stands in kinds.go, what they say to people in texts/. Reading
// is in trace.go, telling in render.go.
package journal

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// Store is where events are kept and what addresses mean; *store.Store is one.
type Store interface {
	LocalDomain(ctx context.Context, name string) (bool, error)
	RecordEvents(ctx context.Context, events []store.Event) error
	Events(ctx context.Context, a store.AccountID, from, to time.Time, fn func(*store.Event) error) error
	EventsOfTraces(ctx context.Context, a store.AccountID, traces map[store.TraceID]bool, from time.Time, fn func(*store.Event) error) error
	KeepMentions(ctx context.Context) error
	Mentioned(ctx context.Context, messageID string, from, to time.Time) (in []store.MentionedIn, known bool, err error)
	TrimEvents(ctx context.Context, before time.Time) error
	Accounts(ctx context.Context, domain string) ([]store.Account, error)
	Account(ctx context.Context, id store.AccountID) (store.Account, error)
	Resolve(ctx context.Context, address string) (store.Resolution, error)
}

var _ Store = (*store.Store)(nil)

// DefaultKeep is how long events are kept.
const DefaultKeep = 30 * 24 * time.Hour

// Options make a Journal.
type Options struct {
	Store Store
	Now   func() time.Time // time.Now if nil
	Log   *slog.Logger     // slog.Default if nil
	Queue int              // events that may wait to be kept; 20,000 if 0
	Batch int              // events kept at once; 500 if 0
	Delay time.Duration    // how long an event waits for others at most; 100 ms if 0
}

// Journal keeps events. It is safe for concurrent use.
type Journal struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	texts texts
	batch int
	delay time.Duration

	closing sync.RWMutex // held for reading while an event is put into the queue
	closed  bool
	queue   chan store.Event
	flushes chan chan error
	done    chan struct{}

	keeping sync.WaitGroup // keepMentions
	stop    context.CancelFunc

	dropped atomic.Uint64
	visits  visits

	readings readings
}

// New makes a Journal and starts it. Close it.
func New(o Options) (*Journal, error) {
	t, err := loadTexts()
	if err != nil {
		return nil, err
	}
	j := &Journal{store: o.Store, now: o.Now, log: o.Log, texts: t, batch: o.Batch, delay: o.Delay}
	if j.now == nil {
		j.now = time.Now
	}
	if j.log == nil {
		j.log = slog.Default()
	}
	if j.batch == 0 {
		j.batch = 500
	}
	if j.delay == 0 {
		j.delay = 100 * time.Millisecond
	}
	if o.Queue == 0 {
		o.Queue = 20_000
	}
	j.readings.seed = maphash.MakeSeed()
	j.visits.since, j.visits.seen = j.now(), map[visitor]*visit{}
	j.queue = make(chan store.Event, o.Queue)
	j.flushes = make(chan chan error)
	j.done = make(chan struct{})
	go j.run()
	ctx, stop := context.WithCancel(context.Background())
	j.stop = stop
	j.keeping.Go(func() { j.keepMentions(ctx) })
	return j, nil
}

// Record keeps an event soon. It never blocks: when too many wait already the event is dropped and
// counted. An event without time happens now. The event's slices must not be changed afterwards.
func (j *Journal) Record(_ context.Context, e store.Event) {
	if e.Time.IsZero() {
		e.Time = j.now()
	}
	j.closing.RLock()
	defer j.closing.RUnlock()
	if j.closed {
		j.dropped.Add(1)
		return
	}
	select {
	case j.queue <- e:
	default:
		j.dropped.Add(1)
	}
}

// Dropped is how many events were lost because too many came at once, the store failed, or they
// came after Close.
func (j *Journal) Dropped() uint64 { return j.dropped.Load() }

// Flush returns when all events recorded before it are kept.
func (j *Journal) Flush(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case j.flushes <- answer:
	case <-j.done:
		return nil // Close has kept everything
	case <-ctx.Done():
		return fmt.Errorf("journal: flush: %w", context.Cause(ctx))
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("journal: flush: %w", context.Cause(ctx))
	}
}

// Close keeps what waits and ends the Journal. Later events are dropped.
func (j *Journal) Close() error {
	j.keepVisits()
	j.closing.Lock()
	first := !j.closed
	j.closed = true
	j.closing.Unlock()
	if first {
		close(j.queue)
	}
	<-j.done
	j.stop()
	j.keeping.Wait()
	return nil
}

// mentionsEvery is how often the table by which messages are found is brought up to date.
const mentionsEvery = time.Second

// keepMentions brings the table by which messages are found up to date until the context ends, and once more then.
func (j *Journal) keepMentions(ctx context.Context) {
	tick := time.NewTicker(mentionsEvery)
	defer tick.Stop()
	failed := false
	keep := func(ctx context.Context) {
		err := j.store.KeepMentions(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			j.log.Warn("messages are looked for in every account, since the table of Message-IDs cannot be written", "error", err)
		}
		failed = err != nil
	}
	for {
		keep(ctx)
		select {
		case <-ctx.Done():
			ending, done := context.WithTimeout(context.Background(), mentionsEvery)
			defer done()
			keep(ending)
			return
		case <-tick.C:
		}
	}
}

// Trim deletes the events older than keep. The wiring calls it once a day.
func (j *Journal) Trim(ctx context.Context, keep time.Duration) error {
	if keep <= 0 {
		return errors.New("journal: trim: events must be kept for some time")
	}
	if err := j.store.TrimEvents(ctx, j.now().Add(-keep)); err != nil {
		return fmt.Errorf("journal: trim: %w", err)
	}
	return nil
}

// run gathers events into batches: one is kept when it is full or its first event is old enough.
func (j *Journal) run() {
	defer close(j.done)
	batch := make([]store.Event, 0, j.batch)
	timer := time.NewTimer(j.delay)
	timer.Stop()
	defer timer.Stop()
	keep := func() error {
		timer.Stop()
		err := j.keep(batch)
		clear(batch) // let go of what the events refer to
		batch = batch[:0]
		return err
	}
	for {
		select {
		case e, ok := <-j.queue:
			if !ok {
				_ = keep() // logged and counted
				return
			}
			if batch = append(batch, e); len(batch) == 1 {
				timer.Reset(j.delay)
			}
			if len(batch) >= j.batch {
				_ = keep()
			}
		case <-timer.C:
			_ = keep()
		case answer := <-j.flushes:
			var err error
			for n := len(j.queue); n > 0; n-- {
				if e, ok := <-j.queue; ok {
					batch = append(batch, e)
				}
			}
			err = keep()
			answer <- err
		}
	}
}

// maxBatch is what the store takes at once.
const maxBatch = 1 << 16

// keep gives a batch to the store. What it does not take is lost: an event is never worth holding
// up the service.
func (j *Journal) keep(batch []store.Event) (err error) {
	for len(batch) > 0 {
		part := batch[:min(len(batch), maxBatch)]
		batch = batch[len(part):]
		if e := j.store.RecordEvents(context.Background(), part); e != nil {
			j.dropped.Add(uint64(len(part)))
			j.log.Error("events not kept", "events", len(part), "error", e)
			err = fmt.Errorf("journal: keep events: %w", e)
		}
	}
	return err
}
