package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

func TestToken(t *testing.T) {
	noChange := func(*store.Account, *store.Credential) {}
	now := newFakeClock().Now()
	tests := []struct {
		name, username, token string
		protocol              store.Protocol
		change                func(*store.Account, *store.Credential)
		want                  cause.ID
	}{
		{"good", anna, "TOKEN", store.ProtocolIMAP, noChange, ""},
		{"without a name", "", "TOKEN", store.ProtocolIMAP, noChange, ""},
		{"other spelling of the address", "Anna@EXAMPLE.org", "TOKEN", store.ProtocolIMAP, noChange, ""},
		{"somebody else's name", "bo@example.org", "TOKEN", store.ProtocolIMAP, noChange, cause.AccountAccessDenied},
		{"alias", "a@example.org", "TOKEN", store.ProtocolIMAP, noChange, cause.AuthUsernameForm},
		{"local part alone", "anna", "TOKEN", store.ProtocolIMAP, noChange, cause.AuthUsernameForm},
		{"space after the name", anna + " ", "TOKEN", store.ProtocolIMAP, noChange, cause.AuthInvisibleCharacter},
		{"another protocol", anna, "TOKEN", store.ProtocolSubmission, noChange, cause.AccountProtocolDisabled},
		{"revoked", anna, "TOKEN", store.ProtocolIMAP, func(_ *store.Account, c *store.Credential) { c.Revoked = now }, cause.AuthTokenRevoked},
		{"ran out", anna, "TOKEN", store.ProtocolIMAP, func(_ *store.Account, c *store.Credential) { c.Expires = now }, cause.AuthTokenRevoked},
		{"runs out later", anna, "TOKEN", store.ProtocolIMAP, func(_ *store.Account, c *store.Credential) { c.Expires = now.Add(time.Hour) }, ""},
		{"revoked, of a suspended account", anna, "TOKEN", store.ProtocolIMAP, func(a *store.Account, c *store.Credential) {
			c.Revoked, a.Suspended = now, cause.AccountSuspendedUnpaid
		}, cause.AuthTokenRevoked},
		{"unpaid", anna, "TOKEN", store.ProtocolIMAP, func(a *store.Account, _ *store.Credential) {
			a.Suspended = cause.AccountSuspendedUnpaid
		}, cause.AccountSuspendedUnpaid},
		{"revoked, and somebody else's secret", anna, "OTHER", store.ProtocolIMAP, func(_ *store.Account, c *store.Credential) { c.Revoked = now }, cause.AuthPasswordWrong},
		{"another secret", anna, "OTHER", store.ProtocolIMAP, noChange, cause.AuthPasswordWrong},
		{"no such account", anna, "postiljon_8_0123456789abcdef_x", store.ProtocolIMAP, noChange, cause.AuthPasswordWrong},
		{"no such token", anna, "postiljon_7_0123456789abcdef_x", store.ProtocolIMAP, noChange, cause.AuthPasswordWrong},
		{"account 0", anna, "postiljon_0_0123456789abcdef_x", store.ProtocolIMAP, noChange, cause.AuthPasswordWrong},
		{"no token of ours", anna, "eyJhbGciOi.x.y", store.ProtocolIMAP, noChange, cause.AuthPasswordWrong},
		{"empty", "", "", store.ProtocolIMAP, noChange, cause.AuthPasswordWrong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.directory.update(func(a *store.Account, c *[]store.Credential) { tt.change(a, &(*c)[2]) })
			given := tt.token
			switch given {
			case "TOKEN":
				given = w.token
			case "OTHER":
				given = w.token[:strings.LastIndex(w.token, "_")+1] + strings.Repeat("A", 43)
			}
			for range 2 {
				who, d := w.Token(t.Context(), Attempt{Protocol: tt.protocol, Remote: home}, tt.username, given)
				if fits(t, d); d.Cause != tt.want || d.Allowed() != (tt.want == "") {
					t.Fatalf("%+v", d)
				}
				if d.Allowed() && (who.Account.ID != 7 || !who.App || who.CredentialID == "") {
					t.Errorf("%+v", who)
				}
			}
			// Only a token that is nobody's is a failure, and the same one again is not another.
			wantLevel := 0.0
			if tt.want == cause.AuthPasswordWrong {
				wantLevel = 1
			}
			if level := w.guard.level(addressKey(home), w.clock.Now()); level != wantLevel {
				t.Errorf("%v failures", level)
			}
			if level := w.guard.level(accountKey(anna), w.clock.Now()); level != 0 {
				t.Errorf("%v failures of the account", level)
			}
		})
	}
}

