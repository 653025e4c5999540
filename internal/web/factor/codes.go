// Package factor knows what signs in on the web beside a password: the codes of a second step, and passkeys. Who may use it, how often
// and what is noted of it is for others to say.
package factor

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/page"
)

// The codes are those that all apps know (RFC 6238): six digits of SHA-1, another each half minute.
const (
	stepSeconds = 30
	window      = 1  // steps before and after this one whose codes are taken, for clocks that are wrong
	secretSize  = 20 // octets (RFC 4226 section 4)

	recoveryCodes = 10
	freeTries     = 10               // wrong codes before they are locked
	firstLock     = 15 * time.Minute // each five wrong codes more double it
	longestLock   = 24 * time.Hour
)

// Codes is the second step of accounts. It is safe for concurrent use.
type Codes struct {
	Store *store.Store
	// Issuer is the name that apps show beside the codes.
	Issuer string
	Now    func() time.Time
}

// Setup is what an app needs to make codes.
type Setup struct {
	Secret string `json:"secret"` // in groups of four, for typing
	URI    string `json:"uri"`    // otpauth:
	QR     string `json:"qr"`     // the same as an SVG image, as a data: URI
}

var base32NoPad = base32.StdEncoding.WithPadding(base32.NoPadding)

// Begin makes a new secret. It is asked for from when Enable is called; one that is in use stays.
func (c *Codes) Begin(ctx context.Context, a *store.Account) (Setup, error) {
	if a.TwoStep {
		return Setup{}, ErrOn
	}
	secret := make([]byte, secretSize)
	rand.Read(secret) // never fails
	if err := c.Store.PutSecondStep(ctx, a.ID, store.SecondStep{Secret: secret, Created: c.Now().UTC()}); err != nil {
		return Setup{}, fmt.Errorf("factor: %w", err)
	}
	text := base32NoPad.EncodeToString(secret)
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + c.Issuer + ":" + a.Address, RawQuery: "secret=" + text + "&issuer=" + url.PathEscape(c.Issuer)}
	image, err := page.QR(u.String())
	if err != nil {
		return Setup{}, fmt.Errorf("factor: %w", err)
	}
	return Setup{Secret: grouped(text, " "), URI: u.String(), QR: "data:image/svg+xml," + url.PathEscape(image)}, nil
}

// Errors of Codes.
var (
	// ErrOn reports that the second step is switched on already.
	ErrOn = errors.New("factor: the second step is on")
	// ErrOff reports that it is not, or that nothing was begun.
	ErrOff = errors.New("factor: the second step is off")
)

// Enable switches the second step on, once a code shows that the app has the secret. It returns the recovery codes, which
// are kept nowhere.
func (c *Codes) Enable(ctx context.Context, a *store.Account, code string) (recovery []string, d cause.Decision, err error) {
	if a.TwoStep {
		return nil, d, ErrOn
	}
	if _, d, err = c.check(ctx, a.ID, code, false); err != nil || !d.Allowed() {
		return nil, d, err
	}
	if recovery, err = c.Renew(ctx, a.ID); err != nil {
		return nil, d, err
	}
	return recovery, d, c.set(ctx, a, true)
}

// Disable switches the second step off and forgets its secret.
func (c *Codes) Disable(ctx context.Context, a *store.Account) error {
	if err := c.set(ctx, a, false); err != nil {
		return err
	}
	if err := c.Store.DeleteSecondStep(ctx, a.ID); err != nil {
		return fmt.Errorf("factor: %w", err)
	}
	return nil
}

func (c *Codes) set(ctx context.Context, a *store.Account, on bool) error {
	changed, err := c.Store.UpdateAccount(ctx, a.ID, func(a *store.Account) error {
		a.TwoStep = on
		return nil
	})
	if err != nil {
		return fmt.Errorf("factor: %w", err)
	}
	*a = changed
	return nil
}

// Renew makes new recovery codes in place of the old ones.
func (c *Codes) Renew(ctx context.Context, a store.AccountID) (recovery []string, err error) {
	for range recoveryCodes {
		recovery = append(recovery, newRecoveryCode())
	}
	err = c.Store.UpdateSecondStep(ctx, a, func(s *store.SecondStep) error {
		s.Recovery = nil
		for _, code := range recovery {
			s.Recovery = append(s.Recovery, store.RecoveryCode{Hash: recoveryHash(s.Secret, code)})
		}
		return nil
	})
	if err != nil {
		return nil, offOr(err)
	}
	return recovery, nil
}

