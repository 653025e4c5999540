package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// SecondStep is the second step of signing in on the web: a code of an app, or one of those kept for the day when the app is gone.
// It asks for codes only while Account.TwoStep says so.
type SecondStep struct {
	Secret    []byte         `json:"secret"` // of the codes (RFC 6238)
	Created   time.Time      `json:"created"`
	LastStep  uint64         `json:"last_step,omitempty"` // of the code that was taken last: it and older ones are not taken again
	Recovery  []RecoveryCode `json:"recovery,omitempty"`
	Wrong     int            `json:"wrong,omitempty"` // codes since the last right one
	LastWrong time.Time      `json:"last_wrong,omitzero"`
}

// RecoveryCode is a code that is taken once.
type RecoveryCode struct {
	Hash []byte    `json:"hash"`
	Used time.Time `json:"used,omitzero"`
}

// Passkey is a key pair of which the account has the public half (Web Authentication).
type Passkey struct {
	ID       []byte          `json:"id"` // of the credential, as the authenticator chose it
	Name     string          `json:"name"`
	Created  time.Time       `json:"created"`
	LastUsed time.Time       `json:"last_used,omitzero"`
	Record   json.RawMessage `json:"record"` // public key, counter and flags, in the form of package web/factor
}

// KnownBrowser is one that has signed in to the account.
type KnownBrowser struct {
	Hash []byte    `json:"hash"` // of a cookie that outlives sessions
	Last time.Time `json:"last"`
}

// RecoveryAddress is one of the holder elsewhere, which is written to when the password is forgotten.
type RecoveryAddress struct {
	Address string    `json:"address"`
	Since   time.Time `json:"since"` // when its holder showed that mail arrives there
}

// WebSecurity is what an account wants beside: which browsers are known, whether to write when another signs in, and where to when
// the password is forgotten.
type WebSecurity struct {
	Quiet    bool            `json:"quiet,omitempty"` // no message about sign-ins from new browsers
	Browsers []KnownBrowser  `json:"browsers,omitempty"`
	Recovery RecoveryAddress `json:"recovery,omitzero"`
}

// Knows tells whether a browser with this hash has signed in to the account.
func (w *WebSecurity) Knows(hash []byte) bool {
	return slices.ContainsFunc(w.Browsers, func(k KnownBrowser) bool { return bytes.Equal(k.Hash, hash) })
}

// Masked is the address as it is shown to others than its holder: enough to tell which one it is.
func (r RecoveryAddress) Masked() string {
	local, domain, ok := strings.Cut(r.Address, "@")
	if !ok {
		return ""
	}
	_, first := utf8.DecodeRuneInString(local)
	return local[:first] + "…@" + domain
}

// Bounds of an account.
const (
	MaxPasskeys      = 20
	MaxKnownBrowsers = 32
)

// The parts of the table: F 2, F p credential, F w.
const (
	factorSecondStep = '2'
	factorPasskey    = 'p'
	factorSecurity   = 'w'
)

func factorKey(part byte) key { return append(table(tableFactor), part) }

// SecondStep returns the second step of an account. Kind: KindNotFound.
func (s *Store) SecondStep(ctx context.Context, a AccountID) (step SecondStep, err error) {
	err = s.view(ctx, "read second step", a, func(r kv.Reader) error {
		return getJSON(r, factorKey(factorSecondStep), &step, "second step", "of an account")
	})
	return step, err
}

// PutSecondStep replaces the second step of an account. Kind: KindNotFound without the account.
func (s *Store) PutSecondStep(ctx context.Context, a AccountID, step SecondStep) error {
	if _, err := s.Account(ctx, a); err != nil {
		return err
	}
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		return setJSON(tx, factorKey(factorSecondStep), step)
	})
	return wrap("store second step", err)
}

// UpdateSecondStep changes the second step, nothing if fn returns an error. Changes are serial, so that a code which fn takes
// is taken once. Kind: KindNotFound.
func (s *Store) UpdateSecondStep(ctx context.Context, a AccountID, fn func(*SecondStep) error) error {
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		var step SecondStep
		if err := getJSON(tx, factorKey(factorSecondStep), &step, "second step", "of an account"); err != nil {
			return err
		}
		if err := fn(&step); err != nil {
			return err
		}
		return setJSON(tx, factorKey(factorSecondStep), step)
	})
	return wrap("change second step", err)
}

