package smtpd

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
)

// Options configure a Server. Zero limits and timeouts take the defaults given.
type Options struct {
	// Hostname is the server's name in greeting and EHLO, a fully qualified domain name. Required.
	Hostname string
	// Replies says refusals: the *cause.Catalogue. Required.
	Replies Replies
	// Backend decides. Required.
	Backend Backend
	// SASL is needed only when sessions have a Verifier.
	SASL *sasl.Server
	// TLS is the config of STARTTLS and implicit TLS; nil offers neither. See SetTLS.
	TLS *tls.Config
	// Log takes what the operator should see; slog.Default() if nil. Ordinary sessions are not logged.
	Log *slog.Logger
	// Metrics may be nil.
	Metrics Metrics

	Limits   Limits
	Timeouts Timeouts
}

// Replies turns decisions into replies. *cause.Catalogue is one.
type Replies interface {
	SMTP(d cause.Decision) cause.SMTPReply
	ToStranger(d cause.Decision) cause.Decision
}

// Metrics is told what happens. Its methods are called by many goroutines and must be quick.
type Metrics interface {
	Opened(listener string)
	Closed(listener string, reason Reason)
	// Accepted is called for every message answered with 250; octets counts its content.
	Accepted(listener string, octets int64)
	// Refused is called for every refusal, of whatever command.
	Refused(listener string, id cause.ID)
}

// Limits bound what a client can ask for.
type Limits struct {
	Message     int64 // octets of one message (RFC 1870); default 50 MiB
	Line        int   // octets of one line of content with its CRLF; default 1 MiB
	Recipients  int   // allowed in one transaction (RCPTMAX of RFC 9422), and as many refused; default 1000, at least 100
	Messages    int   // of one connection (MAILMAX of RFC 9422); default 10000
	Errors      int   // protocol errors and failed sign-ins of one connection; default 20
	Idle        int   // commands without effect (NOOP, RSET, VRFY ...) between two messages; default 100
	Swallow     int64 // octets of refused content read to find its end; default 64 MiB
	Connections int   // at once on all listeners; default 20000
}

// Timeouts bound how long a client can take (RFC 5321 section 4.5.3.2).
type Timeouts struct {
	Command   time.Duration // for the next command; default 5 minutes
	Block     time.Duration // for the next part of the content; default 3 minutes
	Message   time.Duration // for all of the content; default 2 hours
	Write     time.Duration // for a reply to be taken; default 1 minute
	Handshake time.Duration // for TLS; default 1 minute
	Greeting  time.Duration // how long to wait for early talk before the greeting; default 0: only look
}

// ListenerOptions say what a listener is for.
type ListenerOptions struct {
	Name        string // for Conn, log and metrics
	ImplicitTLS bool   // RFC 8314: port 465
	Submission  bool   // RFC 6409
	RequireAuth bool   // no MAIL before AUTH
}

// Server serves SMTP on any number of listeners. It is safe for concurrent use.
type Server struct {
	options Options
	tls     atomic.Pointer[tls.Config]
	log     *slog.Logger
	ids     atomic.Uint64

	stopping atomic.Bool
	stop     chan struct{} // closed when stopping
	sessions sync.WaitGroup

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	clients   map[netip.Addr]int // open connections, by address or first address of the /64
}

