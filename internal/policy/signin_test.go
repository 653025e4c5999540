package policy

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// fakeDirectory is a directory in memory.
type fakeDirectory struct {
	mu          sync.Mutex
	accounts    map[string]store.Account
	aliases     map[string]string
	credentials map[store.AccountID][]store.Credential
	err         error
	reads       int // of credentials
	touched     int
}

func notFound() error { return &store.Error{Op: "find", Kind: store.KindNotFound} }

func (d *fakeDirectory) AccountByAddress(_ context.Context, address string) (store.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.accounts[address]
	if !ok && d.err == nil {
		return a, notFound()
	}
	return a, d.err
}

func (d *fakeDirectory) Account(_ context.Context, id store.AccountID) (store.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.accounts {
		if a.ID == id {
			return a, d.err
		}
	}
	return store.Account{}, cmp.Or(d.err, notFound())
}

func (d *fakeDirectory) Resolve(ctx context.Context, address string) (store.Resolution, error) {
	d.mu.Lock()
	target, ok := d.aliases[address]
	d.mu.Unlock()
	if !ok {
		return store.Resolution{}, notFound()
	}
	a, err := d.AccountByAddress(ctx, target)
	return store.Resolution{Local: true, Accounts: []store.Account{a}}, err
}

func (d *fakeDirectory) Credentials(_ context.Context, id store.AccountID) ([]store.Credential, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	return slices.Clone(d.credentials[id]), d.err
}

func (d *fakeDirectory) TouchCredential(context.Context, store.AccountID, string, time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.touched++
	return nil
}

func (d *fakeDirectory) RehashCredential(_ context.Context, id store.AccountID, credential, old, hash string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.credentials[id] {
		if c := &d.credentials[id][i]; c.ID == credential && c.Hash == old {
			c.Hash = hash
		}
	}
	return nil
}

// update changes the account of Anna, as the store does: with a new version.
func (d *fakeDirectory) update(fn func(*store.Account, *[]store.Credential)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[anna]
	list := d.credentials[a.ID]
	fn(&a, &list)
	a.Version++
	d.accounts[anna], d.credentials[a.ID] = a, list
}

const (
	anna     = "anna@example.org"
	password = "correct horse"
)

