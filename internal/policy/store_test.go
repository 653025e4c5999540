package policy

import (
	"context"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// newStoreWorld is a SignIn and a Guard on a real store, with the account of Anna.
func newStoreWorld(t testing.TB) (*SignIn, *store.Store, store.Account, store.Credential) {
	t.Helper()
	db := storetest.Open(t)
	account := storetest.Account(t, db, anna)
	clock, hasher := newFakeClock(), cheap(t)
	credential, err := NewPassword(context.Background(), hasher, password, clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.PutCredential(context.Background(), account.ID, credential); err != nil {
		t.Fatal(err)
	}
	guard := newTestGuard(t, clock, SettingRecord{Settings: db, Name: "guard"}, discard{})
	s := NewSignIn(SignInOptions{Directory: db, Guard: guard, Hasher: hasher, Journal: discard{}, Clock: clock})
	return s, db, account, credential
}

func TestSignInWithTheStore(t *testing.T) {
	s, db, account, credential := newStoreWorld(t)
	signIn := func(password string, want cause.ID) {
		t.Helper()
		if _, d := s.Password(t.Context(), imapFrom(home), anna, password); d.Cause != want {
			t.Errorf("%q: %+v, not %s", password, d, want)
		}
	}
	signIn(password, "")
	signIn(password, "")
	signIn("another horse", cause.AuthPasswordWrong)

	changed, err := NewPassword(t.Context(), s.hasher, "another horse", s.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	changed.ID = credential.ID
	if err := db.PutCredential(t.Context(), account.ID, changed); err != nil {
		t.Fatal(err)
	}
	signIn(password, cause.AuthPasswordWrong)
	signIn("another horse", "")

	if _, err := db.UpdateAccount(t.Context(), account.ID, func(a *store.Account) error {
		a.Suspended = cause.AccountSuspendedUnpaid
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	signIn("another horse", cause.AccountSuspendedUnpaid)
	signIn("a third horse", cause.AuthPasswordWrong)

	if credentials, err := db.Credentials(t.Context(), account.ID); err != nil || !credentials[0].LastUsed.Equal(s.clock.Now()) {
		t.Errorf("last used: %+v, %v", credentials, err)
	}
	if err := db.DeleteCredential(t.Context(), account.ID, credential.ID); err != nil {
		t.Fatal(err)
	}
	signIn("another horse", cause.AuthPasswordWrong)
}

func TestSettingRecord(t *testing.T) {
	_, db, _, _ := newStoreWorld(t)
	r := SettingRecord{Settings: db, Name: "test"}
	if doc, err := r.Load(t.Context()); len(doc) != 0 || err != nil {
		t.Fatalf("%q, %v", doc, err)
	}
	if err := r.Save(t.Context(), make([]byte, MaxRecord)); err != nil {
		t.Fatal(err)
	}
	if doc, err := r.Load(t.Context()); len(doc) != MaxRecord || err != nil {
		t.Fatalf("%d octets, %v", len(doc), err)
	}
	if err := r.Save(t.Context(), make([]byte, MaxRecord+1)); err == nil {
		t.Error("a larger record than the store keeps was saved")
	}
}

func BenchmarkSignInWithTheStore(b *testing.B) {
	s, _, _, _ := newStoreWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, d := s.Password(b.Context(), imapFrom(home), anna, password); !d.Allowed() {
			b.Fatal(d)
		}
	}
}