// New makes a Server. It fails if something required is missing or a limit makes no sense.
func New(o Options) (*Server, error) {
	switch {
	case o.Hostname == "":
		return nil, errors.New("smtpd: no host name")
	case o.Replies == nil || o.Backend == nil:
		return nil, errors.New("smtpd: no replies or no backend")
	}
	o.Limits.setDefaults()
	o.Timeouts.setDefaults()
	if o.Limits.Recipients < 100 {
		return nil, fmt.Errorf("smtpd: %d recipients are fewer than the 100 of RFC 5321 section 4.5.3.1.8", o.Limits.Recipients)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	s := &Server{
		options:   o,
		log:       o.Log,
		stop:      make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		clients:   make(map[netip.Addr]int),
	}
	s.SetTLS(o.TLS)
	return s, nil
}

func (l *Limits) setDefaults() {
	orElse(&l.Message, 50<<20)
	orElse(&l.Line, 1<<20)
	orElse(&l.Recipients, 1000)
	orElse(&l.Messages, 10000)
	orElse(&l.Errors, 20)
	orElse(&l.Idle, 100)
	orElse(&l.Swallow, 64<<20)
	orElse(&l.Connections, 20000)
}

func (t *Timeouts) setDefaults() {
	orElse(&t.Command, 5*time.Minute)
	orElse(&t.Block, 3*time.Minute)
	orElse(&t.Message, 2*time.Hour)
	orElse(&t.Write, time.Minute)
	orElse(&t.Handshake, time.Minute)
}

func orElse[T comparable](value *T, usual T) {
	var zero T
	if *value == zero {
		*value = usual
	}
}

// SetTLS changes the config for handshakes to come; sessions go on. It is not needed where
// GetCertificate of the config follows renewals.
func (s *Server) SetTLS(config *tls.Config) {
	if config != nil {
		config = sasl.TLSConfig(config)
	}
	s.tls.Store(config)
}

// Serve accepts connections on l until ctx ends or Shutdown is called, and closes l. It returns an
// error only if l fails. Sessions go on after it has returned; Shutdown ends them. Their contexts
// have the values of ctx, not its end.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	if o.ImplicitTLS && s.tls.Load() == nil {
		return errors.Join(fmt.Errorf("smtpd: listener %s: implicit TLS without a TLS config", o.Name), l.Close())
	}
	if !s.addListener(l) {
		return l.Close()
	}
	defer s.removeListener(l)
	unhook := context.AfterFunc(ctx, func() { l.Close() })
	defer unhook()

	base := context.WithoutCancel(ctx)
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.start(base, nc, o)
			continue
		case ctx.Err() != nil || s.stopping.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("smtpd: listener %s: %w", o.Name, err)
		}
		// Out of file descriptors, or a connection lost before it was taken: wait and go on.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.Warn("smtpd: accept failed", "listener", o.Name, "error", err, "retry", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		case <-s.stop:
		}
	}
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	l.Close()
}

// start serves a connection in a goroutine of its own.
func (s *Server) start(base context.Context, nc net.Conn, o ListenerOptions) {
	ctx, cancel := context.WithCancel(base)
	c := newConn(s, nc, o, cancel)
	if d := s.enter(c); !d.Allowed() {
		s.turnAway(c, d)
		cancel()
		return
	}
	s.options.Metrics.Opened(o.Name)
	go func() {
		defer s.sessions.Done()
		defer cancel()
		c.serve(ctx)
		s.leave(c)
		s.options.Metrics.Closed(o.Name, c.end)
	}()
}

// enter counts a connection in, unless there are too many or the server stops.
func (s *Server) enter(c *conn) cause.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping.Load():
		return later(cause.ProviderMaintenanceStop)
	case len(s.conns) >= s.options.Limits.Connections:
		return later(cause.ProviderOverloaded)
	}
	s.sessions.Add(1)
	s.conns[c] = struct{}{}
	s.clients[c.client]++
	c.info.Open = s.clients[c.client]
	return cause.Allow()
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.clients[c.client]--; s.clients[c.client] == 0 {
		delete(s.clients, c.client)
	}
}

// turnAway answers a connection that gets no session. The reply fits the empty send buffer of a new
// connection, so that it does not hold up the accept loop; with implicit TLS there is no cheap way
// to say it.
func (s *Server) turnAway(c *conn, d cause.Decision) {
	s.options.Metrics.Refused(c.listener.Name, d.Cause)
	if !c.listener.ImplicitTLS {
		c.refuse(d)
		c.flush()
	}
	c.raw.Close()
}

// Shutdown stops the server: it closes the listeners, tells idle sessions to come back later and
// lets transactions whose content is on its way end and be answered. When ctx ends before they
// have, it breaks their connections and returns ctx's error. It returns when every session is over.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping.Swap(true) {
		close(s.stop)
	}
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.wake()
	}
	s.mu.Unlock()

	over := make(chan struct{})
	go func() {
		s.sessions.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns {
		c.kill()
	}
	s.mu.Unlock()
	<-over
	return fmt.Errorf("smtpd: stop: %w", ctx.Err())
}

type noMetrics struct{}

func (noMetrics) Opened(string)            {}
func (noMetrics) Closed(string, Reason)    {}
func (noMetrics) Accepted(string, int64)   {}
func (noMetrics) Refused(string, cause.ID) {}
