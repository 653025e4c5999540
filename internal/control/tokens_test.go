package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// TestTokensAreBounded: an account has no more tokens than it may, and those that ended long ago are
// forgotten.
func TestTokensAreBounded(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	if _, err := w.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	const address = "anna@example.org"
	if _, err := w.AddAccount(ctx, NewAccount{Address: address, Password: "first-password"}); err != nil {
		t.Fatal(err)
	}
	st := w.server.Store
	a, err := st.AccountByAddress(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	now := st.Now()
	fill := func(revoked time.Time) {
		t.Helper()
		for i := range policy.MaxTokens {
			c := store.Credential{ID: fmt.Sprintf("%016x", i), Name: fmt.Sprintf("token %d", i), App: true, Token: true, Revoked: revoked}
			if err := st.PutCredential(ctx, a.ID, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	tokens := func() (n int) {
		t.Helper()
		all, err := st.Credentials(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.Token {
				n++
			}
		}
		return n
	}
	fill(now.Add(-time.Hour))
	if err := second(w.AddToken(ctx, NewToken{Address: address, Name: "one more"})); status(t, err) != 409 {
		t.Error(err)
	}
	fill(now.Add(-policy.RevokedFor - time.Hour))
	made, err := w.AddToken(ctx, NewToken{Address: address, Name: "one more"})
	if err != nil || !made.Off || made.Token == "" {
		t.Errorf("%+v, %v", made, err)
	}
	if n := tokens(); n != 1 {
		t.Errorf("%d tokens", n)
	}
	// A new password of the account leaves them.
	if _, err := w.SetPassword(ctx, SetPassword{Address: address, Password: "second-password"}); err != nil {
		t.Fatal(err)
	}
	if n := tokens(); n != 1 {
		t.Errorf("%d tokens after a new password", n)
	}
}
