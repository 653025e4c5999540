// Package peer holds servers for a laboratory: SMTP, IMAP, POP3 and HTTP that behave
// as they should, small but real, and whose every step a script can change: other
// replies, silence, a cut, for all or for one account, one client, one time. They
// speak in the words of known providers and remember what was said to them.
package peer

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// sessionTime bounds how long a session waits for its client.
const sessionTime = 2 * time.Minute

// Protocol is what a server speaks.
type Protocol string

// The protocols.
const (
	ProtoSMTP Protocol = "smtp"
	ProtoIMAP Protocol = "imap"
	ProtoPOP3 Protocol = "pop3"
	ProtoWeb  Protocol = "web"
)

// Server is what the mail servers of this package have in common.
type Server struct {
	Name string // its own name, in greetings
	Mail *Mail  // the accounts it serves

	proto   Protocol
	session func(*conn) // one whole session after the greeting's turn

	mu         sync.Mutex
	tls        *tls.Config
	noSTARTTLS bool
	dialect    Dialect
	script     []*Override
	transcript
	closers map[io.Closer]struct{}
	closed  bool
	ending  chan struct{}
	wg      sync.WaitGroup
}

func newServer(proto Protocol, name string, mail *Mail) *Server {
	return &Server{Name: name, Mail: mail, proto: proto, dialect: Generic(), closers: make(map[io.Closer]struct{}), ending: make(chan struct{})}
}

// SetTLS gives the server its TLS configuration for new connections; nil takes TLS
// and STARTTLS away.
func (s *Server) SetTLS(config *tls.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tls = config
}

// SetCertificate gives the server another certificate and leaves the rest as it is.
func (s *Server) SetCertificate(cert tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config := &tls.Config{}
	if s.tls != nil {
		config = s.tls.Clone()
	}
	config.Certificates = []tls.Certificate{cert}
	s.tls = config
}

// ChangeTLS changes the TLS configuration for new connections: other versions, ciphers.
func (s *Server) ChangeTLS(change func(*tls.Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tls != nil {
		s.tls = s.tls.Clone()
		change(s.tls)
	}
}

// SetSTARTTLS says whether STARTTLS (STLS) is offered where TLS does not begin at once.
func (s *Server) SetSTARTTLS(offered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noSTARTTLS = !offered
}

// offersSTARTTLS tells whether the session could be encrypted now.
func (c *conn) offersSTARTTLS() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.tls != nil && !c.s.noSTARTTLS && !c.secure()
}

// SetDialect lets the server speak like another one from now on.
func (s *Server) SetDialect(d Dialect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialect = d
}

func (s *Server) tlsConfig() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tls
}

func (s *Server) words() Dialect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialect
}

// Serve takes connections from l in the background until Close. With implicitTLS they
// begin with a handshake.
func (s *Server) Serve(l net.Listener, implicitTLS bool) {
	if !s.keep(l) {
		l.Close()
		return
	}
	go func() {
		defer s.drop(l)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !s.keep(c) {
				c.Close()
				return
			}
			go func() {
				defer s.drop(c)
				s.serve(c, implicitTLS)
			}()
		}
	}()
}

// keep remembers what Close must close and waits for.
func (s *Server) keep(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closers[c] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) drop(c io.Closer) {
	c.Close()
	s.mu.Lock()
	delete(s.closers, c)
	s.mu.Unlock()
	s.wg.Done()
}

// Close ends the server and its sessions, and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		close(s.ending)
	}
	s.closed = true
	var errs []error
	for c := range s.closers {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	return errors.Join(errs...)
}

// CloseConnections cuts off the sessions that are open, and goes on serving.
func (s *Server) CloseConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.closers {
		if conn, ok := c.(net.Conn); ok {
			conn.Close()
		}
	}
}

func (s *Server) serve(nc net.Conn, implicitTLS bool) {
	c := newConn(s, nc)
	s.count(func(n *Counts) { n.Connections++ })
	if implicitTLS && !c.startTLS() {
		return
	}
	switch c.step("CONNECT") {
	case closed:
		return
	case handled:
		c.drain() // refused at the greeting: RFC 5321 section 3.1 waits for QUIT
		return
	}
	s.session(c)
}
