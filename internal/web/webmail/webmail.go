// Package webmail serves the program that people read and write mail with in a browser: the page it begins with, its
// scripts from web/dist, and with the page what its first screen shows, so that no request need be made for it.
package webmail

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/web/dist"
)

//go:embed texts/*.toml
var words embed.FS

// Options are what the webmail is made of. All but Undo and Log must be given.
type Options struct {
	// SignIn decides who makes a request.
	SignIn func(r *http.Request) (store.Account, cause.Decision)
	// Token is what requests of a signed-in browser that change something must carry, "" for none.
	Token func(r *http.Request) string
	// Ask answers method calls of JMAP for an account.
	Ask func(ctx context.Context, a *store.Account, methodCalls []byte) (methodResponses []byte, err error)
	// Labels answers the labels of an account, as /api/labels does.
	Labels func(ctx context.Context, a *store.Account) (any, error)
	// Alerts answers what an account wants to notice of mail that comes, as /api/alerts does.
	Alerts func(ctx context.Context, a *store.Account) (any, error)
	// Sharers are the accounts that share mailboxes with one.
	Sharers func(ctx context.Context, a store.AccountID) ([]store.Account, error)
	// Language is the language for who makes a request, "" for the browser's.
	Language func(r *http.Request) cause.Lang
	// Lead answers who is not signed in: with the page where he can.
	Lead http.HandlerFunc
	// Hostname is the name of the service, MaxSize the most octets of a message.
	Hostname string
	MaxSize  int64
	// Undo is how long a sent message can be taken back.
	Undo time.Duration
	Log  *slog.Logger
}

// Server serves the webmail. It is safe for concurrent use.
type Server struct {
	options Options
	files   map[string]*file
	version string
	says    map[cause.Lang]*phrases.Set
}

// file is a file of web/dist as it is sent.
type file struct {
	kind        string
	plain, gzip []byte
}

// New makes a server.
func New(o Options) (*Server, error) {
	if o.SignIn == nil || o.Token == nil || o.Ask == nil || o.Labels == nil || o.Alerts == nil || o.Sharers == nil || o.Language == nil || o.Lead == nil {
		return nil, errors.New("webmail: an option is missing")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	all, version, err := dist.Files()
	if err != nil {
		return nil, fmt.Errorf("webmail: %w", err)
	}
	s := &Server{options: o, files: map[string]*file{}, version: version, says: map[cause.Lang]*phrases.Set{}}
	for _, lang := range cause.Languages() {
		if s.says[lang], err = phrases.Load(words, lang); err != nil {
			return nil, fmt.Errorf("webmail: %w", err)
		}
	}
	for name, content := range all {
		if s.files[name], err = newFile(name, content); err != nil {
			return nil, fmt.Errorf("webmail: %s: %w", name, err)
		}
	}
	return s, nil
}

func newFile(name string, content []byte) (*file, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".js" {
		kind = "text/javascript; charset=utf-8"
	}
	return &file{kind: kind, plain: content, gzip: b.Bytes()}, nil
}

// Routes are what the webmail has, by pattern of http.ServeMux.
func (s *Server) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /mail/{rest...}":       http.HandlerFunc(s.page),
		"GET /settings/{rest...}":   http.HandlerFunc(s.page),
		"GET /ui/{version}/{name}":  http.HandlerFunc(s.asset),
		"GET /sw.js":                http.HandlerFunc(s.worker),
		"GET /manifest.webmanifest": http.HandlerFunc(s.manifest),
	}
}

// asset serves a script, a style sheet or pictures. Their address changes with their content, so they are kept for good. A window of another
// version gets none: parts of two versions do not fit together.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	f := s.files[r.PathValue("name")]
	if f == nil || r.PathValue("version") != s.version {
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	f.write(w, r)
}

