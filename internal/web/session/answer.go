package session

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/web/page"
)

// Info is what a page of ours knows of its session.
type Info struct {
	Account    string     `json:"account"` // the id of JMAP
	Address    string     `json:"address"`
	Name       string     `json:"name,omitempty"`
	CSRF       string     `json:"csrf"` // for the field X-CSRF-Token
	Lang       cause.Lang `json:"lang"`
	FreshUntil time.Time  `json:"freshUntil"` // when the security of the account may be changed without proving anew who one is
	Expires    time.Time  `json:"expires"`    // if it is not used any more
	Remembered bool       `json:"remembered"`
	Browser    string     `json:"browser,omitempty"`
	System     string     `json:"system,omitempty"`
	TwoStep    bool       `json:"twoStep"`
}

// Info tells a page about its session.
func (k *Keeper) Info(r *http.Request, s *Session) Info {
	return Info{
		Account: fmt.Sprintf("a%d", s.Account.ID), Address: s.Account.Address, Name: s.Account.Name, CSRF: s.CSRF, Lang: LangOf(r, s),
		FreshUntil: s.FreshUntil(), Expires: s.Expires(), Remembered: s.Remembered, Browser: s.Browser, System: s.System, TwoStep: s.Account.TwoStep,
	}
}

// LangOf is the language of a page: what is asked for by ?lang=, that of the account, that of the page where the holder signed in.
func LangOf(r *http.Request, s *Session) cause.Lang {
	for _, lang := range []string{r.URL.Query().Get("lang"), s.Account.Language, s.Language} {
		if lang != "" {
			return cause.ParseLang(lang)
		}
	}
	return page.Lang(r)
}

// Refusal is how a handler of JSON says no.
type Refusal struct {
	Cause  cause.ID `json:"cause"`
	Title  string   `json:"title"`
	Text   string   `json:"text"`
	Action string   `json:"action"`          // what to do now
	Actor  string   `json:"actor"`           // who must act
	Until  string   `json:"until,omitempty"` // when it can be tried again, RFC 3339
	// Reauthenticate says that the holder must prove again who he is (POST /api/security/confirm), and then try again.
	Reauthenticate bool `json:"reauthenticate,omitempty"`
	// Reason is what is wrong with what was sent, where it is that; handlers say which words they have.
	Reason string `json:"reason,omitempty"`
}

// Refuse answers with the reason of a refusal in the language of the request.
func (k *Keeper) Refuse(w http.ResponseWriter, r *http.Request, status int, d cause.Decision) {
	WriteJSON(w, status, k.refusal(r, d))
}

func (k *Keeper) refusal(r *http.Request, d cause.Decision) Refusal {
	e := k.Catalogue.Here(page.Zone(r, ""), k.Now()).Explain(d, page.Lang(r), cause.Holder)
	f := Refusal{Cause: d.Cause, Title: e.Title, Text: e.Text, Action: e.NextStep, Actor: e.Actor}
	if !d.Until.IsZero() {
		f.Until = d.Until.UTC().Format(time.RFC3339)
	}
	return f
}

// WriteJSON answers a request.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away
}

// Handler answers the request of somebody who is signed in.
type Handler func(w http.ResponseWriter, r *http.Request, s *Session)

// Signed answers requests of JSON that come with a session; what changes something must come from a page of ours.
func (k *Keeper) Signed(next Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, d, _ := k.From(r)
		if d.Allowed() {
			d = k.Genuine(r, &s)
		}
		if d.Allowed() {
			next(w, r, &s)
			return
		}
		status := http.StatusUnauthorized
		switch {
		case d.Action == cause.ActionWait:
			status = http.StatusServiceUnavailable
		case d.Cause != cause.AuthSessionEnded:
			status = http.StatusForbidden
		}
		k.Refuse(w, r, status, d)
	})
}

// RequireFresh lets requests with a session pass only if its holder has just proved who he is; others are answered 403 with
// Reauthenticate. A request without session passes: it brings its proof along.
func (k *Keeper) RequireFresh(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, d, shown := k.From(r); shown && d.Allowed() && !k.Fresh(&s) {
			k.Stale(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Fresh tells whether the holder of a session has just proved who he is.
func (k *Keeper) Fresh(s *Session) bool { return k.Now().Before(s.FreshUntil()) }

// Stale answers that the holder of a session must prove again who he is.
func (k *Keeper) Stale(w http.ResponseWriter, r *http.Request) {
	f := k.refusal(r, cause.Refuse(cause.AuthConfirmFirst))
	f.Reauthenticate = true
	WriteJSON(w, http.StatusForbidden, f)
}

// API is what the package answers itself, by pattern.
func (k *Keeper) API() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /api/session": k.Signed(func(w http.ResponseWriter, r *http.Request, s *Session) { WriteJSON(w, http.StatusOK, k.Info(r, s)) }),
	}
}

// SignInPath is the page where people sign in.
const SignInPath = "/sign-in"

// HomePath is where they go then, unless they wanted to go elsewhere.
const HomePath = "/mail/"

// Lead leads somebody who is not signed in, and asked for a page, to where he can.
func (k *Keeper) Lead(w http.ResponseWriter, r *http.Request) {
	_, d, shown := k.From(r)
	if !shown && Bounce(w, r) {
		return
	}
	q := url.Values{"next": {SafeNext(r.URL.RequestURI())}}
	if shown && !d.Allowed() {
		q.Set("why", string(d.Cause))
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, SignInPath+"?"+q.Encode(), http.StatusSeeOther)
}

// Token is what requests that change something must carry, "" where there is no session.
func (k *Keeper) Token(r *http.Request) string {
	s, _, _ := k.From(r)
	return s.CSRF
}

// Language is the language for a page of an account, "" for the browser's.
func (k *Keeper) Language(r *http.Request) cause.Lang {
	s, d, shown := k.From(r)
	if !shown || !d.Allowed() {
		return ""
	}
	return LangOf(r, &s)
}

// bounce loads the page that was asked for once more.
var bounce = template.Must(template.New("bounce").Parse(
	`<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><link rel="icon" href="/assets/icon.svg" type="image/svg+xml">` +
		`<meta http-equiv="refresh" content="0;url={{.}}"><title>…</title></head><body><p><a href="{{.}}">…</a></p></body></html>`))

// Bounce answers who comes from a link on another site. The browser does not send our cookie along then (SameSite=Strict); it
// does when a page of ours asks for the same again. It returns false if that is not so.
func Bounce(w http.ResponseWriter, r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); r.Method != http.MethodGet || site != "cross-site" && site != "same-site" {
		return false
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = bounce.Execute(w, r.URL.RequestURI()) // a client that went away
	return true
}

// SafeNext is where to go after signing in, a path of ours; HomePath for all else.
func SafeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\x00\r\n\t") || len(next) > 2000 || u.Path == "/" || strings.HasPrefix(u.Path, SignInPath) || strings.HasPrefix(u.Path, "/sign-out") {
		return HomePath
	}
	return next
}
