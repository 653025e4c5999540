package outbound

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// A message that was handed in otherwise than over SMTP is a submission that is Scheduled: for a time of its sender's
// choosing, or for now. When its time has come it departs: the policies are asked as they would be
// of a message that comes over SMTP at that moment, and one commit places it in the mailboxes here and leaves the rest
// as any other submission. Until then it is one delivery, whatever its recipients, so that it
// can be taken back whole or departs, and nothing in between.

// Depart lets a scheduled submission go. It allows when it is durable that it went; a decision that waits is tried
// again, one that refuses is final unless it is about the account, which can be put in order.
type Depart func(ctx context.Context, sub *store.Submission) cause.Decision

// Waits between tries of what cannot depart for now.
const (
	departAgain   = 5 * time.Minute // where nothing says when
	departAccount = time.Hour       // where the account must be put in order first
)

// depart lets a submission go whose time has come, and returns when it is tried again, zero for never.
func (w *worker) depart(d *delivery, sub *store.Submission) (due time.Time) {
	q := w.queue
	retry := q.opt.Clock.Now().Add(retryStore)
	why, reopened := cause.Refuse(cause.ProviderBackendBroken), q.reopened.Load()
	if q.opt.Depart != nil {
		why = q.opt.Depart(q.life, sub)
	}
	if !why.Allowed() && q.life.Err() != nil {
		return retry // broken off by Close, which is no outcome
	}
	ctx := kv.WithReserve(context.WithoutCancel(q.life))
	if !why.Allowed() {
		if err := q.postpone(ctx, sub, why); err != nil && store.KindOf(err) != store.KindNotFound {
			q.log.Error("outbound: note that a message waits", "trace", sub.ID, "error", err)
			return retry
		}
		if strings.HasPrefix(string(why.Cause), "limit.") && q.reopened.Load() != reopened { // meanwhile, which did not know of this one
			if err := q.SendNow(ctx, sub.Account, sub.ID); err != nil && !errors.Is(err, ErrNotQueued) && store.KindOf(err) != store.KindNotFound {
				q.log.Error("outbound: try what waited for a limit", "trace", sub.ID, "error", err)
			}
		}
	}
	w.felt = feltSuccess
	after, err := q.opt.Store.Submission(ctx, sub.Account, sub.ID)
	if store.KindOf(err) == store.KindNotFound {
		return time.Time{}
	}
	if err != nil {
		q.log.Error("outbound: read submission", "trace", sub.ID, "error", err)
		return retry
	}
	if after.Scheduled {
		q.show(ctx, &after)
		return nextDue(&after, "")
	}
	if after.Done() || after.Owes() {
		if err := q.settle(ctx, after.Account, after.ID); err != nil {
			q.log.Error("outbound: report delivery", "trace", sub.ID, "error", err)
			return retry
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	// A bare address is a destination of its own, and has the key of what departs.
	q.remember(&after)
	return nextDue(&after, d.key.domain.Value())
}

// postpone notes why a submission does not depart: it is tried again, or given up.
func (q *Queue) postpone(ctx context.Context, sub *store.Submission, why cause.Decision) error {
	now := q.opt.Clock.Now()
	next := latest(why.Until, now.Add(departAgain))
	if why.Action == cause.ActionRefuse && strings.HasPrefix(string(why.Cause), "account.") {
		why.Action, next = cause.ActionWait, now.Add(departAccount)
	}
	over := !now.Before(q.expires(sub))
	_, err := q.opt.Store.ChangeSubmission(ctx, sub.Account, sub.ID, func(s *store.Submission) (events []store.Event, err error) {
		last := unusedLast(s, now)
		for i := range s.Recipients {
			r := &s.Recipients[i]
			if r.State != store.Queued {
				continue
			}
			known := r.Cause == why.Cause
			r.Cause, r.Last, r.Next = why.Cause, last, earlier(next, q.expires(s))
			kind := journal.MessageDeferred
			switch {
			case why.Action == cause.ActionRefuse:
				kind, r.State = journal.MessageBounced, store.Failed
			case over:
				kind, r.State = journal.MessageExpired, store.Expired
			case known:
				continue
			}
			if r.State.Final() {
				if r.Next = (time.Time{}); wantsReport(s, r) {
					r.Next = now
				}
			}
			told := why
			if r.State == store.Expired {
				told = q.decision(s, r)
			}
			e := q.event(s, kind, field("to", r.Address))
			e.SetDecision(told)
			events = append(events, e)
		}
		s.Scheduled = slices.ContainsFunc(s.Recipients, func(r store.SubmissionRecipient) bool { return !r.State.Final() })
		return events, nil
	})
	return err
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
