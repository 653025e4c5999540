package outbound

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// A recipient's Next is when something is to be done for it: the next attempt
// while it is Queued; and in a final state the report that its sender is owed,
// until that is queued itself, when Next becomes zero. So a report is never
// lost in a crash. The recipients that one attempt brought to an end share
// their Last, which no others of the submission have, and are reported together.

// record makes the outcomes of an attempt durable, with the events that tell
// of them, in one commit. It returns the submission as it is then, nil if
// nothing is left of it to do.
func (q *Queue) record(ctx context.Context, a *attempted) (after *store.Submission, err error) {
	// The queue's bookkeeping frees room, so it may use what is kept back of it.
	ctx = kv.WithReserve(ctx)
	now := q.opt.Clock.Now()
	sub := a.sub
	sub.Recipients = slices.Clone(sub.Recipients)
	for i := range a.outcomes {
		o := &a.outcomes[i]
		q.apply(&sub, &sub.Recipients[o.index], o, now)
	}
	// What is final and not owed stays so: the last act is to forget it all.
	if sub.Done() && !sub.Owes() {
		err = q.opt.Store.FinishSubmission(ctx, sub.Account, sub.ID, sub.Recipients, q.eventsOf(&sub, a.outcomes)...)
	} else {
		after, err = q.update(ctx, &sub, a.outcomes, now)
	}
	if err != nil {
		return nil, err
	}
	for i := range a.outcomes {
		r := &sub.Recipients[a.outcomes[i].index]
		q.opt.Metrics.Recipient(outcomeOf(r.State), r.Cause)
	}
	return after, nil
}

// update writes the outcomes of an attempt into the submission; sub has them
// applied to what it was before. It returns nil if the submission is gone.
func (q *Queue) update(ctx context.Context, sub *store.Submission, outcomes []outcome, now time.Time) (*store.Submission, error) {
	updated, err := q.opt.Store.ChangeSubmission(ctx, sub.Account, sub.ID, func(s *store.Submission) ([]store.Event, error) {
		last := unusedLast(s, now)
		s.Prefix = sub.Prefix
		var told []outcome
		for _, o := range outcomes {
			r := &s.Recipients[o.index]
			if r.State != store.Queued && !sub.Recipients[o.index].State.Final() {
				continue // it was taken back meanwhile, and did not go
			}
			*r = sub.Recipients[o.index]
			r.Last = last
			told = append(told, o)
		}
		return q.eventsOf(s, told), nil
	})
	if store.KindOf(err) != store.KindNotFound {
		return &updated, err
	}
	// It was taken back for all, but what went has gone.
	for _, e := range q.eventsOf(sub, outcomes) {
		q.opt.Journal.Record(ctx, e)
	}
	return nil, nil
}

// eventsOf tell of outcomes.
func (q *Queue) eventsOf(sub *store.Submission, outcomes []outcome) (events []store.Event) {
	for i := range outcomes {
		events = append(events, q.outcomeEvents(sub, &sub.Recipients[outcomes[i].index], &outcomes[i])...)
	}
	return events
}

// unusedLast is now, or right after, so that no other recipient has it.
func unusedLast(s *store.Submission, now time.Time) time.Time {
	for {
		used := slices.ContainsFunc(s.Recipients, func(r store.SubmissionRecipient) bool { return r.Last.Equal(now) })
		if !used {
			return now
		}
		now = now.Add(1)
	}
}

func outcomeOf(s store.RecipientState) Outcome {
	switch s {
	case store.Placed:
		return OutcomePlaced
	case store.Relayed:
		return OutcomeRelayed
	case store.Queued:
		return OutcomeDeferred
	case store.Expired:
		return OutcomeExpired
	}
	return OutcomeFailed
}

// apply writes an outcome into the recipient's state.
func (q *Queue) apply(sub *store.Submission, r *store.SubmissionRecipient, o *outcome, now time.Time) {
	r.Attempts++
	r.Last, r.Next = now, time.Time{}
	r.State, r.Cause = o.state, o.decision.Cause
	r.Host, r.Reply = o.host, o.reply
	if r.State == store.Queued {
		if now.Before(q.expires(sub)) {
			r.Next = q.nextTry(sub, r, o, now)
			return
		}
		r.State = store.Expired
	}
	if wantsReport(sub, r) && !o.promised {
		r.Next = now
	}
}

// expires is when a submission is given up.
func (q *Queue) expires(sub *store.Submission) time.Time {
	if sub.Expires.IsZero() {
		return sub.Created.Add(q.opt.Limits.Lifetime)
	}
	return sub.Expires
}

