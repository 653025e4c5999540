package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// EmailSubmission is an email of a mailbox that was handed in to be sent, and what became of it for each
// recipient: it outlives the Submission that the queue has of it (RFC 8621 section 7).
type EmailSubmission struct {
	ID         uint64                `json:"-"`
	Trace      string                `json:"trace"` // the id of its Submission
	Email      EmailID               `json:"email"`
	Thread     ThreadID              `json:"thread"`
	Identity   uint64                `json:"identity,omitempty"`
	MessageID  string                `json:"message_id,omitempty"`
	From       EnvelopeAddress       `json:"from"`
	To         []EnvelopeAddress     `json:"to"`
	SendAt     time.Time             `json:"send_at"`
	Created    time.Time             `json:"created"`
	Recipients []SubmissionRecipient `json:"recipients"`
	Corrects   string                `json:"corrects,omitempty"` // the trace of the submission in whose place it went to some recipients: the same message with another address
	Reports    []EmailID             `json:"reports,omitempty"`  // what came about it (RFC 3464), the oldest first
	Receipts   []EmailID             `json:"receipts,omitempty"` // and of its readers (RFC 8098)
	Opened     map[string]time.Time  `json:"opened,omitempty"`   // by recipient, when a receipt first said so
	Made       uint64                `json:"made"`               // the state that its creation led to
	Changed    uint64                `json:"changed"`            // the state that its last change led to
	Gone       bool                  `json:"gone,omitempty"`     // it was destroyed: what is left tells of that
}

// EnvelopeAddress is an address of an envelope with its parameters (RFC 8621 section 7); a parameter without value is
// nil.
type EnvelopeAddress struct {
	Email      string             `json:"email"`
	Parameters map[string]*string `json:"parameters,omitempty"`
}

// UndoStatus tells whether sending can be taken back (RFC 8621 section 7).
type UndoStatus string

// The states.
const (
	UndoPending  UndoStatus = "pending"
	UndoFinal    UndoStatus = "final"
	UndoCanceled UndoStatus = "canceled"
)

// Undo is pending until a first recipient has the message or nothing waits any more.
func (e *EmailSubmission) Undo() UndoStatus {
	waits, cancelled := false, false
	for i := range e.Recipients {
		switch e.Recipients[i].State {
		case Placed, Relayed:
			return UndoFinal
		case Queued, Held:
			waits = true
		}
		cancelled = cancelled || e.Recipients[i].State == Cancelled
	}
	switch {
	case waits:
		return UndoPending
	case cancelled:
		return UndoCanceled
	}
	return UndoFinal
}

// EmailSubmissionState is the state of all of them (RFC 8620 section 5.1).
type EmailSubmissionState struct {
	State uint64 // of the last change
	Floor uint64 // what was destroyed before it is forgotten
}

// handedHead is the record of the table itself.
type handedHead struct {
	Next  uint64 `json:"next"`
	State uint64 `json:"state"`
	Floor uint64 `json:"floor"`
	Count uint64 `json:"count"` // of records, those of what is gone included
}

// Bounds of what is remembered of submissions.
const (
	// HandedFor is how long a submission is known after it was handed in, and how long the same
	// message is not sent to the same recipients again.
	HandedFor   = 30 * 24 * time.Hour
	maxHanded   = 10_000 // of an account; the oldest go sooner
	trimHanded  = 20     // looked at with each that is new
	maxRepeated = 100    // submissions of the same message that are compared
	maxAbout    = 50     // reports about one message that are remembered
)

// The second octet of keys of tableHanded.
const (
	handedRecord  = 'r' // id: the record
	handedMessage = 'm' // hash of the Message-ID, id: nothing
	handedTrace   = 't' // trace: the id
	handedFailed  = 'f' // id: nothing; a recipient could not be reached
)

func handedTable() key        { return append(table(tableHanded), handedRecord) }
func handedKey(id uint64) key { return handedTable().number(id) }
func handedMessageKey(messageID string) key {
	sum := sha256.Sum256([]byte(messageID))
	return append(append(table(tableHanded), handedMessage), sum[:16]...)
}

