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
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
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
	// Admit is asked before the handshake of implicit TLS; nil lets everybody in. The Backend
	// decides after it.
	Admit netserve.Admit
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
	conns   *netserve.Server
	log     *slog.Logger

	mu      sync.Mutex
	open    int                // sessions
	most    int                // that there may be
	clients map[netip.Addr]int // sessions by address, or first address of the /64
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
	return &Server{
		options: o, log: o.Log, clients: make(map[netip.Addr]int), most: o.Limits.Connections,
		conns: netserve.New(netserve.Options{Name: "smtpd", TLS: o.TLS, Admit: o.Admit, Log: o.Log}),
	}, nil
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
func (s *Server) SetTLS(config *tls.Config) { s.conns.SetTLS(config) }

// Serve accepts connections on l until ctx ends or Shutdown is called, and closes l. It returns an
// error only if l fails. Sessions go on after it has returned; Shutdown ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	return s.conns.Serve(ctx, l, netserve.Listener{Name: o.Name, ImplicitTLS: o.ImplicitTLS},
		func(c netserve.Conn, nc net.Conn) netserve.Session { return newConn(s, c, nc, o) })
}

// Shutdown stops the server: it closes the listeners, tells idle sessions to come back later and
// lets transactions whose content is on its way end and be answered. When ctx ends before they
// have, it breaks their connections and returns ctx's error. It returns when every session is over.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.conns.Close(ctx); err != nil {
		return fmt.Errorf("smtpd: stop: %w", err)
	}
	return nil
}

// stopping reports whether Shutdown was called.
func (s *Server) stopping() bool { return s.conns.IsStopping() }

// enter counts a session in, unless there are too many, and tells how many are open from its client.
func (s *Server) enter(client netip.Addr) (fromClient int, d cause.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.most {
		return 0, later(cause.ProviderOverloaded)
	}
	s.open++
	s.clients[client]++
	return s.clients[client], cause.Allow()
}

// SetConnections changes how many connections there may be at once; 1 at least. Those that are open stay.
func (s *Server) SetConnections(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = n
}

func (s *Server) leave(client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.clients[client]--; s.clients[client] == 0 {
		delete(s.clients, client)
	}
}

type noMetrics struct{}

func (noMetrics) Opened(string)            {}
func (noMetrics) Closed(string, Reason)    {}
func (noMetrics) Accepted(string, int64)   {}
func (noMetrics) Refused(string, cause.ID) {}
