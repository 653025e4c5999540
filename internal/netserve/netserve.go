// Package netserve is what the mail servers have in common below their protocols: it takes
// connections, turns away early whom it must, gives each connection a session with a goroutine of
// its own, does TLS handshakes, and ends all sessions in good order.
package netserve

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

	"github.com/postiljon/postiljon/internal/sasl"
)

// Session is one connection as a protocol serves it. Its type must be comparable.
type Session interface {
	// Serve serves the connection until it is over and closes it. The context ends when the
	// server's patience does: then Serve must return soon, and its connection is closed already.
	Serve(ctx context.Context)
	// Stop tells that the session should come to an end. Any goroutine may call it, before Serve
	// has begun or after it has returned, too; it must not block.
	Stop()
}

// Conn is what is known of a connection when it is taken.
type Conn struct {
	// ID is different for each connection of a Server.
	ID uint64
	// Listener is the name of the listener that took the connection.
	Listener string
	// Remote and Local are the two ends. An IPv4 address is never in its IPv6 form.
	Remote, Local netip.AddrPort
	Began         time.Time
	// Admitted: Admit was asked about the connection and let it in.
	Admitted bool
	// Stop is Session.Stop of the connection's session, for who has reason to end this one alone.
	Stop func()
	// Activity is what the session tells of its client.
	Activity *Activity
	// TLSVersion and CipherSuite are those of crypto/tls, 0 without TLS. See Secured.
	TLSVersion, CipherSuite uint16
}

// Secured notes that a handshake was done.
func (c *Conn) Secured(t *tls.Conn) {
	state := t.ConnectionState()
	c.TLSVersion, c.CipherSuite = state.Version, state.CipherSuite
}

// TLS reports whether the connection is encrypted.
func (c *Conn) TLS() bool { return c.TLSVersion != 0 }

// Admit decides whether a connection may begin its TLS handshake, by what is known without one.
// Release ends what Admit counted; it is called once, when the connection is over. Many goroutines
// call Admit, and they take no other connection meanwhile: it must not block.
type Admit func(listener string, remote netip.Addr) (release func(), ok bool)

// Options are what a Server is made of.
type Options struct {
	// Name is that of the protocol package, for errors and the log.
	Name string
	// TLS is for implicit TLS and for upgrades; nil for none. See SetTLS.
	TLS *tls.Config
	// Admit is asked where TLS begins with the first octet (RFC 8314): whoever is not let in is cut
	// off before the handshake has cost anything. Elsewhere a session can say why, for next to
	// nothing. nil lets everybody in.
	Admit Admit
	Log   *slog.Logger
}

// Listener says what a listener is.
type Listener struct {
	Name        string // for the log and for Conn, such as "imaps"
	ImplicitTLS bool   // TLS from the first octet (RFC 8314)
}

// Server takes connections from any number of listeners. It is safe for concurrent use.
type Server struct {
	options Options
	tls     atomic.Pointer[tls.Config]
	ids     atomic.Uint64

	// stopping ends when sessions should come to an end, working when they must.
	working, stopping context.Context
	kill, stop        context.CancelFunc

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	sessions  map[Session]net.Conn
	running   sync.WaitGroup // sessions and calls of Serve
}

// New makes a Server. Close it.
func New(o Options) *Server {
	s := &Server{options: o, listeners: map[net.Listener]struct{}{}, sessions: map[Session]net.Conn{}}
	s.working, s.kill = context.WithCancel(context.Background())
	s.stopping, s.stop = context.WithCancel(s.working)
	s.SetTLS(o.TLS)
	return s
}

// SetTLS replaces the TLS configuration for handshakes to come; nil turns TLS off. Connections that
// have TLS keep what they have.
func (s *Server) SetTLS(config *tls.Config) {
	if config != nil {
		config = sasl.TLSConfig(config)
		// What is large would otherwise begin with a thousand small records, a write each.
		config.DynamicRecordSizingDisabled = true
	}
	s.tls.Store(config)
}

// HasTLS reports whether there is a TLS configuration.
func (s *Server) HasTLS() bool { return s.tls.Load() != nil }

// Stopping is closed when the server begins to stop, before the first Session.Stop.
func (s *Server) Stopping() <-chan struct{} { return s.stopping.Done() }

// IsStopping reports whether it is.
func (s *Server) IsStopping() bool { return s.stopping.Err() != nil }