// nextTry is when a recipient is tried again: by the schedule, or as late as
// the other side wants; but once right before a delay is reported, and once
// right before the message is given up.
func (q *Queue) nextTry(sub *store.Submission, r *store.SubmissionRecipient, o *outcome, now time.Time) time.Time {
	s := q.opt.Limits.Schedule
	wait := s[min(max(r.Attempts, 1), len(s))-1]
	next := now.Add(wait + time.Duration(rand.Float64()*max(q.opt.Limits.Jitter, 0)*float64(wait)))
	if o.decision.Until.After(next) {
		next = o.decision.Until
	}
	if report := sub.Created.Add(q.opt.Limits.DelayAfter); report.After(now) {
		next = earlier(next, report)
	}
	return earlier(next, q.expires(sub))
}

// outcomeEvents tell of an outcome. That a message was placed here is told by
// whoever placed it.
func (q *Queue) outcomeEvents(sub *store.Submission, r *store.SubmissionRecipient, o *outcome) (events []store.Event) {
	unsure := o.unsure
	if r.State == store.Queued && r.Cause == cause.OutboxAcceptedUnconfirmed {
		unsure-- // the last is what the attempt ended in
	}
	for range unsure {
		e := q.event(sub, journal.MessageUnconfirmed, field("to", r.Address))
		e.SetDecision(q.explained(sub, r, cause.OutboxAcceptedUnconfirmed))
		events = append(events, e)
	}
	kind := journal.MessageBounced
	switch r.State {
	case store.Placed:
		return events
	case store.Relayed:
		kind = journal.MessageRelayed
	case store.Queued:
		if kind = journal.MessageDeferred; r.Cause == cause.OutboxAcceptedUnconfirmed {
			kind = journal.MessageUnconfirmed
		}
	case store.Expired:
		kind = journal.MessageExpired
	}
	e := q.event(sub, kind, field("to", r.Address), field("host", r.Host), field("reply", r.Reply))
	e.Fields = append(e.Fields, o.way.fields()...)
	if r.State != store.Relayed {
		e.SetDecision(q.decision(sub, r))
	}
	return append(events, e)
}

// decision is why a recipient waits or was given up, with all that is known
// about it.
func (q *Queue) decision(sub *store.Submission, r *store.SubmissionRecipient) cause.Decision {
	id := r.Cause
	if r.State == store.Expired {
		id = cause.OutboxExpired
	}
	return q.explained(sub, r, id)
}

// Why is why a recipient waits or was given up, with all that is known about it;
// it allows where there is nothing to explain.
func (q *Queue) Why(sub *store.Submission, r *store.SubmissionRecipient) cause.Decision {
	if r.Cause == "" {
		return cause.Allow()
	}
	return q.decision(sub, r)
}

// ofSender tells causes that are about who sent a message and the domain of that address, not about who gets it.
func ofSender(id cause.ID) bool {
	return strings.HasPrefix(string(id), "sender.") || id == cause.ClientFromNotOwned
}

// explained is a decision of a given cause about a recipient. Of what is known
// it gets what the cause has a place for.
func (q *Queue) explained(sub *store.Submission, r *store.SubmissionRecipient, id cause.ID) cause.Decision {
	d := cause.Refuse(id)
	if r.State == store.Queued {
		d = cause.Wait(id, r.Next)
	}
	about := r.Address
	if ofSender(id) || sub.Scheduled && strings.HasPrefix(string(id), "limit.") {
		about = sub.From
	}
	known := []cause.Param{
		cause.Text("address", about), cause.Text("domain", domainOf(about)), cause.Time("until", r.Next),
		cause.Text("host", r.Host), cause.Text("reply", r.Reply),
		cause.Time("since", sub.Created), cause.Time("giveup", q.expires(sub)),
	}
	if sub.Size > 0 {
		known = append(known, cause.Size("size", sub.Size))
	}
	if id == cause.ContentTooLargeRecipient && q.opt.Takes != nil {
		if limit := q.opt.Takes(domainOf(r.Address)); limit > 0 {
			known = append(known, cause.Size("limit", limit))
		}
	}
	if r.State == store.Queued {
		known = append(known, cause.Time("next", r.Next))
	}
	c, _ := q.opt.Catalogue.Cause(id)
	for _, p := range known {
		takes := slices.ContainsFunc(c.Params, func(have cause.Placeholder) bool { return have.Name == p.Name })
		if takes && p.Value != "" {
			d.Params = append(d.Params, p)
		}
	}
	return d
}