// worker is the service worker. It is at the root, so that it may work for the pages and for messages. One of another version stays as it
// is: it keeps that one's files.
func (s *Server) worker(w http.ResponseWriter, r *http.Request) {
	f := s.files["worker.js"]
	if v := r.FormValue("v"); f == nil || v != "" && v != s.version {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'")
	f.write(w, r)
}

// manifest lets browsers install the webmail as a program of its own, and open links that write to somebody with it.
func (s *Server) manifest(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/manifest+json")
	w.Header().Set("Cache-Control", "max-age=86400")
	_, _ = strings.NewReader(`{"id":"/mail/","name":"Postiljon","short_name":"Postiljon","start_url":"/mail/inbox","scope":"/","display":"standalone",` +
		`"background_color":"#fbfaf7","theme_color":"#1f4f8f","icons":[{"src":"/assets/icon.svg","sizes":"any","type":"image/svg+xml"}],` +
		`"protocol_handlers":[{"protocol":"mailto","url":"/mail/inbox?mailto=%s"}]}`).WriteTo(w) // a client that went away
}

func (f *file) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	content := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		content = f.gzip
	}
	h.Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write(content) // a client that went away
}

// policy lets the page load from here alone, run no script that stands in it, and make scripts of no text. Messages are
// shown in frames of their own, which have a policy of their own.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
	"frame-src 'self'; worker-src 'self'; manifest-src 'self'; media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types postiljon sanitizer"

// first is what the page holds for its scripts (web/src/core/first.ts).
type first struct {
	Account   account         `json:"account"`
	Sharers   []account       `json:"sharers"`
	CSRF      string          `json:"csrf"`
	Lang      cause.Lang      `json:"lang"`
	Version   string          `json:"version"`
	Base      string          `json:"base"`
	Origin    string          `json:"origin"`
	MaxSize   int64           `json:"maxSize"`
	Undo      float64         `json:"undo"` // seconds
	Labels    any             `json:"labels,omitempty"`
	Alerts    any             `json:"alerts,omitempty"`
	Responses json.RawMessage `json:"responses,omitempty"`
}

type account struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Name    string `json:"name"`
}

