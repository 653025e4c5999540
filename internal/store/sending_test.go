package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func TestSendingMarks(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	now := time.Now().Truncate(time.Microsecond)
	mark := func(n int) store.SendingMark {
		return store.SendingMark{
			Account: store.AccountID(n), ID: store.NewTraceID(now), Domain: "far.test", Host: "mx.far.test", Attempts: n, Time: now,
		}
	}
	one, two, three := mark(1), mark(200), mark(3)
	for batch, list := range map[uint64][]store.SendingMark{1: {one, two}, 300: {three}} {
		if err := s.MarkSending(ctx, batch, list, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, last, err := s.SendingMarks(ctx)
	if err != nil || last != 300 || !slices.Equal(got, []store.SendingMark{one, two, three}) {
		t.Fatalf("%+v, %d, %v", got, last, err)
	}
	if err := s.MarkSending(ctx, 301, []store.SendingMark{one}, []uint64{1, 300}); err != nil {
		t.Fatal(err)
	}
	if got, last, err = s.SendingMarks(ctx); err != nil || last != 301 || !slices.Equal(got, []store.SendingMark{one}) {
		t.Errorf("%+v, %d, %v", got, last, err)
	}
	verify(t, s, ctx)
	if err := s.ClearSendingMarks(ctx); err != nil {
		t.Fatal(err)
	}
	if got, _, err = s.SendingMarks(ctx); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	sub := store.Submission{Account: 5, ID: one.ID}
	if err := s.CreateSubmission(ctx, sub); err != nil {
		t.Fatal(err)
	}
	if found, err := s.FindSubmission(ctx, one.ID); err != nil || found.Account != 5 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := s.FindSubmission(ctx, two.ID); store.KindOf(err) != store.KindNotFound {
		t.Error(err)
	}
}
