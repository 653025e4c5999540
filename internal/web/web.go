// Package web is the HTTPS server: pages that explain every refusal (/why),
// how to connect (/connect), the same for mail programs that look for their settings by
// themselves, and what a supervisor asks (/healthz, /readyz, /metrics).
//
// The pages are plain HTML without script, made from the same texts as the
// refusals, in the reader's language.
package web

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/web/assets"
	"github.com/postiljon/postiljon/internal/web/page"
)

//go:embed templates/*.html texts/*.toml
var files embed.FS

// Options are what the web is made of. Catalogue must be given.
type Options struct {
	Catalogue *cause.Catalogue
	// Hostname is the name of the service.
	Hostname string
	// MailServer is the host name that mail programs connect to; Hostname if "".
	MailServer string
	// Services are shown as the settings of mail programs, in order.
	Services []Service
	// CAFile is the certificate of a private authority, which programs must be
	// told to trust; "" if the certificate is one that they trust already.
	CAFile func() string
	// MTASTS returns the MTA-STS policy of a domain, nil for one that is not here; if it is nil
	// itself, there are no policies.
	MTASTS func(ctx context.Context, domain string) []byte
	// SecurityContact is who hears of security holes (RFC 9116): an address of mail or of the web; "" for postmaster.
	SecurityContact string
	// HSTS is how long browsers shall remember to come encrypted only (RFC 6797). They are told so where there is no CAFile: whoever had
	// to be told to trust the certificate must be able to come back when it is another one. 0 lets them forget it.
	HSTS time.Duration
	// SignProfile signs what is handed to devices; nil leaves it unsigned.
	SignProfile func(document []byte) ([]byte, error)
	// Ready looks whether the service can do its work; each error is one part
	// that cannot.
	Ready func(ctx context.Context) error
	// Metrics serves /metrics to the addresses in MetricsFrom.
	Metrics     http.Handler
	MetricsFrom []netip.Prefix
	// Holders tell the holders of accounts what the service knows, by path: each asks for the password itself.
	Holders map[string]http.Handler
	// Home answers for the first page; nil says there how to connect, too.
	Home http.Handler
	// Around is put around all handlers; nil is nothing.
	Around func(http.Handler) http.Handler
	// Routes are served too, by pattern of http.ServeMux: each has headers and sign-in of its own.
	Routes map[string]http.Handler
	// JMAP serves /jmap/ and /.well-known/jmap (RFC 8620 section 2.2); nil does not.
	JMAP http.Handler
	// Vantage serves /doctor/vantage; nil does not.
	Vantage   http.Handler
	TLSConfig *tls.Config
	Log       *slog.Logger
}

// Service is one way to reach the mail.
type Service struct {
	Protocol string // "IMAP"
	Port     string
	TLS      bool // from the start; STARTTLS otherwise
	Outgoing bool // for sending
}

// Server serves the pages. It is safe for concurrent use.
type Server struct {
	options Options
	pages   *page.Set
	server  *http.Server
}

// Bounds of a request. Most take no body and are answered at once; who takes longer, as uploads and streams do, extends them (http.ResponseController).
const (
	headerTimeout = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
)

