package web

import (
	"net/http"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/web/page"
)

// view is what every template gets.
type view struct {
	page.Frame

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

// connect says how mail programs connect.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	p := s.view(r)
	p.Title, p.Server = p.T["home_title"], s.options.MailServer
	p.Services, p.CA = s.options.Services, s.caFile() != ""
	p.Profile = s.published(s.options.Hostname).Profile("") != nil
	s.write(w, http.StatusOK, "connect.html", &p)
}

// why explains one cause to anyone, with the steps in each mail program; the one
// named by ?program= is open.
func (s *Server) why(w http.ResponseWriter, r *http.Request) {
	p := s.view(r)
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
	s.write(w, status, "why.html", &p)
}

// whyIndex lists all causes.
func (s *Server) whyIndex(w http.ResponseWriter, r *http.Request) {
	p := s.view(r)
	p.Title = p.T["index_title"]
	for _, g := range s.options.Catalogue.Groups(p.Lang) {
		p.Groups = append(p.Groups, group{g.ID, g.Title, s.links(g.Causes, p.Lang)})
	}
	s.write(w, http.StatusOK, "index.html", &p)
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
	p := s.view(r)
	p.Title = p.T["missing_title"]
	s.write(w, http.StatusNotFound, "missing.html", &p)
}

func (s *Server) view(r *http.Request) view { return view{Frame: s.pages.Frame(r)} }

func (s *Server) write(w http.ResponseWriter, status int, name string, p *view) {
	if status == http.StatusOK {
		w.Header().Set("Cache-Control", "public, max-age=3600")
	}
	s.pages.Write(w, status, name, p.Lang, p)
}
