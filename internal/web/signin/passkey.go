package signin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/session"
)

const passkeyPath = session.SignInPath + "/passkey"

// beginPasskey asks the browser for a passkey, whosever it is.
func (s *Server) beginPasskey(w http.ResponseWriter, r *http.Request) {
	if !s.Sessions.SameOrigin(r) {
		s.Sessions.Refuse(w, r, http.StatusForbidden, cause.Refuse(cause.AccountAccessDenied))
		return
	}
	options, err := s.Passkeys.BeginUse(r)
	if err != nil {
		s.failPasskey(w, r, err)
		return
	}
	session.WriteJSON(w, http.StatusOK, options)
}

// takePasskey signs in with the answer.
func (s *Server) takePasskey(w http.ResponseWriter, r *http.Request) {
	var given struct {
		Credential json.RawMessage `json:"credential"`
		Remember   bool            `json:"remember"`
		Next       string          `json:"next"`
	}
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil || !s.Sessions.SameOrigin(r) {
		s.Sessions.Refuse(w, r, http.StatusForbidden, cause.Refuse(cause.AccountAccessDenied))
		return
	}
	attempt := Attempt(r)
	attempt.Purpose = policy.ForBrowser
	if d := s.SignIn.Admits(attempt); !d.Allowed() {
		s.Sessions.Refuse(w, r, status(d), d)
		return
	}
	if one, ok := s.kept(r); ok { // instead of the second step
		given.Remember, given.Next = one.begin.Remember, one.next
	}
	account, key, err := s.Passkeys.Use(r, given.Credential)
	if err != nil {
		s.failPasskey(w, r, err)
		return
	}
	d := s.SignIn.Proved(r.Context(), attempt, account, "passkey")
	if d.Allowed() {
		b := session.Begin{Account: account, Credential: base64.RawURLEncoding.EncodeToString(key.ID), Method: "passkey", Remember: given.Remember, Language: s.view(r, "").Lang}
		_, d = s.begin(w, r, b, true) // nobody else can have lured it away
	}
	s.Done(d.Cause)
	if !d.Allowed() {
		s.Sessions.Refuse(w, r, status(d), d)
		return
	}
	s.drop(w, r)
	session.WriteJSON(w, http.StatusOK, struct {
		Next string `json:"next"`
	}{session.SafeNext(given.Next)})
}

func (s *Server) failPasskey(w http.ResponseWriter, r *http.Request, err error) {
	d := cause.Refuse(cause.AuthPasskey)
	if !errors.Is(err, factor.ErrRefused) && !errors.Is(err, factor.ErrHost) {
		s.Log.Error("passkey not checked", "error", err)
		s.Sessions.Refuse(w, r, http.StatusServiceUnavailable, cause.Decision{Action: cause.ActionWait, Cause: cause.ProviderAuthBackendDown})
		return
	}
	s.SignIn.Unproved(r.Context(), Attempt(r), "", d)
	s.Done(d.Cause)
	s.Sessions.Refuse(w, r, http.StatusForbidden, d)
}
