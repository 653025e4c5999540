package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Submission is a message on its way out, with one state for each recipient.
type Submission struct {
	ID         TraceID   `json:"-"`
	Account    AccountID `json:"-"`    // whose message it is; 0 is the service, for reports
	From       string    `json:"from"` // the return path, "" for reports
	EnvID      string    `json:"envid,omitempty"`
	Ret        string    `json:"ret,omitempty"` // FULL, HDRS or "" (RFC 3461 section 4.3)
	RequireTLS bool      `json:"require_tls,omitempty"`
	SMTPUTF8   bool      `json:"smtputf8,omitempty"`
	Body       string    `json:"body,omitempty"` // 7BIT, 8BITMIME or BINARYMIME
	MessageID  string    `json:"message_id,omitempty"`
	Blob       blob.Ref  `json:"-"`
	RawBlob    []byte    `json:"blob"`
	Skip       int64     `json:"skip,omitempty"`   // octets at the blob's beginning that stay here
	Size       int64     `json:"size"`             // without them
	Prefix     []byte    `json:"prefix,omitempty"` // signatures that go out in front of the blob
	Outbox     uid.UID   `json:"outbox,omitempty"` // the message that shows it in the sender's Outbox, 0 for none
	// Scheduled is set as long as a message that was handed in otherwise than over SMTP has not departed: the
	// policies are asked then, and what it is made of is done then. Email is what it is in a mailbox, and Handed the
	// EmailSubmission that tells of it, which is kept in line with it; 0 for none.
	Scheduled  bool                  `json:"scheduled,omitempty"`
	Email      EmailID               `json:"email,omitempty"`
	Handed     uint64                `json:"handed,omitempty"`
	Created    time.Time             `json:"created"`
	Expires    time.Time             `json:"expires"` // when delivery is given up
	Recipients []SubmissionRecipient `json:"recipients"`

	// kept is what the index has of it, as it was read in the transaction that changes it (due.go).
	kept        []dueEntry
	keptWaiting int
}

// RecipientState is what has become of a submission for one recipient.
type RecipientState string

// The states; all but Queued and Held are final.
const (
	Queued    RecipientState = "queued"
	Held      RecipientState = "held"    // waits until somebody releases it
	Placed    RecipientState = "placed"  // in a mailbox here
	Relayed   RecipientState = "relayed" // accepted by the recipient's server
	Failed    RecipientState = "failed"
	Expired   RecipientState = "expired"
	Cancelled RecipientState = "cancelled"
)

// SubmissionRecipient is one recipient of a submission.
type SubmissionRecipient struct {
	Address  string         `json:"address"`
	Notify   string         `json:"notify,omitempty"` // RFC 3461 section 4.1
	ORcpt    string         `json:"orcpt,omitempty"`
	State    RecipientState `json:"state"`
	Attempts int            `json:"attempts,omitempty"`
	Next     time.Time      `json:"next,omitzero"` // next try while Queued; in a final state: a report is owed
	Due      time.Time      `json:"due,omitzero"`  // of what is Held: its next try before
	Last     time.Time      `json:"last,omitzero"`
	Host     string         `json:"host,omitempty"`    // that answered last
	Reply    string         `json:"reply,omitempty"`   // its last reply
	Cause    cause.ID       `json:"cause,omitempty"`   // why it waits or failed
	Delayed  bool           `json:"delayed,omitempty"` // a delay was reported
}

// Final reports whether nothing more is tried.
func (s RecipientState) Final() bool { return s != Queued && s != Held }

// Done reports whether nothing is left to do for any recipient.
func (s *Submission) Done() bool {
	for i := range s.Recipients {
		if !s.Recipients[i].State.Final() {
			return false
		}
	}
	return true
}

func submissionKey(id TraceID) key { return append(table(tableSubmission), id[:]...) }

