package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestDueProperty: whatever becomes of submissions, the index has what waits of them, by minute and destination, and
// nothing else.
func TestDueProperty(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	ctx := t.Context()
	a := storetest.Account(t, s, "anna@demo.test")
	ref, err := s.Blobs().Put(ctx, []byte("Subject: x\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.IndexDue(ctx); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	states := []store.RecipientState{store.Queued, store.Queued, store.Held, store.Relayed, store.Failed, store.Cancelled}
	rapid.Check(t, func(rt *rapid.T) {
		var ids []store.TraceID
		change := func(sub *store.Submission) {
			sub.Scheduled = rapid.Bool().Draw(rt, "scheduled")
			for i := range sub.Recipients {
				r := &sub.Recipients[i]
				r.State, r.Next = rapid.SampledFrom(states).Draw(rt, "state"), time.Time{}
				if rapid.Bool().Draw(rt, "later") {
					r.Next = start.Add(time.Duration(rapid.IntRange(0, 600).Draw(rt, "next")) * time.Second)
				}
				if rapid.Bool().Draw(rt, "tried") {
					r.Cause = cause.OutboxDeferred
				}
			}
		}
		pick := func() store.TraceID { return ids[rapid.IntRange(0, len(ids)-1).Draw(rt, "which")] }
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				sub := store.Submission{ID: store.NewTraceID(start), Account: a.ID, Blob: ref}
				if len(ids) > 0 && rapid.IntRange(0, 4).Draw(rt, "again") == 0 {
					sub.ID = pick() // as a report that is owed is made again
				} else {
					ids = append(ids, sub.ID)
				}
				for i := range rapid.IntRange(1, 5).Draw(rt, "recipients") {
					domain := rapid.SampledFrom([]string{"@one.test", "@ONE.test", "@two.test", ""}).Draw(rt, "domain")
					sub.Recipients = append(sub.Recipients, store.SubmissionRecipient{Address: fmt.Sprintf("r%d%s", i, domain)})
				}
				change(&sub)
				if err := s.CreateSubmission(ctx, sub); err != nil {
					rt.Fatal(err)
				}
			},
			"change": func(rt *rapid.T) {
				if len(ids) == 0 {
					rt.Skip("there is none")
				}
				_, err := s.UpdateSubmission(ctx, a.ID, pick(), func(sub *store.Submission) error { change(sub); return nil })
				if err != nil {
					rt.Fatal(err)
				}
			},
			"delete": func(rt *rapid.T) {
				if len(ids) == 0 {
					rt.Skip("there is none")
				}
				id := pick()
				ids = slices.DeleteFunc(ids, func(o store.TraceID) bool { return o == id })
				if err := s.DeleteSubmission(ctx, a.ID, id); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {},
		})
		verify(rt, s, ctx)
		before := due(rt, s, a.ID)
		wantDue(rt, s, a.ID, before)
		// A store of before has no index.
		err := records.Update(ctx, kv.Account(a.ID), func(tx kv.Tx) error { return tx.DeleteRange([]byte("Q"), []byte("R")) })
		if err == nil {
			err = s.PutSetting(ctx, "queue/due", nil)
		}
		if err == nil {
			err = s.IndexDue(ctx)
		}
		if after := due(rt, s, a.ID); err != nil || !slices.Equal(after, before) {
			rt.Fatalf("made anew: %v instead of %v, %v", after, before, err)
		}
		verify(rt, s, ctx)
		for _, id := range ids {
			if err := s.DeleteSubmission(ctx, a.ID, id); err != nil {
				rt.Fatal(err)
			}
		}
		if n, err := s.CountDue(ctx); err != nil || n != 0 || len(due(rt, s, a.ID)) != 0 {
			rt.Fatalf("%d are left, %v", n, err)
		}
	})
}

func due(t *rapid.T, s *store.Store, a store.AccountID) (list []string) {
	err := s.EachDue(context.Background(), a, func(d *store.Due) (store.DueStep, error) {
		list = append(list, fmt.Sprintf("%s %s %s", d.ID, d.Destination, d.At.UTC()))
		return store.DueNext, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// wantDue reads the submissions themselves.
func wantDue(t *rapid.T, s *store.Store, a store.AccountID, got []string) {
	earliest := map[string]time.Time{}
	err := s.Submissions(context.Background(), a, func(sub *store.Submission) error {
		for i := range sub.Recipients {
			r := &sub.Recipients[i]
			k := sub.ID.String() + " " + sub.Destination(r)
			if at, ok := earliest[k]; r.State == store.Queued && (!ok || r.Next.Before(at)) {
				earliest[k] = r.Next
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for k, at := range earliest {
		want = append(want, k+" "+at.UTC().String())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("the index has %v instead of %v", got, want)
	}
}

// TestEachDueSteps: a walk goes past the rest of a destination, or ends.
func TestEachDueSteps(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test")
	ref, err := s.Blobs().Put(ctx, []byte("Subject: x\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n := range 12 {
		err := s.CreateSubmission(ctx, store.Submission{ID: store.NewTraceID(soon), Account: a.ID, Blob: ref, Recipients: []store.SubmissionRecipient{{
			Address: fmt.Sprintf("a@%c.test", 'a'+n%3), State: store.Queued, Next: soon.Add(time.Duration(n%2) * time.Minute),
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	err = s.EachDue(ctx, a.ID, func(d *store.Due) (store.DueStep, error) {
		seen = append(seen, d.Destination+d.At.UTC().Format(" 15:04"))
		switch {
		case len(seen) == 6:
			return store.DueStop, nil
		case d.Destination == "b.test":
			return store.DueNext, nil
		}
		return store.DueSkip, nil
	})
	want := []string{"a.test 12:00", "b.test 12:00", "b.test 12:00", "c.test 12:00", "a.test 12:01", "b.test 12:01"}
	if err != nil || !slices.Equal(seen, want) {
		t.Errorf("%q, %v", seen, err)
	}
}