// page is the page of the webmail for who is signed in; all others are asked to sign in first.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Cookie, Accept-Language")
	a, d := s.options.SignIn(r)
	if !d.Allowed() {
		s.options.Lead(w, r)
		return
	}
	f := s.first(r, &a, s.options.Token(r), s.language(r))
	text, err := json.Marshal(f)
	if err != nil {
		s.options.Log.Error("webmail: first screen", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(f.Lang))
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Postiljon-Shell", s.version) // the service worker keeps no other page (web/src/worker)
	var out bytes.Buffer
	// encoding/json writes <, > and & as escapes, so the data cannot end its element.
	if err := shell.Execute(&out, struct {
		first
		Data template.JS
		Say  func(key string, pairs ...string) string
	}{f, template.JS(text), s.says[f.Lang].Say}); err != nil { //nolint:gosec // see above
		s.options.Log.Error("webmail: page", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	zipped(w, r, out.Bytes())
}

// first is what the page holds for somebody whose requests have a token.
func (s *Server) first(r *http.Request, a *store.Account, token string, lang cause.Lang) first {
	f := first{
		Account: account{ID: fmt.Sprintf("a%d", a.ID), Address: a.Address}, CSRF: token, Lang: lang,
		Sharers: []account{}, Version: s.version, Base: s.Base(), Origin: s.options.Hostname, MaxSize: s.options.MaxSize, Undo: s.options.Undo.Seconds(),
	}
	sharers, err := s.options.Sharers(r.Context(), a.ID)
	for i := range sharers {
		f.Sharers = append(f.Sharers, account{ID: fmt.Sprintf("a%d", sharers[i].ID), Address: sharers[i].Address, Name: sharers[i].Name})
	}
	var responses []byte
	if err == nil {
		responses, err = s.options.Ask(r.Context(), a, firstCalls(f.Account.ID, f.Sharers))
	}
	if err != nil {
		s.options.Log.Error("webmail: first screen", "account", a.Address, "error", err) // the page asks again by itself
	} else {
		f.Responses = responses
	}
	if f.Labels, err = s.options.Labels(r.Context(), a); err != nil {
		s.options.Log.Error("webmail: labels", "account", a.Address, "error", err) // they are called as others call them
	}
	if f.Alerts, err = s.options.Alerts(r.Context(), a); err != nil {
		s.options.Log.Error("webmail: alerts", "account", a.Address, "error", err) // they are the usual ones
	}
	return f
}

// Base is where the files of the program lie; it changes with them.
func (s *Server) Base() string { return "/ui/" + s.version + "/" }

// Policy is the Content-Security-Policy that the program wants of the page it runs in.
func (s *Server) Policy() string { return policy }

// Become answers the script of a page that becomes the webmail without being loaded anew: with what the page at an address would
// hold for somebody who has just signed in.
func (s *Server) Become(w http.ResponseWriter, r *http.Request, address string, a *store.Account, token string, lang cause.Lang) {
	text, err := json.Marshal(s.first(r, a, token, lang))
	if err != nil {
		s.options.Log.Error("webmail: first screen", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Location", address)
	h.Set("X-Postiljon-Base", s.Base())
	zipped(w, r, text)
}

// zipped sends a page compressed where the browser takes that.
func zipped(w http.ResponseWriter, r *http.Request, page []byte) {
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(page) // a client that went away
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // somebody waits; a level that exists is no error
	_, _ = z.Write(page)                           // likewise
	_ = z.Close()
}

func (s *Server) language(r *http.Request) cause.Lang {
	if l := s.options.Language(r); l != "" {
		return l
	}
	return cause.ParseLang(r.Header.Get("Accept-Language"))
}

// firstCalls are what the first screen shows: the mailboxes, those that others share, and the first rows of the inbox, as the list asks for them
// (web/src/core/list.ts).
func firstCalls(own string, sharers []account) []byte {
	const row = `["id","threadId","mailboxIds","keywords","from","to","subject","receivedAt","size","preview","hasAttachment"]`
	calls := []byte("[")
	for _, one := range sharers {
		calls = fmt.Appendf(calls, `["Mailbox/get",{"accountId":%q,"ids":null},"s"],`, one.ID)
	}
	return fmt.Appendf(calls, `
		["Mailbox/get",{"accountId":%[1]q,"ids":null},"m"],
		["Email/query",{"accountId":%[1]q,"filter":{"inMailbox":"#inbox"},"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true,"position":0,"limit":50,"calculateTotal":true},"q"],
		["Email/get",{"accountId":%[1]q,"#ids":{"resultOf":"q","name":"Email/query","path":"/ids"},"properties":%[2]s},"r"],
		["Thread/get",{"accountId":%[1]q,"#ids":{"resultOf":"r","name":"Email/get","path":"/list/*/threadId"}},"t"],
		["Email/get",{"accountId":%[1]q,"#ids":{"resultOf":"t","name":"Thread/get","path":"/list/*/emailIds"},"properties":%[2]s},"o"]]`, own, row)
}

// shell is the page. Where scripts are off it says so.
var shell = template.Must(template.New("shell").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="robots" content="noindex">
<title>Postiljon</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="manifest" href="/manifest.webmanifest">
<link rel="stylesheet" href="{{.Base}}app.css">
<link rel="modulepreload" href="{{.Base}}shared.js">
<link rel="modulepreload" href="{{.Base}}text.{{.Lang}}.js">
<script type="module" src="{{.Base}}app.js"></script>
<script type="application/json" id="first">{{.Data}}</script>
</head>
<body>
<noscript><div class="nothing"><h1>{{call .Say "plain.title"}}</h1><p>{{call .Say "plain.text"}}</p><p><a href="/connect?lang={{.Lang}}">{{call .Say "plain.connect"}}</a></p><p><a href="/sign-out?lang={{.Lang}}">{{call .Say "plain.out"}}</a></p></div></noscript>
<div id="app"></div>
</body>
</html>
`))
