package store

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Place is a mailbox of an account.
type Place struct {
	Account AccountID
	Mailbox MailboxID
}

// Copying is a copy of messages, or a move, between mailboxes that may be of two accounts.
type Copying struct {
	From, To Place
	Set      uid.Set
	// Lose are flags that the copies do not get.
	Lose Flags
	// As, if not nil, changes what is placed in another account.
	As func(*NewEmail)
}

// How many messages go from one account to another in one transaction. A move takes few: after a
// crash in its midst these are in both.
const (
	copyStep = 500
	moveStep = 50
)

// CopyBetween places messages in another mailbox as well, all or none, with their flags, keywords
// by name, and INTERNALDATE. In another account they are other emails with the same text, which is
// stored once. Kinds: KindNotFound, KindOverQuota, KindLimit (keywords), KindNoSpace.
func (s *Store) CopyBetween(ctx context.Context, c Copying) (done Copied, err error) {
	if c.From.Account == c.To.Account {
		return s.copy(ctx, c.From.Account, c.From.Mailbox, c.Set, c.To.Mailbox, c.Lose)
	}
	for rest := c.Set; !rest.Empty(); {
		var step Copied
		if step, rest, err = s.across(ctx, c, rest, copyStep); err != nil {
			return Copied{}, errors.Join(err, s.takeBack(ctx, c.To, done.To))
		}
		done.add(&step)
	}
	return done, nil
}

// MoveBetween places messages in another mailbox and removes them from theirs. Between accounts it
// goes in steps; a crash within one can leave its messages in both mailboxes, never in none. Two that
// move the same message at once move it once.
func (s *Store) MoveBetween(ctx context.Context, c Copying) (done Copied, err error) {
	if c.From.Account == c.To.Account {
		return s.move(ctx, c.From.Account, c.From.Mailbox, c.Set, c.To.Mailbox, c.Lose, nil)
	}
	for rest := c.Set; !rest.Empty(); {
		var step Copied
		if step, rest, err = s.across(ctx, c, rest, moveStep); err != nil {
			return done, err
		}
		gone, _, err := s.Expunge(ctx, c.From.Account, c.From.Mailbox, uid.Of(step.From...), false)
		twice := step.without(gone)
		done.add(&step)
		if err = errors.Join(err, s.takeBack(ctx, c.To, twice)); err != nil {
			return done, err
		}
	}
	return done, nil
}

// ReplaceBetween is Replace where the new message goes to another account: it is placed before the
// old one goes.
func (s *Store) ReplaceBetween(ctx context.Context, from Place, u uid.UID, to Place, n NewEmail) (done Appended, err error) {
	if from.Account == to.Account {
		return s.Replace(ctx, from.Account, from.Mailbox, u, to.Mailbox, n)
	}
	if done, err = s.Append(ctx, to.Account, to.Mailbox, []NewEmail{n}); err != nil {
		return done, err
	}
	gone, _, err := s.Expunge(ctx, from.Account, from.Mailbox, uid.Of(u), false)
	if err != nil || gone.Empty() { // another was faster
		return Appended{}, errors.Join(err, s.takeBack(ctx, to, done.UIDs))
	}
	return done, nil
}

// takeBack removes copies that should not be there.
func (s *Store) takeBack(ctx context.Context, from Place, uids []uid.UID) error {
	if len(uids) == 0 {
		return nil
	}
	_, _, err := s.Expunge(context.WithoutCancel(ctx), from.Account, from.Mailbox, uid.Of(uids...), false)
	return err
}

func (c *Copied) add(step *Copied) {
	c.From, c.To = append(c.From, step.From...), append(c.To, step.To...)
	if len(step.To) > 0 {
		c.UIDValidity, c.ModSeq = step.UIDValidity, step.ModSeq
	}
}

// without leaves only what was removed from its old place, and returns the copies of the others.
func (c *Copied) without(gone uid.Set) (twice []uid.UID) {
	from, to := c.From[:0], c.To[:0]
	for i, u := range c.From {
		if gone.Contains(u) {
			from, to = append(from, u), append(to, c.To[i])
		} else {
			twice = append(twice, c.To[i])
		}
	}
	c.From, c.To = from, to
	return twice
}

// across copies at most so many messages of a set and returns the rest of it.
func (s *Store) across(ctx context.Context, c Copying, set uid.Set, limit int) (done Copied, rest uid.Set, err error) {
	refs, rest, err := s.refs(ctx, c.From, set, limit)
	if err != nil || len(refs) == 0 {
		return done, rest, err
	}
	for _, ref := range refs {
		s.pending.add(ref)
	}
	// What is still there now cannot be collected any more.
	uids, emails, err := s.gather(ctx, c, refs)
	for u, ref := range refs {
		if _, there := slices.BinarySearch(uids, u); err != nil || !there {
			s.pending.named(ref)
		}
	}
	if err != nil || len(uids) == 0 {
		return done, rest, err
	}
	appended, err := s.Append(ctx, c.To.Account, c.To.Mailbox, emails)
	if err != nil {
		for i := range emails {
			s.pending.named(emails[i].Blob)
		}
		return done, rest, err
	}
	return Copied{UIDValidity: appended.UIDValidity, From: uids, To: appended.UIDs, ModSeq: appended.ModSeq}, rest, nil
}

// refs returns the blobs of the first messages of a set, and the part of the set behind.
func (s *Store) refs(ctx context.Context, from Place, set uid.Set, limit int) (refs map[uid.UID]blob.Ref, rest uid.Set, err error) {
	refs = map[uid.UID]blob.Ref{}
	last := uid.UID(0)
	err = s.Messages(ctx, from.Account, from.Mailbox, set, func(m *Message) error {
		if len(refs) == limit {
			return errStepFull
		}
		refs[m.UID], last = m.Email.Blob, m.UID
		return nil
	})
	if errors.Is(err, errStepFull) {
		return refs, set.Minus(uid.Set{{First: 1, Last: last}}), nil
	}
	return refs, nil, err
}

// gather makes new emails of the messages whose blobs are given, those that have gone left out.
func (s *Store) gather(ctx context.Context, c Copying, refs map[uid.UID]blob.Ref) (uids []uid.UID, emails []NewEmail, err error) {
	set := uid.Of(slices.Collect(maps.Keys(refs))...)
	var flags []Flags
	err = s.Messages(ctx, c.From.Account, c.From.Mailbox, set, func(m *Message) error {
		summary, err := ownSummary(m)
		uids, flags = append(uids, m.UID), append(flags, m.Flags.Without(c.Lose))
		emails = append(emails, NewEmail{Blob: refs[m.UID], Summary: summary, Received: m.Email.Received, Arrived: m.Email.Arrived})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	// Keywords are only ever added: a table read after the messages knows theirs.
	keywords, err := s.Keywords(ctx, c.From.Account)
	if err != nil {
		return nil, nil, err
	}
	for i, f := range flags {
		emails[i].Flags = Flags{f[0] & SystemFlags[0]}
		emails[i].Keywords = keywords.Names(f)
		if c.As != nil {
			c.As(&emails[i])
		}
	}
	return uids, emails, nil
}

// ownSummary copies the summary of a message so that it outlives the walk that met it.
func ownSummary(m *Message) (*message.Summary, error) {
	sum, err := m.Email.Summary.Summary()
	if err != nil {
		return nil, err
	}
	view, err := message.ViewSummary(sum.AppendBinary(nil))
	if err != nil {
		return nil, err
	}
	return view.Summary()
}
