package sieved

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/store"
)

// session is one connection. All its fields belong to the goroutine that runs it, but for wait.
type session struct {
	server   *Server
	ctx      context.Context
	conn     Conn
	implicit bool // TLS from the first octet
	nc       net.Conn
	in       reader
	out      *bufio.Writer
	wait     waiter
	refused  int // commands in a row that were
	over     bool
	err      error // the connection is broken
}

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
			o.Log.Debug("sieved: TLS handshake", "remote", s.conn.Remote, "err", err)
			return
		}
	}
	if d := o.Backend.Connect(s.ctx, &s.conn); !d.Allowed() {
		s.refuse("BYE", d)
		s.flush()
		return
	}
	defer o.Backend.Closed(&s.conn)
	s.capabilities()
	s.ok("")
	for s.err == nil && !s.over {
		s.serveOne()
	}
	s.flush()
}

// use reads from and writes to nc from now on. What was read ahead is gone.
func (s *session) use(nc net.Conn) {
	s.nc = nc
	s.in = reader{bufio.NewReaderSize(nc, 4096)}
	s.out = bufio.NewWriterSize(netserve.TimedWriter{Conn: nc, Timeout: s.server.options.Timeouts.Write}, 4096)
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
	if s.conn.Account == 0 {
		return s.conn.Began.Add(s.server.options.Timeouts.SignIn)
	}
	return time.Now().Add(s.server.options.Timeouts.Idle)
}

// commands do a command and answer it, or tell why not. An answer that is refused was not written.
var commands = map[string]func(s *session, args []argument) cause.Decision{
	"CAPABILITY":     (*session).capability,
	"STARTTLS":       (*session).starttls,
	"AUTHENTICATE":   (*session).authenticate,
	"NOOP":           (*session).noop,
	"LOGOUT":         (*session).logout,
	"UNAUTHENTICATE": signedIn("", (*session).unauthenticate),
	"HAVESPACE":      signedIn("tn", (*session).haveSpace),
	"PUTSCRIPT":      signedIn("tt", (*session).putScript),
	"CHECKSCRIPT":    signedIn("t", (*session).checkScript),
	"LISTSCRIPTS":    signedIn("", (*session).listScripts),
	"SETACTIVE":      signedIn("t", (*session).setActive),
	"GETSCRIPT":      signedIn("t", (*session).getScript),
	"DELETESCRIPT":   signedIn("t", (*session).deleteScript),
	"RENAMESCRIPT":   signedIn("tt", (*session).renameScript),
}

// signedIn is for the commands on scripts: they need an account and take just these arguments, "t" a
// string and "n" a number.
func signedIn(want string, do func(*session, []argument) cause.Decision) func(*session, []argument) cause.Decision {
	return func(s *session, args []argument) cause.Decision {
		if s.conn.Account == 0 {
			return protocolError("sequence")
		}
		if kinds(args) != want {
			return protocolError("arguments")
		}
		return do(s, args)
	}
}

func kinds(args []argument) string {
	var b strings.Builder
	for _, a := range args {
		if a.isText {
			b.WriteByte('t')
		} else {
			b.WriteByte('n')
		}
	}
	return b.String()
}

// serveOne reads a command and answers it.
func (s *session) serveOne() {
	c, err := s.readCommand()
	began := time.Now()
	s.conn.Activity.Used(began)
	name, do := "UNKNOWN", (*session).unknown
	if known, ok := commands[c.verb]; ok {
		name, do = c.verb, known
	}
	var d cause.Decision
	switch {
	case err == nil:
		d = do(s, c.args)
	case errors.Is(err, errBadLine):
		d = protocolError("syntax")
	case errors.Is(err, errLarge):
		d = cause.Refuse(cause.LimitRequest, cause.Count("limit", store.MaxScriptSize)).As("literal")
	default:
		s.broken(err)
		return
	}
	s.server.options.Metrics.Command(name, d.Allowed(), time.Since(began))
	if d.Allowed() {
		s.refused = 0
		return
	}
	if s.refused++; s.refused >= s.server.options.Errors {
		s.refuse("BYE", protocolError("too-many-errors"))
		s.over = true
		return
	}
	s.refuse("NO", d)
}

func (s *session) unknown([]argument) cause.Decision { return protocolError("unknown-command") }

func protocolError(variant string) cause.Decision {
	return cause.Refuse(cause.ClientProtocolError).As(variant)
}

// readCommand sends what is to be sent and reads a command.
func (s *session) readCommand() (c command, err error) {
	if !s.listen() {
		return c, s.broke()
	}
	return s.in.command()
}

