package imapd

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/protocol/imapd/mutf7"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// session is one connection. All its fields belong to the goroutine that runs it, but for waker.
type session struct {
	server   *Server
	store    *store.Store
	ctx      context.Context
	conn     Conn
	implicit bool // TLS from the first octet
	nc       net.Conn
	in       input
	out      []byte  // what is not sent yet
	outBuf   *buffer // where out comes from
	flushes  int
	cmd      []byte // a command of several lines
	waker    waker
	err      error // the connection is broken

	selected *selected // nil: no mailbox is
	idling   string    // the tag of IDLE, "" if it is not going on
	unwatch  func()    // ends the notices of the store, nil if there are none
	// What the client asked for with ENABLE, or by using it.
	rev2, utf8, condstore, qresync bool
	uidOnly                        bool
	notifier                       *notifier // what NOTIFY asked for, nil without it
	compressed                     bool      // since COMPRESS
	// anonymous is since when nobody is signed in, if nobody is.
	anonymous time.Time
	bad       int     // commands in a row that ended in BAD
	lowest    uid.UID // of the messages that the command worked on, if MESSAGELIMIT left some out
	over      bool    // LOGOUT, or BYE was sent
}

func newSession(srv *Server, c netserve.Conn, nc net.Conn, implicitTLS bool) *session {
	s := &session{server: srv, store: srv.options.Store, nc: nc, implicit: implicitTLS, conn: Conn{Conn: c}}
	s.in.src, s.in.pools = nc, &srv.pools
	s.waker.conn = nc
	s.anonymous = c.Began
	return s
}

// Stop has the session say BYE once it waits for its client.
func (s *session) Stop() { s.waker.stop() }

// Serve is the life of a connection. While the session waits, nothing but Serve and await are on its
// stack: it stays small.
func (s *session) Serve(ctx context.Context) {
	s.ctx = ctx
	s.server.options.Metrics.Sessions(+1)
	defer s.hangUp()
	if !s.open() {
		return
	}
	for s.err == nil && !s.over {
		switch {
		case s.in.buffered() == 0:
			s.tellNotify()
			s.flush()
			s.await()
		case s.idling != "":
			s.endIdle()
		default:
			s.next()
			if s.waker.isStopping() && s.err == nil && !s.over {
				s.byeStopping() // a client that sends without pause
			}
		}
	}
	s.flush()
	s.close()
}

// open decides on the connection and greets the client.
func (s *session) open() bool {
	o := &s.server.options
	if s.implicit {
		if err := s.startTLS(); err != nil {
			o.Log.Debug("imapd: TLS handshake", "remote", s.conn.Remote, "err", err)
			return false
		}
	}
	if d := o.Backend.Connect(s.ctx, &s.conn); !d.Allowed() {
		s.bye(d)
		s.flush()
		return false
	}
	s.raw("* OK [CAPABILITY ")
	s.out = s.appendCapabilities(s.out)
	s.raw("] ")
	s.raw(o.Hostname)
	s.raw(" Postiljon ready\r\n")
	return true
}

// close ends a connection that was opened.
func (s *session) close() {
	s.stopIdle()
	s.stopNotify()
	s.tellFetched()
	if s.err != nil && s.err != io.EOF {
		s.server.options.Log.Debug("imapd: connection ends", "conn", s.conn.ID, "remote", s.conn.Remote, "err", s.err)
	}
	s.server.options.Backend.Closed(&s.conn)
}

// hangUp closes the connection and gives the buffers back.
func (s *session) hangUp() {
	s.waker.mu.Lock()
	s.waker.waiting = false
	s.waker.mu.Unlock()
	s.server.options.Metrics.Sessions(-1)
	s.nc.Close()
	s.releaseOut()
	s.in.r, s.in.w = 0, 0
	s.in.release()
}

// startTLS makes the connection a TLS one, within the time to sign in.
func (s *session) startTLS() error {
	t, err := s.server.conns.Handshake(s.nc, s.conn.Began.Add(s.server.options.Timeouts.SignIn))
	if err != nil {
		return err
	}
	s.nc, s.in.src = t, t
	s.conn.Secured(t)
	return nil
}