func handedTraceKey(trace string) key { return append(table(tableHanded), handedTrace).text(trace) }
func handedFailedKey(id uint64) key   { return append(table(tableHanded), handedFailed).number(id) }

// failed reports whether a recipient could not be reached.
func (e *EmailSubmission) failed() bool {
	return slices.ContainsFunc(e.Recipients, func(r SubmissionRecipient) bool { return r.State == Failed || r.State == Expired })
}

func readHandedHead(r kv.Reader) (h handedHead, err error) {
	b, ok, err := r.Get(table(tableHanded))
	if err != nil || !ok {
		return h, err
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("submissions: %w: %w", errDamaged, err)
	}
	return h, nil
}

func readHanded(r kv.Reader, id uint64) (e EmailSubmission, err error) {
	b, ok, err := r.Get(handedKey(id))
	if err != nil || !ok {
		return e, orMissing("read email submission", err, "email submission %d", id)
	}
	return decodeHanded(id, b)
}

func decodeHanded(id uint64, b []byte) (e EmailSubmission, err error) {
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("email submission %d: %w: %w", id, errDamaged, err)
	}
	e.ID = id
	return e, nil
}

// CreateEmailSubmission hands an email in: its submission is queued, and shown in the Outbox if it is to go later. sub has
// the envelope; its message is that of the email. If the same message is known to have been handed in for
// the same recipients, and was not taken back, that submission is returned instead, and repeated is true. Kinds:
// KindNotFound (the email), KindLimit, KindNoSpace.
func (s *Store) CreateEmailSubmission(ctx context.Context, a AccountID, e EmailSubmission, sub *Submission, events ...Event) (made EmailSubmission, repeated bool, err error) {
	err = s.changeHanded(ctx, "hand email in", a, func(c *change) error {
		made, repeated, err = c.handIn(e, sub, func(*change) (EmailID, error) { return e.Email, nil })
		if err != nil || repeated {
			return err
		}
		return s.putEvents(c.tx, a, events)
	})
	return made, repeated, err
}

// changeHanded runs a change of an account's email submissions.
func (s *Store) changeHanded(ctx context.Context, op string, a AccountID, fn func(*change) error) error {
	expected, before, after := expectation(ctx, a, ofHanded), uint64(0), uint64(0)
	err := s.change(ctx, op, a, func(c *change) error {
		if err := expected.check(c.tx); err != nil {
			return err
		}
		h, err := readHandedHead(c.tx)
		if err != nil {
			return err
		}
		before = h.State
		if err := fn(c); err != nil {
			return err
		}
		h, err = readHandedHead(c.tx)
		after = h.State
		return err
	})
	if err == nil && after != before {
		expected.meet()
		s.hub.notify(a)
	}
	return err
}

// handIn hands in the email that a function answers with, which is called unless the same message was handed in before.
func (c *change) handIn(e EmailSubmission, sub *Submission, email func(*change) (EmailID, error)) (made EmailSubmission, repeated bool, err error) {
	h, err := readHandedHead(c.tx)
	if err != nil {
		return made, false, err
	}
	if made, repeated, err = repeats(c.tx, &e, c.now); err != nil || repeated {
		return made, repeated, err
	}
	if h.Count >= 2*maxHanded { // those that wait are not forgotten
		return made, false, fail("hand email in", KindLimit, "%d messages of the account wait to be sent", h.Count)
	}
	if e.Email, err = email(c); err != nil {
		return made, false, err
	}
	if err := c.readHandedIn(&e, sub); err != nil {
		return made, false, err
	}
	if err := c.trimHanded(&h); err != nil {
		return made, false, err
	}
	h.Next, h.State, h.Count = h.Next+1, h.State+1, h.Count+1
	e.ID, e.Made, e.Changed, e.Created, e.Trace = h.Next, h.State, h.State, c.now, sub.ID.String()
	e.Recipients = slices.Clone(sub.Recipients)
	sub.Handed = e.ID
	if err := c.keepHanded(&h, &e); err != nil {
		return made, false, err
	}
	if err := c.tx.Set(handedMessageKey(e.MessageID).number(e.ID), nil); err != nil {
		return made, false, err
	}
	if err := c.tx.Set(handedTraceKey(e.Trace), binary.BigEndian.AppendUint64(nil, e.ID)); err != nil {
		return made, false, err
	}
	if sub.Waits() {
		if err := c.showEmail(sub); err != nil {
			return made, false, err
		}
	}
	return e, false, createSubmission(c.tx, sub)
}

