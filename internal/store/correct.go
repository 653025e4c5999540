package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Anew is an email that is placed as it is handed in.
type Anew struct {
	Email NewEmail
	Into  []MailboxID // at least one
	// Instead tells that it takes the place of an email that is there: it may lie beside that one for a moment, whatever room there is.
	Instead bool
}

// Correction is a submission with a recipient who was wrong, for whom another one takes its place.
type Correction struct {
	First  Submission // as it was looked at
	Queued bool       // the queue had it then
	Wrong  string     // a recipient of it, in whose place the first one of the new submission is; the others of that wait in both
	Text   *Anew      // the email that goes; nil if it is that of the record
	// Email is the one in whose place Text is, and Leaves where it was; 0 if there is none.
	Email  EmailID
	Leaves []PlacedIn
}

// Correct hands in what takes the place of a submission for some of its recipients: to them that one does not go any more, and its email goes out
// of the mailboxes that the new one comes into. All of it happens at once, or nothing does. Where the message went to the new recipients before, it is
// as CreateEmailSubmission says. Kinds: those of CreateEmailSubmission and of Append; KindChanged if the submission is another than it was, KindInUse
// if it is being sent right now.
func (s *Store) Correct(ctx context.Context, a AccountID, k *Correction, e EmailSubmission, sub *Submission, events ...Event) (made EmailSubmission, repeated bool, err error) {
	quota, err := s.quota(ctx, a)
	if err != nil {
		return made, false, err
	}
	email := func(*change) (EmailID, error) { return e.Email, nil }
	if k.Text != nil {
		if k.Text.Instead {
			quota = 0
		}
		email = func(c *change) (EmailID, error) { return c.placeAnew(k.Text, quota) }
	}
	err = s.changeHanded(ctx, "correct recipient", a, func(c *change) error {
		if err := c.leaveTo(k, sub); err != nil {
			return err
		}
		if made, repeated, err = c.handIn(e, sub, email); err != nil {
			return err
		}
		if k.Text != nil && made.Email != k.Email {
			if err := c.leave(k.Leaves); err != nil {
				return err
			}
		}
		return s.putEvents(c.tx, a, events)
	})
	if err == nil && !repeated && k.Text != nil {
		s.pending.named(k.Text.Email.Blob)
	}
	return made, repeated, err
}

// leaveTo takes a submission back for the recipients that go on in another one.
func (c *change) leaveTo(k *Correction, sub *Submission) error {
	const op = "correct recipient"
	goes := func(r *SubmissionRecipient) bool {
		return strings.EqualFold(r.Address, k.Wrong) || !r.State.Final() && slices.ContainsFunc(sub.Recipients, func(o SubmissionRecipient) bool { return o.Address == r.Address })
	}
	first, err := readSubmission(c.tx, c.account, k.First.ID)
	switch missing := KindOf(err) == KindNotFound; {
	case err != nil && !missing:
		return err
	case missing == k.Queued || !missing && !slices.EqualFunc(first.Recipients, k.First.Recipients, sameState):
		return fail(op, KindChanged, "it changed meanwhile")
	case missing:
		return cancelHanded(c.tx, k.First.ID, goes, c.now)
	}
	if slices.ContainsFunc(first.Recipients, func(r SubmissionRecipient) bool { return goes(&r) && !r.State.Final() }) && !c.take(&first) {
		return fail(op, KindInUse, "%s is being sent", first.ID)
	}
	for i := range first.Recipients {
		r := &first.Recipients[i]
		if !goes(r) {
			continue
		}
		if r.State.Final() && !r.Next.IsZero() {
			return fail(op, KindInUse, "a report about %s is being written", first.ID)
		}
		r.cancel(c.now)
	}
	settling := c.settling
	if err := c.keepOutbox(&first); err != nil {
		return err
	}
	c.settling = settling
	if err := putSubmission(c.tx, &first); err != nil || !first.Done() || first.Owes() {
		return err
	}
	return dropSubmission(c.tx, &first)
}

func (r *SubmissionRecipient) cancel(now time.Time) {
	r.State, r.Next, r.Due, r.Last = Cancelled, time.Time{}, time.Time{}, now
}

// cancelHanded notes in the record of a submission that is over, if there is one, that it does not go to some recipients any more.
func cancelHanded(tx kv.Tx, trace TraceID, goes func(*SubmissionRecipient) bool, now time.Time) error {
	e, err := handedByTrace(tx, trace)
	if KindOf(err) == KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	list := slices.Clone(e.Recipients)
	for i := range list {
		if goes(&list[i]) {
			list[i].cancel(now)
		}
	}
	return noteHanded(tx, e.ID, list)
}

// leave takes emails out of places.
func (c *change) leave(places []PlacedIn) error {
	for _, at := range places {
		m, err := c.mailbox(at.Mailbox)
		if KindOf(err) == KindNotFound {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := c.expunge(m, uid.Of(at.UID), false); err != nil {
			return err
		}
	}
	return nil
}

// placeAnew places an email in all of its mailboxes.
func (c *change) placeAnew(n *Anew, quota int64) (EmailID, error) {
	id := c.head.nextEmail
	flags, err := c.flags(n.Email.Flags, n.Email.Keywords)
	if err != nil {
		return 0, err
	}
	for i, into := range n.Into {
		m, err := c.mailbox(into)
		if err != nil {
			return 0, err
		}
		if i == 0 {
			_, err = c.place(m, &n.Email, quota)
		} else {
			_, err = c.putNew(m, Placement{Email: id, Flags: flags, Size: n.Email.Summary.Size, Saved: c.now})
		}
		if err != nil {
			return 0, err
		}
	}
	return id, nil
}
