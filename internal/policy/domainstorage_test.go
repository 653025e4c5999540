package policy

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// The accounts of a domain share its storage: mail waits for a week when it is used up, and comes when there is room again.
func TestDomainStorage(t *testing.T) {
	clock := newFakeClock()
	held, asked := int64(900), 0
	s := NewDomainStorage(func(context.Context, string) (int64, error) {
		asked++
		return held, nil
	}, clock)
	d := &store.Domain{Name: "example.org", Quota: 1000}
	take := func(size int64) cause.Decision {
		t.Helper()
		got, err := s.Take(t.Context(), d, size)
		if err != nil {
			t.Fatal(err)
		}
		return fits(t, got)
	}
	if got := take(60); !got.Allowed() {
		t.Errorf("%+v", got)
	}
	if got := take(60); got.Cause != cause.QuotaDomainFull || got.Action != cause.ActionWait || asked != 1 {
		t.Errorf("%+v, added up %d times", got, asked)
	}
	if used, err := s.Used(t.Context(), "example.org"); used != 960 || err != nil {
		t.Errorf("%d used, %v", used, err)
	}
	held = 990
	clock.advance(QuotaGrace)
	if got := take(60); got.Action != cause.ActionRefuse {
		t.Errorf("after a week: %+v", got)
	}
	held = 100
	clock.advance(time.Minute)
	if got := take(60); !got.Allowed() {
		t.Errorf("with room again: %+v", got)
	}
	if got, err := s.Take(t.Context(), &store.Domain{Name: "free.example"}, 1<<40); err != nil || !got.Allowed() {
		t.Errorf("without a quota: %+v, %v", got, err)
	}
	broken := NewDomainStorage(func(context.Context, string) (int64, error) { return 0, errors.New("no") }, clock)
	if _, err := broken.Take(t.Context(), d, 1); err == nil {
		t.Error("an error is lost")
	}
}