// listen gets ready to read, and is false where the connection is over.
func (s *session) listen() bool {
	if s.in.in.Buffered() == 0 {
		s.flush()
	}
	return s.err == nil && s.wait.until(s.deadline())
}

func (s *session) broke() error {
	if s.err != nil {
		return s.err
	}
	return net.ErrClosed
}

// broken ends a connection that cannot be read any more.
func (s *session) broken(err error) {
	s.over = true
	var slow net.Error
	switch {
	case errors.Is(err, errTooLong):
		s.refuse("BYE", protocolError("line-too-long"))
	case errors.As(err, &slow) && slow.Timeout() && !s.wait.over():
		s.refuse("BYE", cause.Wait(cause.ClientIdleTimeout, time.Time{}))
	case s.wait.over():
		why := cause.AuthSignedOut // this session alone ends
		if s.server.conns.IsStopping() {
			why = cause.ProviderMaintenanceStop
		}
		s.refuse("BYE", cause.Wait(why, time.Time{}))
	case !errors.Is(err, io.EOF) && s.err == nil:
		s.server.options.Log.Debug("sieved: connection ended", "conn", s.conn.ID, "err", err)
	}
}

// capability is CAPABILITY (RFC 5804 section 2.4).
func (s *session) capability(args []argument) cause.Decision {
	if len(args) > 0 {
		return protocolError("arguments")
	}
	s.capabilities()
	s.ok("")
	return cause.Allow()
}

// capabilities lists what is offered now (RFC 5804 section 1.7).
func (s *session) capabilities() {
	o := &s.server.options
	list := [][2]string{
		{"IMPLEMENTATION", "Postiljon"}, {"SASL", strings.Join(s.mechanisms(), " ")},
		{"SIEVE", strings.Join(o.Extensions, " ")}, {"MAXREDIRECTS", strconv.Itoa(o.Redirects)},
		{"UNAUTHENTICATE", ""}, {"LANGUAGE", "en"}, {"VERSION", "1.0"},
	}
	if !s.conn.TLS() && s.server.conns.HasTLS() && s.conn.Account == 0 {
		list = append(list, [2]string{"STARTTLS", ""})
	}
	if s.conn.Account != 0 {
		list = append(list, [2]string{"OWNER", s.conn.Name})
	}
	for _, one := range list {
		line := quote(one[0])
		if one[1] != "" || one[0] == "SASL" {
			line += " " + quote(one[1])
		}
		s.line(line)
	}
}

// noop is NOOP (RFC 5804 section 2.13): what it is given comes back as a tag.
func (s *session) noop(args []argument) cause.Decision {
	switch kinds(args) {
	case "":
		s.ok("")
	case "t":
		s.line("OK (TAG " + quote(args[0].text) + `) "Done"`)
	default:
		return protocolError("arguments")
	}
	return cause.Allow()
}

// logout is LOGOUT (RFC 5804 section 2.3).
func (s *session) logout(args []argument) cause.Decision {
	if len(args) > 0 {
		return protocolError("arguments")
	}
	s.over = true
	s.ok("")
	return cause.Allow()
}

func (s *session) ok(text string) {
	if text != "" {
		text = " " + quote(text)
	}
	s.line("OK" + text)
}

// codes are the response codes of RFC 5804 section 1.3 for what IMAP calls otherwise.
var codes = map[string]string{
	"NONEXISTENT": "NONEXISTENT", "ALREADYEXISTS": "ALREADYEXISTS", "PRIVACYREQUIRED": "ENCRYPT-NEEDED",
	"OVERQUOTA": "QUOTA", "LIMIT": "QUOTA", "TOOBIG": "QUOTA/MAXSIZE",
}

// refuse writes the answer to what is not done: NO, or BYE where the connection ends.
func (s *session) refuse(how string, d cause.Decision) {
	reply := s.server.options.Catalogue.IMAP(d)
	code := codes[reply.Code]
	switch {
	case d.Action == cause.ActionWait:
		code = "TRYLATER"
	case d.Cause == cause.MailboxInUse:
		code = "ACTIVE" // RFC 5804 section 2.10
	case how == "BYE":
		code = ""
	}
	if code != "" {
		how += " (" + code + ")"
	}
	s.line(how + " " + quote(reply.Text))
}

func (s *session) line(text string) {
	s.out.WriteString(text)
	_, err := s.out.WriteString("\r\n")
	s.note(err)
}

func (s *session) flush() { s.note(s.out.Flush()) }

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

func (w *waiter) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

// stop ends the read that waits, and all that follow.
func (w *waiter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // a connection that is closed does not wait either
}
