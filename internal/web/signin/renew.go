package signin

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/security"
	"github.com/postiljon/postiljon/internal/web/session"
)

// renewPath is where somebody whose password has run out chooses another, once it and the second step were right.
const renewPath = session.SignInPath + "/password"

// renewing returns the sign-in of somebody who may choose a new password now; where nobody may, it has led back to the beginning.
func (s *Server) renewing(w http.ResponseWriter, r *http.Request) (one half, ok bool) {
	if one, ok = s.kept(r); ok && one.renew {
		a, err := s.Store.Account(r.Context(), one.begin.Account.ID) // as it is now
		if err == nil && (one.proved || !a.TwoStep) {
			one.begin.Account = a
			return one, true
		}
	}
	if r.Method == http.MethodGet {
		http.Redirect(w, r, withLang(session.SignInPath, r.URL.Query().Get("lang")), http.StatusSeeOther)
	} else {
		s.tooLate(w, r)
	}
	return one, false
}

// renew asks for a new password.
func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	if one, ok := s.renewing(w, r); ok {
		s.writeRenew(w, r, &one, http.StatusOK, nil)
	}
}

func (s *Server) writeRenew(w http.ResponseWriter, r *http.Request, one *half, code int, p *problem) {
	v := s.view(r, "")
	v.Title, v.Address, v.Advice, v.Problem = v.T["renew_title"], one.begin.Account.Address, s.Security.Advice(v.Lang), p
	v.Lead = v.T["renew_lead"]
	if one.forgotten != nil {
		v.Lead = v.T["forgotten_lead"]
	}
	s.pages.Write(w, code, "renew.html", v.Lang, v)
}

// choose gives the account the new password.
func (s *Server) choose(r *http.Request, one *half, password string) (id, refused string, err error) {
	if one.forgotten == nil {
		return s.Security.Renew(r, one.begin.Account, one.begin.Credential, password)
	}
	good, err := s.holds(r.Context(), one.forgotten)
	if err == nil && !good {
		err = security.ErrGone
	}
	if err != nil {
		return "", "", err
	}
	return s.Security.Replace(r, one.begin.Account, password)
}

// takeRenewed takes a new password, and signs in with it.
func (s *Server) takeRenewed(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.Sessions.SameOrigin(r) {
		s.pages.Failed(w, r, http.StatusForbidden, session.SignInPath)
		return
	}
	one, ok := s.renewing(w, r)
	if !ok {
		return
	}
	ctx, a := r.Context(), one.begin.Account
	if d := policy.StateForSignIn(a, store.ProtocolWeb); !d.Allowed() { // since it was let in so far
		s.drop(w, r)
		s.Done(d.Cause)
		s.beginAnew(w, r, d, "")
		return
	}
	id, refused, err := s.choose(r, &one, r.PostFormValue("password"))
	if errors.Is(err, security.ErrGone) {
		s.drop(w, r)
		s.tooLate(w, r)
		return
	}
	if err == nil && refused == "" {
		one.begin.Credential = id
		one.begin.Account, err = s.Store.Account(ctx, a.ID) // another version now
	}
	if err != nil {
		s.Log.Error("password not renewed", "account", a.Address, "error", err)
		v := s.view(r, "")
		s.explain(v, cause.Decision{Action: cause.ActionWait, Cause: cause.ProviderAuthBackendDown})
		s.writeRenew(w, r, &one, http.StatusServiceUnavailable, v.Problem)
		return
	}
	if refused != "" {
		s.writeRenew(w, r, &one, http.StatusUnprocessableEntity, &problem{Title: s.view(r, "").T["renew_refused"], Text: refused})
		return
	}
	s.drop(w, r)
	s.beginRenewed(w, r, &one)
}

// beginRenewed signs in whose password is new.
func (s *Server) beginRenewed(w http.ResponseWriter, r *http.Request, one *half) {
	d := cause.Allow()
	if !one.begin.Account.TwoStep { // else the second step was the sign-in
		attempt := Attempt(r)
		attempt.Purpose = policy.ForBrowser
		d = s.SignIn.Proved(r.Context(), attempt, one.begin.Account, "password")
	}
	if d.Allowed() {
		_, d = s.begin(w, r, one.begin, one.known)
	}
	s.Done(d.Cause)
	if !d.Allowed() {
		s.beginAnew(w, r, d, one.next)
		return
	}
	http.Redirect(w, r, cmp.Or(one.next, session.HomePath), http.StatusSeeOther)
}