// world is a SignIn with all around it.
type world struct {
	*SignIn
	directory *fakeDirectory
	clock     *fakeClock
	events    *events
	guard     *Guard
	app       string // an app password for IMAP
	token     string // a bearer token for IMAP
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: newFakeClock(), events: &events{}}
	hasher := cheap(t)
	primary, err := NewPassword(context.Background(), hasher, password, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	app, plain, err := NewAppPassword("phone", store.ProtocolIMAP, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.app = plain
	token, bearer := NewToken(7, "tablet", store.ProtocolIMAP, w.clock.Now(), time.Time{})
	w.token = bearer
	w.directory = &fakeDirectory{
		accounts:    map[string]store.Account{anna: {ID: 7, Address: anna, Protocols: store.AllProtocols &^ store.ProtocolPOP3, Version: 1}},
		aliases:     map[string]string{"a@example.org": anna},
		credentials: map[store.AccountID][]store.Credential{7: {primary, app, token}},
	}
	w.guard = newTestGuard(t, w.clock, &memoryRecord{}, w.events)
	w.SignIn = NewSignIn(SignInOptions{
		Directory: w.directory, Tokens: Tokens{w.directory}, Guard: w.guard, Hasher: hasher, Journal: w.events, Clock: w.clock,
		DefaultDomain: "example.org", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	return w
}

func imapFrom(a netip.Addr) Attempt {
	return Attempt{Protocol: store.ProtocolIMAP, Remote: a, TLS: true}
}

func TestSignIn(t *testing.T) {
	noChange := func(*store.Account, *[]store.Credential) {}
	tests := []struct {
		name               string
		change             func(*store.Account, *[]store.Credential)
		username, password string
		protocol           store.Protocol
		want               cause.ID
	}{
		{"right", noChange, anna, password, store.ProtocolIMAP, ""},
		{"other spelling of the address", noChange, "Anna@EXAMPLE.org", password, store.ProtocolIMAP, ""},
		{"app password", noChange, anna, "APP", store.ProtocolIMAP, ""},
		{"wrong", noChange, anna, "wrong horse", store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"empty", noChange, anna, "", store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"no such account", noChange, "bo@example.org", password, store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"no such domain", noChange, "anna@example.com", password, store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"no address at all", noChange, "", password, store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"local part alone", noChange, "anna", password, store.ProtocolIMAP, cause.AuthUsernameForm},
		{"local part alone, wrong", noChange, "anna", "x", store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"alias", noChange, "a@example.org", password, store.ProtocolIMAP, cause.AuthUsernameForm},
		{"alias, wrong", noChange, "a@example.org", "x", store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"space after the name", noChange, anna + " ", password, store.ProtocolIMAP, cause.AuthInvisibleCharacter},
		{"space after the password", noChange, anna, password + "\u200b\n", store.ProtocolIMAP, cause.AuthInvisibleCharacter},
		{"protocol off for the account", noChange, anna, password, store.ProtocolPOP3, cause.AccountProtocolDisabled},
		{"protocol off, wrong", noChange, anna, "x", store.ProtocolPOP3, cause.AuthPasswordWrong},
		{"protocol off for the app password", noChange, anna, "APP", store.ProtocolSubmission, cause.AccountProtocolDisabled},
		{"disabled", func(a *store.Account, _ *[]store.Credential) { a.Disabled = true }, anna, password, store.ProtocolIMAP, cause.AccountMailDisabled},
		{"disabled, wrong", func(a *store.Account, _ *[]store.Credential) { a.Disabled = true }, anna, "x", store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"unpaid", func(a *store.Account, _ *[]store.Credential) { a.Suspended = cause.AccountSuspendedUnpaid }, anna, password, store.ProtocolIMAP, cause.AccountSuspendedUnpaid},
		{"unpaid, wrong", func(a *store.Account, _ *[]store.Credential) { a.Suspended = cause.AccountSuspendedUnpaid }, anna, "x", store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"being moved", func(a *store.Account, _ *[]store.Credential) { a.Suspended = cause.AccountMaintenance }, anna, password, store.ProtocolIMAP, cause.AccountMaintenance},
		{"may not send", func(a *store.Account, _ *[]store.Credential) { a.Suspended = cause.AccountBlockedAbuse }, anna, password, store.ProtocolIMAP, ""},
		{"password ran out", func(_ *store.Account, c *[]store.Credential) {
			(*c)[0].Expires = newFakeClock().Now()
		}, anna, password, store.ProtocolIMAP, cause.AccountPasswordExpired},
		{"no password at all", func(_ *store.Account, c *[]store.Credential) { *c = nil }, anna, password, store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"second step", twoSteps, anna, password, store.ProtocolIMAP, cause.AuthAppPasswordRequired},
		{"second step, wrong", twoSteps, anna, "x", store.ProtocolIMAP, cause.AuthPasswordWrong},
		{"second step, app password", twoSteps, anna, "APP", store.ProtocolIMAP, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.directory.update(tt.change)
			given := tt.password
			if given == "APP" {
				given = w.app
			}
			for range 2 { // the second time from the cache
				who, d := w.Password(t.Context(), Attempt{Protocol: tt.protocol, Remote: home}, tt.username, given)
				if fits(t, d); d.Cause != tt.want || d.Allowed() != (tt.want == "") {
					t.Fatalf("%+v", d)
				}
				if d.Allowed() && (who.Account.ID != 7 || who.App != (given == w.app)) || !d.Allowed() && who != (Identity{}) {
					t.Fatalf("%+v", who)
				}
			}
			if ok, refused := w.events.count(journal.SignInOK), w.events.count(journal.SignInRefused); ok+refused != 2 || (ok == 2) != (tt.want == "") {
				t.Errorf("%d and %d events", ok, refused)
			}
			for _, e := range w.events.list {
				for _, f := range e.Fields {
					if f.Value != "" && strings.Contains(given, f.Value) && f.Name != "protocol" {
						t.Errorf("an event tells the password: %+v", e)
					}
				}
			}
		})
	}
}

func twoSteps(a *store.Account, _ *[]store.Credential) { a.TwoStep = true }

// In browsers the password of the account is half of a sign-in where there is a second step. Wrong codes count as wrong
// passwords, and whoever has the password alone does not become known.
func TestSecondStep(t *testing.T) {
	w := newWorld(t)
	w.directory.update(twoSteps)
	browser := Attempt{Protocol: store.ProtocolWeb, Remote: home, TLS: true, Purpose: ForBrowser}
	who, d := w.Password(t.Context(), browser, anna, password)
	if !d.Allowed() || !who.Half || who.Known || w.events.count(journal.SignInHalf) != 1 || w.events.count(journal.SignInOK) != 0 {
		t.Fatalf("%+v %+v", who, d)
	}
	step := func(remote netip.Addr, d cause.Decision, err error) cause.Decision {
		browser.Remote = remote
		return w.SecondStep(t.Context(), browser, who.Account, func(context.Context) (string, cause.Decision, error) { return "code", d, err })
	}
	wrong := cause.Refuse(cause.AuthSecondStep)
	if d := step(home, wrong, nil); d.Cause != cause.AuthSecondStep || w.guard.level(addressKey(home), w.clock.Now()) != 1 {
		t.Errorf("a wrong code: %+v", d)
	}
	if d := step(home, cause.Wait(cause.AccountLockedOut, w.clock.Now()), nil); d.Cause != cause.AccountLockedOut || w.guard.level(addressKey(home), w.clock.Now()) > 1 {
		t.Errorf("codes are locked: %+v", d)
	}
	if d := step(home, cause.Allow(), io.ErrUnexpectedEOF); d.Cause != cause.ProviderAuthBackendDown {
		t.Errorf("not checked: %+v", d)
	}
	if d := step(home, cause.Allow(), nil); !d.Allowed() || w.events.count(journal.SignInOK) != 1 {
		t.Errorf("the code: %+v", d)
	}
	if who, _ := w.Password(t.Context(), browser, anna, password); !who.Known {
		t.Error("the address is not known")
	}
	stranger := netip.MustParseAddr("198.51.100.77")
	for range 3 * DefaultGuardLimits().AddressFailures { // some are forgotten while others are held back
		d = step(stranger, wrong, nil)
	}
	if d.Cause != cause.NetworkClientBanned {
		t.Errorf("guessing codes: %+v", d)
	}
	if d := w.Proved(t.Context(), browser, who.Account, "passkey"); d.Cause != cause.NetworkClientBanned {
		t.Errorf("a passkey from there: %+v", d)
	}
}

// Browsers, and who confirms that it is he, give the password of the account and no other.
func TestPurpose(t *testing.T) {
	for _, purpose := range []Purpose{ForBrowser, ForConfirmation} {
		w := newWorld(t)
		a := Attempt{Protocol: store.ProtocolIMAP, Remote: home, Purpose: purpose} // which the app password is for
		if who, d := w.Password(t.Context(), a, anna, w.app); d.Cause != cause.AuthPasswordWrong || who != (Identity{App: true}) {
			t.Errorf("%d: %+v %+v", purpose, who, d)
		}
		if who, d := w.Password(t.Context(), a, anna, password); !d.Allowed() || who.Half {
			t.Errorf("%d: %+v %+v", purpose, who, d)
		}
		w.directory.update(twoSteps)
		if who, d := w.Password(t.Context(), a, anna, password); !d.Allowed() || who.Half != (purpose == ForBrowser) {
			t.Errorf("%d: %+v %+v", purpose, who, d)
		}
		if n := w.events.count(journal.SignInConfirmed); (n == 2) != (purpose == ForConfirmation) {
			t.Errorf("%d: %d events", purpose, n)
		}
	}
}

func TestSignInOfUnknownLooksLikeWrongPassword(t *testing.T) {
	w := newWorld(t)
	_, wrong := w.Password(t.Context(), imapFrom(home), anna, "x")
	for _, username := range []string{"bo@example.org", "bo", "", "@", "bo@", "\x00", strings.Repeat("x", 5000)} {
		if _, unknown := w.Password(t.Context(), imapFrom(home), username, "x"); fmt.Sprint(unknown) != fmt.Sprint(wrong) {
			t.Errorf("%q: %+v, not %+v", username, unknown, wrong)
		}
	}
}

// What takes time is slow hashes, and a wrong password costs as many whatever the user name leads to.
func TestEveryWrongPasswordCostsTheSame(t *testing.T) {
	for _, tt := range []struct {
		name, username string
		change         func(*store.Account, *[]store.Credential)
	}{
		{"password and app password", anna, func(*store.Account, *[]store.Credential) {}},
		{"only a password", anna, func(_ *store.Account, c *[]store.Credential) { *c = (*c)[:1] }},
		{"only an app password", anna, func(_ *store.Account, c *[]store.Credential) { *c = (*c)[1:] }},
		{"no password", anna, func(_ *store.Account, c *[]store.Credential) { *c = nil }},
		{"disabled", anna, func(a *store.Account, _ *[]store.Credential) { a.Disabled = true }},
		{"no account", "bo@example.org", func(*store.Account, *[]store.Credential) {}},
		{"alias", "a@example.org", func(*store.Account, *[]store.Credential) {}},
		{"no address", "bo", func(*store.Account, *[]store.Credential) {}},
	} {
		w := newWorld(t)
		w.directory.update(tt.change)
		for given, want := range map[string]uint64{"wrong": 1, "wrong ": 2} { // with and without its space
			before := w.hasher.Hashes()
			w.Password(t.Context(), imapFrom(home), tt.username, given)
			if got := w.hasher.Hashes() - before; got != want {
				t.Errorf("%s, %q: %d slow hashes, not %d", tt.name, given, got, want)
			}
		}
	}
}

func TestSignInRemembersChecks(t *testing.T) {
	w := newWorld(t)
	for range 50 {
		if _, d := w.Password(t.Context(), imapFrom(home), anna, password); !d.Allowed() {
			t.Fatal(d)
		}
	}
	if w.directory.reads != 1 || w.directory.touched != 1 {
		t.Errorf("%d checks, noted %d times", w.directory.reads, w.directory.touched)
	}
	w.clock.advance(rightFor)
	w.Password(t.Context(), imapFrom(home), anna, password)
	if w.directory.reads != 2 || w.directory.touched != 2 {
		t.Errorf("after an hour: %d checks, noted %d times", w.directory.reads, w.directory.touched)
	}
}

func TestStalePasswordOfADeviceCountsOnce(t *testing.T) {
	w := newWorld(t)
	for range 500 {
		if _, d := w.Password(t.Context(), imapFrom(home), anna, "last year's horse"); d.Cause != cause.AuthPasswordWrong {
			t.Fatalf("%+v", d)
		}
	}
	if level := w.guard.level(addressKey(home), w.clock.Now()); level != 1 {
		t.Errorf("counted as %v failures", level)
	}
	if _, d := w.Password(t.Context(), imapFrom(home), anna, password); !d.Allowed() || w.clock.slept != 0 {
		t.Errorf("the owner: %+v after %v", d, w.clock.slept)
	}
}

// A hash made with other costs is made anew once its password is known.
func TestSignInRehashes(t *testing.T) {
	w := newWorld(t)
	hasher, err := NewHasher(HashParams{MemoryKiB: 20480, Passes: 1, Lanes: 1, Concurrent: 1, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.hasher = hasher
	before := w.directory.credentials[7][0].Hash
	if _, d := w.Password(t.Context(), imapFrom(home), anna, "wrong horse"); d.Allowed() || w.directory.credentials[7][0].Hash != before {
		t.Fatalf("%+v", d)
	}
	if _, d := w.Password(t.Context(), imapFrom(home), anna, password); !d.Allowed() {
		t.Fatalf("%+v", d)
	}
	after := w.directory.credentials[7][0].Hash
	if ok, again, err := hasher.Verify(t.Context(), after, password); after == before || !ok || again || err != nil {
		t.Errorf("%s became %s: %v %v %v", before, after, ok, again, err)
	}
}

// A browser is told whose password has run out, so that another can be chosen; a program is not.
func TestExpiredInBrowser(t *testing.T) {
	for _, steps := range []bool{false, true} {
		w := newWorld(t)
		w.directory.update(func(a *store.Account, c *[]store.Credential) { a.TwoStep, (*c)[0].Expires = steps, w.clock.Now() })
		who, d := w.Password(t.Context(), Attempt{Protocol: store.ProtocolWeb, Remote: home, Purpose: ForBrowser}, anna, password)
		if d.Cause != cause.AccountPasswordExpired || who.Account.ID != 7 || who.CredentialID == "" || who.Half != steps {
			t.Errorf("%+v %+v", d, who)
		}
		if who, d := w.Password(t.Context(), Attempt{Protocol: store.ProtocolWeb, Remote: home, Purpose: ForBrowser}, anna, "x"); who != (Identity{}) || d.Cause != cause.AuthPasswordWrong {
			t.Errorf("wrong: %+v %+v", d, who)
		}
	}
}

func TestSignInWhileLocked(t *testing.T) {
	w := newWorld(t)
	w.Password(t.Context(), imapFrom(home), anna, password)
	for i := range 60 {
		w.Password(t.Context(), imapFrom(attacker(i)), anna, fmt.Sprint("guess ", i))
	}
	if _, d := w.Password(t.Context(), imapFrom(home), anna, password); !d.Allowed() {
		t.Errorf("from home: %+v", d)
	}
	w.clock.advance(time.Minute)
	if _, d := w.Password(t.Context(), imapFrom(stranger), anna, password); fits(t, d).Cause != cause.AccountLockedOut || d.Until.IsZero() {
		t.Errorf("right password from elsewhere: %+v", d)
	}
	w.clock.advance(time.Second)
	if _, d := w.Password(t.Context(), imapFrom(attacker(500)), anna, password); d.Cause != cause.AuthPasswordWrong {
		t.Errorf("the next stranger learns something: %+v", d)
	}
	w.clock.advance(time.Minute)
	if _, d := w.Password(t.Context(), imapFrom(attacker(501)), anna, "x"); d.Cause != cause.AuthPasswordWrong {
		t.Errorf("wrong password: %+v", d)
	}
	w.clock.advance(time.Minute)
	if _, d := w.Password(t.Context(), imapFrom(attacker(502)), anna, w.app); !d.Allowed() {
		t.Errorf("app password from elsewhere: %+v", d)
	}
}

func TestSignInWhenPasswordsCannotBeChecked(t *testing.T) {
	w := newWorld(t)
	w.directory.err = &store.Error{Op: "read", Kind: store.KindOther}
	for _, username := range []string{anna, "bo@example.org"} {
		_, d := w.Password(t.Context(), imapFrom(home), username, password)
		if fits(t, d).Cause != cause.ProviderAuthBackendDown || d.Action != cause.ActionWait {
			t.Errorf("%s: %+v", username, d)
		}
	}
	w.directory.err = nil
	if _, d := w.Password(t.Context(), imapFrom(home), anna, password); !d.Allowed() {
		t.Errorf("afterwards: %+v", d)
	}
	if level := w.guard.level(addressKey(home), w.clock.Now()); level != 0 {
		t.Errorf("counted as %v failures", level)
	}
}

func TestSignInWhenTooManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.hasher.queued.Store(1 << 30)
	for range cap(w.hasher.slots) {
		w.hasher.slots <- struct{}{}
	}
	_, d := w.Password(t.Context(), imapFrom(home), anna, password)
	if fits(t, d).Cause != cause.ProviderOverloaded || d.Action != cause.ActionWait {
		t.Errorf("%+v", d)
	}
}

// Whatever was signed in with before, after a change of password only the new one is right.
func TestCacheNeverAcceptsAnOldPassword(t *testing.T) {
	hasher := cheap(t)
	passwords := []string{"first password", "second password", "third password"}
	made := make([]store.Credential, len(passwords))
	for i, p := range passwords {
		var err error
		if made[i], err = NewPassword(t.Context(), hasher, p, time.Time{}); err != nil {
			t.Fatal(err)
		}
		made[i].ID = "primary"
	}
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		now := -1
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			if now < 0 || rapid.Bool().Draw(rt, "change") {
				now = rapid.IntRange(0, len(passwords)-1).Draw(rt, "to")
				w.directory.update(func(_ *store.Account, c *[]store.Credential) { *c = []store.Credential{made[now]} })
			}
			i := rapid.IntRange(0, len(passwords)-1).Draw(rt, "given")
			_, d := w.Password(context.Background(), imapFrom(netip.IPv6Unspecified()), anna, passwords[i])
			if d.Allowed() != (i == now) && d.Cause != cause.AccountLockedOut && d.Cause != cause.NetworkClientBanned {
				rt.Fatalf("password %d while %d is right: %+v", i, now, d)
			}
			w.clock.advance(time.Hour) // failures are forgotten
		}
	})
}

