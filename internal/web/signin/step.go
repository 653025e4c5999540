package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"sync"
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
	until time.Time
}

// halves remembers sign-ins that are half done, by what the browser shows. It forgets them when the service ends: who is
// concerned enters the password again.
type halves struct {
	mu  sync.Mutex
	all map[string]half
}

const (
	stepPath   = session.SignInPath + "/code"
	stepCookie = "__Host-postiljon-step"
	halfFor    = 10 * time.Minute
	maxHalves  = 10_000
)

func (h *halves) put(w http.ResponseWriter, one half, now time.Time) {
	name := rand.Text()
	h.mu.Lock()
	for k, v := range h.all {
		if now.After(v.until) || len(h.all) >= maxHalves {
			delete(h.all, k)
		}
	}
	one.until = now.Add(halfFor)
	h.all[name] = one
	h.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: stepCookie, Value: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(halfFor / time.Second),
	})
}

func (h *halves) get(r *http.Request, now time.Time) (one half, ok bool) {
	c, err := r.Cookie(stepCookie)
	if err != nil {
		return one, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	one, ok = h.all[c.Value]
	return one, ok && now.Before(one.until)
}

func (h *halves) drop(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie(stepCookie)
	if err != nil {
		return
	}
	h.mu.Lock()
	delete(h.all, c.Value)
	h.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: stepCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
}

// step asks for the code.
func (s *Server) step(w http.ResponseWriter, r *http.Request) {
	one, ok := s.halves.get(r, s.Store.Now())
	if !ok {
		http.Redirect(w, r, withLang(session.SignInPath, r.URL.Query().Get("lang")), http.StatusSeeOther)
		return
	}
	s.writeStep(w, r, &one, cause.Allow())
}

func (s *Server) writeStep(w http.ResponseWriter, r *http.Request, one *half, d cause.Decision) {
	v, code := s.view(r, ""), http.StatusOK
	v.Title, v.Address = v.T["step_title"], one.begin.Account.Address
	if !d.Allowed() {
		s.explain(v, d)
		code = status(d)
	}
	s.pages.Write(w, code, "step.html", v.Lang, v)
}

// takeStep takes the code.
func (s *Server) takeStep(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.Sessions.SameOrigin(r) {
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	one, ok := s.halves.get(r, s.Store.Now())
	if !ok {
		v := s.view(r, "")
		v.Title = v.T["title"]
		v.Problem = &problem{Title: v.T["late_title"], Text: v.T["late_text"]}
		s.pages.Write(w, http.StatusForbidden, "signin.html", v.Lang, v)
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
	if d.Allowed() {
		one.begin.Method = "password-" + kind
		d = s.begin(w, r, one.begin, one.known)
	}
	if d.Allowed() && kind == factor.KindRecovery {
		s.Notices.Changed(one.begin.Account, notice.RecoveryUsed, Where(r, &one.begin), s.Store.Now())
	}
	s.Done(d.Cause)
	if !d.Allowed() {
		s.writeStep(w, r, &one, d)
		return
	}
	s.halves.drop(w, r)
	http.Redirect(w, r, cmp.Or(one.next, session.HomePath), http.StatusSeeOther)
}