func offOr(err error) error {
	if store.KindOf(err) == store.KindNotFound {
		return ErrOff
	}
	return fmt.Errorf("factor: %w", err)
}

// What a code was.
const (
	KindCode     = "code"
	KindRecovery = "recovery"
)

// Check takes a code of the app or a recovery code, each once, and says which it was. Wrong ones are counted: beyond some, codes of
// the app are not looked at for a while; recovery codes cannot be guessed and always are.
func (c *Codes) Check(ctx context.Context, a store.AccountID, code string) (kind string, d cause.Decision, err error) {
	return c.check(ctx, a, code, true)
}

func (c *Codes) check(ctx context.Context, a store.AccountID, code string, recovery bool) (kind string, d cause.Decision, err error) {
	code = plain(code)
	now := c.Now()
	err = c.Store.UpdateSecondStep(ctx, a, func(s *store.SecondStep) error {
		kind, d = "", cause.Allow()
		if recovery && takeRecovery(s, code, now) {
			kind = KindRecovery
			return nil
		}
		if until := lockedUntil(s); now.Before(until) {
			d = cause.Wait(cause.AccountLockedOut, until)
			return nil
		}
		step, err := matching(s, code, now)
		if err != nil {
			return err
		}
		if step == 0 {
			s.Wrong, s.LastWrong = s.Wrong+1, now.UTC()
			d = cause.Refuse(cause.AuthSecondStep)
			return nil
		}
		kind, s.LastStep, s.Wrong = KindCode, step, 0
		return nil
	})
	if err != nil {
		return "", d, offOr(err)
	}
	return kind, d, nil
}

// matching returns the step whose code it is, 0 for none; steps up to the last one that was taken do not count.
func matching(s *store.SecondStep, code string, now time.Time) (uint64, error) {
	secret := base32NoPad.EncodeToString(s.Secret)
	current := uint64(now.Unix()) / stepSeconds
	found := uint64(0)
	for step := current - window; step <= current+window; step++ {
		want, err := hotp.GenerateCodeCustom(secret, step, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("factor: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > s.LastStep && found == 0 {
			found = step
		}
	}
	return found, nil
}

func lockedUntil(s *store.SecondStep) time.Time {
	if s.Wrong < freeTries {
		return time.Time{}
	}
	return s.LastWrong.Add(min(firstLock<<min((s.Wrong-freeTries)/5, 8), longestLock))
}

func takeRecovery(s *store.SecondStep, code string, now time.Time) bool {
	hash := recoveryHash(s.Secret, code)
	for i := range s.Recovery {
		if s.Recovery[i].Used.IsZero() && hmac.Equal(s.Recovery[i].Hash, hash) {
			s.Recovery[i].Used, s.Wrong = now.UTC(), 0
			return true
		}
	}
	return false
}

// Left is how many recovery codes were not used yet.
func Left(s *store.SecondStep) (n int) {
	for _, r := range s.Recovery {
		if r.Used.IsZero() {
			n++
		}
	}
	return n
}

// recoveryHash is fast: a code that was made here cannot be guessed.
func recoveryHash(secret []byte, code string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("recovery " + plain(code)))
	return m.Sum(nil)
}

// letters are not mistaken for one another; 32, so that each has five bits.
const letters = "abcdefghjkmnpqrstuvwxyz23456789_"

// newRecoveryCode makes three groups of four letters and digits, 59 bits: "k3hp-wx7a-2mqd".
func newRecoveryCode() string {
	var b strings.Builder
	for b.Len() < 12 {
		var r [1]byte
		rand.Read(r[:]) // never fails
		if l := letters[r[0]&31]; l != '_' {
			b.WriteByte(l)
		}
	}
	return grouped(b.String(), "-")
}

func grouped(s, between string) string {
	var groups []string
	for ; len(s) > 4; s = s[4:] {
		groups = append(groups, s[:4])
	}
	return strings.Join(append(groups, s), between)
}

// plain drops what people put between the groups of a code.
func plain(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z':
			return r
		}
		return -1
	}, code)
}
