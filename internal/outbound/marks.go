package outbound

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// A message is marked right before its end goes to a server, and the mark is
// durable before that. If we die before the answer is recorded, the mark tells
// after the restart that it cannot be known whether the message was taken: it is
// sent again, with the same Message-ID, and its trace says so.
//
// Marks that are set at the same time share one commit, which others that wait
// for the disk share with it, and nobody waits for their removal: a mark whose
// outcome is recorded is known by the count of attempts, and goes with a later
// batch.

// marks writes marks in batches.
type marks struct {
	store *store.Store

	mu      sync.Mutex
	last    uint64 // number of the last batch
	next    *markBatch
	writing bool
	open    map[uint64]int // batches, and how many of their outcomes are not recorded
	over    []uint64       // batches whose outcomes are all recorded
}

type markBatch struct {
	number uint64
	list   []store.SendingMark
	err    error
	done   chan struct{}
}

// set makes a mark durable. Its batch is to be given to clear when the outcome is
// recorded.
func (m *marks) set(ctx context.Context, mark store.SendingMark) (batch uint64, err error) {
	m.mu.Lock()
	b := m.next
	if b == nil {
		m.last++
		b = &markBatch{number: m.last, done: make(chan struct{})}
		m.next = b
	}
	b.list = append(b.list, mark)
	leads := !m.writing
	m.writing = true
	m.mu.Unlock()
	if leads {
		m.write(ctx)
	}
	<-b.done
	return b.number, b.err
}

// write writes the batch that is gathered. One that gathers meanwhile is written
// in a goroutine of its own, so that the first does not wait for it.
func (m *marks) write(ctx context.Context) {
	m.mu.Lock()
	b, over := m.next, m.over
	m.next, m.over = nil, nil
	if m.open == nil {
		m.open = map[uint64]int{}
	}
	m.open[b.number] = len(b.list)
	m.mu.Unlock()

	if b.err = m.store.MarkSending(context.WithoutCancel(ctx), b.number, b.list, over); b.err != nil {
		m.mu.Lock()
		delete(m.open, b.number)
		m.over = append(m.over, over...)
		m.mu.Unlock()
	}
	close(b.done)
	m.mu.Lock()
	more := m.next != nil
	m.writing = more
	m.mu.Unlock()
	if more {
		go m.write(ctx)
	}
}

// clear notes that the outcome of a marked attempt is recorded.
func (m *marks) clear(batch uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[batch]--; m.open[batch] == 0 {
		delete(m.open, batch)
		m.over = append(m.over, batch)
	}
}

// mark makes durable that the end of a message is about to go to a host, for the
// recipients of one domain.
func (q *Queue) mark(ctx context.Context, sub *store.Submission, domain, host string) (batch uint64, err error) {
	batch, err = q.marks.set(ctx, store.SendingMark{
		Account: sub.Account, ID: sub.ID, Domain: domain, Host: host, Attempts: attemptsOf(sub, domain), Time: q.opt.Clock.Now(),
	})
	if err != nil {
		return 0, fmt.Errorf("outbound: mark message: %w", err)
	}
	return batch, nil
}

// attemptsOf counts the attempts for the recipients of a domain together. It
// grows with each outcome that is recorded.
func attemptsOf(sub *store.Submission, domain string) (n int) {
	for i := range sub.Recipients {
		if r := &sub.Recipients[i]; domainOf(r.Address) == domain {
			n += r.Attempts
		}
	}
	return n
}

// unconfirmed looks at the marks that a crash left behind and notes for whom it
// is not known whether the message was taken.
func (q *Queue) unconfirmed(ctx context.Context) error {
	left, last, err := q.opt.Store.SendingMarks(ctx)
	if err != nil {
		return err
	}
	q.marks.last = last
	// An attempt has several marks if the message went out several times.
	times := map[store.SendingMark]int{}
	for i := range left {
		m := left[i]
		m.Host, m.Time = "", time.Time{}
		times[m]++
	}
	for i := range left {
		m := left[i]
		m.Host, m.Time = "", time.Time{}
		if err := q.doubt(ctx, &left[i], times[m]); err != nil {
			return err
		}
		delete(times, m)
	}
	if len(left) == 0 {
		return nil
	}
	return q.opt.Store.ClearSendingMarks(ctx)
}

// doubt counts an attempt whose outcome is unknown, and in which the message went
// out so many times. Who had been due by then is tried again at once.
func (q *Queue) doubt(ctx context.Context, m *store.SendingMark, times int) error {
	if times == 0 {
		return nil // it was counted already
	}
	sub, err := q.opt.Store.ChangeSubmission(ctx, m.Account, m.ID, func(s *store.Submission) (events []store.Event, err error) {
		if attemptsOf(s, m.Domain) != m.Attempts {
			return nil, errRecorded
		}
		for _, i := range dueRecipients(s, m.Domain, m.Time) {
			r := &s.Recipients[i]
			r.Attempts++
			r.Last, r.Host, r.Reply, r.Cause = m.Time, m.Host, "", cause.OutboxAcceptedUnconfirmed
			for range times {
				e := q.event(s, journal.MessageUnconfirmed, field("to", r.Address), field("host", m.Host))
				e.SetDecision(q.decision(s, r))
				events = append(events, e)
			}
		}
		return events, nil
	})
	switch {
	case err == nil:
		q.log.Warn("outbound: it is not known whether a message was taken before the crash", "trace", sub.ID.String(), "domain", m.Domain, "host", m.Host)
	case store.KindOf(err) == store.KindNotFound, errors.Is(err, errRecorded):
		return nil
	}
	return err
}

// errRecorded says that an attempt's outcome is recorded.
var errRecorded = errors.New("outbound: outcome is recorded")
