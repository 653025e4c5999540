package policy

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// saver writes what a policy remembers into its Record, a while after it changed, so that a burst
// of changes is written once. What may be lost in a crash is written later.
type saver struct {
	record   Record
	delay    time.Duration
	snapshot func(part float64) any // as of marshalWithin
	log      *slog.Logger

	changed chan struct{}
	later   atomic.Bool
	stop    chan struct{}
	stopped sync.Once
	done    chan struct{}
	writing sync.Mutex // one writer at a time, so that no older snapshot follows a newer one
}

// newSaver starts a saver. Close ends it.
func newSaver(record Record, delay time.Duration, log *slog.Logger, snapshot func(part float64) any) *saver {
	s := &saver{
		record: record, delay: delay, snapshot: snapshot, log: log,
		changed: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

// touch says that there is something to write.
func (s *saver) touch() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// touchLater says that there is something to write that can wait for minutes.
func (s *saver) touchLater() { s.later.Store(true) }

const laterMeans = 5 * time.Minute

func (s *saver) run() {
	defer close(s.done)
	ticker := time.NewTicker(laterMeans)
	defer ticker.Stop()
	for {
		select {
		case <-s.changed:
		case <-ticker.C:
			if !s.later.Load() {
				continue
			}
		case <-s.stop:
			return
		}
		timer := time.NewTimer(s.delay)
		select {
		case <-timer.C:
		case <-s.stop: // close writes
			timer.Stop()
			return
		}
		if err := s.save(context.Background()); err != nil {
			s.log.Error("policy record not saved", "error", err)
			s.touch()
		}
	}
}

func (s *saver) save(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.later.Store(false)
	doc, err := marshalWithin(s.snapshot)
	if err != nil {
		return err
	}
	return s.record.Save(ctx, doc)
}

// close writes what is there and ends the saver. Later calls only write.
func (s *saver) close(ctx context.Context) error {
	s.stopped.Do(func() { close(s.stop) })
	<-s.done
	return s.save(ctx)
}
