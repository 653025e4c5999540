package web

import (
	"bytes"
	"crypto/sha256"
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
	style     string // the version of the style sheet, so that no browser shows a new page in an old one
}

// texts are the words of the pages that are not those of a cause.
type texts struct {
	Name  string            `toml:"name"` // of the language, in itself
	Words map[string]string `toml:"words"`
}

func loadPages() (*pages, error) {
	p := &pages{texts: map[cause.Lang]texts{}}
	var err error
	if p.templates, err = template.ParseFS(files, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	style, err := files.ReadFile("assets/style.css")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	p.style = fmt.Sprintf("%.8x", sha256.Sum256(style))
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
	Style     string
	Languages []language

	Why      cause.WhyPage // why.html
	Holder   bool          // the text for account holders says more
	Owner    bool
	Steps    []cause.Instruction // that fit any program
	Programs []program
	Wire     []cause.WireForm
	Related  []link
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

// program is a mail program with what is done in it.
type program struct {
	cause.Program
	Open  bool // this one was asked for
	Steps []cause.Instruction
}

// link is a cause that a page leads to.
type link struct {
	ID    cause.ID
	Title string
}

// group is the causes of one kind.
type group struct {
	ID, Title string
	Causes    []link
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	p := s.page(r)
	p.Title, p.Server = p.T["home_title"], s.options.MailServer
	p.Services, p.CA = s.options.Services, s.caFile() != ""
	p.Profile = s.published(s.options.Hostname).Profile("") != nil
	s.write(w, r, http.StatusOK, "home.html", p)
}

// why explains one cause to anyone, with the steps in each mail program; the one
// named by ?program= is open.
func (s *Server) why(w http.ResponseWriter, r *http.Request) {
	p := s.page(r)
	catalogue := s.options.Catalogue
	id, status := cause.ID(r.PathValue("id")), http.StatusOK
	if _, ok := catalogue.Cause(id); !ok {
		status = http.StatusNotFound
	}
	p.Why = catalogue.Why(id, p.Lang)
	p.Title = p.Why.Title
	p.Holder = p.Why.Holder.Text != p.Why.Text
	p.Owner = p.Why.Owner.Text != p.Why.Text && p.Why.Owner.Text != p.Why.Holder.Text
	p.Steps = catalogue.Instructions(p.Why.ID, p.Lang, cause.Client{})
	for _, one := range catalogue.Programs(p.Lang) {
		if steps := catalogue.InstructionsIn(p.Why.ID, p.Lang, one.ID); len(steps) > 0 {
			p.Programs = append(p.Programs, program{one, one.ID == r.URL.Query().Get("program"), steps})
		}
	}
	p.Wire = catalogue.WireForms(p.Why.ID)
	p.Related = s.links(catalogue.Related(p.Why.ID), p.Lang)
	s.write(w, r, status, "why.html", p)
}

// whyIndex lists all causes.
func (s *Server) whyIndex(w http.ResponseWriter, r *http.Request) {
	p := s.page(r)
	p.Title = p.T["index_title"]
	for _, g := range s.options.Catalogue.Groups(p.Lang) {
		p.Groups = append(p.Groups, group{g.ID, g.Title, s.links(g.Causes, p.Lang)})
	}
	s.write(w, r, http.StatusOK, "index.html", p)
}

func (s *Server) links(ids []cause.ID, lang cause.Lang) []link {
	var list []link
	for _, id := range ids {
		list = append(list, link{id, s.options.Catalogue.Why(id, lang).Title})
	}
	return list
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
	p := page{Lang: lang, T: s.pages.texts[lang].Words, Hostname: s.options.Hostname, Style: s.pages.style}
	for _, l := range cause.Languages() {
		p.Languages = append(p.Languages, language{l, s.pages.texts[l].Name, l == lang})
	}
	return p
}

// joined keeps the Swedish and Norwegian word for mail on one line: browsers break it after its hyphen.
var joined = strings.NewReplacer("e-post", "e-\u2060post", "E-post", "E-\u2060post")

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
	_, _ = joined.WriteString(w, b.String()) // a client that went away
}
