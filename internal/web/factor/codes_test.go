package factor

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

type world struct {
	*testing.T
	*Codes
	account store.Account
	now     time.Time
	secret  string
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, now: time.Date(2026, 5, 4, 12, 0, 10, 0, time.UTC)}
	s := storetest.Open(t)
	w.account = storetest.Account(t, s, "anna@demo.test")
	w.Codes = &Codes{Store: s, Issuer: "mail.demo.test", Now: func() time.Time { return w.now }}
	return w
}

// app is the code that an app shows, whose clock is so much ahead.
func (w *world) app(ahead time.Duration) string {
	w.Helper()
	code, err := totp.GenerateCode(w.secret, w.now.Add(ahead))
	if err != nil {
		w.Fatal(err)
	}
	return code
}

func (w *world) begin() Setup {
	w.Helper()
	setup, err := w.Begin(w.Context(), &w.account)
	if err != nil {
		w.Fatal(err)
	}
	key, err := otp.NewKeyFromURL(setup.URI)
	if err != nil || key.AccountName() != "anna@demo.test" || key.Issuer() != "mail.demo.test" || key.Secret() != strings.ReplaceAll(setup.Secret, " ", "") {
		w.Fatalf("%+v %v", setup, err)
	}
	w.secret = key.Secret()
	return setup
}

func (w *world) enable() []string {
	w.Helper()
	w.begin()
	recovery, d, err := w.Enable(w.Context(), &w.account, w.app(0))
	if err != nil || !d.Allowed() || !w.account.TwoStep {
		w.Fatal(d, err)
	}
	return recovery
}

// is checks a code and holds what comes of it: the kind of code, or a cause.
func (w *world) is(code, want string) {
	w.Helper()
	kind, d, err := w.Check(w.Context(), w.account.ID, code)
	if got := kind + string(d.Cause); err != nil || got != want {
		w.Errorf("%s: %q %v, not %q", code, got, err, want)
	}
}

func TestCodes(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.Check(t.Context(), w.account.ID, "123456"); err != ErrOff {
		t.Error(err)
	}
	w.begin()
	if _, d, err := w.Enable(t.Context(), &w.account, "abcdef"); err != nil || d.Cause != cause.AuthSecondStep || w.account.TwoStep {
		t.Error(d, err)
	}
	if len(w.enable()) != recoveryCodes {
		t.Error("other codes")
	}
	if _, err := w.Begin(t.Context(), &w.account); err != ErrOn {
		t.Error(err)
	}
	w.is(w.app(0), string(cause.AuthSecondStep)) // used to switch it on
	w.is(w.app(30*time.Second), KindCode)        // a clock that is a little fast
	w.is(w.app(0), string(cause.AuthSecondStep)) // older than one that was taken
	w.now = w.now.Add(2 * time.Minute)
	w.is(w.app(-61*time.Second), string(cause.AuthSecondStep))
	w.is(w.app(61*time.Second), string(cause.AuthSecondStep))
	code := w.app(-30 * time.Second)
	w.is(code[:3]+" "+code[3:], KindCode)
	if err := w.Disable(t.Context(), &w.account); err != nil || w.account.TwoStep {
		t.Error(err)
	}
	if _, _, err := w.Check(t.Context(), w.account.ID, w.app(0)); err != ErrOff {
		t.Error(err)
	}
}

func TestRecovery(t *testing.T) {
	w := newWorld(t)
	recovery := w.enable()
	w.is(recovery[3], KindRecovery)
	w.is(recovery[3], string(cause.AuthSecondStep))
	w.is(strings.ToUpper(strings.ReplaceAll(recovery[4], "-", " ")), KindRecovery)
	step, err := w.Store.SecondStep(t.Context(), w.account.ID)
	if err != nil || Left(&step) != recoveryCodes-2 {
		t.Error(Left(&step), err)
	}
	renewed, err := w.Renew(t.Context(), w.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.is(recovery[5], string(cause.AuthSecondStep))
	w.is(renewed[5], KindRecovery)
}

// Guessing codes is stopped; recovery codes are taken all the same.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	recovery := w.enable()
	w.now = w.now.Add(time.Minute)
	for range freeTries {
		w.is("000000x", string(cause.AuthSecondStep))
	}
	w.is(w.app(0), string(cause.AccountLockedOut))
	w.now = w.now.Add(firstLock)
	w.is("nothing", string(cause.AuthSecondStep))
	w.is(w.app(0), string(cause.AccountLockedOut))
	w.is(recovery[0], KindRecovery)
	w.is(w.app(0), KindCode)
	if got := lockedUntil(&store.SecondStep{Wrong: 10000}); !got.Equal(time.Time{}.Add(longestLock)) {
		t.Error(got)
	}
}

// A code is taken once, however many come with it at once.
func TestCodeOnce(t *testing.T) {
	w := newWorld(t)
	w.enable()
	w.now = w.now.Add(time.Minute)
	var taken atomic.Int32
	var all sync.WaitGroup
	code := w.app(0)
	for range 8 {
		all.Go(func() {
			if _, d, err := w.Check(t.Context(), w.account.ID, code); err == nil && d.Allowed() {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if taken.Load() != 1 {
		t.Errorf("taken %d times", taken.Load())
	}
}

func TestQR(t *testing.T) {
	setup := newWorld(t).begin()
	svg, err := url.PathUnescape(strings.TrimPrefix(setup.QR, "data:image/svg+xml,"))
	if err != nil || !strings.HasPrefix(svg, "<svg ") || strings.Count(svg, "M") < 100 || len(setup.QR) > 40_000 {
		t.Errorf("%d octets, %v: %.100s", len(setup.QR), err, svg)
	}
}
