package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// SessionHash is the hash of what a browser shows to be known again: what itself is kept nowhere.
type SessionHash [sha256.Size]byte

// WebSession is a browser that is signed in to an account.
type WebSession struct {
	Hash          SessionHash `json:"-"`
	Created       time.Time   `json:"created"`
	LastUsed      time.Time   `json:"last_used"`     // may be some minutes old
	Authenticated time.Time   `json:"authenticated"` // when its holder last proved who he is
	Remembered    bool        `json:"remembered,omitempty"`
	Remote        string      `json:"remote"`            // the address it was last used from
	Browser       string      `json:"browser,omitempty"` // as people name it: "Firefox"
	System        string      `json:"system,omitempty"`  // of the device: "Windows"
	Language      string      `json:"language,omitempty"`
	Credential    string      `json:"credential,omitempty"` // of the password or passkey that it began with
	Method        string      `json:"method"`               // how it began: "password", "password-code", "passkey", ...
}

// MaxWebSessions is how many browsers are signed in to an account at one time: one more ends the one that was not used for longest.
const MaxWebSessions = 64

func webSessionKey(h SessionHash) key { return append(table(tableWebSession), h[:]...) }

func decodeWebSession(k, b []byte) (w WebSession, err error) {
	if len(k) != 1+len(w.Hash) {
		return w, errDamaged
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return w, fmt.Errorf("web session: %w: %w", errDamaged, err)
	}
	copy(w.Hash[:], k[1:])
	return w, nil
}

// WebSession returns a session of an account. Kind: KindNotFound.
func (s *Store) WebSession(ctx context.Context, a AccountID, h SessionHash) (w WebSession, err error) {
	err = s.view(ctx, "find web session", a, func(r kv.Reader) error {
		if err := getJSON(r, webSessionKey(h), &w, "web session", "of an account"); err != nil {
			return err
		}
		w.Hash = h
		return nil
	})
	return w, err
}

// WebSessions returns the sessions of an account, the last used first.
func (s *Store) WebSessions(ctx context.Context, a AccountID) (all []WebSession, err error) {
	err = s.view(ctx, "list web sessions", a, func(r kv.Reader) (err error) {
		all, err = readWebSessions(r)
		return err
	})
	return all, err
}

// LanguageOf is the language in which an account is written to: the one it chose, or else that of the browser it used last; "" if
// neither is known.
func (s *Store) LanguageOf(ctx context.Context, a *Account) (string, error) {
	if a.Language != "" {
		return a.Language, nil
	}
	sessions, err := s.WebSessions(ctx, a.ID)
	if err != nil || len(sessions) == 0 {
		return "", err
	}
	return sessions[0].Language, nil
}

func readWebSessions(r kv.Reader) (all []WebSession, err error) {
	t := table(tableWebSession)
	err = scan(r, t, t.after(), func(k, b []byte) error {
		w, err := decodeWebSession(k, b)
		all = append(all, w)
		return err
	})
	slices.SortFunc(all, func(a, b WebSession) int { return b.LastUsed.Compare(a.LastUsed) })
	return all, err
}

// CreateWebSession keeps a new session, and drops those that over says are over and those beyond MaxWebSessions. It returns
// what was dropped. Kind: KindNotFound without the account.
func (s *Store) CreateWebSession(ctx context.Context, a AccountID, w WebSession, over func(*WebSession) bool) (dropped []SessionHash, err error) {
	if _, err := s.Account(ctx, a); err != nil {
		return nil, err
	}
	err = s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		dropped = nil
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		all, err := readWebSessions(tx)
		if err != nil {
			return err
		}
		kept := 0
		for i := range all {
			if over(&all[i]) || kept >= MaxWebSessions-1 {
				dropped = append(dropped, all[i].Hash)
				if err := tx.Delete(webSessionKey(all[i].Hash)); err != nil {
					return err
				}
				continue
			}
			kept++
		}
		return setJSON(tx, webSessionKey(w.Hash), w)
	})
	return dropped, wrap("create web session", err)
}

// TouchWebSession notes that a session was used; what it notes last may be lost in a crash. Kind: KindNotFound.
func (s *Store) TouchWebSession(ctx context.Context, a AccountID, h SessionHash, at time.Time, remote string) error {
	err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		return changeWebSession(tx, h, func(w *WebSession) { w.LastUsed, w.Remote = at.UTC(), remote })
	})
	return wrap("touch web session", err)
}

// ConfirmWebSession notes that the holder of a session has proved again who he is. Kind: KindNotFound.
func (s *Store) ConfirmWebSession(ctx context.Context, a AccountID, h SessionHash, at time.Time) error {
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		return changeWebSession(tx, h, func(w *WebSession) { w.Authenticated = at.UTC() })
	})
	return wrap("confirm web session", err)
}

func changeWebSession(tx kv.Tx, h SessionHash, fn func(*WebSession)) error {
	var w WebSession
	if err := getJSON(tx, webSessionKey(h), &w, "web session", "of an account"); err != nil {
		return err
	}
	fn(&w)
	return setJSON(tx, webSessionKey(h), w)
}

// EndWebSessions removes those sessions of an account that gone says, and returns them. It works on a full volume.
func (s *Store) EndWebSessions(ctx context.Context, a AccountID, gone func(*WebSession) bool) (ended []WebSession, err error) {
	err = s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		ended = nil
		all, err := readWebSessions(tx)
		if err != nil {
			return err
		}
		for i := range all {
			if !gone(&all[i]) {
				continue
			}
			if err := tx.Delete(webSessionKey(all[i].Hash)); err != nil {
				return err
			}
			ended = append(ended, all[i])
		}
		return nil
	})
	return ended, wrap("end web sessions", err)
}

// ForgetWebSessions removes those sessions of all accounts that over says are over, and tells ended of them.
func (s *Store) ForgetWebSessions(ctx context.Context, over func(*WebSession) bool, ended func(AccountID, []WebSession)) error {
	err := s.records.Accounts(ctx, func(a kv.Account) error {
		all, err := s.WebSessions(ctx, AccountID(a))
		if err != nil || !slices.ContainsFunc(all, func(w WebSession) bool { return over(&w) }) {
			return err // most accounts have none; they are not written to
		}
		gone, err := s.EndWebSessions(ctx, AccountID(a), over)
		if len(gone) > 0 {
			ended(AccountID(a), gone)
		}
		return err
	})
	return wrap("forget web sessions", err)
}

func (v *verifier) webSessions() error {
	return v.scan(table(tableWebSession), func(k, b []byte) error {
		if _, err := decodeWebSession(k, b); err != nil {
			v.problem("web session %x: %v", k[1:min(len(k), 9)], err)
		}
		return nil
	})
}