func TestSignInConcurrently(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			given, want := password, true
			if i%2 == 1 {
				given, want = "wrong", false
			}
			for range 10 {
				if _, d := w.Password(t.Context(), imapFrom(home), anna, given); d.Allowed() != want {
					t.Errorf("%q: %+v", given, d)
				}
			}
		})
	}
	all.Wait()
	if w.directory.reads != 2 {
		t.Errorf("two passwords were checked %d times", w.directory.reads)
	}
}

// scramSignIn signs in as a client does, and returns the decision.
func scramSignIn(t testing.TB, w *world, a netip.Addr, authzid, username, password string, between func()) (sasl.Identity, cause.Decision) {
	t.Helper()
	server := sasl.New(sasl.Options{Plaintext: true})
	m, err := server.Start(sasl.ScramSHA256, sasl.Channel{}, w.Verifier(imapFrom(a)))
	if err != nil {
		t.Fatal(err)
	}
	client, err := scram.SHA256.NewClientUnprepped(username, password, authzid)
	if err != nil {
		t.Fatal(err)
	}
	conversation := client.NewConversation()
	challenge := ""
	for {
		response, err := conversation.Step(challenge)
		if err != nil {
			t.Fatalf("client: %v", err)
		}
		next, done, err := m.Next(t.Context(), []byte(response))
		if err != nil {
			return sasl.Identity{}, sasl.DecisionOf(err)
		}
		if done {
			return m.Identity(), cause.Allow()
		}
		challenge = string(next)
		if between != nil {
			between()
		}
	}
}

