package store_test

import (
	"context"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestNothingIsKeptOfAnAccountThatIsGone holds that what was begun before an account was deleted leaves nothing of it behind.
func TestNothingIsKeptOfAnAccountThatIsGone(t *testing.T) {
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@own.example")
	if err := s.DeleteAccount(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(ctx context.Context) error{
		"report": func(ctx context.Context) error { return s.PutReport(ctx, a.ID, store.NewTraceID(s.Now()), []byte("x")) },
		"second step": func(ctx context.Context) error {
			return s.PutSecondStep(ctx, a.ID, store.SecondStep{Secret: []byte("x")})
		},
		"passkey":  func(ctx context.Context) error { return s.CreatePasskey(ctx, a.ID, store.Passkey{ID: []byte("x")}) },
		"security": func(ctx context.Context) error { return s.UpdateWebSecurity(ctx, a.ID, func(*store.WebSecurity) {}) },
		"session": func(ctx context.Context) error {
			_, err := s.CreateWebSession(ctx, a.ID, store.WebSession{}, func(*store.WebSession) bool { return false })
			return err
		},
		"contact": func(ctx context.Context) error {
			_, err := s.PutContacts(ctx, a.ID, []store.Contact{{Name: "Bo"}})
			return err
		},
		"upload": func(ctx context.Context) error { _, err := s.AddUpload(ctx, a.ID, "x", 1); return err },
		"push": func(ctx context.Context) error {
			_, _, err := s.CreatePushSubscription(ctx, a.ID, store.PushSubscription{})
			return err
		},
		"job":  func(ctx context.Context) error { _, err := s.CreateJob(ctx, a.ID, store.Job{}); return err },
		"mark": func(ctx context.Context) error { return s.PutFetchMark(ctx, a.ID, store.FetchMark{}) },
		"file": func(ctx context.Context) error {
			_, err := s.CreateFile(ctx, a.ID, store.File{}, store.FileLimits{Files: 1})
			return err
		},
	} {
		if err := put(t.Context()); store.KindOf(err) != store.KindNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	report, err := s.Verify(t.Context(), store.VerifyOptions{})
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("%v, %v", report.Problems, err)
	}
}
