package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
)

const (
	// maxCommand is the longest command line with its CRLF: the 512 octets of RFC 5321 section
	// 4.5.3.1.4, what the extensions add to MAIL and RCPT (about 700) and paths in UTF-8.
	maxCommand = smallInput
	// maxAuthLine is the longest line of AUTH (RFC 4954 section 4).
	maxAuthLine = 12288
	// lingerTime and lingerOctets bound how long and how much is read and dropped after the last
	// reply to a client that still sends, so that the reply is not lost in a reset.
	lingerTime   = 2 * time.Second
	lingerOctets = 256 << 10
	// quitTime is how long a client that was turned away has to say QUIT.
	quitTime = 10 * time.Second
)

// conn is one connection and its session. All fields belong to the goroutine of serve, but for
// those marked.
type conn struct {
	server   *Server
	listener ListenerOptions
	raw      net.Conn    // the TCP connection; never changes
	client   netip.Addr  // the address, or the first one of its /64
	waiting  atomic.Bool // blocked in a read for the next command; any goroutine
	stopped  atomic.Bool // Stop was called; any goroutine

	link    net.Conn // raw, or TLS on it
	info    Conn
	session Session
	in      input
	out     []byte // replies not yet sent
	broken  error  // of the first write that failed

	tx       transaction
	errors   int // protocol errors and failed sign-ins
	idle     int // commands without effect since the last message
	messages int
	end      Reason // why to stop; "" while the session goes on

	outArray [1024]byte
}

func newConn(s *Server, taken netserve.Conn, nc net.Conn, o ListenerOptions) *conn {
	c := &conn{server: s, listener: o, raw: nc, link: nc, client: clientOf(taken.Remote.Addr())}
	c.in.init()
	c.out = c.outArray[:0]
	c.info = Conn{Conn: taken, Submission: o.Submission}
	return c
}

// clientOf is what one client can be expected to have: an IPv4 address, or a /64 of IPv6, of which
// it is the first address.
func clientOf(remote netip.Addr) netip.Addr {
	if !remote.Is6() {
		return remote
	}
	p, _ := remote.WithZone("").Prefix(64) // 64 bits of an IPv6 address always make a prefix
	return p.Addr()
}

// Serve serves a connection, unless there are too many.
func (c *conn) Serve(ctx context.Context) {
	open, d := c.server.enter(c.client)
	if !d.Allowed() {
		c.turnAway(d)
		return
	}
	defer c.server.leave(c.client)
	c.info.Open = open
	c.server.options.Metrics.Opened(c.listener.Name)
	c.serve(ctx)
	c.server.options.Metrics.Closed(c.listener.Name, c.end)
}

// turnAway answers a connection that gets no session; with implicit TLS there is no cheap way to say
// it.
func (c *conn) turnAway(d cause.Decision) {
	c.server.options.Metrics.Refused(c.listener.Name, d.Cause)
	if !c.listener.ImplicitTLS {
		c.refuse(d)
		c.flush()
	}
	c.raw.Close()
}

