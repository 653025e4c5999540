// Package signin is the pages where people sign in on the web and sign out again. They need no script.
package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/assets"
	"github.com/postiljon/postiljon/internal/web/brief"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/page"
	"github.com/postiljon/postiljon/internal/web/security"
	"github.com/postiljon/postiljon/internal/web/session"
)

//go:embed templates/*.html texts/*.toml
var files embed.FS

// Options are what the pages are made of; all but Mail must be given.
type Options struct {
	Store     *store.Store
	Sessions  *session.Keeper
	SignIn    *policy.SignIn
	Codes     *factor.Codes
	Passkeys  *factor.Passkeys
	Security  *security.Server
	Journal   policy.Recorder
	Catalogue *cause.Catalogue
	Notices   *notice.Sender
	Hostname  string
	BaseURL   string
	// DefaultDomain is that of addresses without one; "" for the only domain that there is.
	DefaultDomain string
	// Mail, if not nil, is what the page becomes where scripts run.
	Mail Program
	// Done is told of each try, for the metrics: id is why it failed.
	Done func(id cause.ID)
	Log  *slog.Logger
}

// Server serves the pages. It is safe for concurrent use.
type Server struct {
	Options
	pages  *page.Set
	script string // the asset, with its version
	halves *brief.Map[half]
	links  *brief.Map[link]  // that went to who has forgotten a password
	asked  asked             // for such links
	told   *brief.Map[*view] // why somebody is not signed in, for the page that asked with a script and may be loaded again
}

// Program is what browsers run once they are signed in. The page for signing in fetches it while somebody types, and becomes it
// when the password was right: what would be a redirect and a page to load is then one answer (web/src/app.tsx, takeOver).
type Program interface {
	// Base is where its files lie.
	Base() string
	// Policy is the Content-Security-Policy of the page it runs in.
	Policy() string
	// Become answers the page's script with what the program begins with at an address, for an account whose requests have a token.
	Become(w http.ResponseWriter, r *http.Request, address string, a *store.Account, token string, lang cause.Lang)
}

// New makes a server. An error means that the program was built wrong.
func New(o Options) (*Server, error) {
	pages, err := page.Load(files, o.Hostname, o.Log)
	if err != nil {
		return nil, err
	}
	version, err := assets.Version("signin.js")
	if err != nil {
		return nil, err
	}
	return &Server{
		Options: o, pages: pages, script: "signin.js?v=" + version, halves: brief.New[half](halfFor, maxHalves), told: brief.New[*view](toldFor, maxTold),
		links: brief.New[link](linkFor, maxLinks), asked: newAsked(),
	}, nil
}

// Routes are what the pages answer, by pattern.
func (s *Server) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /sign-in":                   ours(s.becoming(s.form)),
		"POST /sign-in":                  ours(s.becoming(s.signIn)),
		"GET " + stepPath:                ours(s.step),
		"POST " + stepPath:               ours(s.takeStep),
		"GET " + renewPath:               ours(s.renew),
		"POST " + renewPath:              ours(s.takeRenewed),
		"GET " + forgottenPath:           ours(s.forgotten),
		"POST " + forgottenPath:          ours(s.takeForgotten),
		"GET " + followPath:              ours(s.follow),
		"POST " + followPath:             ours(s.takeFollow),
		"POST " + passkeyPath + "/begin": ours(s.beginPasskey),
		"POST " + passkeyPath:            ours(s.takePasskey),
		"GET /sign-out":                  ours(s.askOut),
		// Where password managers look for the page that changes a password, and where passkeys are made.
		"GET /.well-known/change-password":   http.RedirectHandler(securityPath, http.StatusSeeOther),
		"GET /.well-known/passkey-endpoints": http.HandlerFunc(s.passkeyEndpoints),
		"POST /sign-out":                     ours(s.signOut),
	}
}

// maxForm bounds what is read of a form, in octets.
const maxForm = 16 << 10

// ours sets the headers of the pages: forms go to us alone, and nothing is kept.
func ours(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if r.Method == http.MethodGet {
			tryCookie(w, r)
		}
		next(w, r)
	})
}

// pageCookie shows that a browser takes cookies. Without them whoever signs in would be asked to sign in again, for ever: a form that
// was filled in on our page comes with this one, or the reason is told.
const pageCookie = "__Host-postiljon-page"

