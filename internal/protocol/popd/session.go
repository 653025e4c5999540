package popd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
)

// session is one connection. All its fields belong to the goroutine that runs it, but for wait.
type session struct {
	server   *Server
	ctx      context.Context
	conn     Conn
	implicit bool // TLS from the first octet
	nc       net.Conn
	in       *bufio.Reader
	out      *bufio.Writer // what is not sent yet; nil if nothing is
	wait     waiter
	user     string    // of USER, until PASS
	drop     *maildrop // nil before sign-in
	refused  int       // commands in a row that were
	over     bool      // after QUIT, or when the client was told that it is over
	err      error     // the connection is broken
}

// Sessions that wait for their client hold a small buffer to read into and none to write.
const readSize = 4096

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}

func newSession(srv *Server, c netserve.Conn, nc net.Conn, implicitTLS bool) *session {
	return &session{server: srv, nc: nc, implicit: implicitTLS, conn: Conn{Conn: c}, wait: waiter{conn: nc}}
}

// Stop ends the session once its command is answered.
func (s *session) Stop() { s.wait.stop() }

// Serve is the life of a connection.
func (s *session) Serve(ctx context.Context) {
	s.ctx = ctx
	o := &s.server.options
	o.Metrics.Sessions(+1)
	defer o.Metrics.Sessions(-1)
	defer func() { s.nc.Close() }() // nc may become that of TLS
	s.use(s.nc)
	if s.implicit {
		if err := s.startTLS(); err != nil {
			o.Log.Debug("popd: TLS handshake", "remote", s.conn.Remote, "err", err)
			return
		}
	}
	if d := o.Backend.Connect(s.ctx, &s.conn); !d.Allowed() {
		s.refuse(d)
		s.flush()
		return
	}
	defer o.Backend.Closed(&s.conn)
	defer s.release()
	s.greet()
	for s.err == nil && !s.over {
		s.serveOne()
	}
	s.release() // before the last reply goes out: who reads it may sign in again at once
	s.flush()
}

// use reads from and writes to nc from now on. What was read ahead is gone.
func (s *session) use(nc net.Conn) {
	s.nc = nc
	s.in = bufio.NewReaderSize(nc, readSize)
}

// startTLS makes the connection a TLS one.
func (s *session) startTLS() error {
	t, err := s.server.conns.Handshake(s.nc, s.deadline())
	if err != nil {
		return err
	}
	s.conn.Secured(t)
	s.use(t)
	return nil
}

// deadline is when the client must have said something: before sign-in, when it must have done so.
func (s *session) deadline() time.Time {
	if s.drop == nil {
		return s.conn.Began.Add(s.server.options.Timeouts.SignIn)
	}
	return time.Now().Add(s.server.options.Timeouts.Idle)
}

// greet opens the connection. There is no timestamp in it: APOP needs passwords in the clear.
func (s *session) greet() {
	s.ok("POP3 " + s.server.options.Hostname + " Postiljon")
}

// serveOne reads a command and answers it.
func (s *session) serveOne() {
	line, err := s.readLine()
	if err != nil {
		s.broken(err)
		return
	}
	began := time.Now()
	s.conn.Activity.Used(began)
	c, valid := parseCommand(line)
	name, do := "UNKNOWN", (*session).unknown
	if known, ok := commands[c.verb]; ok {
		name, do = c.verb, known
	}
	d := protocolError("syntax")
	if valid {
		d = do(s, c.rest)
	}
	s.server.options.Metrics.Command(name, d.Allowed(), time.Since(began))
	if d.Allowed() {
		s.refused = 0
		return
	}
	s.refuse(d)
	if s.refused++; s.refused >= s.server.options.Errors {
		s.refuse(protocolError("too-many-errors"))
		s.over = true
	}
}

// commands do a command and answer it, or tell why not. An answer that is refused was not written.
var commands = map[string]func(s *session, rest string) cause.Decision{
	"CAPA": (*session).capa,
	"STLS": (*session).stls,
	"AUTH": (*session).auth,
	"USER": (*session).userName,
	"PASS": (*session).pass,
	"UTF8": (*session).useUTF8,
	"NOOP": (*session).noop,
	"QUIT": (*session).quit,
	"STAT": inDrop((*session).stat),
	"LIST": inDrop((*session).list),
	"UIDL": inDrop((*session).uidl),
	"RETR": inDrop((*session).retr),
	"TOP":  inDrop((*session).top),
	"DELE": inDrop((*session).dele),
	"RSET": inDrop((*session).rset),
}

