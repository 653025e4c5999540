package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/session"
)

// half is a sign-in whose password was right and whose second step is to come.
type half struct {
	begin session.Begin
	next  string
	known bool // the address was
	renew bool // another password is to be chosen
	// forgotten tells why: nobody knows the one there is, and this link was followed, which went to the holder elsewhere. Else, nil, it has run out.
	forgotten *link
	// proved tells that the second step is done, where there is one.
	proved bool
}

const (
	stepPath   = session.SignInPath + "/code"
	stepCookie = "__Host-postiljon-step"
	halfFor    = 10 * time.Minute
	maxHalves  = 10_000
)

// keep remembers a sign-in that is half done. It is forgotten when the service ends: who is concerned enters the
// password again.
func (s *Server) keep(w http.ResponseWriter, one half) {
	name := rand.Text()
	s.halves.Put(name, one, s.Store.Now())
	http.SetCookie(w, newStepCookie(name, int(halfFor/time.Second)))
}

func newStepCookie(name string, age int) *http.Cookie {
	return &http.Cookie{Name: stepCookie, Value: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: age}
}

// kept returns the sign-in that a browser has half done.
func (s *Server) kept(r *http.Request) (one half, ok bool) {
	c, err := r.Cookie(stepCookie)
	if err != nil {
		return one, false
	}
	return s.halves.Get(c.Value, s.Store.Now())
}

// drop forgets it once it is done.
func (s *Server) drop(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(stepCookie); err == nil {
		s.halves.Take(c.Value, s.Store.Now())
		http.SetCookie(w, newStepCookie("", -1))
	}
}

// step asks for the code.
func (s *Server) step(w http.ResponseWriter, r *http.Request) {
	one, ok := s.kept(r)
	if !ok {
		http.Redirect(w, r, withLang(session.SignInPath, r.URL.Query().Get("lang")), http.StatusSeeOther)
		return
	}
	s.writeStep(w, r, &one, cause.Allow())
}

func (s *Server) writeStep(w http.ResponseWriter, r *http.Request, one *half, d cause.Decision) {
	v, code := s.view(r, ""), http.StatusOK
	v.Title, v.Address, v.Lead = v.T["step_title"], one.begin.Account.Address, v.T["step_lead"]
	if one.forgotten != nil {
		v.Lead = v.T["forgotten_step"]
	}
	if !d.Allowed() {
		s.explain(v, d)
		code = status(d)
	}
	s.pages.Write(w, code, "step.html", v.Lang, v)
}

// tooLate begins anew with somebody whose half sign-in is forgotten.
func (s *Server) tooLate(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, "")
	v.Title = v.T["title"]
	v.Problem = &problem{Title: v.T["late_title"], Text: v.T["late_text"]}
	s.pages.Write(w, http.StatusForbidden, "signin.html", v.Lang, v)
}

// takeStep takes the code.
func (s *Server) takeStep(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.Sessions.SameOrigin(r) {
		s.pages.Failed(w, r, http.StatusForbidden, session.SignInPath)
		return
	}
	one, ok := s.kept(r)
	if !ok {
		s.tooLate(w, r)
		return
	}
	attempt := Attempt(r)
	attempt.Purpose = policy.ForBrowser
	kind := ""
	d := s.SignIn.SecondStep(r.Context(), attempt, one.begin.Account, func(ctx context.Context) (string, cause.Decision, error) {
		var d cause.Decision
		var err error
		kind, d, err = s.Codes.Check(ctx, one.begin.Account.ID, cmp.Or(r.PostFormValue("code"), r.PostFormValue("recovery")))
		return kind, d, err
	})
	one.begin.Method = "password-" + kind
	if d.Allowed() && one.renew {
		if kind == factor.KindRecovery {
			s.Notices.Changed(one.begin.Account, notice.RecoveryUsed, Where(r, &one.begin), s.Store.Now())
		}
		one.proved = true
		s.keep(w, one)
		http.Redirect(w, r, renewPath+"?lang="+string(s.view(r, "").Lang), http.StatusSeeOther)
		return
	}
	if d.Allowed() {
		_, d = s.begin(w, r, one.begin, one.known)
	}
	if d.Allowed() && kind == factor.KindRecovery {
		s.Notices.Changed(one.begin.Account, notice.RecoveryUsed, Where(r, &one.begin), s.Store.Now())
	}
	s.Done(d.Cause)
	if !d.Allowed() {
		s.writeStep(w, r, &one, d)
		return
	}
	s.drop(w, r)
	http.Redirect(w, r, cmp.Or(one.next, session.HomePath), http.StatusSeeOther)
}
