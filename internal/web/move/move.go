// Package move carries the mail of an account in and out over the web: as one download (export.go), from a file that was
// uploaded before (import.go), and from another provider with IMAP (fetch.go). What takes long is a job (jobs.go).
package move

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/public"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/answer"
)

// Options are what moving mail needs. All but Private and Roots must be given.
type Options struct {
	Store     *store.Store
	Catalogue *cause.Catalogue
	// SignIn decides who makes a request.
	SignIn func(*http.Request) (store.Account, cause.Decision)
	// Table and Book know other providers: their settings, and what their servers say.
	Table *settings.Table
	Book  *dialect.Book
	// Private lets people fetch mail from servers inside a network and on any port, such as in tests.
	Private bool
	// Resolver asks for names; nil is the system's.
	Resolver *net.Resolver
	// Roots are who vouches for other servers; nil is whom the system trusts.
	Roots *x509.CertPool
	Log   *slog.Logger
}

// Dialer makes connections.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Server moves mail. It is safe for concurrent use.
type Server struct {
	options Options
	answer  *answer.Maker
	dialer  Dialer
	jobs    jobs
	exports running
	lookups running       // of settings
	rest    time.Duration // before a broken connection is made again, the first time
}

// New makes a server. Start it.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Catalogue == nil || o.SignIn == nil || o.Table == nil || o.Book == nil || o.Log == nil {
		return nil, errors.New("move: options are missing")
	}
	s := &Server{options: o, answer: &answer.Maker{Catalogue: o.Catalogue, SignIn: o.SignIn, Log: o.Log}, rest: retryAfter}
	dialer := public.Dialer()
	if o.Private {
		dialer = &net.Dialer{}
	}
	dialer.Resolver = o.Resolver
	s.dialer = dialer
	s.jobs.init()
	s.exports.init()
	s.lookups.init()
	return s, nil
}

// Routes are what the server answers, by pattern of http.ServeMux.
func (s *Server) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /api/export":               s.answer.SignedIn(s.export),
		"POST /api/import/imap":         s.answer.SignedIn(s.fetch),
		"GET /api/import/imap/settings": s.answer.SignedIn(s.findSettings),
		"POST /api/import":              s.answer.SignedIn(s.importFile),
		"GET /api/jobs":                 s.answer.SignedIn(s.list),
		"GET /api/jobs/{id}":            s.answer.SignedIn(s.show),
		"GET /api/jobs/{id}/events":     s.answer.SignedIn(s.events),
		"DELETE /api/jobs/{id}":         s.answer.SignedIn(s.cancel),
	}
}

// failed answers for an error of the store.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error, missing cause.ID) {
	if store.KindOf(err) == store.KindNotFound {
		s.answer.Refuse(w, r, http.StatusNotFound, cause.Refuse(missing))
		return
	}
	s.answer.Failed(w, r, err)
}