// createSubmission writes a submission that is new, or written again.
func createSubmission(tx kv.Tx, s *Submission) error {
	before, err := readSubmission(tx, s.Account, s.ID)
	if err != nil && KindOf(err) != KindNotFound {
		return err
	}
	s.kept, s.keptWaiting = before.kept, before.keptWaiting
	return putSubmission(tx, s)
}

// dropSubmission deletes one that was read in the same transaction.
func dropSubmission(tx kv.Tx, s *Submission) error {
	if err := reindex(tx, s.kept, nil, -s.keptWaiting); err != nil {
		return err
	}
	s.kept, s.keptWaiting = nil, 0
	return tx.Delete(submissionKey(s.ID))
}

// putSubmission writes a submission that was read in the same transaction.
func putSubmission(tx kv.Tx, s *Submission) error {
	has, waiting := s.dueEntries()
	if err := reindex(tx, s.kept, has, waiting-s.keptWaiting); err != nil {
		return err
	}
	s.kept, s.keptWaiting = has, waiting
	stored := *s
	stored.RawBlob = []byte(s.Blob)
	if err := setJSON(tx, submissionKey(s.ID), stored); err != nil || s.Handed == 0 {
		return err
	}
	return noteHanded(tx, s.Handed, s.Recipients)
}

func decodeSubmission(a AccountID, k, b []byte) (s Submission, err error) {
	if len(k) != 1+len(s.ID) {
		return s, errDamaged
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("submission: %w: %w", errDamaged, err)
	}
	s.Account, s.ID, s.Blob = a, TraceID(k[1:]), blob.Ref(s.RawBlob)
	return s, nil
}

// CreateSubmission queues a message. Kind: KindNoSpace.
func (s *Store) CreateSubmission(ctx context.Context, sub Submission, events ...Event) error {
	err := s.records.Update(ctx, kv.Account(sub.Account), func(tx kv.Tx) error {
		if err := createSubmission(tx, &sub); err != nil {
			return err
		}
		return s.putEvents(tx, sub.Account, events)
	})
	if err == nil {
		s.pending.named(sub.Blob)
	}
	return wrap("queue submission", err)
}

// UpdateSubmission changes a submission together with the events that tell of
// it. It works on a full volume: a message that was sent must not be sent again
// because nobody could note it. Kind: KindNotFound.
func (s *Store) UpdateSubmission(ctx context.Context, a AccountID, id TraceID, fn func(*Submission) error, events ...Event) (sub Submission, err error) {
	return s.ChangeSubmission(ctx, a, id, func(sub *Submission) ([]Event, error) { return events, fn(sub) })
}

// ChangeSubmission is UpdateSubmission for a change of which it is known only
// when it is made what events tell of it.
func (s *Store) ChangeSubmission(ctx context.Context, a AccountID, id TraceID, fn func(*Submission) ([]Event, error)) (sub Submission, err error) {
	expected := expectation(ctx, a, ofHanded)
	err = s.withOutbox(ctx, a, func(tx kv.Tx, keep func(*Submission) error) error {
		err := expected.check(tx)
		if err != nil {
			return err
		}
		if sub, err = readSubmission(tx, a, id); err != nil {
			return err
		}
		events, err := fn(&sub)
		if err != nil {
			return err
		}
		if err := keep(&sub); err != nil {
			return err
		}
		if err := putSubmission(tx, &sub); err != nil {
			return err
		}
		if err := noteFailed(tx, &sub); err != nil {
			return err
		}
		return s.putEvents(tx, a, events)
	})
	if err == nil && sub.Handed != 0 {
		expected.meet()
		s.hub.notify(a)
	}
	return sub, wrap("update submission", err)
}

// withOutbox runs a transaction of the queue; what it changed of a submission it
// gives to keep. It works on a full volume.
func (s *Store) withOutbox(ctx context.Context, a AccountID, fn func(tx kv.Tx, keep func(*Submission) error) error) error {
	changed := false
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		return fn(tx, func(sub *Submission) error {
			if sub.Outbox == 0 {
				return nil
			}
			c, err := begin(tx, s.now())
			if err != nil {
				return err
			}
			if err := c.keepOutbox(sub); err != nil {
				return err
			}
			changed = c.head.modSeq != c.before
			return c.finish()
		})
	})
	switch {
	case changed && err == nil:
		s.hub.notify(a)
	case changed:
		s.hub.count(a)
	}
	return err
}

