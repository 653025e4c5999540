package session

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// request is one that runs, and can be ended.
type request struct {
	cancel  context.CancelFunc
	account store.AccountID
	session *store.SessionHash // nil: it signed in by itself
	with    string             // what it is signed in with
}

type requestKey struct{}

// Around lets requests end with the session, or the password, that they were made with: their context ends.
func (k *Keeper) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		running := &request{cancel: cancel}
		defer k.leave(running)
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, requestKey{}, running)))
	})
}

// Bind lets a request that was signed in without a session, with a password by its id, end with the sessions of its account.
func (k *Keeper) Bind(r *http.Request, a store.AccountID, credential string) {
	k.bind(r, a, nil, credential)
}

// withSession names a session as what a request is signed in with; it lets nobody in.
func withSession(h store.SessionHash) string { return "session " + hex.EncodeToString(h[:16]) }

// With names what a request is signed in with, its session or the id of a password, "" where that is not known. Options.Ended tells
// when that ends.
func (k *Keeper) With(r *http.Request) string {
	running, ok := r.Context().Value(requestKey{}).(*request)
	if !ok {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return running.with
}

// bind says whose a request is.
func (k *Keeper) bind(r *http.Request, a store.AccountID, session *store.SessionHash, with string) {
	running, ok := r.Context().Value(requestKey{}).(*request)
	if !ok {
		return
	}
	k.leave(running)
	k.mu.Lock()
	defer k.mu.Unlock()
	running.account, running.session, running.with = a, session, with
	if k.running[a] == nil {
		k.running[a] = map[*request]struct{}{}
	}
	k.running[a][running] = struct{}{}
}

func (k *Keeper) unbind(r *http.Request) {
	if running, ok := r.Context().Value(requestKey{}).(*request); ok {
		k.leave(running)
	}
}

func (k *Keeper) leave(r *request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running[r.account], r)
	if len(k.running[r.account]) == 0 {
		delete(k.running, r.account)
	}
}

// stop ends requests of an account.
func (k *Keeper) stop(a store.AccountID, which func(*request) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for r := range k.running[a] {
		if which(r) {
			r.cancel()
		}
	}
}

// Genuine decides whether a request that shows a session was made by a page of ours. Requests that only read are;
// browsers do not let other sites see the answer.
func (k *Keeper) Genuine(r *http.Request, s *Session) cause.Decision {
	if !k.SameOrigin(r) {
		return cause.Refuse(cause.AccountAccessDenied)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return cause.Allow()
	}
	token := r.Header.Get("X-CSRF-Token")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.CSRF)) != 1 {
		return cause.Refuse(cause.AuthSessionEnded) // the page is that of another session
	}
	return cause.Allow()
}

// SameOrigin tells whether a request that changes something, or opens a WebSocket, can be from a page of ours or from a program that
// is no browser.
func (k *Keeper) SameOrigin(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" || r.Method == http.MethodConnect {
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			return err == nil && u.Host == r.Host && u.Scheme == "https"
		}
	}
	return k.origin.Check(r) == nil
}
