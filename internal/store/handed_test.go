package store_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// openWithClock opens a store whose time a test chooses.
func openWithClock(t *testing.T, now func() time.Time) *store.Store {
	t.Helper()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), Logger: quiet, MemTableSize: 4 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), Logger: quiet, SegmentSize: 8 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	return must[*store.Store](t)(store.Open(t.Context(), store.Options{Records: records, Blobs: blobs, Now: now, Log: quiet}))
}

// hand hands an email in for eva, to go after some time.
func hand(t *testing.T, s *store.Store, a store.AccountID, e store.EmailID, messageID string, after time.Duration) (store.EmailSubmission, bool) {
	t.Helper()
	now := s.Now()
	sub := &store.Submission{
		ID: store.NewTraceID(now), Account: a, From: "anna@demo.test", Created: now, Scheduled: true,
		Recipients: []store.SubmissionRecipient{{Address: "eva@far.test", State: store.Queued, Next: now.Add(after)}},
	}
	record := store.EmailSubmission{
		Email: e, MessageID: messageID, SendAt: now.Add(after), To: []store.EnvelopeAddress{{Email: "Eva@far.test"}},
	}
	made, repeated, err := s.CreateEmailSubmission(t.Context(), a, record, sub)
	if err != nil {
		t.Fatal(err)
	}
	return made, repeated
}

// TestHanded holds that a message to the same recipients is handed in once, that its record follows what becomes of it, and that who
// takes it out of the Outbox before it left takes it out of what was sent.
func TestHanded(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test")
	boxes := map[store.Role]store.MailboxID{}
	for _, m := range must[[]store.Mailbox](t)(s.Mailboxes(ctx, anna.ID)) {
		boxes[m.Role] = m.ID
	}
	must[store.Appended](t)(s.Append(ctx, anna.ID, boxes[store.RoleSent], []store.NewEmail{storetest.Email(t, s, storetest.Text(1))}))
	first, repeated := hand(t, s, anna.ID, 1, "a@b", time.Hour)
	if repeated || first.ID != 1 || first.Undo() != store.UndoPending {
		t.Fatalf("%+v, %t", first, repeated)
	}
	if again, repeated := hand(t, s, anna.ID, 1, "a@b", time.Hour); !repeated || again.ID != first.ID {
		t.Errorf("handed in twice: %+v", again)
	}
	verify(t, s, ctx)
	for _, m := range must[[]store.Mailbox](t)(s.Mailboxes(ctx, anna.ID)) {
		boxes[m.Role] = m.ID
	}
	if u := must[store.Usage](t)(s.Usage(ctx, anna.ID)); u.Emails != 1 {
		t.Errorf("it counts %d times", u.Emails)
	}
	must[store.Copied](t)(s.Move(ctx, anna.ID, boxes[store.RoleOutbox], uid.Of(1), boxes[store.RoleDrafts]))
	if e := must[store.EmailSubmission](t)(s.EmailSubmission(ctx, anna.ID, first.ID)); e.Undo() != store.UndoCanceled {
		t.Errorf("moved out of the Outbox: %+v", e)
	}
	sent := must[store.Mailbox](t)(s.Mailbox(ctx, anna.ID, boxes[store.RoleSent]))
	drafts := must[store.Mailbox](t)(s.Mailbox(ctx, anna.ID, boxes[store.RoleDrafts]))
	if sent.Messages != 0 || drafts.Messages != 1 {
		t.Errorf("%d are among the sent ones, %d are drafts", sent.Messages, drafts.Messages)
	}
	second, repeated := hand(t, s, anna.ID, 1, "a@b", time.Hour)
	if repeated {
		t.Error("what was taken back cannot be sent again")
	}
	// Its only place is the Outbox now; taken back by the queue, it is a draft.
	_, _, err := s.Expunge(ctx, anna.ID, boxes[store.RoleDrafts], uid.Of(1), false)
	if err != nil {
		t.Fatal(err)
	}
	id, err := store.ParseTraceID(second.Trace)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.UpdateSubmission(ctx, anna.ID, id, func(sub *store.Submission) error {
		sub.Recipients[0].State, sub.Recipients[0].Next = store.Cancelled, time.Time{}
		return nil
	})
	if drafts = must[store.Mailbox](t)(s.Mailbox(ctx, anna.ID, boxes[store.RoleDrafts])); err != nil || drafts.Messages != 1 {
		t.Errorf("%v: %d drafts", err, drafts.Messages)
	}
	verify(t, s, ctx)
}

