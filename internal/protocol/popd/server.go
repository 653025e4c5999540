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
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
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
	ID            uint64
	Listener      string
	Remote, Local netip.AddrPort
	Began         time.Time
	// TLSVersion and CipherSuite are those of crypto/tls, 0 without TLS.
	TLSVersion, CipherSuite uint16
	// Account is who signed in, 0 before; Name is the address used.
	Account store.AccountID
	Name    string
}

// TLS reports whether the connection is encrypted.
func (c *Conn) TLS() bool { return c.TLSVersion != 0 }

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
	Timeouts  Timeouts
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
type ListenerOptions struct {
	Name        string // for logs and the Backend, such as "pop3s"
	ImplicitTLS bool   // TLS from the first octet (RFC 8314)
}

// ErrClosed is returned by Serve after Close.
var ErrClosed = errors.New("popd: closed")

// Server serves POP3. Make one with New.
type Server struct {
	options Options
	tls     atomic.Pointer[tls.Config]
	nextID  atomic.Uint64
	locks   locks

	// ctx ends when running commands must stop.
	ctx  context.Context
	kill context.CancelFunc

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}
	running   sync.WaitGroup // sessions and Serve calls
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
	s := &Server{
		options: o, listeners: map[net.Listener]struct{}{}, sessions: map[*session]struct{}{},
		locks: locks{held: map[store.AccountID]*Conn{}},
	}
	s.ctx, s.kill = context.WithCancel(context.Background())
	s.SetTLS(o.TLSConfig)
	return s, nil
}

type noMetrics struct{}

func (noMetrics) Command(string, bool, time.Duration) {}
func (noMetrics) Sessions(int)                        {}

// SetTLS replaces the TLS configuration for connections to come; nil turns TLS off. Sessions that
// run keep what they have.
func (s *Server) SetTLS(config *tls.Config) {
	if config == nil {
		s.tls.Store(nil)
		return
	}
	config = sasl.TLSConfig(config)
	config.DynamicRecordSizingDisabled = true // messages are sent in large pieces
	s.tls.Store(config)
}

// Serve accepts connections until the listener fails, the context ends or Close is called. It
// closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	if !s.begin(l) {
		l.Close()
		return ErrClosed
	}
	defer s.end(l)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.start(nc, o)
		case s.isClosed():
			return ErrClosed
		case ctx.Err() != nil:
			return ctx.Err()
		case isTemporary(err):
			s.options.Log.Warn("popd: accept", "listener", o.Name, "err", err)
			time.Sleep(50 * time.Millisecond) // out of file descriptors: let some connections end
		default:
			return fmt.Errorf("popd: accept: %w", err)
		}
	}
}

// isTemporary reports an error of Accept that goes away by itself.
func isTemporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

func (s *Server) begin(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) end(l net.Listener) {
	l.Close()
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	s.running.Done()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// start runs a session on a new connection.
func (s *Server) start(nc net.Conn, o ListenerOptions) {
	c := newSession(s, nc, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		nc.Close()
		return
	}
	s.sessions[c] = struct{}{}
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		c.run()
		s.mu.Lock()
		delete(s.sessions, c)
		s.mu.Unlock()
	}()
}

// Close ends the server: no connection is accepted any more, and each session ends once the command
// that it is doing is answered. Sessions that are still there when the context ends are cut off.
// Close returns when all are gone.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.sessions {
		c.wait.stop()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.kill()
		return nil
	case <-ctx.Done():
	}
	s.kill()
	s.mu.Lock()
	for c := range s.sessions {
		c.wait.conn.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}