// repeats finds the submission of the same message to the same recipients.
func repeats(r kv.Reader, e *EmailSubmission, now time.Time) (found EmailSubmission, ok bool, err error) {
	if e.MessageID == "" {
		return found, false, nil
	}
	k := handedMessageKey(e.MessageID)
	seen := 0
	err = scan(r, k, k.after(), func(at, _ []byte) error {
		if seen++; seen > maxRepeated || ok {
			return errStepFull
		}
		one, err := readHanded(r, binary.BigEndian.Uint64(at[len(at)-8:]))
		if KindOf(err) == KindNotFound {
			return nil
		}
		if err == nil && !one.Gone && one.Undo() != UndoCanceled && now.Sub(one.Created) < HandedFor && sameRecipients(one.To, e.To) {
			found, ok = one, true
		}
		return err
	})
	if errors.Is(err, errStepFull) {
		err = nil
	}
	return found, ok, err
}

func sameRecipients(a, b []EnvelopeAddress) bool {
	return slices.Equal(recipientSet(a), recipientSet(b))
}

func recipientSet(list []EnvelopeAddress) (all []string) {
	for i := range list {
		all = append(all, strings.ToLower(list[i].Email))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// readHandedIn completes a submission with its email as it is now: what it names cannot be collected any more.
func (c *change) readHandedIn(e *EmailSubmission, sub *Submission) error {
	b, ok, err := c.tx.Get(table(tableEmail).email(e.Email))
	if err != nil || !ok {
		return orMissing("hand email in", err, "email %d", e.Email)
	}
	var email Email
	if err := email.decode(e.Email, b); err != nil {
		return err
	}
	e.Thread, sub.Email = email.Thread, email.ID
	sub.Blob, sub.Size = email.Blob, email.Size
	return nil
}

// keepHanded writes a record and the head of the table.
func (c *change) keepHanded(h *handedHead, e *EmailSubmission) error {
	return keepHanded(c.tx, h, e)
}

func keepHanded(tx kv.Tx, h *handedHead, e *EmailSubmission) error {
	if err := setJSON(tx, table(tableHanded), h); err != nil {
		return err
	}
	return setJSON(tx, handedKey(e.ID), e)
}

// trimHanded looks at the oldest records: those whose time is over are gone, and what tells of that is forgotten after as
// long again.
func (c *change) trimHanded(h *handedHead) error {
	var old []EmailSubmission
	err := scan(c.tx, handedTable(), handedTable().after(), func(k, b []byte) error {
		if len(old) == trimHanded {
			return errStepFull
		}
		e, err := decodeHanded(binary.BigEndian.Uint64(k[2:]), b)
		old = append(old, e)
		return err
	})
	if err != nil && !errors.Is(err, errStepFull) {
		return err
	}
	for i := range old {
		e := &old[i]
		age := c.now.Sub(e.Created)
		switch {
		case e.Gone && (age > 2*HandedFor || h.Count > maxHanded):
			h.Floor, h.Count = max(h.Floor, e.Changed), h.Count-1
			err = c.tx.Delete(handedKey(e.ID))
		case !e.Gone && e.Undo() != UndoPending && (age > HandedFor || h.Count > maxHanded):
			err = c.forgetHanded(h, e)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetHanded leaves of a record that it was there.
func (c *change) forgetHanded(h *handedHead, e *EmailSubmission) error {
	for _, k := range []key{handedMessageKey(e.MessageID).number(e.ID), handedTraceKey(e.Trace), handedFailedKey(e.ID)} {
		if err := c.tx.Delete(k); err != nil {
			return err
		}
	}
	h.State++
	gone := EmailSubmission{ID: e.ID, Created: e.Created, Made: e.Made, Changed: h.State, Gone: true}
	return c.keepHanded(h, &gone)
}

// DestroyEmailSubmission forgets a submission; what waits of it is sent all the same (RFC 8621 section 7.5). Kind: KindNotFound.
func (s *Store) DestroyEmailSubmission(ctx context.Context, a AccountID, id uint64) error {
	return s.changeHanded(kv.WithReserve(ctx), "destroy email submission", a, func(c *change) error {
		e, err := readHanded(c.tx, id)
		if err == nil && e.Gone {
			err = fail("destroy email submission", KindNotFound, "email submission %d", id)
		}
		if err != nil {
			return err
		}
		h, err := readHandedHead(c.tx)
		if err != nil {
			return err
		}
		return c.forgetHanded(&h, &e)
	})
}

// EmailSubmissions calls fn for all of an account, oldest first, those that are gone included, and returns their state.
func (s *Store) EmailSubmissions(ctx context.Context, a AccountID, fn func(*EmailSubmission) error) (state EmailSubmissionState, err error) {
	err = s.view(ctx, "list email submissions", a, func(r kv.Reader) error {
		h, err := readHandedHead(r)
		if err != nil {
			return err
		}
		state = EmailSubmissionState{h.State, h.Floor}
		return scan(r, handedTable(), handedTable().after(), func(k, b []byte) error {
			e, err := decodeHanded(binary.BigEndian.Uint64(k[2:]), b)
			if err != nil {
				return err
			}
			return fn(&e)
		})
	})
	return state, err
}

// EmailSubmissionState returns the state of all submissions of an account.
func (s *Store) EmailSubmissionState(ctx context.Context, a AccountID) (state EmailSubmissionState, err error) {
	err = s.view(ctx, "read email submissions", a, func(r kv.Reader) error {
		h, err := readHandedHead(r)
		state = EmailSubmissionState{h.State, h.Floor}
		return err
	})
	return state, err
}

// EmailSubmission returns one. Kind: KindNotFound.
func (s *Store) EmailSubmission(ctx context.Context, a AccountID, id uint64) (e EmailSubmission, err error) {
	err = s.view(ctx, "read email submission", a, func(r kv.Reader) error {
		if e, err = readHanded(r, id); err == nil && e.Gone {
			err = fail("read email submission", KindNotFound, "email submission %d", id)
		}
		return err
	})
	return e, err
}

// NoteRecipient corrects what is known of a recipient after the fact, also in the queue if that has the submission yet.
func (s *Store) NoteRecipient(ctx context.Context, a AccountID, id uint64, r SubmissionRecipient) error {
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		e, err := readHanded(tx, id)
		if KindOf(err) == KindNotFound || err == nil && e.Gone {
			return nil
		}
		if err != nil {
			return err
		}
		put := func(list []SubmissionRecipient) {
			for i := range list {
				if list[i].Address == r.Address {
					list[i] = r
				}
			}
		}
		trace, err := ParseTraceID(e.Trace)
		if err != nil {
			return err
		}
		sub, err := readSubmission(tx, a, trace)
		switch {
		case err == nil:
			put(sub.Recipients)
			return putSubmission(tx, &sub)
		case KindOf(err) != KindNotFound:
			return err
		}
		put(e.Recipients)
		return noteHanded(tx, id, e.Recipients)
	})
	if err == nil {
		s.hub.notify(a)
	}
	return wrap("note recipient", err)
}

// noteHanded keeps the record of a submission in line with it.
func noteHanded(tx kv.Tx, id uint64, recipients []SubmissionRecipient) error {
	e, err := readHanded(tx, id)
	if KindOf(err) == KindNotFound || err == nil && (e.Gone || slices.EqualFunc(e.Recipients, recipients, sameState)) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := readHandedHead(tx)
	if err != nil {
		return err
	}
	h.State++
	before := e.failed()
	e.Recipients, e.Changed = slices.Clone(recipients), h.State
	switch after := e.failed(); {
	case after && !before:
		err = tx.Set(handedFailedKey(id), nil)
	case before && !after:
		err = tx.Delete(handedFailedKey(id))
	}
	if err != nil {
		return err
	}
	return keepHanded(tx, &h, &e)
}

// FailedSubmissions calls fn for the email submissions of an account with a recipient who could not be reached, the
// newest first, until it returns false.
func (s *Store) FailedSubmissions(ctx context.Context, a AccountID, fn func(*EmailSubmission) bool) error {
	return s.view(ctx, "list failed submissions", a, func(r kv.Reader) (err error) {
		from := append(table(tableHanded), handedFailed)
		it := r.Iterate(from, from.after())
		defer func() { err = errors.Join(err, it.Close()) }()
		for it.Prev() {
			e, err := readHanded(r, binary.BigEndian.Uint64(it.Key()[len(from):]))
			if err != nil {
				return err
			}
			if !fn(&e) {
				return nil
			}
		}
		return nil
	})
}

// EmailSubmissionByTrace returns the email submission whose Submission has a trace. Kind: KindNotFound.
func (s *Store) EmailSubmissionByTrace(ctx context.Context, a AccountID, trace TraceID) (e EmailSubmission, err error) {
	err = s.view(ctx, "find email submission", a, func(r kv.Reader) error {
		e, err = handedByTrace(r, trace)
		return err
	})
	return e, err
}

// EmailSubmissionsOf returns those of a message, by its Message-ID, the oldest first.
func (s *Store) EmailSubmissionsOf(ctx context.Context, a AccountID, messageID string) (all []EmailSubmission, err error) {
	err = s.view(ctx, "find email submissions", a, func(r kv.Reader) error {
		k := handedMessageKey(messageID)
		err := scan(r, k, k.after(), func(at, _ []byte) error {
			if len(all) == maxRepeated {
				return errStepFull
			}
			e, err := readHanded(r, binary.BigEndian.Uint64(at[len(at)-8:]))
			if err == nil && !e.Gone {
				all = append(all, e)
			}
			return err
		})
		if errors.Is(err, errStepFull) {
			return nil
		}
		return err
	})
	return all, err
}

func handedByTrace(r kv.Reader, trace TraceID) (e EmailSubmission, err error) {
	b, ok, err := r.Get(handedTraceKey(trace.String()))
	if err != nil || !ok || len(b) != 8 {
		return e, orMissing("find email submission", err, "email submission of %s", trace)
	}
	return readHanded(r, binary.BigEndian.Uint64(b))
}

// NoteReport notes that a report came about a message, as what lies in a mailbox under a UID, and what it tells of
// recipients whose next server had taken the message over. It does nothing for a message of which there is no email
// submission. It works on a full volume.
func (s *Store) NoteReport(ctx context.Context, a AccountID, about TraceID, m MailboxID, u uid.UID, told []SubmissionRecipient) error {
	return s.noteAbout(ctx, a, about, m, u, func(e *EmailSubmission, came EmailID) (after []SubmissionRecipient, noted bool) {
		if slices.Contains(e.Reports, came) || len(e.Reports) >= maxAbout {
			return nil, false
		}
		e.Reports = append(e.Reports, came)
		return e.afterReport(told), true
	})
}

// NoteReceipt notes that a read receipt came about a message, as what lies in a mailbox under a UID, and that the
// recipients it tells of have opened the message, if any have. It does nothing for a message of which there is no email
// submission. It works on a full volume.
func (s *Store) NoteReceipt(ctx context.Context, a AccountID, about TraceID, m MailboxID, u uid.UID, opened ...string) error {
	return s.noteAbout(ctx, a, about, m, u, func(e *EmailSubmission, came EmailID) (after []SubmissionRecipient, noted bool) {
		if slices.Contains(e.Receipts, came) || len(e.Receipts) >= maxAbout {
			return nil, false
		}
		e.Receipts = append(e.Receipts, came)
		for i := range e.Recipients {
			to := e.Recipients[i].Address
			_, already := e.Opened[to]
			if already || !slices.ContainsFunc(opened, func(o string) bool { return strings.EqualFold(o, to) }) {
				continue
			}
			if e.Opened == nil {
				e.Opened = map[string]time.Time{}
			}
			e.Opened[to] = s.now().UTC()
		}
		return e.Recipients, true
	})
}

// noteAbout notes with an email submission what came about its message. Note changes it, and returns its recipients as they
// are afterwards.
func (s *Store) noteAbout(ctx context.Context, a AccountID, about TraceID, m MailboxID, u uid.UID, note func(e *EmailSubmission, came EmailID) (after []SubmissionRecipient, noted bool)) error {
	noted := false
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		e, err := handedByTrace(tx, about)
		if KindOf(err) == KindNotFound || err == nil && e.Gone {
			return nil
		}
		if err != nil {
			return err
		}
		b, ok, err := tx.Get(table(tablePlacement).mailbox(m).uid(u))
		if err != nil || !ok { // moved on already
			return err
		}
		var p Placement
		if err := p.decode(u, b); err != nil {
			return err
		}
		var after []SubmissionRecipient
		if after, noted = note(&e, p.Email); !noted {
			return nil
		}
		h, err := readHandedHead(tx)
		if err != nil {
			return err
		}
		h.State++
		e.Changed = h.State
		if err := keepHanded(tx, &h, &e); err != nil {
			return err
		}
		return noteHanded(tx, e.ID, after)
	})
	if err == nil && noted {
		s.hub.notify(a)
	}
	return wrap("note report", err)
}

// afterReport are the recipients with what a report tells of those that were only handed on.
func (e *EmailSubmission) afterReport(told []SubmissionRecipient) []SubmissionRecipient {
	list := slices.Clone(e.Recipients)
	for i := range list {
		r := &list[i]
		n := slices.IndexFunc(told, func(t SubmissionRecipient) bool { return strings.EqualFold(t.Address, r.Address) })
		if r.State == Relayed && n >= 0 {
			r.State, r.Cause, r.Host, r.Reply, r.Last = told[n].State, told[n].Cause, told[n].Host, told[n].Reply, told[n].Last
		}
	}
	return list
}

// sameState reports whether nothing has become of a recipient.
func sameState(a, b SubmissionRecipient) bool {
	times := a.Next.Equal(b.Next) && a.Last.Equal(b.Last) && a.Due.Equal(b.Due)
	a.Next, a.Last, a.Due, b.Next, b.Last, b.Due = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return times && a == b
}

// showEmail places the email of a submission in the Outbox: the same email, which may lie elsewhere as well. Does nothing
// if the email is gone.
func (c *change) showEmail(sub *Submission) error {
	b, ok, err := c.tx.Get(table(tableEmail).email(sub.Email))
	if err != nil || !ok {
		return err
	}
	var email Email
	if err := email.decode(sub.Email, b); err != nil {
		return err
	}
	m, err := c.outboxMailbox()
	if err != nil {
		return err
	}
	flags, err := c.flags(FlagSeen, []string{sub.outboxKeyword()})
	if KindOf(err) == KindLimit {
		flags, err = FlagSeen, nil // the account has all it can have
	}
	if err != nil {
		return err
	}
	settling := c.settling
	c.settling = true
	sub.Outbox, err = c.putNew(m, Placement{Email: email.ID, Flags: flags, Size: email.Size, Saved: c.now})
	c.settling = settling
	if err != nil {
		return err
	}
	return c.tx.Set(outboxKey(sub.Outbox), sub.ID[:])
}

// rescue puts an email whose submission was taken back among the drafts, if the Outbox is the only place where it is.
func (c *change) rescue(sub *Submission) error {
	if sub.Email == 0 || !slices.ContainsFunc(sub.Recipients, func(r SubmissionRecipient) bool { return r.State == Cancelled }) {
		return nil
	}
	places := 0
	t := table(tableLocation).email(sub.Email)
	err := scan(c.tx, t, t.after(), func(_, _ []byte) error { places++; return nil })
	if err != nil || places != 1 {
		return err
	}
	b, ok, err := c.tx.Get(table(tableEmail).email(sub.Email))
	if err != nil || !ok {
		return err
	}
	var email Email
	if err := email.decode(sub.Email, b); err != nil {
		return err
	}
	m, err := c.target(0, RoleDrafts)
	if err != nil {
		return err
	}
	_, err = c.putNew(m, Placement{Email: sub.Email, Flags: FlagSeen.With(FlagDraft), Size: email.Size, Saved: c.now})
	return err
}

// unsend takes an email that nobody got out of the mailboxes of what was sent: its submission was taken back.
func (c *change) unsend(sub *Submission) error {
	has := func(r SubmissionRecipient) bool { return r.State == Placed || r.State == Relayed }
	if sub.Email == 0 || slices.ContainsFunc(sub.Recipients, has) {
		return nil
	}
	m, err := readByRole(c.tx, RoleSent)
	if KindOf(err) == KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if m, err = c.mailbox(m.id); err != nil {
		return err
	}
	var there uid.Set
	t := table(tableLocation).email(sub.Email).mailbox(m.id)
	err = scan(c.tx, t, t.after(), func(k, _ []byte) error {
		there = there.Add(uid.UID(tail32(k)))
		return nil
	})
	if err != nil || there.Empty() {
		return err
	}
	_, err = c.expunge(m, there, false)
	return err
}

// departs carries out what Deliver was told of a submission that waited for its time: what is left to do for it
// replaces it.
func (s *Store) departs(tx kv.Tx, sub *Submission) error {
	before, err := readSubmission(tx, sub.Account, sub.ID)
	if err != nil {
		return err
	}
	if !before.Scheduled {
		return fail("depart", KindExists, "submission %s has gone already", sub.ID)
	}
	sub.kept, sub.keptWaiting = before.kept, before.keptWaiting
	sub.Handed, sub.Email, sub.Outbox, sub.Scheduled = before.Handed, before.Email, before.Outbox, false
	c, err := begin(tx, s.now())
	if err != nil {
		return err
	}
	if err := c.keepOutbox(sub); err != nil {
		return err
	}
	if err := c.finish(); err != nil {
		return err
	}
	if err := putSubmission(tx, sub); err != nil {
		return err
	}
	if sub.Done() && !sub.Owes() {
		return dropSubmission(tx, sub)
	}
	return nil
}

// handed checks the records of submissions that outlive the queue.
func (v *verifier) handed() error {
	h, err := readHandedHead(v.r)
	if err != nil {
		v.problem("the head of the email submissions: %v", err)
		return nil
	}
	count := uint64(0)
	err = v.scan(handedTable(), func(k, b []byte) error {
		count++
		e, err := decodeHanded(binary.BigEndian.Uint64(k[2:]), b)
		if err != nil {
			v.problem("email submission %x: %v", k, err)
		} else if e.Changed > h.State || e.ID > h.Next {
			v.problem("email submission %d is of a state that was not yet", e.ID)
		} else if _, marked, err := v.r.Get(handedFailedKey(e.ID)); err == nil && marked != e.failed() {
			v.problem("email submission %d failed: %t; it is marked so: %t", e.ID, e.failed(), marked)
		}
		return nil
	})
	if err == nil && count != h.Count {
		v.problem("there are %d email submissions, not %d", count, h.Count)
	}
	return err
}