func TestScram(t *testing.T) {
	onlyPrimary := func(_ *store.Account, c *[]store.Credential) { *c = (*c)[:1] }
	onlyApp := func(_ *store.Account, c *[]store.Credential) { *c = (*c)[1:] }
	tests := []struct {
		name                        string
		change                      func(*store.Account, *[]store.Credential)
		authzid, username, password string
		want                        cause.ID
	}{
		{"right", onlyPrimary, "", anna, password, ""},
		{"for itself", onlyPrimary, anna, anna, password, ""},
		{"for somebody else", onlyPrimary, "bo@example.org", anna, password, cause.AccountAccessDenied},
		{"wrong", onlyPrimary, "", anna, "wrong horse", cause.AuthPasswordWrong},
		{"app password", onlyApp, "", anna, "APP", ""},
		{"unknown", onlyPrimary, "", "bo@example.org", password, cause.AuthPasswordWrong},
		// Its owner cannot be told as with a password: the salt of the account would tell anybody.
		{"alias", onlyPrimary, "", "a@example.org", password, cause.AuthPasswordWrong},
		{"second step", func(a *store.Account, c *[]store.Credential) {
			onlyPrimary(a, c)
			twoSteps(a, c)
		}, "", anna, password, cause.AuthAppPasswordRequired},
		{"second step, app password", func(a *store.Account, c *[]store.Credential) {
			onlyApp(a, c)
			twoSteps(a, c)
		}, "", anna, "APP", ""},
		{"unpaid", func(a *store.Account, c *[]store.Credential) {
			onlyPrimary(a, c)
			a.Suspended = cause.AccountSuspendedUnpaid
		}, "", anna, password, cause.AccountSuspendedUnpaid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.directory.update(tt.change)
			if tt.password == "APP" {
				tt.password = w.app
			}
			who, d := scramSignIn(t, w, home, tt.authzid, tt.username, tt.password, nil)
			if fits(t, d); d.Cause != tt.want {
				t.Fatalf("%+v", d)
			}
			if d.Allowed() && (who.Name != anna || who.Account.(Identity).Account.ID != 7) {
				t.Errorf("%+v", who)
			}
			wantLevel := 0.0
			if tt.want == cause.AuthPasswordWrong {
				wantLevel = 1
			}
			if level := w.guard.level(addressKey(home), w.clock.Now()); level != wantLevel {
				t.Errorf("%v failures", level)
			}
		})
	}
}

