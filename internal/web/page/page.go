// Package page makes pages without script: templates of one part of the web in the frame that all share, with
// that part's words in the reader's language.
package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/web/assets"
)

//go:embed layout.html texts/*.toml
var files embed.FS

// Set is the pages of one part. It is safe for concurrent use.
type Set struct {
	hostname  string
	log       *slog.Logger
	templates *template.Template
	texts     map[cause.Lang]texts
	style     string
}

// texts are the words of the pages that are not those of a cause.
type texts struct {
	Name  string            `toml:"name"` // of the language, in itself; parts need not say it
	Words map[string]string `toml:"words"`
}

// Load reads templates/*.html and texts/LANG.toml of a part. Its templates begin with {{template "top" .}} and end
// with {{template "bottom" .}}; what they get is a struct that embeds Frame. An error means that the program was built wrong.
func Load(part fs.FS, hostname string, log *slog.Logger) (*Set, error) {
	s := &Set{hostname: hostname, log: log, texts: map[cause.Lang]texts{}}
	var err error
	if s.templates, err = template.ParseFS(files, "layout.html"); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	if s.templates, err = s.templates.ParseFS(part, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	if s.style, err = assets.Version("style.css"); err != nil {
		return nil, err
	}
	for _, lang := range cause.Languages() {
		shared, err := readTexts(files, lang)
		if err != nil {
			return nil, err
		}
		own, err := readTexts(part, lang)
		if err != nil {
			return nil, err
		}
		maps.Copy(shared.Words, own.Words)
		s.texts[lang] = shared
	}
	return s, nil
}

func readTexts(from fs.FS, lang cause.Lang) (t texts, err error) {
	raw, err := fs.ReadFile(from, "texts/"+string(lang)+".toml")
	if err != nil {
		return t, fmt.Errorf("page: %w", err)
	}
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&t); err != nil {
		return t, fmt.Errorf("page: texts in %s: %w", lang, err)
	}
	return t, nil
}

// Frame is what the frame of a page needs; pages embed it beside what is their own.
type Frame struct {
	Lang      cause.Lang
	T         map[string]string // the words
	Title     string
	Hostname  string
	Style     string   // the version of the style sheet
	Sheets    []string // further style sheets, with their versions
	Script    string   // an asset with its version, "" for none
	Languages []Language
}

// Language is a link to the same page in another language.
type Language struct {
	Lang    cause.Lang
	Name    string
	Href    string
	Current bool
}

// Lang is the reader's language: the one asked for by ?lang=, or the one the browser prefers.
func Lang(r *http.Request) cause.Lang {
	accept := r.URL.Query().Get("lang")
	if accept == "" {
		accept = r.Header.Get("Accept-Language")
	}
	return cause.ParseLang(accept)
}

// zoneCookie tells the time zone of the browser, which only a script of the page knows (assets/signin.js, web/src/settings).
const zoneCookie = "zone"

// Zone is the time zone of the reader: that of the account, if it has one, or what the browser told; nil if neither is known.
func Zone(r *http.Request, account string) *time.Location {
	name := account
	if c, err := r.Cookie(zoneCookie); name == "" && err == nil {
		name, _ = url.PathUnescape(c.Value)
	}
	const longest = 64
	if name == "" || name == "Local" || len(name) > longest {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return zone
}

// Frame begins a page in the reader's language. Kept are pairs of names and values that the links to other languages keep in
// their query; values that are empty are left out.
func (s *Set) Frame(r *http.Request, kept ...string) Frame {
	lang := Lang(r)
	f := Frame{Lang: lang, T: s.texts[lang].Words, Hostname: s.hostname, Style: s.style}
	for _, l := range cause.Languages() {
		q := url.Values{"lang": {string(l)}}
		for i := 0; i+1 < len(kept); i += 2 {
			if kept[i+1] != "" {
				q.Set(kept[i], kept[i+1])
			}
		}
		f.Languages = append(f.Languages, Language{l, s.texts[l].Name, "?" + q.Encode(), l == lang})
	}
	return f
}

// joined keeps the Swedish and Norwegian word for mail on one line: browsers break it after its hyphen.
var joined = strings.NewReplacer("e-post", "e-\u2060post", "E-post", "E-\u2060post")

// Write makes the whole page before it sends any of it, so that an error in the middle is not half a page.
func (s *Set) Write(w http.ResponseWriter, status int, name string, lang cause.Lang, data any) {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, data); err != nil {
		s.log.Error("web: page not made", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	begin(w, lang)
	w.WriteHeader(status)
	_, _ = joined.WriteString(w, b.String()) // a client that went away
}

// Failed is the page that stands for one that cannot be made. What failed is for the log; again is where to begin anew.
func (s *Set) Failed(w http.ResponseWriter, r *http.Request, status int, again string) {
	p := struct {
		Frame
		Again string
	}{s.Frame(r), again}
	p.Title = p.T["failed_title"]
	s.Write(w, status, "failed", p.Lang, p)
}

func begin(w http.ResponseWriter, lang cause.Lang) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(lang))
	h.Set("Vary", "Accept-Language")
}

// Stream is a page that is sent in parts while its end is not known yet. What a part shows stands at once in browsers.
type Stream struct {
	set     *Set
	w       http.ResponseWriter
	control *http.ResponseController
}

// patience is how long a browser may take for one part.
const patience = 30 * time.Second

// Stream begins a page that is sent in parts. The first is to be of a template that begins with "top", the last of one
// that ends with "bottom".
func (s *Set) Stream(w http.ResponseWriter, lang cause.Lang) *Stream {
	begin(w, lang)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // proxies that would hold parts back
	w.WriteHeader(http.StatusOK)
	return &Stream{s, w, http.NewResponseController(w)}
}

// Part sends one part; an error means that nobody reads on, or that the template is wrong.
func (s *Stream) Part(name string, data any) error {
	var b bytes.Buffer
	if err := s.set.templates.ExecuteTemplate(&b, name, data); err != nil {
		s.set.log.Error("web: part of a page not made", "part", name, "error", err)
		return fmt.Errorf("page: %w", err)
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("page: %w", err)
	}
	if _, err := joined.WriteString(s.w, b.String()); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if err := s.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}