func readSubmission(r kv.Reader, a AccountID, id TraceID) (sub Submission, err error) {
	k := submissionKey(id)
	b, ok, err := r.Get(k)
	if err != nil || !ok {
		return sub, orMissing("read submission", err, "submission %s", id)
	}
	if sub, err = decodeSubmission(a, k, b); err == nil {
		sub.kept, sub.keptWaiting = sub.dueEntries()
	}
	return sub, err
}

// Submission returns a submission. Kind: KindNotFound.
func (s *Store) Submission(ctx context.Context, a AccountID, id TraceID) (sub Submission, err error) {
	err = s.view(ctx, "read submission", a, func(r kv.Reader) error {
		sub, err = readSubmission(r, a, id)
		return err
	})
	return sub, err
}

// FindSubmission returns the submission with an id, whosever it is, at the cost
// of one look into each account. Kind: KindNotFound.
func (s *Store) FindSubmission(ctx context.Context, id TraceID) (sub Submission, err error) {
	const op = "find submission"
	found := errors.New("found")
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		one, err := s.Submission(ctx, AccountID(a), id)
		if KindOf(err) == KindNotFound {
			return nil
		}
		if sub = one; err == nil {
			err = found
		}
		return err
	})
	if errors.Is(err, found) {
		return sub, nil
	}
	if err == nil {
		err = fail(op, KindNotFound, "submission %s", id)
	}
	return Submission{}, wrap(op, err)
}

// Submissions calls fn for the submissions of an account, oldest first.
func (s *Store) Submissions(ctx context.Context, a AccountID, fn func(*Submission) error) error {
	return s.view(ctx, "list submissions", a, func(r kv.Reader) error { return eachSubmission(r, a, fn) })
}

func eachSubmission(r kv.Reader, a AccountID, fn func(*Submission) error) error {
	return scan(r, table(tableSubmission), table(tableSubmission).after(), func(k, b []byte) error {
		sub, err := decodeSubmission(a, k, b)
		if err != nil {
			return err
		}
		return fn(&sub)
	})
}

// AllSubmissions calls fn for the submissions of all accounts.
func (s *Store) AllSubmissions(ctx context.Context, fn func(*Submission) error) error {
	return wrap("list submissions", s.records.Accounts(ctx, func(a kv.Account) error {
		return s.Submissions(ctx, AccountID(a), fn)
	}))
}

// DeleteSubmission forgets a submission; its blob is collected later. It works
// on a full volume.
func (s *Store) DeleteSubmission(ctx context.Context, a AccountID, id TraceID, events ...Event) error {
	return s.FinishSubmission(ctx, a, id, nil, events...)
}

// FinishSubmission is DeleteSubmission of one whose last state was not written: what became of its recipients is kept
// in its EmailSubmission, if it has one.
func (s *Store) FinishSubmission(ctx context.Context, a AccountID, id TraceID, recipients []SubmissionRecipient, events ...Event) error {
	handed := false
	err := s.withOutbox(ctx, a, func(tx kv.Tx, keep func(*Submission) error) error {
		sub, err := readSubmission(tx, a, id)
		if err == nil && sub.Handed != 0 && recipients != nil {
			handed = true
			err = noteHanded(tx, sub.Handed, recipients)
		}
		if err == nil {
			sub.Recipients = nil // nothing of it waits
			err = keep(&sub)
		}
		switch {
		case err == nil:
			err = dropSubmission(tx, &sub)
		case KindOf(err) == KindNotFound:
			err = nil
		}
		if err != nil {
			return err
		}
		return s.putEvents(tx, a, events)
	})
	if err == nil && handed {
		s.hub.notify(a)
	}
	return wrap("delete submission", err)
}