// DeleteSecondStep removes it, if there is one.
func (s *Store) DeleteSecondStep(ctx context.Context, a AccountID) error {
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error { return tx.Delete(factorKey(factorSecondStep)) })
	return wrap("delete second step", err)
}

// Passkeys returns those of an account.
func (s *Store) Passkeys(ctx context.Context, a AccountID) (all []Passkey, err error) {
	err = s.view(ctx, "list passkeys", a, func(r kv.Reader) (err error) {
		all, err = readPasskeys(r)
		return err
	})
	return all, err
}

func readPasskeys(r kv.Reader) (all []Passkey, err error) {
	t := factorKey(factorPasskey)
	err = scan(r, t, t.after(), func(_, b []byte) error {
		var p Passkey
		if err := json.Unmarshal(b, &p); err != nil {
			return fmt.Errorf("passkey: %w: %w", errDamaged, err)
		}
		all = append(all, p)
		return nil
	})
	return all, err
}

func passkeyKey(id []byte) key { return append(factorKey(factorPasskey), id...) }

// maxPasskeyID is how long an id may be (Web Authentication Level 3, section 4).
const maxPasskeyID = 1023 - 1

// CreatePasskey adds one. Kinds: KindExists, KindLimit beyond MaxPasskeys, KindInvalid, KindNotFound without the account.
func (s *Store) CreatePasskey(ctx context.Context, a AccountID, p Passkey) error {
	const op = "create passkey"
	if _, err := s.Account(ctx, a); err != nil {
		return err
	}
	if n := len(p.ID); n == 0 || n > maxPasskeyID {
		return fail(op, KindInvalid, "an id of %d octets", n)
	}
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		all, err := readPasskeys(tx)
		if err != nil {
			return err
		}
		if len(all) >= MaxPasskeys {
			return fail(op, KindLimit, "an account has at most %d", MaxPasskeys)
		}
		if there, err := exists(tx, passkeyKey(p.ID)); err != nil || there {
			return orExists(op, err, "this passkey")
		}
		return setJSON(tx, passkeyKey(p.ID), p)
	})
	return wrap(op, err)
}

// UpdatePasskey changes one. Kind: KindNotFound.
func (s *Store) UpdatePasskey(ctx context.Context, a AccountID, id []byte, fn func(*Passkey) error) error {
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		var p Passkey
		if err := getJSON(tx, passkeyKey(id), &p, "passkey", "of an account"); err != nil {
			return err
		}
		if err := fn(&p); err != nil {
			return err
		}
		p.ID = id
		return setJSON(tx, passkeyKey(id), p)
	})
	return wrap("change passkey", err)
}

// DeletePasskey removes one. Kind: KindNotFound.
func (s *Store) DeletePasskey(ctx context.Context, a AccountID, id []byte) error {
	const op = "delete passkey"
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		if there, err := exists(tx, passkeyKey(id)); err != nil || !there {
			return orMissing(op, err, "passkey of an account")
		}
		return tx.Delete(passkeyKey(id))
	})
	return wrap(op, err)
}

// WebSecurity returns what an account wants beside.
func (s *Store) WebSecurity(ctx context.Context, a AccountID) (w WebSecurity, err error) {
	err = s.view(ctx, "read web security", a, func(r kv.Reader) (err error) {
		w, err = readWebSecurity(r)
		return err
	})
	return w, err
}

func readWebSecurity(r kv.Reader) (w WebSecurity, err error) {
	err = getJSON(r, factorKey(factorSecurity), &w, "web security", "of an account")
	if KindOf(err) == KindNotFound {
		return WebSecurity{}, nil
	}
	return w, err
}

// UpdateWebSecurity changes it. Kind: KindNotFound without the account.
func (s *Store) UpdateWebSecurity(ctx context.Context, a AccountID, fn func(*WebSecurity)) error {
	if _, err := s.Account(ctx, a); err != nil {
		return err
	}
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		w, err := readWebSecurity(tx)
		if err != nil {
			return err
		}
		fn(&w)
		return setJSON(tx, factorKey(factorSecurity), w)
	})
	return wrap("change web security", err)
}

func (v *verifier) factors() error {
	for part, into := range map[byte]func() any{
		factorSecondStep: func() any { return new(SecondStep) },
		factorPasskey:    func() any { return new(Passkey) },
		factorSecurity:   func() any { return new(WebSecurity) },
	} {
		err := v.scan(factorKey(part), func(_, b []byte) error {
			if err := json.Unmarshal(b, into()); err != nil {
				v.problem("what signs in beside passwords, part %c: %v", part, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
