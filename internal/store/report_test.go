package store_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// Reports are their account's, go when they are old or too many, and are found by whoever helps.
func TestReports(t *testing.T) {
	s, ctx := storetest.Open(t), context.Background()
	anna := storetest.Account(t, s, "anna@north.example").ID
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var ids []store.TraceID
	for i := range 105 {
		ids = append(ids, store.NewTraceID(began.Add(time.Duration(i)*time.Minute)))
		if err := s.PutReport(ctx, anna, ids[i], []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	public := store.NewTraceID(began)
	if err := s.PutReport(ctx, 0, public, []byte("public")); err != nil {
		t.Fatal(err)
	}
	missing := func(what string, err error) {
		t.Helper()
		if store.KindOf(err) != store.KindNotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := s.Report(ctx, anna, ids[4])
	missing("one of too many", err)
	_, err = s.Report(ctx, 0, ids[5])
	missing("that of an account, for nobody", err)
	for id, want := range map[store.TraceID][]byte{ids[5]: {5}, ids[104]: {104}, public: []byte("public")} {
		if got, err := s.FindReport(ctx, id); err != nil || !bytes.Equal(got, want) {
			t.Errorf("found %q, %v; want %q", got, err, want)
		}
	}
	if err := s.PutReport(ctx, anna, public, make([]byte, store.MaxReport+1)); store.KindOf(err) != store.KindLimit {
		t.Errorf("one that is too large: %v", err)
	}
	if err := s.TrimEvents(ctx, began.Add(100*time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = s.FindReport(ctx, public)
	missing("an old one", err)
	_, err = s.FindReport(ctx, ids[99])
	missing("an old one", err)
	if _, err := s.Report(ctx, anna, ids[100]); err != nil {
		t.Errorf("a new one: %v", err)
	}
	if err := s.DeleteAccount(ctx, anna); err != nil {
		t.Fatal(err)
	}
	_, err = s.FindReport(ctx, ids[104])
	missing("that of an account that is deleted", err)
}
