// Package imapd is the IMAP server: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) with their
// extensions, line by line what the standards say. It keeps no policy: who may connect and sign in
// is for the Backend to say, and what is refused is said by a cause.
//
// A session is one goroutine that reads a command (parse*.go), does it (the files named after
// commands), tells what others changed (sync.go) and answers (reply.go). While it waits for its
// client it holds no buffer.
package imapd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
)

// Backend is what the server asks of the rest of the program. Its methods are called by many
// sessions at once.
type Backend interface {
	// Connect decides on a connection before the greeting. If it allows, Closed is called once the
	// connection is over.
	Connect(ctx context.Context, c *Conn) cause.Decision
	// Verifier knows who may sign in on a connection.
	Verifier(c *Conn) sasl.Verifier
	// SignedIn is told who proved to be whom, says which account that is, and decides whether the
	// session may begin. It sets Conn.JMAP.
	SignedIn(ctx context.Context, c *Conn, who sasl.Identity) (store.AccountID, cause.Decision)
	// SignedOut is told that the account of a connection left it, which may go on with another.
	SignedOut(c *Conn)
	// Event is told what a client did, for the journal. It must not block.
	Event(c *Conn, e Event)
	// Closed is told that a connection is over.
	Closed(c *Conn)
}

// Metrics counts what the server does. Its methods are called often and must be cheap.
type Metrics interface {
	// Command is told that a command (in upper case, "UNKNOWN" for others) was answered with
	// "OK", "NO" or "BAD" and how long it took.
	Command(name, status string, took time.Duration)
	// Sessions is told that a session began (+1) or ended (-1).
	Sessions(delta int)
}

// Options are what a server is made of. Store, Catalogue, Backend and SASL must be given.
type Options struct {
	Hostname  string // in the greeting
	Store     *store.Store
	Catalogue *cause.Catalogue
	Backend   Backend
	// SASL offers mechanisms. Whether passwords may pass without TLS is its setting.
	SASL *sasl.Server
	// TLSConfig serves STARTTLS and implicit TLS; nil for none. See also SetTLS.
	TLSConfig *tls.Config
	// Admit is asked before the handshake of implicit TLS; nil lets everybody in. Backend.Connect
	// decides after it.
	Admit netserve.Admit
	// Index makes searches for text fast; nil for none: then all is read.
	Index *index.Index
	// Room decides whether there is room beside the account's own quota, which is the store's matter, for what APPEND, REPLACE or COPY
	// bring to an account, and counts it if so; nil: there always is.
	Room func(ctx context.Context, a *store.Account, size int64) cause.Decision
	// Sent tells whether an account has just sent a message, which its program keeps a copy of; nil: nobody knows.
	Sent func(ctx context.Context, a *store.Account) bool
	// NoUnauthenticate switches UNAUTHENTICATE off, as RFC 8437 section 8 wants it to be possible: behind
	// a proxy that checks only the first sign-in it would lead around that.
	NoUnauthenticate bool
	Limits           Limits
	Timeouts         Timeouts
	Log              *slog.Logger // nil: slog.Default
	Metrics          Metrics      // nil: none
}

// Limits bound what a client can ask for. Zero fields mean the default.
type Limits struct {
	// Message is the largest message that APPEND takes, in octets: APPENDLIMIT of RFC 7889.
	// Default 100 MiB.
	Message int64
	// Command is the longest command with its literals, but without the message of APPEND, in
	// octets. Default 256 KiB; before sign-in an eighth of it.
	Command int
	// Messages is how many messages one command works on: MESSAGELIMIT of RFC 9738. Default 0: as
	// many as it asks for.
	Messages int
	// Errors is how many commands in a row can end in BAD before the connection does. Default 20.
	Errors int
}

// Timeouts bound how long a client can take. Zero fields mean the default.
type Timeouts struct {
	// SignIn is how long a connection can last without signing in, the TLS handshake included.
	// Default 3 minutes.
	SignIn time.Duration
	// Idle is how long a session waits for a command (RFC 9051 section 5.4), also in IDLE, and
	// for the next octets of a command that has begun. Default 30 minutes.
	Idle time.Duration
	// Write is how long a client can take to accept a full buffer. Default 5 minutes.
	Write time.Duration
	// Progress is how long a search goes on before the client is told how far it is, and between
	// two such notices (RFC 9585). Default 10 seconds.
	Progress time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Message == 0 {
		l.Message = 100 << 20
	}
	if l.Command == 0 {
		l.Command = 256 << 10
	}
	if l.Errors == 0 {
		l.Errors = 20
	}
	return l
}

func (t Timeouts) withDefaults() Timeouts {
	if t.SignIn == 0 {
		t.SignIn = 3 * time.Minute
	}
	if t.Idle == 0 {
		t.Idle = 30 * time.Minute
	}
	if t.Write == 0 {
		t.Write = 5 * time.Minute
	}
	if t.Progress == 0 {
		t.Progress = 10 * time.Second
	}
	return t
}

// ListenerOptions say what a listener is.
type ListenerOptions = netserve.Listener

// Server serves IMAP. Make one with New.
type Server struct {
	options Options
	conns   *netserve.Server
	pools   pools
	orders  orders
}

// New makes a server.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Catalogue == nil || o.Backend == nil || o.SASL == nil {
		return nil, errors.New("imapd: Store, Catalogue, Backend and SASL must be given")
	}
	o.Limits, o.Timeouts = o.Limits.withDefaults(), o.Timeouts.withDefaults()
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	return &Server{options: o, conns: netserve.New(netserve.Options{
		Name: "imapd", TLS: o.TLSConfig, Admit: o.Admit, Log: o.Log,
	})}, nil
}

type noMetrics struct{}

func (noMetrics) Command(string, string, time.Duration) {}
func (noMetrics) Sessions(int)                          {}

// SetTLS replaces the TLS configuration for handshakes to come; nil turns TLS off. Sessions that
// have TLS keep what they have.
func (s *Server) SetTLS(config *tls.Config) { s.conns.SetTLS(config) }

// Serve accepts connections until the context ends or Close is called, and closes the listener. It
// returns an error only if the listener fails. Sessions go on after it has returned; Close ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	return s.conns.Serve(ctx, l, o, func(c netserve.Conn, nc net.Conn) netserve.Session {
		return newSession(s, c, nc, o.ImplicitTLS)
	})
}

// Close ends the server: no connection is accepted any more, commands that run are finished and
// answered, then every client is told BYE. Sessions that are still there when the context ends are
// cut off. Close returns when all are gone.
func (s *Server) Close(ctx context.Context) error { return s.conns.Close(ctx) }