// TestHandedTrim holds that records go when their time is over, first as what tells that they went, and that those that wait stay.
func TestHandedTrim(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, ctx := openWithClock(t, func() time.Time { return now }), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test")
	must[store.Appended](t)(s.Append(ctx, anna.ID, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(1))}))
	cancel := func(e store.EmailSubmission) {
		id, err := store.ParseTraceID(e.Trace)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.FinishSubmission(ctx, anna.ID, id, []store.SubmissionRecipient{{Address: "eva@far.test", State: store.Relayed}}); err != nil {
			t.Fatal(err)
		}
	}
	counted := func() (there, gone int, state store.EmailSubmissionState) {
		state, err := s.EmailSubmissions(ctx, anna.ID, func(e *store.EmailSubmission) error {
			if e.Gone {
				gone++
			} else {
				there++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return there, gone, state
	}
	for i := range 5 {
		e, _ := hand(t, s, anna.ID, 1, fmt.Sprint(i), time.Hour)
		if i > 0 { // the first waits for ever
			cancel(e)
		}
	}
	now = now.Add(store.HandedFor + time.Hour)
	hand(t, s, anna.ID, 1, "later", time.Hour)
	if there, gone, state := counted(); there != 2 || gone != 4 || state.Floor != 0 {
		t.Errorf("after a month %d are there, %d are gone, %+v", there, gone, state)
	}
	now = now.Add(store.HandedFor + time.Hour)
	hand(t, s, anna.ID, 1, "latest", time.Hour)
	if there, gone, state := counted(); there != 3 || gone != 0 || state.Floor == 0 {
		t.Errorf("after two months %d are there, %d are gone, %+v", there, gone, state)
	}
	verify(t, s, ctx)
}

// TestIdentities holds that addresses have identities as long as they are the account's.
func TestIdentities(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test")
	if err := s.CreateAlias(ctx, store.Alias{Address: "info@demo.test", Targets: []string{anna.Address}}); err != nil {
		t.Fatal(err)
	}
	all := must[store.Identities](t)(s.Identities(ctx, &anna))
	if len(all.List) != 2 || all.State != 2 || !all.List[0].Own || all.List[1].Email != "info@demo.test" {
		t.Fatalf("%+v", all)
	}
	if err := s.DeleteAlias(ctx, "info@demo.test"); err != nil {
		t.Fatal(err)
	}
	if all = must[store.Identities](t)(s.Identities(ctx, &anna)); len(all.List) != 1 || len(all.Gone) != 1 || all.State != 3 {
		t.Errorf("%+v", all)
	}
	_, err := s.ChangeIdentities(ctx, &anna, func(i *store.Identities) error {
		for range store.MaxIdentities + 1 {
			if _, err := i.Add(store.Identity{Email: anna.Address}); err != nil {
				return err
			}
		}
		return nil
	})
	wantKind(t, "too many", err, store.KindLimit)
	verify(t, s, ctx)
}

// TestReportsOfHanded holds that what came about a message is kept with it, once, that a recipient who was only handed on is known
// to have failed then, and that what failed is found without reading all.
func TestReportsOfHanded(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test")
	must[store.Appended](t)(s.Append(ctx, anna.ID, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(1)), storetest.Email(t, s, storetest.Text(2))}))
	made, _ := hand(t, s, anna.ID, 1, "a@b", 0)
	id := must[store.TraceID](t)(store.ParseTraceID(made.Trace))
	relayed := []store.SubmissionRecipient{{Address: "eva@far.test", State: store.Relayed, Host: "mx.far.test", Reply: "250 ok", Last: s.Now()}}
	if err := s.FinishSubmission(ctx, anna.ID, id, relayed); err != nil {
		t.Fatal(err)
	}
	failed := func() (list []uint64) {
		if err := s.FailedSubmissions(ctx, anna.ID, func(e *store.EmailSubmission) bool { list = append(list, e.ID); return true }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if len(failed()) != 0 {
		t.Error("it failed before anybody said so")
	}
	told := []store.SubmissionRecipient{{Address: "EVA@far.test", State: store.Failed, Cause: "recipient.unknown", Reply: "550 5.1.1 no", Last: s.Now()}}
	for range 2 {
		if err := s.NoteReport(ctx, anna.ID, id, store.InboxID, 2, told); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []store.TraceID{store.NewTraceID(s.Now()), {}} {
		if err := s.NoteReport(ctx, anna.ID, other, store.InboxID, 2, told); err != nil {
			t.Error(err)
		}
	}
	e := must[store.EmailSubmission](t)(s.EmailSubmissionByTrace(ctx, anna.ID, id))
	if len(e.Reports) != 1 || e.Reports[0] != 2 || e.Recipients[0].State != store.Failed || e.Recipients[0].Address != "eva@far.test" || e.Changed <= made.Changed {
		t.Errorf("%+v", e)
	}
	if list := failed(); len(list) != 1 || list[0] != made.ID {
		t.Errorf("failed: %v", list)
	}
	if err := s.NoteReceipt(ctx, anna.ID, id, store.InboxID, 1); err != nil { // it was deleted, say
		t.Fatal(err)
	}
	for range 2 {
		if err := s.NoteReceipt(ctx, anna.ID, id, store.InboxID, 2, "Eva@far.test", "stranger@far.test"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.NoteReceipt(ctx, anna.ID, store.NewTraceID(s.Now()), store.InboxID, 2, "eva@far.test"); err != nil {
		t.Error(err)
	}
	read := must[store.EmailSubmission](t)(s.EmailSubmissionByTrace(ctx, anna.ID, id))
	if !slices.Equal(read.Receipts, []store.EmailID{1, 2}) || len(read.Opened) != 1 || read.Opened["eva@far.test"].IsZero() || read.Changed <= e.Changed {
		t.Errorf("%+v", read)
	}
	verify(t, s, ctx)
	gone := e.Recipients[0]
	gone.State = store.Cancelled
	if err := s.NoteRecipient(ctx, anna.ID, made.ID, gone); err != nil || len(failed()) != 0 {
		t.Errorf("dismissed: %v, %v", failed(), err)
	}
	if err := s.DestroyEmailSubmission(ctx, anna.ID, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EmailSubmissionByTrace(ctx, anna.ID, id); store.KindOf(err) != store.KindNotFound {
		t.Errorf("it is found by its trace: %v", err)
	}
	verify(t, s, ctx)
}

// TestCorrect holds that an email which takes the place of another one lies in all of its mailboxes, and that one nowhere, unless it is not handed in: then nothing is changed.
func TestCorrect(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test")
	boxes := map[store.Role]store.MailboxID{}
	for _, m := range must[[]store.Mailbox](t)(s.Mailboxes(ctx, anna.ID)) {
		boxes[m.Role] = m.ID
	}
	in := func(role store.Role) uint32 {
		return must[store.Mailbox](t)(s.Mailbox(ctx, anna.ID, boxes[role])).Messages
	}
	now := s.Now()
	submission := func(to ...string) (*store.Submission, store.EmailSubmission) {
		sub := &store.Submission{ID: store.NewTraceID(now), Account: anna.ID, From: "anna@demo.test", Created: now, Scheduled: true}
		record := store.EmailSubmission{MessageID: "a@b", Email: 1}
		for _, one := range to {
			sub.Recipients = append(sub.Recipients, store.SubmissionRecipient{Address: one, State: store.Queued, Next: now.Add(time.Hour)})
			record.To = append(record.To, store.EnvelopeAddress{Email: one})
		}
		return sub, record
	}
	if _, err := s.Append(ctx, anna.ID, boxes[store.RoleSent], []store.NewEmail{storetest.Email(t, s, storetest.Text(1))}); err != nil {
		t.Fatal(err)
	}
	first, record := submission("eve@far.test", "carl@far.test")
	if _, _, err := s.CreateEmailSubmission(ctx, anna.ID, record, first); err != nil {
		t.Fatal(err)
	}
	correct := func(looked *store.Submission, into ...store.MailboxID) (store.EmailSubmission, bool, error) {
		sub, record := submission("eva@far.test", "carl@far.test")
		return s.Correct(ctx, anna.ID, &store.Correction{
			First: *looked, Queued: true, Wrong: "eve@far.test", Text: &store.Anew{Email: storetest.Email(t, s, storetest.Text(2)), Into: into, Instead: true},
			Email: 1, Leaves: []store.PlacedIn{{Mailbox: boxes[store.RoleSent], UID: 1}},
		}, record, sub, store.Event{Time: now, Trace: first.ID, Account: anna.ID, Kind: "message.corrected"})
	}
	const nowhere = 99
	other := *first
	other.Recipients = slices.Clone(first.Recipients)
	other.Recipients[1].Attempts = 1
	for _, tt := range []struct {
		looked *store.Submission
		into   store.MailboxID
		kind   store.Kind
	}{{first, nowhere, store.KindNotFound}, {&other, boxes[store.RoleArchive], store.KindChanged}} {
		_, _, err := correct(tt.looked, boxes[store.RoleSent], tt.into)
		sub, missing := s.Submission(ctx, anna.ID, first.ID)
		if store.KindOf(err) != tt.kind || in(store.RoleSent) != 1 || missing != nil || sub.Recipients[0].State != store.Queued {
			t.Errorf("%v: %d are among the sent ones, %+v waits: %v", err, in(store.RoleSent), sub, missing)
		}
	}
	made, repeated, err := correct(first, boxes[store.RoleSent], boxes[store.RoleArchive])
	if err != nil || repeated || made.Email != 2 || in(store.RoleSent) != 1 || in(store.RoleArchive) != 1 {
		t.Errorf("%v: %+v, %t: %d and %d", err, made, repeated, in(store.RoleSent), in(store.RoleArchive))
	}
	if before, err := s.EmailSubmissionByTrace(ctx, anna.ID, first.ID); err != nil || before.Undo() != store.UndoCanceled {
		t.Errorf("%+v, %v", before, err)
	}
	if _, _, err := correct(first, boxes[store.RoleSent]); store.KindOf(err) != store.KindChanged || in(store.RoleSent) != 1 {
		t.Errorf("twice: %v: %d", err, in(store.RoleSent))
	}
	verify(t, s, ctx)
}