func tryCookie(w http.ResponseWriter, r *http.Request) {
	if !takesCookies(r) {
		http.SetCookie(w, &http.Cookie{Name: pageCookie, Value: "yes", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
}

func takesCookies(r *http.Request) bool {
	_, err := r.Cookie(pageCookie)
	return err == nil
}

// becoming sets the policy of the program that the page becomes.
func (s *Server) becoming(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.Mail != nil {
			w.Header().Set("Content-Security-Policy", s.Mail.Policy())
		}
		next(w, r)
	}
}

// Home leads to the mail who is signed in, and all others to where they can.
func (s *Server) Home() http.Handler {
	return ours(func(w http.ResponseWriter, r *http.Request) {
		to := session.SignInPath
		_, d, shown := s.Sessions.From(r)
		switch {
		case shown && d.Allowed():
			to = session.HomePath
		case !shown && session.Bounce(w, r):
			return
		}
		http.Redirect(w, r, withLang(to, r.URL.Query().Get("lang")), http.StatusSeeOther)
	})
}

func withLang(to, lang string) string {
	if lang == "" {
		return to
	}
	return to + "?lang=" + string(cause.ParseLang(lang))
}

// view is what the templates get.
type view struct {
	page.Frame
	Next     string
	Address  string
	Remember bool
	Passkeys bool // are to be had here
	CSRF     string
	Problem  *problem
	Hints    []string
	Lead     string // what the page is for
	Advice   string // before a password is chosen
	Key      string // of the link that was followed
	Sent     bool   // a link, if there is an account that it can go to
	Suggest  string // the address that was probably meant
	zone     *time.Location
	Program  string // where the files of the webmail lie
	code     int    // status of the page that is told later
}

// problem is why somebody is not signed in.
type problem struct {
	ID                       cause.ID
	Title, Text, Next, Actor string
}

func (s *Server) view(r *http.Request, next string) *view {
	v := &view{Frame: s.pages.Frame(r, "next", next), Next: next, Passkeys: s.Passkeys.Available(r), zone: page.Zone(r, "")}
	v.Script = s.script
	if s.Mail != nil {
		v.Program = s.Mail.Base()
	}
	return v
}

// wanted is where somebody wants to go after signing in, "" where nothing was said of it.
func wanted(r *http.Request) string {
	if next := r.FormValue("next"); next != "" {
		return session.SafeNext(next)
	}
	return ""
}

// explain fills in why somebody is not signed in.
func (s *Server) explain(v *view, d cause.Decision) {
	e := s.Catalogue.Here(v.zone, s.Store.Now()).Explain(d, v.Lang, cause.Holder)
	v.Problem = &problem{d.Cause, e.Title, e.Text, e.NextStep, e.Actor}
	switch d.Cause {
	case cause.AuthPasswordWrong: // told here to who stands before this page, not to who reads of it in a mail program
		v.Problem.Title, v.Problem.Text, v.Problem.Next = v.T["wrong_title"], v.T["wrong_text"], v.T["wrong_next"]
		v.Problem.Actor = ""
	case cause.AccountProtocolDisabled: // the words of the cause lead from a mail program to this page
		v.Problem.Title, v.Problem.Text, v.Problem.Next = v.T["web_off_title"], v.T["web_off_text"], v.T["web_off_next"]
	case cause.AuthSessionEnded, cause.AuthSecondStep, cause.NetworkClientBanned: // who reads it knows who; a ban ends by itself
		v.Problem.Actor = ""
	}
}

// beginAnew shows the form to somebody who is not signed in after all, with why.
func (s *Server) beginAnew(w http.ResponseWriter, r *http.Request, d cause.Decision, next string) {
	v := s.view(r, next)
	v.Title = v.T["title"]
	s.explain(v, d)
	s.pages.Write(w, status(d), "signin.html", v.Lang, v)
}

// form shows the form, or leads on who is signed in already.
func (s *Server) form(w http.ResponseWriter, r *http.Request) {
	_, d, shown := s.Sessions.From(r)
	if !shown && session.Bounce(w, r) {
		return
	}
	next := wanted(r)
	if shown && d.Allowed() {
		http.Redirect(w, r, cmp.Or(next, session.HomePath), http.StatusSeeOther)
		return
	}
	if v, ok := s.told.Get(r.URL.Query().Get("told"), s.Store.Now()); ok {
		s.pages.Write(w, v.code, "signin.html", v.Lang, v)
		return
	}
	v := s.view(r, next)
	v.Title, v.Address = v.T["title"], r.URL.Query().Get("address")
	switch {
	case shown:
		s.explain(v, d)
	case r.URL.Query().Get("why") != "": // what it was is not repeated: anybody can make such a link
		s.explain(v, cause.Refuse(cause.AuthSessionEnded))
	}
	s.pages.Write(w, http.StatusOK, "signin.html", v.Lang, v)
}

// signIn takes the form.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.Sessions.SameOrigin(r) {
		s.pages.Failed(w, r, http.StatusForbidden, session.SignInPath)
		return
	}
	ctx, next := r.Context(), wanted(r)
	v := s.view(r, next)
	v.Title, v.Remember = v.T["title"], r.PostFormValue("remember") != ""
	v.Address = s.whole(ctx, r.PostFormValue("address"))
	password := r.PostFormValue("password")
	if v.Address == "" || password == "" {
		v.Problem = &problem{Title: v.T["missing_title"], Text: v.T["missing_text"]}
		s.refuse(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	if r.PostFormValue("page") != "" && !takesCookies(r) {
		tryCookie(w, r)
		v.Problem = &problem{Title: v.T["cookies_title"], Text: v.T["cookies_text"], Next: v.T["cookies_next"]}
		s.refuse(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	attempt := Attempt(r)
	attempt.Purpose = policy.ForBrowser
	who, d := s.SignIn.Password(ctx, attempt, v.Address, password)
	if who.App {
		v.Hints = append(v.Hints, v.T["hint_app"])
	}
	b := session.Begin{Account: who.Account, Credential: who.CredentialID, Method: "password", Remember: v.Remember, Language: v.Lang}
	switch {
	case d.Allowed() && who.Half:
		s.keep(w, half{begin: b, next: next, known: who.Known})
		s.lead(w, r, stepPath+"?lang="+string(v.Lang))
		return
	case d.Cause == cause.AccountPasswordExpired && who.Account.ID != 0:
		s.Done(d.Cause)
		s.keep(w, half{begin: b, next: next, known: who.Known, renew: true})
		to := renewPath
		if who.Half {
			to = stepPath
		}
		s.lead(w, r, to+"?lang="+string(v.Lang))
		return
	case d.Allowed():
		var one session.Session
		if one, d = s.begin(w, r, b, who.Known); d.Allowed() {
			s.Done(d.Cause)
			s.welcome(w, r, &one, cmp.Or(next, session.HomePath))
			return
		}
	}
	s.Done(d.Cause)
	if d.Cause == cause.AuthPasswordWrong && len(v.Hints) == 0 {
		s.hint(ctx, v, password)
	}
	s.explain(v, d)
	s.refuse(w, r, status(d), v)
}

// answer is what a script that sent the form is told, if the page does not become the webmail: where to go.
type answer struct {
	Go string `json:"go"`
}

// scripted tells whether a script sent the form. Its answers are JSON.
func scripted(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }

// welcome leads to the mail who has just signed in, or lets the page become it.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request, one *session.Session, to string) {
	if s.Mail == nil || !scripted(r) || !strings.HasPrefix(to, session.HomePath) {
		s.lead(w, r, to)
		return
	}
	s.Mail.Become(w, r, to, &one.Account, one.CSRF, cause.ParseLang(cmp.Or(one.Account.Language, one.Language)))
}

// lead leads elsewhere who sent the form.
func (s *Server) lead(w http.ResponseWriter, r *http.Request, to string) {
	if scripted(r) {
		session.WriteJSON(w, http.StatusOK, answer{to})
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// How long, and for how many, a page is kept that a script is led to.
const (
	toldFor = time.Minute
	maxTold = 1000
)

// refuse says why somebody is not signed in.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, code int, v *view) {
	if !scripted(r) {
		s.pages.Write(w, code, "signin.html", v.Lang, v)
		return
	}
	name := rand.Text()
	v.code = code
	s.told.Put(name, v, s.Store.Now())
	session.WriteJSON(w, code, answer{session.SignInPath + "?told=" + name})
}

// begin makes the session. Known tells that the account has signed in from this address before.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, b session.Begin, known bool) (session.Session, cause.Decision) {
	one, err := s.Sessions.Start(w, r, b)
	switch {
	case errors.Is(err, session.ErrChanged) || store.KindOf(err) == store.KindNotFound:
		return one, cause.Refuse(cause.AuthSessionEnded)
	case err != nil:
		s.Log.Error("session not begun", "account", b.Account.Address, "error", err)
		return one, cause.Decision{Action: cause.ActionWait, Cause: cause.ProviderAuthBackendDown}
	}
	s.greet(w, r, &b, known)
	return one, cause.Allow()
}

// Attempt is a sign-in on the web, as the policy sees it.
func Attempt(r *http.Request) policy.Attempt {
	a := policy.Attempt{Protocol: store.ProtocolWeb, TLS: r.TLS != nil}
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		a.Remote = remote.Addr().Unmap()
	}
	browser, system := session.ClientOf(r.UserAgent())
	a.Client = strings.Trim(browser+", "+system, ", ")
	return a
}

// status is that of the page that tells a refusal.
func status(d cause.Decision) int {
	switch {
	case d.Cause == cause.NetworkClientBanned || d.Cause == cause.AccountLockedOut:
		return http.StatusTooManyRequests
	case d.Action == cause.ActionWait:
		return http.StatusServiceUnavailable
	}
	return http.StatusForbidden // 401 would want a challenge, which browsers answer with a window of their own
}

// whole completes an address without a domain, and drops what slipped in around it.
func (s *Server) whole(ctx context.Context, address string) string {
	address = strings.TrimFunc(address, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r) })
	if address == "" || strings.Contains(address, "@") {
		return address
	}
	if s.DefaultDomain != "" {
		return address + "@" + s.DefaultDomain
	}
	if domains, err := s.Store.Domains(ctx); err == nil && len(domains) == 1 {
		return address + "@" + domains[0].Name
	}
	return address
}

