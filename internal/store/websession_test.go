package store_test

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func never(*store.WebSession) bool { return false }

func TestWebSessions(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	a := storetest.Account(t, s, "anna@demo.test")
	ctx, start := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	session := func(n int) store.WebSession {
		at := start.Add(time.Duration(n) * time.Minute)
		return store.WebSession{
			Hash: sha256.Sum256([]byte{byte(n)}), Created: at, LastUsed: at, Authenticated: at, Remembered: n%2 == 0,
			Remote: "192.0.2.7", Browser: "Firefox", System: "Windows", Language: "sv", Credential: "c", Method: "password",
		}
	}
	for n := range store.MaxWebSessions {
		if dropped, err := s.CreateWebSession(ctx, a.ID, session(n), never); err != nil || len(dropped) != 0 {
			t.Fatal(n, dropped, err)
		}
	}
	if got, err := s.WebSession(ctx, a.ID, session(7).Hash); err != nil || got != session(7) {
		t.Errorf("read back: %+v, %v", got, err)
	}
	if err := s.TouchWebSession(ctx, a.ID, session(0).Hash, start.Add(time.Hour*2), "192.0.2.8"); err != nil {
		t.Fatal(err)
	}
	dropped, err := s.CreateWebSession(ctx, a.ID, session(200), never)
	if err != nil || !slices.Equal(dropped, []store.SessionHash{session(1).Hash}) {
		t.Errorf("one too many: %x, %v", dropped, err)
	}
	dropped, err = s.CreateWebSession(ctx, a.ID, session(201), func(w *store.WebSession) bool { return w.LastUsed.Before(start.Add(time.Hour)) })
	if err != nil || len(dropped) != 58 { // those of the minutes 2 to 59
		t.Errorf("those that are over: %d, %v", len(dropped), err)
	}
	if err := s.ConfirmWebSession(ctx, a.ID, session(0).Hash, start.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	ended, err := s.EndWebSessions(ctx, a.ID, func(w *store.WebSession) bool { return w.Hash != session(0).Hash })
	if err != nil || len(ended) != 6 {
		t.Errorf("ended %d, %v", len(ended), err)
	}
	all, err := s.WebSessions(ctx, a.ID)
	if err != nil || len(all) != 1 || !all[0].Authenticated.Equal(start.Add(3*time.Hour)) || all[0].Remote != "192.0.2.8" {
		t.Errorf("left: %+v, %v", all, err)
	}
	if err := s.TouchWebSession(ctx, a.ID, session(9).Hash, start, ""); store.KindOf(err) != store.KindNotFound {
		t.Errorf("touched one that was ended: %v", err)
	}
	told := 0
	tell := func(of store.AccountID, ended []store.WebSession) {
		if of == a.ID {
			told += len(ended)
		}
	}
	err = s.ForgetWebSessions(ctx, func(w *store.WebSession) bool { return w.LastUsed.Before(start.Add(time.Minute)) }, tell)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.WebSessions(ctx, a.ID); err != nil || len(all) != 1 {
		t.Errorf("not over: %+v, %v", all, err)
	}
	if err := s.ForgetWebSessions(ctx, func(*store.WebSession) bool { return true }, tell); err != nil {
		t.Fatal(err)
	}
	if all, err := s.WebSessions(ctx, a.ID); err != nil || len(all) != 0 {
		t.Errorf("over: %+v, %v", all, err)
	}
	if told != 1 {
		t.Errorf("%d sessions are told of", told)
	}
	verifyFinds(t, s, records, a.ID, append([]byte("I"), 1), "web session")
	if err := s.DeleteAccount(ctx, a.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateWebSession(ctx, a.ID, session(1), never); store.KindOf(err) != store.KindNotFound {
		t.Errorf("a session of a deleted account: %v", err)
	}
}

func TestFactors(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	a := storetest.Account(t, s, "anna@demo.test")
	ctx, now := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := s.UpdateSecondStep(ctx, a.ID, func(*store.SecondStep) error { return nil }); store.KindOf(err) != store.KindNotFound {
		t.Errorf("there is none: %v", err)
	}
	if err := s.PutSecondStep(ctx, a.ID, store.SecondStep{Secret: []byte("x"), Created: now}); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := s.UpdateSecondStep(ctx, a.ID, func(st *store.SecondStep) error { st.LastStep = 5; return no }); !errors.Is(err, no) {
		t.Error(err)
	}
	if err := s.UpdateSecondStep(ctx, a.ID, func(st *store.SecondStep) error { st.Wrong++; return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := s.SecondStep(ctx, a.ID); err != nil || got.LastStep != 0 || got.Wrong != 1 || string(got.Secret) != "x" {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range store.MaxPasskeys {
		if err := s.CreatePasskey(ctx, a.ID, store.Passkey{ID: []byte{byte(n)}, Name: "key", Record: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreatePasskey(ctx, a.ID, store.Passkey{ID: []byte("more"), Record: []byte(`{}`)}); store.KindOf(err) != store.KindLimit {
		t.Errorf("one too many: %v", err)
	}
	if err := s.DeletePasskey(ctx, a.ID, []byte{3}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreatePasskey(ctx, a.ID, store.Passkey{ID: []byte{4}, Record: []byte(`{}`)}); store.KindOf(err) != store.KindExists {
		t.Errorf("the same again: %v", err)
	}
	if err := s.UpdatePasskey(ctx, a.ID, []byte{4}, func(p *store.Passkey) error { p.Name = "phone"; return nil }); err != nil {
		t.Fatal(err)
	}
	all, err := s.Passkeys(ctx, a.ID)
	if err != nil || len(all) != store.MaxPasskeys-1 || all[3].Name != "phone" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := s.UpdateWebSecurity(ctx, a.ID, func(w *store.WebSecurity) { w.Quiet = true }); err != nil {
		t.Fatal(err)
	}
	if w, err := s.WebSecurity(ctx, a.ID); err != nil || !w.Quiet {
		t.Errorf("%+v, %v", w, err)
	}
	verifyFinds(t, s, records, a.ID, []byte("F2"), "beside passwords")
	if err := s.DeleteSecondStep(ctx, a.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SecondStep(ctx, a.ID); store.KindOf(err) != store.KindNotFound {
		t.Error(err)
	}
}

// verifyFinds damages a record, and holds that Verify says so and else nothing.
func verifyFinds(t *testing.T, s *store.Store, records kv.DB, a store.AccountID, key []byte, want string) {
	t.Helper()
	found := func() []store.Problem {
		report, err := s.Verify(t.Context(), store.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return report.Problems
	}
	if p := found(); len(p) != 0 {
		t.Errorf("before: %v", p)
	}
	err := records.Update(t.Context(), kv.Account(a), func(tx kv.Tx) error { return tx.Set(key, []byte("{")) })
	if err != nil {
		t.Fatal(err)
	}
	if p := found(); len(p) != 1 || !strings.Contains(p[0].Text, want) {
		t.Errorf("after: %v", p)
	}
	err = records.Update(t.Context(), kv.Account(a), func(tx kv.Tx) error { return tx.Delete(key) })
	if err != nil {
		t.Fatal(err)
	}
}