// inDrop is for the commands of the TRANSACTION state.
func inDrop(do func(*session, string) cause.Decision) func(*session, string) cause.Decision {
	return func(s *session, rest string) cause.Decision {
		if s.drop == nil {
			return protocolError("sequence")
		}
		return do(s, rest)
	}
}

func (s *session) unknown(string) cause.Decision { return protocolError("unknown-command") }

func protocolError(variant string) cause.Decision {
	return cause.Refuse(cause.ClientProtocolError).As(variant)
}

// capa is CAPA (RFC 2449 section 5).
func (s *session) capa(rest string) cause.Decision {
	if rest != "" {
		return protocolError("arguments")
	}
	s.ok("")
	lines := []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8"}
	if mechanisms := s.mechanisms(); len(mechanisms) > 0 {
		lines = append(lines, "USER", "SASL "+strings.Join(mechanisms, " "))
	}
	if !s.conn.TLS() && s.server.conns.HasTLS() && s.drop == nil {
		lines = append(lines, "STLS")
	}
	for _, line := range append(lines, "IMPLEMENTATION Postiljon", ".") {
		s.line(line)
	}
	return cause.Allow()
}

func (s *session) noop(rest string) cause.Decision {
	if s.drop == nil {
		return protocolError("sequence")
	}
	if rest != "" {
		return protocolError("arguments")
	}
	s.ok("")
	return cause.Allow()
}

// useUTF8 is UTF8 (RFC 6856 section 2): messages are sent as they are stored in any case, and user
// names are taken as UTF-8 in any case.
func (s *session) useUTF8(rest string) cause.Decision {
	switch {
	case s.drop != nil:
		return protocolError("sequence")
	case rest != "":
		return protocolError("arguments")
	}
	s.ok("")
	return cause.Allow()
}

// quit is QUIT: after sign-in it deletes what was marked (RFC 1939 section 6).
func (s *session) quit(rest string) cause.Decision {
	if rest != "" {
		return protocolError("arguments")
	}
	s.over = true
	if s.drop != nil {
		if err := s.update(); err != nil {
			return s.failed(err)
		}
	}
	s.ok("bye")
	return cause.Allow()
}

// readLine reads a line of the client, without its CRLF. Before it waits it sends what is to be
// sent: answers to commands that came together go together (RFC 2449 section 6.6).
func (s *session) readLine() (string, error) {
	if s.in.Buffered() == 0 {
		s.flush()
	}
	if s.err != nil {
		return "", s.err
	}
	if !s.wait.until(s.deadline()) {
		return "", net.ErrClosed
	}
	var line []byte
	for {
		part, err := s.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return "", bufio.ErrTooLong
		case err == nil:
			text := strings.TrimSuffix(string(line), "\n")
			return strings.TrimSuffix(text, "\r"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// broken ends a connection that cannot be read any more. A client that said nothing for too long
// is not told (RFC 1939 section 3).
func (s *session) broken(err error) {
	s.over = true
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		s.refuse(protocolError("line-too-long"))
	case !errors.Is(err, io.EOF) && s.err == nil:
		s.server.options.Log.Debug("popd: connection ended", "conn", s.conn.ID, "err", err)
	}
}

func (s *session) ok(text string) {
	if text != "" {
		text = " " + text
	}
	s.line("+OK" + text)
}

// refuse writes the answer to what is not done (RFC 2449 section 8).
func (s *session) refuse(d cause.Decision) {
	reply := s.server.options.Catalogue.POP3(d)
	text := reply.Text
	if reply.Code != "" {
		text = "[" + reply.Code + "] " + text
	}
	s.line("-ERR " + text)
}

func (s *session) line(text string) {
	out := s.writer()
	out.WriteString(text)
	_, err := out.WriteString("\r\n")
	s.note(err)
}

// writer is where answers are written.
func (s *session) writer() *bufio.Writer {
	if s.out == nil {
		s.out = writers.Get().(*bufio.Writer)
		s.out.Reset(netserve.TimedWriter{Conn: s.nc, Timeout: s.server.options.Timeouts.Write})
	}
	return s.out
}

// flush sends what is not sent yet and lets go of its buffer.
func (s *session) flush() {
	if s.out == nil {
		return
	}
	s.note(s.out.Flush())
	s.out.Reset(nil)
	writers.Put(s.out)
	s.out = nil
}

func (s *session) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

// waiter is the read deadline of a connection, which Close of the server ends at once.
type waiter struct {
	mu      sync.Mutex
	conn    net.Conn
	stopped bool
}

// until lets reads wait until a time. It is false after stop.
func (w *waiter) until(t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.stopped && w.conn.SetReadDeadline(t) == nil
}

// stop ends the read that waits, and all that follow.
func (w *waiter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // a connection that is closed does not wait either
}