// next reads a command, does it and answers.
func (s *session) next() {
	s.claimOut()
	b, ok := s.readCommand()
	if !ok {
		return
	}
	began := time.Now()
	s.conn.Activity.Used(began)
	c, err := parseCommand(b, s.utf8Names())
	var o outcome
	if err != nil {
		o = s.skip(b, s.unparsed(err)) // APPEND to a name that is not valid: the message is not read
	} else {
		o = s.do(&c)
	}
	if s.err != nil {
		return
	}
	status := s.finish(&c, o)
	s.server.options.Metrics.Command(metricName(c.name), status, time.Since(began))
	s.cmd = nil
	s.flushIfFull()
}

// await waits for the client. Meanwhile the session holds no buffers, and notices of the store
// wake it if it is in IDLE.
func (s *session) await() {
	if s.err != nil || s.over {
		return
	}
	s.releaseOut()
	deadline := s.deadline()
	for {
		ready, err := s.waker.begin(deadline)
		if ready && err == nil {
			err = s.in.wait()
		}
		noticed, stopping := s.waker.end()
		switch {
		case s.in.buffered() > 0:
			if noticed || stopping {
				s.extend() // the notice may have ended the time to read
			}
			return
		case stopping:
			s.byeStopping()
			return
		case noticed:
			s.tellIdle()
			return
		case err == nil, isTimeout(err) && time.Now().Before(deadline):
			continue // a notice that was dealt with already
		case isTimeout(err):
			s.byeTimeout()
			return
		}
		s.err = err
		return
	}
}

// byeStopping tells the client that the server ends, or that this session alone does.
func (s *session) byeStopping() {
	why := cause.AuthSignedOut
	if s.server.conns.IsStopping() {
		why = cause.ProviderMaintenanceStop
	}
	s.bye(cause.Wait(why, time.Time{}))
}

// byeTimeout tells the client that it was silent for too long.
func (s *session) byeTimeout() {
	t := &s.server.options.Timeouts
	limit := t.Idle
	if s.conn.Account == 0 {
		limit = t.SignIn
	}
	s.bye(cause.Wait(cause.ClientIdleTimeout, time.Time{}, cause.Span("limit", limit)))
}

// deadline is until when the client must say something.
func (s *session) deadline() time.Time {
	t := &s.server.options.Timeouts
	if s.conn.Account == 0 {
		return s.anonymous.Add(t.SignIn)
	}
	return time.Now().Add(t.Idle)
}

// extend gives the client the full time again, in the midst of a command.
func (s *session) extend() {
	if err := s.nc.SetReadDeadline(s.deadline()); err != nil && s.err == nil {
		s.err = err
	}
}

// broken notes that reading failed in the midst of a command.
func (s *session) broken(err error) {
	switch {
	case s.err != nil:
	case isTimeout(err):
		s.byeTimeout()
	default:
		s.err = err
	}
}

// swallow is how much of what is refused is read and dropped, in octets, so that the session can go
// on. Of strangers it is little.
func (s *session) swallow() int {
	if s.conn.Account == 0 {
		return 1 << 20
	}
	return 16 << 20
}

// commandLimit is how long a command can be.
func (s *session) commandLimit() int {
	if s.conn.Account == 0 {
		return s.server.options.Limits.Command / 8
	}
	return s.server.options.Limits.Command
}

// readCommand reads a command with its literals, but for the message of APPEND. It reports false
// if there is none to do: it was refused, or the connection is over.
func (s *session) readCommand() ([]byte, bool) {
	s.cmd = s.cmd[:0]
	for {
		line, err := s.in.line(s.commandLimit() - len(s.cmd))
		if err == errLineTooLong {
			s.refuseLine(line)
			return nil, false
		}
		if err != nil {
			s.broken(err)
			return nil, false
		}
		head := literalHead(line)
		if head < 0 {
			if len(s.cmd) == 0 {
				return line, true
			}
			s.cmd = append(s.cmd, line...)
			return s.cmd, true
		}
		s.cmd = append(s.cmd, line...)
		if s.isMessage(s.cmd) {
			return s.cmd, true
		}
		s.cmd = append(s.cmd, "\r\n"...)
		if !s.readLiteral(line[head:]) {
			return nil, false
		}
	}
}

