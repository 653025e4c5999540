package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
)

// pages are the templates and what they say in each language.
type pages struct {
	templates *template.Template
	texts     map[cause.Lang]texts
}

// texts are the words of the pages that are not those of a cause.
type texts struct {
	Name  string            `toml:"name"` // of the language, in itself
	Words map[string]string `toml:"words"`
	// Groups are the headings of causes by the first part of their id.
	Groups map[string]string `toml:"groups"`
}

func loadPages() (*pages, error) {
	p := &pages{texts: map[cause.Lang]texts{}}
	var err error
	if p.templates, err = template.ParseFS(files, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	for _, lang := range cause.Languages() {
		raw, err := files.ReadFile("texts/" + string(lang) + ".toml")
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		var t texts
		if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&t); err != nil {
			return nil, fmt.Errorf("web: texts in %s: %w", lang, err)
		}
		p.texts[lang] = t
	}
	return p, nil
}

// page is what every template gets.
type page struct {
	Lang      cause.Lang
	T         map[string]string
	Title     string
	Hostname  string
	Languages []language

	Why      cause.WhyPage // why.html
	Holder   bool          // the text for account holders says more
	Owner    bool
	Groups   []group // index.html
	Server   string  // home.html
	Services []Service
	CA       bool
	Profile  bool
}

// language is a link to the same page in another language.
type language struct {
	Lang    cause.Lang
	Name    string
	Current bool
}

// group is the causes of one kind.
type group struct {
	ID, Title string
	Causes    []cause.WhyPage
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	p := s.page(r)
	p.Title, p.Server = p.T["home_title"], s.options.MailServer
	p.Services, p.CA = s.options.Services, s.options.CAFile != ""
	p.Profile = s.published(s.options.Hostname).Profile("") != nil
	s.write(w, r, http.StatusOK, "home.html", p)
}

// why explains one cause to anyone.
func (s *Server) why(w http.ResponseWriter, r *http.Request) {
	p := s.page(r)
	id, status := cause.ID(r.PathValue("id")), http.StatusOK
	if _, ok := s.options.Catalogue.Cause(id); !ok {
		status = http.StatusNotFound
	}
	p.Why = s.options.Catalogue.Why(id, p.Lang)
	p.Title = p.Why.Title
	p.Holder = p.Why.Holder.Text != p.Why.Text
	p.Owner = p.Why.Owner.Text != p.Why.Text && p.Why.Owner.Text != p.Why.Holder.Text
	s.write(w, r, status, "why.html", p)
}

// whyIndex lists all causes.
func (s *Server) whyIndex(w http.ResponseWriter, r *http.Request) {
	p := s.page(r)
	p.Title = p.T["index_title"]
	names := s.pages.texts[p.Lang].Groups
	for _, c := range s.options.Catalogue.All() {
		kind, _, _ := strings.Cut(string(c.ID), ".")
		title, ok := names[kind]
		if !ok {
			continue // the two answers that name no fault
		}
		if len(p.Groups) == 0 || p.Groups[len(p.Groups)-1].ID != kind {
			p.Groups = append(p.Groups, group{ID: kind, Title: title})
		}
		last := &p.Groups[len(p.Groups)-1]
		last.Causes = append(last.Causes, s.options.Catalogue.Why(c.ID, p.Lang))
	}
	s.write(w, r, http.StatusOK, "index.html", p)
}

func (s *Server) missing(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead { // RFC 9110 section 15.5.6
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	p := s.page(r)
	p.Title = p.T["missing_title"]
	s.write(w, r, http.StatusNotFound, "missing.html", p)
}

// page begins a page in the reader's language: the one asked for by ?lang=, or
// the one the browser prefers.
func (s *Server) page(r *http.Request) page {
	accept := r.URL.Query().Get("lang")
	if accept == "" {
		accept = r.Header.Get("Accept-Language")
	}
	lang := cause.ParseLang(accept)
	p := page{Lang: lang, T: s.pages.texts[lang].Words, Hostname: s.options.Hostname}
	for _, l := range cause.Languages() {
		p.Languages = append(p.Languages, language{l, s.pages.texts[l].Name, l == lang})
	}
	return p
}

// write makes the whole page before it sends any of it, so that an error in
// the middle is not half a page.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	var b bytes.Buffer
	if err := s.pages.templates.ExecuteTemplate(&b, name, p); err != nil {
		s.options.Log.Error("web: page not made", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(p.Lang))
	h.Set("Vary", "Accept-Language")
	if status == http.StatusOK {
		h.Set("Cache-Control", "public, max-age=3600")
	}
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // a client that went away
}
