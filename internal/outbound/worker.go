package outbound

import (
	"context"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// worker makes deliveries to one destination, one at a time, and keeps its
// connection for the next.
type worker struct {
	queue  *Queue
	dest   *destination
	domain string         // of the recipients of the delivery
	next   chan *delivery // has room for one; closed to dismiss an idle worker
	link   *link          // open connection to a server of the destination, or nil
	felt   feeling        // what the last attempt told of the destination's pace

	batches []uint64 // of the marks of the last attempt
}

// retryStore is when work is tried again that the store could not take.
const retryStore = time.Minute

// run makes deliveries until none is ready and the connection was idle for
// long enough.
func (w *worker) run() {
	defer w.hangUp()
	for d := <-w.next; d != nil; d = w.rest() {
		if due := w.deliver(d); !w.handBack(d, due) {
			return
		}
	}
}

// handBack returns a delivery to the queue. A worker with an open connection
// stays for the next one.
func (w *worker) handBack(done *delivery, due time.Time) (idle bool) {
	q := w.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.learn(w.dest, w.felt)
	w.felt = feltNothing
	q.finish(done, w.dest, due)
	defer q.schedule()
	if q.phase == phaseRunning && w.link.usable() && q.idle < q.opt.Limits.Concurrency {
		w.dest.idle = append(w.dest.idle, w)
		q.idle++
		return true
	}
	q.discard(w.dest)
	return false
}

// rest waits for a delivery; nil means that the worker is not needed.
func (w *worker) rest() *delivery {
	select {
	case d := <-w.next:
		return d
	default:
	}
	timer := time.NewTimer(w.queue.opt.Limits.Idle)
	defer timer.Stop()
	select {
	case d := <-w.next:
		return d
	case <-timer.C:
	}
	q := w.queue
	q.mu.Lock()
	i := slices.Index(w.dest.idle, w)
	if i >= 0 {
		w.dest.idle = slices.Delete(w.dest.idle, i, i+1)
		q.idle--
		q.discard(w.dest)
	}
	q.mu.Unlock()
	if i >= 0 {
		return nil
	}
	return <-w.next // it was given one, or dismissed, at the last moment
}

// outcome is what an attempt found out about one recipient.
type outcome struct {
	index    int // of the recipient in its submission
	state    store.RecipientState
	decision cause.Decision // why it is Queued still, or Failed
	host     string
	reply    string
	way      way
	promised bool // the next server took over the reports (RFC 3461 section 5.2.1)
	unsure   int  // how often a server may have taken the message without saying so
	echo     bool // it is that of another attempt: nobody was asked
}

// attempted is a submission as it was before an attempt, and what came of it.
type attempted struct {
	sub      store.Submission
	outcomes []outcome
	batches  []uint64 // of its marks
}

// deliver makes one attempt for the recipients of a delivery that are due and
// records what came of it. It returns when the delivery comes next, zero for
// never.
func (w *worker) deliver(d *delivery) (due time.Time) {
	q := w.queue
	w.domain = d.key.domain.Value()
	retry := q.opt.Clock.Now().Add(retryStore)
	if d.unrecorded == nil {
		sub, err := q.opt.Store.Submission(q.life, d.key.account, d.key.id)
		if store.KindOf(err) == store.KindNotFound {
			return time.Time{}
		}
		if err != nil {
			q.log.Error("outbound: read submission", "trace", d.key.id, "error", err)
			return retry
		}
		indices := dueRecipients(&sub, w.domain, q.opt.Clock.Now())
		if len(indices) == 0 {
			return w.settle(d, &sub)
		}
		if sub.Scheduled {
			return w.depart(d, &sub)
		}
		w.batches = nil
		outcomes := w.attempt(q.life, &sub, indices)
		w.felt = felt(outcomes)
		d.unrecorded = &attempted{sub, outcomes, w.batches}
	}
	// The other server has answered: nothing may come between that and the
	// record of it, not even Close.
	after, err := q.record(context.WithoutCancel(q.life), d.unrecorded)
	if err != nil {
		q.log.Error("outbound: record delivery", "trace", d.key.id, "error", err)
		return retry
	}
	for _, batch := range d.unrecorded.batches {
		q.marks.clear(batch)
	}
	d.unrecorded = nil
	if after == nil {
		return time.Time{}
	}
	return w.settle(d, after)
}

// settle reports what is to be reported of a submission and returns when the
// delivery comes next.
func (w *worker) settle(d *delivery, sub *store.Submission) (due time.Time) {
	q := w.queue
	due = nextDue(sub, w.domain)
	q.show(context.WithoutCancel(q.life), sub)
	now := q.opt.Clock.Now()
	if !sub.Done() && !sub.Owes() && !q.delayOwed(sub, now) {
		return due
	}
	if err := q.settle(context.WithoutCancel(q.life), sub.Account, sub.ID); err != nil {
		q.log.Error("outbound: report delivery", "trace", sub.ID, "error", err)
		return earlier(due, now.Add(retryStore))
	}
	return due
}

// attempt tries to deliver to the given recipients, who share a domain.
func (w *worker) attempt(ctx context.Context, sub *store.Submission, indices []int) []outcome {
	domain := w.domain
	local := domain == ""
	if !local {
		var err error
		if local, err = w.queue.opt.Store.LocalDomain(ctx, domain); err != nil {
			w.queue.log.Error("outbound: look up domain", "domain", domain, "error", err)
			return same(indices, outcome{state: store.Queued, decision: cause.Wait(cause.ProviderStorageFailed, time.Time{})})
		}
	}
	if domain != "" {
		w.queue.noteHere(domain, local)
	}
	if local {
		return w.attemptLocal(ctx, sub, indices)
	}
	return w.attemptRemote(ctx, sub, indices)
}

// attemptLocal hands the message over to mailboxes here.
func (w *worker) attemptLocal(ctx context.Context, sub *store.Submission, indices []int) []outcome {
	var all []outcome
	for _, i := range indices {
		o := outcome{index: i, state: store.Placed}
		o.decision = w.queue.opt.Local.DeliverLocal(ctx, sub, &sub.Recipients[i])
		if ctx.Err() != nil && !o.decision.Allowed() {
			return all // broken off by Close, which is no outcome
		}
		switch o.decision.Action {
		case cause.ActionWait:
			o.state = store.Queued
		case cause.ActionRefuse:
			o.state = store.Failed
		}
		if reason := o.decision.Text("reason"); reason != "" { // of rules: a report must tell it (RFC 5429 section 2.1.2)
			o.host, o.reply = w.queue.opt.Hostname, reason
		}
		all = append(all, o)
	}
	return all
}

// same is one outcome for all recipients.
func same(indices []int, o outcome) []outcome {
	all := make([]outcome, len(indices))
	for n, i := range indices {
		all[n] = o
		all[n].index = i
	}
	return all
}

func dueRecipients(sub *store.Submission, domain string, now time.Time) (indices []int) {
	for i := range sub.Recipients {
		r := &sub.Recipients[i]
		if r.State == store.Queued && !r.Next.After(now) && sub.Destination(r) == domain {
			indices = append(indices, i)
		}
	}
	return indices
}

// nextDue is when the recipients of a domain come next, zero if none waits.
func nextDue(sub *store.Submission, domain string) (due time.Time) {
	for i := range sub.Recipients {
		if r := &sub.Recipients[i]; r.State == store.Queued && sub.Destination(r) == domain {
			due = earlier(due, r.Next)
		}
	}
	return due
}

// earlier returns the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