// Serve takes connections from l until ctx ends or the server is closed, and closes l. For each
// connection it calls open, which must not block, and serves the session in a goroutine. It returns
// an error only if l fails or needs a TLS configuration that is not there. Sessions go on after it
// has returned; Close ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o Listener, open func(Conn, net.Conn) Session) error {
	if o.ImplicitTLS && !s.HasTLS() {
		return errors.Join(s.failed(o, errNoTLS), l.Close())
	}
	if !s.begin(l) {
		return l.Close()
	}
	defer s.end(l)
	unhook := context.AfterFunc(ctx, func() { l.Close() })
	defer unhook()
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.take(nc, o, open)
		case ctx.Err() != nil || s.stopping.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return s.failed(o, err)
		default:
			pause = s.rest(ctx, pause, o, err)
		}
	}
}

var errNoTLS = errors.New("no TLS configuration")

func (s *Server) failed(o Listener, err error) error {
	return fmt.Errorf("%s: listener %s: %w", s.options.Name, o.Name, err)
}

func (s *Server) begin(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Err() != nil {
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

// The pauses after errors of Accept.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

// rest waits after an error of Accept, longer each time, and returns how long it was: there are no
// file descriptors until some connections end, or a connection was lost before it was taken.
func (s *Server) rest(ctx context.Context, last time.Duration, o Listener, err error) time.Duration {
	pause := min(max(2*last, firstPause), maxPause)
	if pause > last {
		s.options.Log.Warn(s.options.Name+": accept failed", "listener", o.Name, "error", err, "retry", pause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.stopping.Done():
	}
	return pause
}

// take begins the session of a connection, if the connection may be.
func (s *Server) take(nc net.Conn, o Listener, open func(Conn, net.Conn) Session) {
	var session Session // is there before anybody knows of c
	c := Conn{
		ID: s.ids.Add(1), Listener: o.Name, Remote: addrPort(nc.RemoteAddr()), Local: addrPort(nc.LocalAddr()),
		Began: time.Now(), Stop: func() { session.Stop() }, Activity: new(Activity),
	}
	release := func() {}
	if o.ImplicitTLS && s.options.Admit != nil {
		if release, c.Admitted = s.options.Admit(o.Name, c.Remote.Addr()); !c.Admitted {
			nc.Close()
			return
		}
	}
	session = open(c, nc)
	if !s.enter(session, nc) {
		nc.Close()
		release()
		return
	}
	go s.run(session, release)
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

func (s *Server) enter(session Session, nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Err() != nil {
		return false
	}
	s.sessions[session] = nc
	s.running.Add(1)
	return true
}

// run is below everything that a session does for as long as it lasts: it takes little stack.
func (s *Server) run(session Session, release func()) {
	defer s.running.Done()
	session.Serve(s.working)
	s.mu.Lock()
	delete(s.sessions, session)
	s.mu.Unlock()
	release()
}

// Handshake makes a connection a TLS one, of which sasl.ChannelOf knows all. It fails when the
// client takes longer than until, and when the server stops. Deadlines that were set on nc are over.
//
// A handshake needs a large stack, which a goroutine that may then wait for years should not keep:
// it has one of its own.
func (s *Server) Handshake(nc net.Conn, until time.Time) (*tls.Conn, error) {
	config := s.tls.Load()
	if config == nil {
		return nil, fmt.Errorf("%s: TLS handshake: %w", s.options.Name, errNoTLS)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("%s: TLS handshake: %w", s.options.Name, err)
	}
	ctx, cancel := context.WithDeadline(s.stopping, until)
	defer cancel()
	t := sasl.ServeTLS(nc, config)
	done := make(chan error, 1)
	go func() { done <- t.HandshakeContext(ctx) }()
	if err := <-done; err != nil {
		return nil, fmt.Errorf("%s: TLS handshake: %w", s.options.Name, err)
	}
	return t, nil
}

// TimedWriter gives each write to Conn its time, so that a client that takes nothing in cannot hold a
// session for ever.
type TimedWriter struct {
	net.Conn
	Timeout time.Duration
}

func (w TimedWriter) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.Timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// Close ends the server: it takes no connection any more and tells every session to stop. Those that
// have not when ctx ends are cut off, and Close returns ctx's error. It returns when all are gone.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.stop()
	for l := range s.listeners {
		l.Close()
	}
	for session := range s.sessions {
		session.Stop()
	}
	s.mu.Unlock()
	over := make(chan struct{})
	go func() {
		s.running.Wait()
		close(over)
	}()
	select {
	case <-over:
		s.kill()
		return nil
	case <-ctx.Done():
	}
	s.kill()
	s.mu.Lock()
	for _, nc := range s.sessions {
		nc.Close()
	}
	s.mu.Unlock()
	<-over
	return ctx.Err()
}