// TestTokenIsNoPassword: nor is a password a token.
func TestTokenIsNoPassword(t *testing.T) {
	w := newWorld(t)
	if _, d := w.Password(t.Context(), imapFrom(home), anna, w.token); d.Cause != cause.AuthPasswordWrong {
		t.Errorf("a token as a password: %+v", d)
	}
	for _, given := range []string{password, w.app} {
		if _, d := w.Token(t.Context(), imapFrom(home), anna, given); d.Cause != cause.AuthPasswordWrong {
			t.Errorf("a password as a token: %+v", d)
		}
	}
}

// TestTokenGuessing: an address that tries tokens is banned, and locks nobody.
func TestTokenGuessing(t *testing.T) {
	w := newWorld(t)
	for i := range DefaultGuardLimits().AddressFailures + 5 {
		w.Token(t.Context(), imapFrom(stranger), anna, "postiljon_7_0123456789abcdef_"+strings.Repeat("x", i))
	}
	if _, d := w.Token(t.Context(), imapFrom(stranger), anna, w.token); d.Cause != cause.NetworkClientBanned {
		t.Errorf("%+v", d)
	}
	if _, d := w.Token(t.Context(), imapFrom(netip.MustParseAddr("203.0.113.77")), anna, w.token); !d.Allowed() {
		t.Errorf("from elsewhere: %+v", d)
	}
	if _, d := w.Password(t.Context(), imapFrom(netip.MustParseAddr("203.0.113.77")), anna, password); !d.Allowed() {
		t.Errorf("with the password: %+v", d)
	}
}

// TestTokenWhileLocked: an account that is locked takes a token all the same, for it is not guessed.
func TestTokenWhileLocked(t *testing.T) {
	w := newWorld(t)
	for i := range DefaultGuardLimits().AccountFailures {
		w.guard.Failed(netip.AddrFrom4([4]byte{10, byte(i), 1, 1}), anna)
	}
	if _, d := w.Password(t.Context(), imapFrom(home), anna, password); d.Cause != cause.AccountLockedOut {
		t.Fatalf("not locked: %+v", d)
	}
	if _, d := w.Token(t.Context(), imapFrom(home), anna, w.token); !d.Allowed() {
		t.Errorf("%+v", d)
	}
}

func TestTokenTouchedOnceAnHour(t *testing.T) {
	_, db, account, _ := newStoreWorld(t)
	clock := newFakeClock()
	c, token := NewToken(account.ID, "tablet", store.AllProtocols, clock.Now(), time.Time{})
	if err := db.PutCredential(t.Context(), account.ID, c); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(c.Hash, token[len(token)-20:]) {
		t.Fatal("the secret is kept")
	}
	tokens := Tokens{db}
	used := func() time.Time {
		g, err := tokens.VerifyToken(t.Context(), token)
		if err != nil || g.Account.Address != anna || g.ID != c.ID {
			t.Fatalf("%+v, %v", g, err)
		}
		if err := tokens.TokenUsed(t.Context(), &g, clock.Now()); err != nil {
			t.Fatal(err)
		}
		g, _ = tokens.VerifyToken(t.Context(), token)
		return g.LastUsed
	}
	first := used()
	if !first.Equal(clock.Now()) {
		t.Errorf("used at %v", first)
	}
	clock.now = clock.now.Add(time.Minute)
	if again := used(); !again.Equal(first) {
		t.Errorf("touched again after a minute: %v", again)
	}
	clock.now = clock.now.Add(time.Hour)
	if later := used(); !later.Equal(clock.Now()) {
		t.Errorf("not touched after an hour: %v", later)
	}
}

func TestNoTokens(t *testing.T) {
	w := newWorld(t)
	s := NewSignIn(SignInOptions{Directory: w.directory, Guard: w.guard, Journal: w.events, Clock: w.clock})
	if _, d := s.Token(t.Context(), imapFrom(home), anna, w.token); d.Cause != cause.AuthMechanismMismatch {
		t.Errorf("%+v", d)
	}
	if n := w.events.count(journal.SignInRefused); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestForgettable(t *testing.T) {
	now := newFakeClock().Now()
	old, lately := now.Add(-RevokedFor-time.Hour), now.Add(-time.Hour)
	all := []store.Credential{
		{ID: "password", Expires: old},
		{ID: "good", Token: true},
		{ID: "good until later", Token: true, Expires: now.Add(time.Hour)},
		{ID: "ran out lately", Token: true, Expires: lately},
		{ID: "ran out", Token: true, Expires: old},
		{ID: "revoked lately", Token: true, Revoked: lately, Expires: old},
		{ID: "revoked", Token: true, Revoked: old, Expires: now.Add(time.Hour)},
	}
	ids := ""
	for _, c := range Forgettable(all, now) {
		ids += c.ID + ", "
	}
	if ids != "ran out, revoked, " {
		t.Errorf("forgettable: %s", ids)
	}
}

func BenchmarkToken(b *testing.B) {
	w := newWorld(b)
	for b.Loop() {
		if _, d := w.Token(b.Context(), imapFrom(home), anna, w.token); !d.Allowed() {
			b.Fatal(d)
		}
	}
}
