// Package files takes large files from account holders and hands them out to whoever has a link.
//
// A file comes in by the tus protocol (tus.go), bit by bit and over days if need be, straight into a draft of the blob
// store. When it is whole its owner gives it a link (api.go), whose page and contents anyone may have who
// knows it (page.go), until the link ends by itself or its owner ends it.
package files

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/answer"
	"github.com/postiljon/postiljon/internal/web/page"
)

//go:embed templates/*.html texts/*.toml
var parts embed.FS

// Options are what the files are made of. All must be given.
type Options struct {
	Store     *store.Store
	Catalogue *cause.Catalogue
	// SignIn decides who makes a request.
	SignIn func(*http.Request) (store.Account, cause.Decision)
	// BaseURL is the address of the web, without a final slash.
	BaseURL  string
	Hostname string
	Limits   Limits
	// Note puts an event into the journal of an account.
	Note func(ctx context.Context, a store.AccountID, kind string, fields ...store.Field)
	Log  *slog.Logger
}

// Limits bound what is kept.
type Limits struct {
	Size  int64         // octets of a file
	Total int64         // octets of all files of an account
	Keep  time.Duration // of a link whose owner does not say how long
}

const (
	// maxFiles is how many files an account has at once.
	maxFiles = 1000
	// keepUnfinished is how long a file that does not get on is kept, keepUnlinked one that is whole and has
	// no link.
	keepUnfinished = 7 * 24 * time.Hour
	keepUnlinked   = 2 * 24 * time.Hour
	// maxKeepTimes is how many times Limits.Keep a link may work.
	maxKeepTimes = 4
)

// Server serves files. It is safe for concurrent use.
type Server struct {
	options Options
	answer  *answer.Maker
	pages   *page.Set
	uploads uploads
	fetches fetches
}

// New makes a server. An error means that embedded files are wrong.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Catalogue == nil || o.SignIn == nil || o.Note == nil || o.Log == nil || o.Limits.Size <= 0 {
		return nil, errors.New("files: options are missing")
	}
	s := &Server{options: o, answer: &answer.Maker{Catalogue: o.Catalogue, SignIn: o.SignIn, Log: o.Log}}
	var err error
	if s.pages, err = page.Load(parts, o.Hostname, o.Log); err != nil {
		return nil, err
	}
	s.uploads.init()
	s.fetches.init()
	return s, nil
}

// Routes are what the server answers, by pattern of http.ServeMux; a nil server answers nothing.
func (s *Server) Routes() map[string]http.Handler {
	if s == nil {
		return nil
	}
	return map[string]http.Handler{
		"/files/":                     http.HandlerFunc(s.tus),
		"GET /api/files":              s.answer.SignedIn(s.list),
		"GET /api/files/{id}":         s.answer.SignedIn(s.show),
		"DELETE /api/files/{id}":      s.answer.SignedIn(s.remove),
		"GET /api/files/{id}/text":    s.answer.SignedIn(s.text),
		"POST /api/files/{id}/link":   s.answer.SignedIn(s.link),
		"DELETE /api/files/{id}/link": s.answer.SignedIn(s.unlink),
		"GET /f/{token}":              http.HandlerFunc(s.landing),
		"GET /f/{token}/download":     http.HandlerFunc(s.download),
		"GET /f/{token}/{$}":          http.HandlerFunc(s.landing),
	}
}

// Close ends the uploads that run; what came in stays.
func (s *Server) Close(ctx context.Context) error { return s.uploads.close(ctx) }

func (s *Server) now() time.Time { return s.options.Store.Now() }

// file returns a file of an account that is there; where there is none, it has refused.
func (s *Server) file(w http.ResponseWriter, r *http.Request, a *store.Account) (store.File, bool) {
	f, err := s.options.Store.File(r.Context(), a.ID, r.PathValue("id"))
	if err != nil {
		s.failed(w, r, err)
		return f, false
	}
	return f, true
}

// failed answers for an error of the store.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch store.KindOf(err) {
	case store.KindNotFound:
		s.answer.Refuse(w, r, http.StatusNotFound, cause.Refuse(cause.FileGone))
	case store.KindNoSpace:
		s.answer.Refuse(w, r, http.StatusInsufficientStorage, cause.Wait(cause.ProviderStorageFailed, time.Time{}))
	default:
		s.answer.Failed(w, r, err)
	}
}