// literalHead returns where the octet count of a literal begins that ends the line, or -1.
func literalHead(line []byte) int {
	i := len(line) - 1
	if i < 2 || line[i] != '}' {
		return -1
	}
	if i--; line[i] == '+' {
		i--
	}
	digits := i
	for i >= 0 && classes[line[i]]&isDigit != 0 {
		i--
	}
	if i < 0 || i == digits || line[i] != '{' {
		return -1
	}
	return i
}

// isMessage reports whether the literal that ends b is the message of APPEND.
func (s *session) isMessage(b []byte) bool {
	c, err := parseCommand(b, s.utf8Names())
	if c.name != "APPEND" && c.name != "REPLACE" && c.name != "UID REPLACE" {
		return false
	}
	// A mailbox name that is not valid does not make the message part of the command.
	if errors.Is(err, errName) {
		c, err = parseCommand(b, true)
	}
	_, ok := c.args.(*appendCommand)
	return ok && err == nil
}

// readLiteral reads the literal announced by "{n}" or "{n+}" behind the command read so far.
func (s *session) readLiteral(head []byte) bool {
	p := parser{b: head[1:]}
	nonSync := head[len(head)-2] == '+'
	size := p.number64()
	if p.err != nil {
		size = math.MaxUint64
	}
	switch {
	case nonSync && s.conn.Account == 0 && size > maxLiteralMinus:
		s.refuseLiteral(size, nonSync, cause.Refuse(cause.ClientProtocolError).As("literal"))
		return false
	case size > uint64(s.commandLimit()-len(s.cmd)):
		s.refuseLiteral(size, nonSync, cause.Refuse(cause.LimitRequest, cause.Count("limit", int64(s.commandLimit()))).As("literal"))
		return false
	}
	if !nonSync {
		s.raw("+ Ready for literal\r\n")
		s.flush()
	}
	s.extend()
	start := len(s.cmd)
	s.cmd = append(s.cmd, make([]byte, size)...)
	if _, err := io.ReadFull(&s.in, s.cmd[start:]); err != nil {
		s.broken(err)
		return false
	}
	return true
}

// maxLiteralMinus is how long a literal can be, in octets, that a client sends without waiting before
// it signed in: LITERAL- of RFC 7888 section 5. Afterwards LITERAL+ has no such bound.
const maxLiteralMinus = 4096

// refuseLiteral answers a command whose literal is too large. What a client sends without waiting
// is dropped if it is not too much (RFC 7888 section 4).
func (s *session) refuseLiteral(size uint64, nonSync bool, d cause.Decision) {
	if nonSync && size > uint64(s.swallow()) {
		s.bye(d)
		return
	}
	if nonSync {
		s.extend()
		if err := s.in.discard(size); err != nil {
			s.broken(err)
			return
		}
		if err := s.in.discardLine(s.swallow()); err != nil {
			s.broken(err)
			return
		}
	}
	s.refuseUnread(s.cmd, d)
}

// refuseLine answers a command line that is too long.
func (s *session) refuseLine(line []byte) {
	if len(s.cmd) == 0 {
		s.cmd = append(s.cmd, line[:min(len(line), 256)]...)
	}
	s.in.r -= min(s.in.r, 1) // the line end, if it was read already
	s.extend()
	d := cause.Refuse(cause.ClientProtocolError).As("line-too-long")
	if err := s.in.discardLine(s.swallow()); err == errLineTooLong {
		s.bye(d)
		return
	} else if err != nil {
		s.broken(err)
		return
	}
	s.refuseUnread(s.cmd, d)
}

// refuseUnread answers a command that was not read whole; b is its beginning.
func (s *session) refuseUnread(b []byte, d cause.Decision) {
	p := parser{b: b}
	c := command{tag: string(p.run(isTag))}
	s.finish(&c, refuse(d))
}

// utf8Names reports whether mailbox names are UTF-8 rather than modified UTF-7.
func (s *session) utf8Names() bool { return s.rev2 || s.utf8 }

// appendMailbox writes a mailbox name as this client reads them.
func (s *session) appendMailbox(b []byte, name string) []byte {
	if s.utf8Names() {
		return appendString(b, name, true)
	}
	var buf [128]byte
	return appendAString(b, mutf7.AppendEncode(buf[:0], name))
}
