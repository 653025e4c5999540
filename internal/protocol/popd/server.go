// Package popd is the POP3 server (RFC 1939) over the INBOX of an account: with CAPA (RFC 2449),
// STLS (RFC 2595), AUTH (RFC 5034), response codes (RFC 2449, RFC 3206) and UTF8 (RFC 6856). It
// keeps no policy: who may connect and sign in is for the Backend to say, and what is refused is
// said by a cause.
//
// A session is one goroutine. It reads commands (command.go), signs in (auth.go), then works on the
// maildrop (maildrop.go): the INBOX as it was at sign-in, locked for this session alone (locks.go).
package popd

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
	"github.com/postiljon/postiljon/internal/store/uid"
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
	// session may begin. A connection signs in once.
	SignedIn(ctx context.Context, c *Conn, who sasl.Identity) (store.AccountID, cause.Decision)
	// Event is told what a client did, for the journal. It must not block.
	Event(c *Conn, e Event)
	// Closed is told that a connection is over.
	Closed(c *Conn)
}

// Conn describes a connection to the Backend. Its fields change between calls, never during one.
type Conn struct {
	netserve.Conn
	// Account is who signed in, 0 before; Name is the address used.
	Account store.AccountID
	Name    string
}

// EventKind says what happened.
type EventKind uint8

const (
	// EventFetched: whole messages were sent to the client. It is told once, at the end of the session.
	EventFetched EventKind = iota + 1
	// EventDeleted: messages were deleted at QUIT.
	EventDeleted
)

// Event is something that a client did, for the journal.
type Event struct {
	Kind    EventKind
	Mailbox string
	UIDs    uid.Set
	// MessageIDs are those of the first of them.
	MessageIDs []string
}

// Metrics counts what the server does. Its methods must be cheap.
type Metrics interface {
	// Command is told that a command (in upper case, "UNKNOWN" for others) was answered, and
	// whether it was with +OK.
	Command(name string, ok bool, took time.Duration)
	// Sessions is told that a session began (+1) or ended (-1).
	Sessions(delta int)
}

// Options are what a server is made of. Store, Catalogue, Backend and SASL must be given.
type Options struct {
	Hostname  string // in the greeting
	Store     *store.Store
	Catalogue *cause.Catalogue
	Backend   Backend
	// SASL offers mechanisms. Whether passwords may pass without TLS is its setting; USER and PASS
	// follow it.
	SASL *sasl.Server
	// TLSConfig serves STLS and implicit TLS; nil for none. See also SetTLS.
	TLSConfig *tls.Config
	// Admit is asked before the handshake of implicit TLS; nil lets everybody in. Backend.Connect
	// decides after it.
	Admit    netserve.Admit
	Timeouts Timeouts
	// Errors is how many commands in a row can be refused before the connection ends. Default 20.
	Errors  int
	Log     *slog.Logger // nil: slog.Default
	Metrics Metrics      // nil: none
}

// Timeouts bound how long a client can take. Zero fields mean the default.
type Timeouts struct {
	// SignIn is how long a connection can last without signing in, the TLS handshake included.
	// Default 2 minutes.
	SignIn time.Duration
	// Idle is how long a session waits for a command (RFC 1939 section 3), at least 10 minutes by
	// the standard, which is the default. Then the lock goes and nothing is deleted.
	Idle time.Duration
	// Write is how long a client can take to accept a full buffer. Default 5 minutes.
	Write time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	if t.SignIn == 0 {
		t.SignIn = 2 * time.Minute
	}
	if t.Idle == 0 {
		t.Idle = 10 * time.Minute
	}
	if t.Write == 0 {
		t.Write = 5 * time.Minute
	}
	return t
}

// ListenerOptions say what a listener is.
type ListenerOptions = netserve.Listener

// Server serves POP3. Make one with New.
type Server struct {
	options Options
	conns   *netserve.Server
	locks   locks
}

// New makes a server.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Catalogue == nil || o.Backend == nil || o.SASL == nil {
		return nil, errors.New("popd: Store, Catalogue, Backend and SASL must be given")
	}
	o.Timeouts = o.Timeouts.withDefaults()
	if o.Errors == 0 {
		o.Errors = 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	return &Server{
		options: o, locks: locks{held: map[store.AccountID]*Conn{}},
		conns: netserve.New(netserve.Options{Name: "popd", TLS: o.TLSConfig, Admit: o.Admit, Log: o.Log}),
	}, nil
}

type noMetrics struct{}

func (noMetrics) Command(string, bool, time.Duration) {}
func (noMetrics) Sessions(int)                        {}

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

// Close ends the server: no connection is accepted any more, and each session ends once the command
// that it is doing is answered. Sessions that are still there when the context ends are cut off.
// Close returns when all are gone.
func (s *Server) Close(ctx context.Context) error { return s.conns.Close(ctx) }
