package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// named is an event at a time that names a Message-ID.
func named(a store.AccountID, at time.Time, id string) store.Event {
	return store.Event{Time: at, Trace: store.NewTraceID(at), Account: a, Kind: "message.delivered", Fields: []store.Field{{Name: "message-id", Value: id}}}
}

// mentionedIn are the accounts in which a Message-ID is named; it must be known which.
func mentionedIn(t *testing.T, s *store.Store, id string, from, to time.Time) (all []store.AccountID) {
	t.Helper()
	in, known, err := s.Mentioned(t.Context(), id, from, to)
	if err != nil || !known {
		t.Fatal("known:", known, err)
	}
	for _, part := range in {
		all = append(all, part.Account)
	}
	return all
}

func sameAccounts(t *testing.T, got []store.AccountID, want ...store.AccountID) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("mentioned in %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("mentioned in %v, want %v", got, want)
		}
	}
}

// keys counts what begins with a letter in the service's key space.
func keysOf(t *testing.T, records kv.DB, letter byte) (n int) {
	t.Helper()
	err := records.View(t.Context(), kv.System, func(r kv.Reader) error {
		it := r.Iterate([]byte{letter}, []byte{letter + 1})
		for it.Next() {
			n++
		}
		return it.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMentioned(t *testing.T) {
	s := storetest.Open(t)
	anna, bo := storetest.Account(t, s, "anna@demo.test").ID, storetest.Account(t, s, "bo@demo.test").ID
	if _, known, err := s.Mentioned(t.Context(), "1@demo.test", time.Time{}, time.Time{}); known || err != nil {
		t.Fatal("known before anything was kept", err)
	}
	now := time.Now().Truncate(24 * time.Hour).Add(time.Hour)
	yesterday := now.Add(-24 * time.Hour)
	long := strings.Repeat("x", 300) + "@demo.test"
	events := []store.Event{named(anna, yesterday, "1@demo.test"), named(anna, now, "1@demo.test"), named(bo, now, "<1@demo.test>"), named(bo, now, "1@demo.test"),
		named(0, now, "2@demo.test"), named(bo, now, long)}
	if err := s.RecordEvents(t.Context(), events[:3]); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepMentions(t.Context()); err != nil { // those from before
		t.Fatal(err)
	}
	if err := s.RecordEvents(t.Context(), events[3:]); err != nil {
		t.Fatal(err)
	}
	never := time.Time{}
	sameAccounts(t, mentionedIn(t, s, "1@demo.test", never, never), anna, anna, bo)
	sameAccounts(t, mentionedIn(t, s, "<1@Demo.Test>", never, never), anna, anna, bo)
	sameAccounts(t, mentionedIn(t, s, "1@demo.test", now, never), anna, bo)
	sameAccounts(t, mentionedIn(t, s, "1@demo.test", never, yesterday), anna)
	sameAccounts(t, mentionedIn(t, s, "2@demo.test", never, never), 0)
	sameAccounts(t, mentionedIn(t, s, "<"+long+">", never, never), bo)
	sameAccounts(t, mentionedIn(t, s, "3@demo.test", never, never))
	r, err := s.Verify(t.Context(), store.VerifyOptions{})
	if err != nil || r.Found != 0 {
		t.Fatal(r, err)
	}
	if err := s.TrimEvents(t.Context(), now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	sameAccounts(t, mentionedIn(t, s, "1@demo.test", never, never), anna, bo)
}

// TestMentionsAreMadeAnew: what waited in memory when the service ended is found in the events, and so is what happened before there was the table.
func TestMentionsAreMadeAnew(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	anna := storetest.Account(t, s, "anna@demo.test").ID
	now := time.Now()
	for i, id := range []string{"old@demo.test", "lost@demo.test"} {
		if err := s.RecordEvents(t.Context(), []store.Event{named(anna, now.Add(time.Duration(i)*time.Second), id)}); err != nil {
			t.Fatal(err)
		}
		again := must[*store.Store](t)(store.Open(t.Context(), store.Options{Records: records, Blobs: s.Blobs()}))
		if err := again.KeepMentions(t.Context()); err != nil {
			t.Fatal(err)
		}
		sameAccounts(t, mentionedIn(t, again, id, time.Time{}, time.Time{}), anna)
		s = again
	}
}

func TestMentionsGoWithTheAccount(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	anna := storetest.Account(t, s, "anna@demo.test").ID
	if err := s.KeepMentions(t.Context()); err != nil {
		t.Fatal(err)
	}
	mark := keysOf(t, records, 'E')
	if err := s.RecordEvents(t.Context(), []store.Event{named(anna, time.Now(), "1@demo.test")}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteAccount(t.Context(), anna); err != nil {
		t.Fatal(err)
	}
	sameAccounts(t, mentionedIn(t, s, "1@demo.test", time.Time{}, time.Time{}))
	if n := keysOf(t, records, 'E'); n != mark {
		t.Errorf("%d records are left of those that the account was found by", n-mark)
	}
}

func TestVerifyFindsMissingMentions(t *testing.T) {
	now := time.Now()
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	later := must[*store.Store](t)(store.Open(t.Context(), store.Options{Records: records, Blobs: s.Blobs(), Now: func() time.Time { return now.Add(2 * time.Hour) }}))
	anna := storetest.Account(t, later, "anna@demo.test").ID
	if err := later.RecordEvents(t.Context(), []store.Event{named(anna, now, "1@demo.test"), named(anna, now, "2@demo.test")}); err != nil {
		t.Fatal(err)
	}
	if err := later.KeepMentions(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := records.Update(t.Context(), kv.System, func(tx kv.Tx) error {
		it := tx.Iterate([]byte{'E', 0}, []byte{'E' + 1})
		it.Next()
		k := append([]byte(nil), it.Key()...)
		if err := it.Close(); err != nil {
			return err
		}
		return tx.Delete(k)
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := later.Verify(t.Context(), store.VerifyOptions{})
	if err != nil || r.Found != 1 || !strings.Contains(r.Problems[0].Text, "Message-ID") {
		t.Errorf("%+v %v", r, err)
	}
}

// TestWaitingMessagesKeepTheirEvents: a message that is to be sent in two months has its trace as long as it waits, and no longer.
func TestWaitingMessagesKeepTheirEvents(t *testing.T) {
	s := storetest.Open(t)
	anna := storetest.Account(t, s, "anna@demo.test").ID
	if err := s.KeepMentions(t.Context()); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-40 * 24 * time.Hour)
	email := storetest.Email(t, s, storetest.Text(1))
	sub := store.Submission{ID: store.NewTraceID(long), Account: anna, From: "anna@demo.test", Blob: email.Blob, Size: email.Summary.Size, Created: long,
		Recipients: []store.SubmissionRecipient{{Address: "bo@far.example", State: store.Queued, Next: time.Now().Add(time.Hour)}}}
	event := named(anna, long, "waits@demo.test")
	event.Trace = sub.ID
	if err := s.CreateSubmission(t.Context(), sub, event); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordEvents(t.Context(), []store.Event{named(anna, long.Add(time.Second), "gone@demo.test")}); err != nil {
		t.Fatal(err)
	}
	never, kept := time.Time{}, []string{"waits@demo.test"}
	for range 2 {
		if err := s.TrimEvents(t.Context(), time.Now().Add(-30*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := s.Events(t.Context(), anna, never, never, func(e *store.Event) error { got = append(got, e.Field("message-id")); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, kept) {
			t.Fatalf("events of %q, want %q", got, kept)
		}
		if in := mentionedIn(t, s, "waits@demo.test", never, never); len(in) != len(kept) {
			t.Fatalf("found in %v", in)
		}
		if r, err := s.Verify(t.Context(), store.VerifyOptions{}); err != nil || r.Found != 0 {
			t.Fatal(r, err)
		}
		if kept = nil; s.DeleteSubmission(t.Context(), anna, sub.ID) != nil {
			t.Fatal("the submission stays")
		}
	}
}