// TestScramSeveralPasswords: SCRAM takes any password of an account, and tells who has one for
// another protocol what is the matter. Passwords from before they shared a salt are found by their use.
func TestScramSeveralPasswords(t *testing.T) {
	w := newWorld(t)
	primary, err := NewPassword(t.Context(), w.hasher, password, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	others := []store.Credential{primary}
	plain := map[string]cause.ID{password: "", "another horse": cause.AuthPasswordWrong}
	for name, p := range map[string]store.Protocol{"phone": store.ProtocolIMAP, "laptop": store.AllProtocols, "printer": store.ProtocolSubmission} {
		c, given, err := NewAppPassword(name, p, w.clock.Now(), others...)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, c)
		plain[given] = ""
		if !p.Has(store.ProtocolIMAP) {
			plain[given] = cause.AccountProtocolDisabled
		}
	}
	w.directory.update(func(_ *store.Account, c *[]store.Credential) { *c = append(others, (*c)[1]) })
	for given, want := range plain {
		if _, d := scramSignIn(t, w, home, "", anna, given, nil); d.Cause != want {
			t.Errorf("%+v, want %q", d, want)
		}
	}
	if _, d := scramSignIn(t, w, home, "", anna, w.app, nil); d.Cause != cause.AuthPasswordWrong {
		t.Errorf("another salt: %+v", d)
	}
	w.directory.update(func(_ *store.Account, c *[]store.Credential) { (*c)[len(*c)-1].LastUsed = w.clock.Now() })
	if _, d := scramSignIn(t, w, home, "", anna, w.app, nil); !d.Allowed() {
		t.Errorf("another salt, used last: %+v", d)
	}
}