// hint says what somebody with a wrong password may have overlooked.
func (s *Server) hint(ctx context.Context, v *view, password string) {
	local, domain, _ := strings.Cut(v.Address, "@")
	if domain == "" {
		v.Hints = append(v.Hints, v.T["hint_domain"])
	} else if near := s.meant(ctx, domain); near != "" {
		v.Suggest = local + "@" + near
	}
	if capitals(password) {
		v.Hints = append(v.Hints, v.T["hint_caps"])
	}
}

// meant is the domain here that was probably meant, "" if this one is here or none is like it.
func (s *Server) meant(ctx context.Context, domain string) string {
	all, err := s.Store.Domains(ctx)
	if err != nil || len(all) > 1000 {
		return ""
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return settings.Nearest(strings.ToLower(domain), names)
}

// capitals tells whether a password looks as if Caps Lock were on.
func capitals(password string) bool {
	upper := 0
	for _, r := range password {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsUpper(r) {
			upper++
		}
	}
	return upper >= 2
}

// securityPath is the page for the security of an account.
const securityPath = "/settings/security"

func (s *Server) passkeyEndpoints(w http.ResponseWriter, _ *http.Request) {
	session.WriteJSON(w, http.StatusOK, map[string]string{"enroll": s.BaseURL + securityPath, "manage": s.BaseURL + securityPath})
}

// askOut asks whether to sign out: nothing is done by following a link.
func (s *Server) askOut(w http.ResponseWriter, r *http.Request) {
	one, d, shown := s.Sessions.From(r)
	if !shown && session.Bounce(w, r) {
		return
	}
	if !shown || !d.Allowed() {
		http.Redirect(w, r, withLang(session.SignInPath, r.URL.Query().Get("lang")), http.StatusSeeOther)
		return
	}
	v := s.view(r, "")
	v.Title, v.Address, v.CSRF, v.Script = v.T["out_title"], one.Account.Address, one.CSRF, ""
	s.pages.Write(w, http.StatusOK, "signout.html", v.Lang, v)
}

// signOut ends the session. Forms have its token in a field.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	one, d, shown := s.Sessions.From(r)
	if shown && d.Allowed() {
		if token := r.PostFormValue("csrf"); token != "" {
			r.Header.Set("X-CSRF-Token", token)
		}
		if d := s.Sessions.Genuine(r, &one); !d.Allowed() {
			s.Sessions.Refuse(w, r, http.StatusForbidden, d)
			return
		}
		if err := s.Sessions.SignOut(w, r, &one); err != nil {
			s.Log.Error("session not ended", "account", one.Account.Address, "error", err)
			s.pages.Failed(w, r, http.StatusInternalServerError, "/sign-out")
			return
		}
		// What the webmail keeps in the browser for reading without a line goes, too, and pictures and files that the browser keeps by itself.
		w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	}
	http.Redirect(w, r, withLang(session.SignInPath, r.FormValue("lang")), http.StatusSeeOther)
}