// New makes a server. An error means that embedded files are wrong.
func New(o Options) (*Server, error) {
	if o.Catalogue == nil {
		return nil, errors.New("web: no catalogue")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MailServer == "" {
		o.MailServer = o.Hostname
	}
	p, err := page.Load(files, o.Hostname, o.Log)
	if err != nil {
		return nil, err
	}
	if o.Around == nil {
		o.Around = func(h http.Handler) http.Handler { return h }
	}
	s := &Server{options: o, pages: p}
	s.server = &http.Server{
		Handler:           secure(s.strict(o.Around(s.routes()))),
		TLSConfig:         o.TLSConfig,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// caFile is the certificate that programs must be told to trust, "" for none.
func (s *Server) caFile() string {
	if s.options.CAFile == nil {
		return ""
	}
	return s.options.CAFile()
}

// Handler answers requests; it is what Serve serves.
func (s *Server) Handler() http.Handler { return s.server.Handler }

// Serve answers on l with TLS until Close is called.
func (s *Server) Serve(l net.Listener) error {
	if err := s.server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web: %w", err)
	}
	return nil
}

// Close ends the server after the requests that run, or when ctx ends.
func (s *Server) Close(ctx context.Context) error {
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("web: %w", err), s.server.Close())
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", s.home())
	mux.HandleFunc("GET /connect", s.connect)
	mux.HandleFunc("GET /why/{$}", s.whyIndex)
	mux.HandleFunc("GET /why/{id}", s.why)
	mux.HandleFunc("GET /ca.pem", s.authority)
	mux.HandleFunc("GET /assets/{name}", s.asset)
	mux.HandleFunc("GET /mail/config-v1.1.xml", s.autoconfig)
	mux.HandleFunc("GET /.well-known/autoconfig/mail/config-v1.1.xml", s.autoconfig)
	mux.HandleFunc("POST /autodiscover/autodiscover.xml", s.autodiscover)
	mux.HandleFunc("POST /Autodiscover/Autodiscover.xml", s.autodiscover)
	mux.HandleFunc("GET /autodiscover/autodiscover.json", s.autodiscoverJSON)
	mux.HandleFunc("GET /autodiscover/autodiscover.json/v1.0/{address}", s.autodiscoverJSON)
	mux.HandleFunc("GET /connect.mobileconfig", s.profile)
	if s.options.MTASTS != nil {
		mux.HandleFunc("GET /.well-known/mta-sts.txt", s.mtaSTS)
	}
	mux.HandleFunc("GET /.well-known/security.txt", s.security)
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", s.metrics)
	for path, h := range s.options.Holders {
		mux.Handle("GET "+path, h)
	}
	for pattern, h := range s.options.Routes {
		mux.Handle(pattern, h)
	}
	if s.options.JMAP != nil {
		mux.Handle("/jmap/", s.options.JMAP)
		mux.Handle("/.well-known/jmap", s.options.JMAP)
	}
	if s.options.Vantage != nil {
		mux.Handle("/doctor/vantage", s.options.Vantage)
	}
	mux.HandleFunc("/", s.missing)
	return mux
}

// home is the first page: how to connect, if there is no other.
func (s *Server) home() http.Handler {
	if s.options.Home == nil {
		return http.HandlerFunc(s.connect)
	}
	return s.options.Home
}

// secure adds the headers that keep a page to itself: nothing from elsewhere,
// no script, no frame, no guessing of types.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// strict tells browsers to come encrypted only, where the certificate is one that they trust by themselves.
func (s *Server) strict(next http.Handler) http.Handler {
	told := fmt.Sprintf("max-age=%d", s.options.HSTS/time.Second)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && s.caFile() == "" {
			w.Header().Set("Strict-Transport-Security", told)
		}
		next.ServeHTTP(w, r)
	})
}

// authority hands out the certificate of the private authority, which is
// public; programs that have it trust the service.
func (s *Server) authority(w http.ResponseWriter, r *http.Request) {
	if s.caFile() == "" {
		s.missing(w, r)
		return
	}
	pem, err := os.ReadFile(s.caFile())
	if err != nil {
		s.options.Log.Error("web: certificate of the authority", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", `attachment; filename="postiljon-ca.pem"`)
	_, _ = w.Write(pem) // a client that went away
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !assets.Exists(name) {
		s.missing(w, r)
		return
	}
	assets.Serve(w, r, name)
}

// health says that the process lives.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") }

// ready says whether the service can do its work.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.options.Ready != nil {
		if err := s.options.Ready(r.Context()); err != nil {
			s.options.Log.Warn("not ready", "error", err)
			say(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
	}
	say(w, http.StatusOK, "ready\n")
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if s.options.Metrics == nil || !s.mayReadMetrics(r.RemoteAddr) {
		s.missing(w, r)
		return
	}
	s.options.Metrics.ServeHTTP(w, r)
}

func (s *Server) mayReadMetrics(remote string) bool {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, p := range s.options.MetricsFrom {
		if p.Contains(ap.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = strings.NewReader(text).WriteTo(w) // a client that went away
}