func TestVerifierActsForNobodyElse(t *testing.T) {
	w := newWorld(t)
	v := w.Verifier(imapFrom(home))
	for _, tt := range []struct {
		authzid string
		want    cause.ID
	}{{"", ""}, {anna, ""}, {"ANNA@example.org", ""}, {"bo@example.org", cause.AccountAccessDenied}, {"anna", cause.AccountAccessDenied}} {
		who, d := v.Password(t.Context(), tt.authzid, anna, password)
		if fits(t, d); d.Cause != tt.want || d.Allowed() != (who.Name == anna) {
			t.Errorf("for %q: %+v, %+v", tt.authzid, who, d)
		}
	}
	if ok := w.events.count(journal.SignInOK); ok != 3 {
		t.Errorf("%d events of success", ok)
	}
}

func TestScramWhilePasswordChanges(t *testing.T) {
	w := newWorld(t)
	other, err := NewPassword(t.Context(), w.hasher, "another horse", w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.directory.update(func(_ *store.Account, c *[]store.Credential) { *c = (*c)[:1] })
	other.ID = w.directory.credentials[7][0].ID
	_, d := scramSignIn(t, w, home, "", anna, password, func() {
		w.directory.update(func(_ *store.Account, c *[]store.Credential) { *c = []store.Credential{other} })
	})
	if d.Cause != cause.AuthPasswordWrong {
		t.Errorf("the old password signs in: %+v", d)
	}
}

// meanwhile is a directory in which something happens while a password is checked.
type meanwhile struct {
	Directory
	do func()
}

func (m meanwhile) Credentials(ctx context.Context, id store.AccountID) ([]store.Credential, error) {
	m.do()
	return m.Directory.Credentials(ctx, id)
}

// TestOneAddressLocksNoAccount: however many passwords it tries at once.
func TestOneAddressLocksNoAccount(t *testing.T) {
	w := newWorld(t)
	fail(w.guard, stranger, anna, 200)
	bans := w.guard.Bans(t.Context())
	if len(bans) != 1 || bans[0].Cause != cause.NetworkClientBanned {
		t.Errorf("%+v", bans)
	}
	if _, d := w.Password(t.Context(), imapFrom(home), anna, password); !d.Allowed() {
		t.Errorf("anna from elsewhere: %+v", d)
	}
}

// TestUnprovedHasAnEnd holds that what cannot be guessed bans who floods with it, and locks nobody's account.
func TestUnprovedHasAnEnd(t *testing.T) {
	w := newWorld(t)
	from := Attempt{Protocol: store.ProtocolWeb, Remote: stranger, TLS: true, Purpose: ForBrowser}
	if d := w.Admits(from); !d.Allowed() {
		t.Fatalf("at first: %+v", d)
	}
	for range 200 {
		w.Unproved(t.Context(), from, anna, cause.Refuse(cause.AuthPasskey))
	}
	if d := w.Admits(from); d.Cause != cause.NetworkClientBanned {
		t.Errorf("after a flood: %+v", d)
	}
	if bans := w.guard.Bans(t.Context()); len(bans) != 1 {
		t.Errorf("%+v", bans)
	}
}

// TestGuessingAtOnce: of many passwords that are tried at one time, no more than those that lead to
// a ban tell anything, not even the right one.
func TestGuessingAtOnce(t *testing.T) {
	w := newWorld(t)
	w.directory.update(func(_ *store.Account, c *[]store.Credential) { *c = (*c)[:1] })
	ban := func() { fail(w.guard, stranger, "bo@example.org", 20) }
	if _, d := scramSignIn(t, w, stranger, "", anna, password, ban); d.Cause != cause.NetworkClientBanned {
		t.Errorf("SCRAM: %+v", d)
	}
	for _, tried := range []string{password, "wrong horse"} {
		w := newWorld(t)
		w.SignIn.directory = meanwhile{w.directory, func() { fail(w.guard, stranger, "bo@example.org", 20) }}
		if _, d := w.Password(t.Context(), imapFrom(stranger), anna, tried); d.Cause != cause.NetworkClientBanned {
			t.Errorf("%s: %+v", tried, d)
		}
		if n := w.events.count(journal.SignInOK); n > 0 {
			t.Errorf("%s: %d sign-ins", tried, n)
		}
	}
}

func TestScramBannedAndLocked(t *testing.T) {
	w := newWorld(t)
	w.directory.update(func(_ *store.Account, c *[]store.Credential) { *c = (*c)[:1] })
	fail(w.guard, stranger, "bo@example.org", 20)
	if _, d := scramSignIn(t, w, stranger, "", anna, password, nil); d.Cause != cause.NetworkClientBanned {
		t.Errorf("banned: %+v", d)
	}
	for i := range 40 {
		w.guard.Failed(attacker(i), anna)
	}
	if _, d := scramSignIn(t, w, home, "", anna, password, nil); d.Cause != cause.AccountLockedOut {
		t.Errorf("locked: %+v", d)
	}
	if _, d := scramSignIn(t, w, neighbor, "", anna, password, nil); d.Cause != cause.AuthPasswordWrong {
		t.Errorf("locked, the next: %+v", d)
	}
}

func TestStates(t *testing.T) {
	account := store.Account{Protocols: store.ProtocolIMAP}
	for _, tt := range []struct {
		change  func(*store.Account)
		signIn  cause.ID
		sending cause.ID
	}{
		{func(*store.Account) {}, "", ""},
		{func(a *store.Account) { a.Disabled = true }, cause.AccountMailDisabled, cause.AccountMailDisabled},
		{func(a *store.Account) { a.Suspended = cause.AccountBlockedAbuse }, "", cause.AccountBlockedAbuse},
		{func(a *store.Account) { a.Suspended = cause.AccountSuspendedUnpaid }, cause.AccountSuspendedUnpaid, cause.AccountSuspendedUnpaid},
		{func(a *store.Account) { a.Suspended = cause.AccountMaintenance }, cause.AccountMaintenance, cause.AccountMaintenance},
		{func(a *store.Account) { a.Protocols = 0 }, cause.AccountProtocolDisabled, ""},
	} {
		a := account
		tt.change(&a)
		if d := fits(t, StateForSignIn(a, store.ProtocolIMAP)); d.Cause != tt.signIn {
			t.Errorf("%+v signs in: %+v", a, d)
		}
		if d := fits(t, StateForSending(a)); d.Cause != tt.sending {
			t.Errorf("%+v sends: %+v", a, d)
		}
	}
	for p := store.ProtocolIMAP; p <= store.AllProtocols; p <<= 1 {
		if protocolName(p) == "" {
			t.Errorf("protocol %d has no name", p)
		}
	}
}

func BenchmarkSignInCached(b *testing.B) {
	w := newWorld(b)
	w.SignIn.journal = discard{}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, d := w.Password(context.Background(), imapFrom(home), anna, password); !d.Allowed() {
				b.Fatal(d)
			}
		}
	})
}

type discard struct{}

func (discard) Record(context.Context, store.Event) {}