// serve runs the session from the greeting to the end of the connection.
func (c *conn) serve(ctx context.Context) {
	defer c.close()
	// A fault in the backend must not take the other sessions down.
	defer func() {
		if r := recover(); r != nil {
			c.end = ReasonFault
			c.server.log.Error("smtpd: panic", "listener", c.listener.Name, "conn", c.info.ID, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	if c.listener.ImplicitTLS {
		c.handshake()
	}
	if c.end == "" {
		c.greet(ctx)
	}
	for c.end == "" {
		line, err := c.readLine(maxCommand)
		if err != nil {
			c.lineFailed(err)
			continue
		}
		c.info.Activity.Used(time.Now())
		c.command(ctx, line)
	}
	c.flush()
}

// greet asks the backend and greets the client (RFC 5321 section 3.1).
func (c *conn) greet(ctx context.Context) {
	accepted := time.Now()
	session, d := c.server.options.Backend.NewSession(ctx, &c.info)
	if !d.Allowed() {
		c.refuse(d)
		if c.end == "" {
			c.awaitQuit()
		}
		return
	}
	c.session = session
	// Whoever talks before the greeting does not listen (RFC 5321 section 4.3.1): a robot, or
	// another protocol.
	if c.info.TLS == nil && c.talksEarly(c.server.options.Timeouts.Greeting-time.Since(accepted)) {
		c.protocolError("sequence", "")
		c.stopFor(ReasonErrors)
		return
	}
	c.reply("220 ", c.server.options.Hostname, " ESMTP\r\n")
}

// talksEarly reports whether the client sends something before the greeting, within a time.
func (c *conn) talksEarly(wait time.Duration) bool {
	if wait <= 0 {
		return readable(c.raw)
	}
	c.raw.SetReadDeadline(time.Now().Add(wait))
	n, _ := c.link.Read(c.in.space()) // an error that lasts comes again at the next read
	return n > 0
}

// awaitQuit waits a little for the QUIT of a client that was turned away: a greeting of 554 does
// not end the connection (RFC 5321 section 3.1).
func (c *conn) awaitQuit() {
	defer c.stopFor(ReasonRefused)
	for range 3 {
		line, err := c.readLineWithin(maxCommand, quitTime)
		if err != nil {
			return
		}
		if verb, _ := cutVerb(line); verb == verbQuit {
			c.reply("221 2.0.0 Bye\r\n")
			return
		}
		c.protocolError("sequence", "")
	}
}

// lineFailed ends the session for what readLine found instead of a command.
func (c *conn) lineFailed(err error) {
	switch {
	case errors.Is(err, errLineTooLong):
		c.protocolError("line-too-long", "")
	case errors.Is(err, errBareNewline):
		// The two ends do not agree where a command ends, so nothing that follows can be trusted.
		c.refuse(cause.Refuse(cause.ContentMalformed).As("bare-newline"))
		c.stopFor(ReasonErrors)
	case errors.Is(err, errStopping):
		if c.server.stopping() {
			c.refuse(later(cause.ProviderMaintenanceStop))
		} else { // this session alone
			c.refuse(later(cause.AuthSignedOut))
		}
		c.end = ReasonStop
	case errors.Is(err, os.ErrDeadlineExceeded):
		limit := c.server.options.Timeouts.Command
		c.refuse(later(cause.ClientIdleTimeout, cause.Span("limit", limit)))
		c.end = ReasonTimeout
	default:
		c.stopFor(ReasonLost)
	}
}

// handshake puts TLS on the connection. What was read before it is gone (RFC 3207 section 4.2).
func (c *conn) handshake() {
	c.in.discard()
	t, err := c.server.conns.Handshake(c.raw, time.Now().Add(c.server.options.Timeouts.Handshake))
	if err != nil {
		c.server.log.Debug("smtpd: no TLS", "listener", c.listener.Name, "remote", c.info.Remote, "error", err)
		c.stopFor(ReasonTLS)
		return
	}
	state := t.ConnectionState()
	c.link, c.info.TLS = t, &state
}

// stopFor ends the session after the current command, unless it already ends.
func (c *conn) stopFor(r Reason) {
	if c.end == "" {
		c.end = r
	}
}

// close ends the transaction, tells the session and closes the connection.
func (c *conn) close() {
	c.tx.abort()
	if c.session != nil {
		c.session.Close(c.end)
	}
	if c.end == ReasonErrors || c.end == ReasonRefused {
		c.linger()
	}
	c.link.Close()
	c.in.discard()
}

// linger reads and drops for a moment what the client still sends, after the last reply.
func (c *conn) linger() {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if c.broken != nil || !ok || c.server.stopping() {
		return
	}
	if t, ok := c.link.(*tls.Conn); ok && t.CloseWrite() != nil {
		return
	}
	if half.CloseWrite() != nil {
		return
	}
	c.raw.SetReadDeadline(time.Now().Add(lingerTime))
	for read := 0; read < lingerOctets; {
		c.in.discard()
		n, err := c.raw.Read(c.in.space())
		if err != nil {
			return
		}
		read += n
	}
}

// Stop makes a session that waits for a command end, or the one that does so next. Any goroutine may
// call it: c.waiting is set before the deadline that it overrides and c.stopped before that, so that
// one of the two sides sees the other.
func (c *conn) Stop() {
	c.stopped.Store(true)
	if c.waiting.Load() {
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// reply appends a reply to what will be sent.
func (c *conn) reply(parts ...string) {
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	if len(c.out) > maxOut {
		c.flush()
	}
}

// maxOut is how much of replies is collected at most before they are sent.
const maxOut = 4096

// flush sends the replies collected. It is called before every wait for the client (RFC 2920
// section 3.2).
func (c *conn) flush() error {
	if len(c.out) == 0 || c.broken != nil {
		return c.broken
	}
	c.raw.SetWriteDeadline(time.Now().Add(c.server.options.Timeouts.Write))
	_, c.broken = c.link.Write(c.out)
	c.out = c.out[:0]
	return c.broken
}

// readLine reads a command line without its CRLF, waiting as long as for a command. The line is
// valid until the next read.
func (c *conn) readLine(limit int) ([]byte, error) {
	return c.readLineWithin(limit, c.server.options.Timeouts.Command)
}

// The ways in which there is no line, besides errors of the connection.
var (
	errLineTooLong = errors.New("smtpd: line too long")
	errBareNewline = errors.New("smtpd: bare CR or LF")
	errStopping    = errors.New("smtpd: stopping")
)

// readLineWithin reads a line of at most limit octets with its CRLF. Only CRLF ends a line (RFC
// 5321 section 2.3.8). A line that is too long is read to its end, if that is not too far away.
func (c *conn) readLineWithin(limit int, wait time.Duration) ([]byte, error) {
	var until time.Time
	for tooLong, scanned, dropped := false, 0, 0; ; {
		unread := c.in.unread()
		if i := bytes.IndexByte(unread[scanned:], '\n'); i >= 0 {
			line := unread[:scanned+i]
			c.in.skip(len(line) + 1)
			return cutCR(line, tooLong || len(line) >= limit)
		}
		if limit == maxCommand && len(unread) >= limit && isAuth(unread) {
			limit = maxAuthLine
		}
		if len(unread) >= limit {
			// Keep the last octet: it may be the CR.
			tooLong, dropped = true, dropped+len(unread)-1
			c.in.skip(len(unread) - 1)
			if dropped > lingerOctets {
				c.stopFor(ReasonErrors)
				return nil, errLineTooLong
			}
		}
		scanned = len(c.in.unread())
		if until.IsZero() {
			until = time.Now().Add(wait)
		}
		if err := c.awaitCommand(until); err != nil {
			return nil, err
		}
	}
}

// cutCR takes the CR from the end of a line, where there must be one and nowhere else.
func cutCR(line []byte, tooLong bool) ([]byte, error) {
	end := len(line) - 1
	switch {
	case end < 0 || line[end] != '\r' || bytes.IndexByte(line[:end], '\r') >= 0:
		return nil, errBareNewline
	case tooLong:
		return nil, errLineTooLong
	}
	return line[:end], nil
}

// isAuth tells whether a line begins with AUTH, the only command that may be longer than maxCommand.
func isAuth(line []byte) bool {
	return len(line) > 5 && bytes.EqualFold(line[:5], []byte("AUTH "))
}

// awaitCommand sends the replies and reads more of a command.
func (c *conn) awaitCommand(until time.Time) error {
	if err := c.flush(); err != nil {
		return err
	}
	c.in.settle()
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	c.raw.SetReadDeadline(until)
	if c.stopped.Load() {
		return errStopping
	}
	err := c.in.fill(c.link)
	if errors.Is(err, os.ErrDeadlineExceeded) && c.stopped.Load() {
		return errStopping
	}
	return err
}

// awaitContent sends the replies and reads more of the content.
func (c *conn) awaitContent(end time.Time) error {
	if err := c.flush(); err != nil {
		return err
	}
	until := time.Now().Add(c.server.options.Timeouts.Block)
	if until.After(end) {
		until = end
	}
	c.in.enlarge()
	for {
		c.raw.SetReadDeadline(until)
		err := c.in.fill(c.link)
		if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(until) {
			continue // a wake that came just too late for the command before
		}
		return err
	}
}
