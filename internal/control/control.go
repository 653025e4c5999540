// Package control is how the commands of postiljon talk to the service that
// runs: HTTP with JSON over a socket in the file system that only the user of
// the service, and root, can open.
//
// Each method is one call with one request and one answer (api.go). What
// happens stands in the files named after what they are about.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/index"
)

// Options are what the control socket acts on. All but Log must be given.
type Options struct {
	Store     *store.Store
	Index     *index.Index
	Hasher    *policy.Hasher
	Guard     *policy.Guard
	Sending   *policy.Sending
	Domains   *policy.DomainStorage
	Journal   *journal.Journal
	Queue     *outbound.Queue
	Catalogue *cause.Catalogue
	// Keys are those that messages are signed with, KeyDomains the domains that have some.
	Keys       *dkim.Keeper
	KeyDomains func(context.Context) ([]string, error)
	// Rules runs the rules of accounts, to try them.
	Rules *rules.Engine
	// Source is what a backup copies.
	Source backup.Source
	// SignOut ends all sessions of an account, after its passwords or its state have changed.
	SignOut func(store.AccountID)
	// Sessions lists the open sessions of an account; nil if they are not known.
	Sessions func(store.AccountID) []EvidenceSession
	// TokensTaken tells whether the service takes bearer tokens; nil if it does not.
	TokensTaken func() bool
	// Collect gives back the room of messages that nobody has for the given
	// time; 0 is what is safe.
	Collect func(ctx context.Context, grace time.Duration) (blob.CollectResult, error)
	// Status says how the service is, but for what control counts itself.
	Status func(context.Context) Status
	// Reload reads configuration and certificates again, and returns the settings that differ and need a restart.
	Reload func(context.Context) ([]string, error)
	Log    *slog.Logger
}

// Server answers the commands. It is safe for concurrent use.
type Server struct {
	Options
	server    *http.Server
	stopping  context.Context // ends long work
	stop      context.CancelFunc
	backingUp sync.Mutex // held while a backup is made
}

const (
	maxRequest  = 4 << 20
	idleTimeout = time.Minute
	readTimeout = 30 * time.Second
)

// New makes a server.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.SignOut == nil {
		o.SignOut = func(store.AccountID) {}
	}
	if o.TokensTaken == nil {
		o.TokensTaken = func() bool { return false }
	}
	s := &Server{Options: o}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.server = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Listen opens the socket with mode 0600. A socket that nobody listens on any
// more is replaced; the caller holds the lock of the data folder, so that it is
// that of a process that ended.
func Listen(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("control: %s is no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control: %w", err)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	// Who connected before the mode was right is turned away by Accept.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("control: %w", err), l.Close())
	}
	return &guarded{l}, nil
}

// guarded takes only connections of the user of the service and of root. The
// mode of the socket says the same; this holds even where it was changed.
type guarded struct{ *net.UnixListener }

func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peer(c)
		if err == nil && (uid == 0 || uid == os.Geteuid()) {
			return c, nil
		}
		c.Close()
	}
}

// Serve answers on l until Close is called.
func (s *Server) Serve(l net.Listener) error {
	if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control: %w", err)
	}
	return nil
}

// Close ends the server after the calls that run, or when ctx ends. Long work is
// broken off.
func (s *Server) Close(ctx context.Context) error {
	s.stop()
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("control: %w", err), s.server.Close())
	}
	return nil
}

// method makes a handler of a function with a typed request and answer.
func method[Req, Resp any](s *Server, fn func(context.Context, Req) (Resp, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request Req
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		d.DisallowUnknownFields()
		if err := d.Decode(&request); err != nil && !errors.Is(err, io.EOF) {
			s.refuse(w, invalid("the request cannot be read: %v", err))
			return
		}
		answer, err := fn(r.Context(), request)
		if err != nil {
			s.refuse(w, err)
			return
		}
		reply(w, http.StatusOK, answer)
	})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away
}

// refuse answers with an error in its public shape. What is no fault of the
// caller is logged.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	e := public(err)
	if e.Status >= http.StatusInternalServerError {
		s.Log.Error("control: call failed", "error", err)
	}
	reply(w, e.Status, e)
}
