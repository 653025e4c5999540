// Package smtpc is an SMTP client for relaying mail to other servers (RFC 5321).
//
// It uses what the server offers: PIPELINING (RFC 2920), SIZE (RFC 1870),
// 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), CHUNKING and BINARYMIME (RFC 3030),
// STARTTLS (RFC 3207), REQUIRETLS (RFC 8689), AUTH (RFC 4954) and DSN (RFC 3461). With pipelining
// and chunking a small message takes one round trip. Replies are kept as they
// came; what they mean is for others to say. All waits and sizes are bounded.
package smtpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Options say how to talk to a server.
type Options struct {
	// Hostname is our name for EHLO.
	Hostname string
	// ServerName is the name that the server's certificate should be for.
	ServerName string
	// TLSConfig is the base for STARTTLS; nil means Go's defaults. The
	// certificate is verified in any case and the outcome noted, but the
	// connection goes on without: encryption is better than none (RFC 7435).
	TLSConfig *tls.Config
	// NoTLS leaves STARTTLS alone, for servers with which it has failed.
	NoTLS bool
	// Encrypt ends the session unless it is encrypted.
	Encrypt bool
	// Authenticate ends the session unless it is encrypted and the certificate proves
	// who the server is.
	Authenticate bool
	// Verify judges the certificate; nil means that it must be for ServerName and
	// lead to a root of TLSConfig.
	Verify func(*tls.ConnectionState) error
	// Implicit begins with TLS, without STARTTLS (RFC 8314 section 3.3).
	Implicit bool
	// Credentials sign in, once the connection is encrypted; nil for nobody.
	Credentials *Credentials
	Timeouts    Timeouts
}

// Timeouts bound the waits. Zero means the default, which is that of RFC 5321
// section 4.5.3.2.
type Timeouts struct {
	Banner  time.Duration // for the greeting, 5 min
	Command time.Duration // for the answer to a command, 5 min
	Data    time.Duration // for the answer to DATA, 2 min
	Block   time.Duration // to hand over a block of the message, 3 min
	Message time.Duration // for the answer after the message, 10 min
	Quit    time.Duration // for the answer to QUIT, 5 s
}

func (t *Timeouts) setDefaults() {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&t.Banner, 5 * time.Minute}, {&t.Command, 5 * time.Minute}, {&t.Data, 2 * time.Minute},
		{&t.Block, 3 * time.Minute}, {&t.Message, 10 * time.Minute}, {&t.Quit, 5 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
}

// Extensions are what a server offers in its answer to EHLO.
type Extensions struct {
	Pipelining, EightBitMIME, SMTPUTF8, Chunking, BinaryMIME bool
	StartTLS, RequireTLS, DSN, SizeOffered                   bool
	Auth                                                     []string // mechanisms to sign in with
	// Size is the largest message the server takes in octets, 0 if it does not say.
	Size int64
}

// Stage is where in the dialogue something happened.
type Stage string

// The stages.
const (
	StageBanner   Stage = "banner"
	StageHello    Stage = "hello"
	StageStartTLS Stage = "starttls"
	StageAuth     Stage = "auth"
	StageMail     Stage = "mail"
	StageRcpt     Stage = "rcpt"
	StageData     Stage = "data"
	StageMessage  Stage = "message" // after the end of the message
)

// Error ends a session. Reply is what the server said, if it said something;
// Err what went wrong otherwise.
type Error struct {
	Stage Stage
	Reply Reply
	Err   error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("smtpc: %s: %v", e.Stage, e.Err)
	}
	return fmt.Sprintf("smtpc: %s: %s", e.Stage, e.Reply.String())
}

func (e *Error) Unwrap() error { return e.Err }

// Client is a session with a server. It is for one goroutine at a time.
type Client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte // commands not sent yet
	opt  Options
	ext  Extensions

	broken   bool
	tls      *tls.ConnectionState
	unproven error // why the certificate proves nothing

	// Room that is used again for each message.
	block, content []byte
}

const (
	readBuffer = 4 << 10
	blockSize  = 64 << 10
)

// New begins a session on an open connection: greeting, EHLO or HELO, and
// STARTTLS where the server offers it. On an error, which is an *Error, the
// connection is closed. After an Error of StageStartTLS without reply the
// server may still be reached anew with NoTLS.
func New(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	o.Timeouts.setDefaults()
	c := &Client{conn: conn, in: bufio.NewReaderSize(conn, readBuffer), opt: o}
	defer c.bind(ctx)()
	if err := c.open(ctx); err != nil {
		c.abandon()
		return nil, c.explain(ctx, err)
	}
	return c, nil
}

func (c *Client) open(ctx context.Context) error {
	if c.opt.Implicit {
		if err := c.secure(ctx); err != nil {
			return err
		}
	}
	banner, err := c.reply(StageBanner, c.opt.Timeouts.Banner)
	if err != nil {
		return err
	}
	if banner.Code != 220 {
		return &Error{Stage: StageBanner, Reply: banner}
	}
	if err := c.hello(); err != nil {
		return err
	}
	if !c.opt.Implicit && !c.opt.NoTLS {
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	return c.signIn()
}

// hello says EHLO, and HELO to servers that know no better (RFC 5321 section
// 4.1.4).
func (c *Client) hello() error {
	c.ext = Extensions{}
	r, err := c.exchange(StageHello, "EHLO "+c.opt.Hostname)
	if err != nil {
		return err
	}
	if r.Code == 250 {
		c.ext = parseExtensions(r.Lines)
		return nil
	}
	if r.Code == 421 || !r.Permanent() {
		return &Error{Stage: StageHello, Reply: r}
	}
	if r, err = c.exchange(StageHello, "HELO "+c.opt.Hostname); err != nil {
		return err
	}
	if r.Code != 250 {
		return &Error{Stage: StageHello, Reply: r}
	}
	return nil
}

func parseExtensions(lines []string) (x Extensions) {
	if len(lines) == 0 {
		return x
	}
	for _, line := range lines[1:] {
		keyword, args, _ := strings.Cut(line, " ")
		switch strings.ToUpper(keyword) {
		case "PIPELINING":
			x.Pipelining = true
		case "8BITMIME":
			x.EightBitMIME = true
		case "SMTPUTF8":
			x.SMTPUTF8 = true
		case "CHUNKING":
			x.Chunking = true
		case "BINARYMIME":
			x.BinaryMIME = true
		case "STARTTLS":
			x.StartTLS = true
		case "REQUIRETLS":
			x.RequireTLS = true
		case "DSN":
			x.DSN = true
		case "AUTH":
			x.Auth = strings.Fields(strings.ToUpper(args))
		case "SIZE":
			x.SizeOffered = true
			if n, err := strconv.ParseInt(strings.TrimSpace(args), 10, 64); err == nil && n > 0 {
				x.Size = n
			}
		}
	}
	x.BinaryMIME = x.BinaryMIME && x.Chunking // RFC 3030 section 3
	return x
}

// Errors of StageStartTLS.
var (
	// errInjected reports octets that came in the clear after the answer to
	// STARTTLS, where none may be.
	errInjected = errors.New("plaintext after the answer to STARTTLS")
	// ErrNoStartTLS reports a server that does not offer STARTTLS, or refuses it,
	// where the session must be encrypted.
	ErrNoStartTLS = errors.New("the server does not begin TLS")
)

// ProofError reports a server whose certificate does not prove who it is, where it
// must.
type ProofError struct{ Err error }

func (e *ProofError) Error() string { return "the certificate proves nothing: " + e.Err.Error() }

func (e *ProofError) Unwrap() error { return e.Err }

// startTLS encrypts the connection (RFC 3207). A server that does not offer it, or
// refuses, is talked to in the clear if that is allowed.
func (c *Client) startTLS(ctx context.Context) error {
	needed := c.opt.Encrypt || c.opt.Authenticate
	if !c.ext.StartTLS {
		if needed {
			return &Error{Stage: StageStartTLS, Err: ErrNoStartTLS}
		}
		return nil
	}
	r, err := c.exchange(StageStartTLS, "STARTTLS")
	if err != nil {
		return err
	}
	if r.Code != 220 && needed {
		return &Error{Stage: StageStartTLS, Reply: r, Err: ErrNoStartTLS}
	}
	if r.Code == 421 {
		return &Error{Stage: StageStartTLS, Reply: r}
	}
	if r.Code != 220 {
		return nil
	}
	if c.in.Buffered() > 0 {
		return &Error{Stage: StageStartTLS, Err: errInjected}
	}
	if err := c.secure(ctx); err != nil {
		return err
	}
	return c.hello() // RFC 3207 section 4.2: what was said before is void
}

// secure does the handshake of TLS.
func (c *Client) secure(ctx context.Context) error {
	conn := tls.Client(c.conn, c.tlsConfig())
	c.deadline(c.opt.Timeouts.Command)
	if err := conn.HandshakeContext(ctx); err != nil {
		return &Error{Stage: StageStartTLS, Err: err}
	}
	state := conn.ConnectionState()
	c.conn, c.tls = conn, &state
	c.in.Reset(conn)
	return nil
}

// tlsConfig checks the certificate. Where it need not prove anything, the outcome is
// only noted.
func (c *Client) tlsConfig() *tls.Config {
	cfg := &tls.Config{}
	if c.opt.TLSConfig != nil {
		cfg = c.opt.TLSConfig.Clone()
	}
	cfg.ServerName = c.opt.ServerName
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if c.opt.Verify != nil {
			c.unproven = c.opt.Verify(&s)
		} else {
			c.unproven = verify(&s, cfg, c.opt.ServerName)
		}
		if c.unproven != nil && c.opt.Authenticate {
			return &ProofError{c.unproven}
		}
		return nil
	}
	return cfg
}

// Extensions returns what the server offers.
func (c *Client) Extensions() Extensions { return c.ext }

// TLS returns the state of TLS, nil without, and why the server's certificate
// proves nothing, nil if it is verified.
func (c *Client) TLS() (state *tls.ConnectionState, unproven error) { return c.tls, c.unproven }

// Usable reports whether another message can be sent.
func (c *Client) Usable() bool { return !c.broken }

// Quit ends the session politely and closes the connection.
func (c *Client) Quit() {
	if !c.broken {
		c.out = append(c.out[:0], "QUIT\r\n"...)
		if err := c.flush(StageHello, c.opt.Timeouts.Quit); err == nil {
			// The answer says nothing that could still matter.
			_, _ = c.reply(StageHello, c.opt.Timeouts.Quit)
		}
	}
	c.abandon()
}

// abandon closes the connection as it is.
func (c *Client) abandon() {
	c.broken = true
	_ = c.conn.Close() // all that mattered was answered or has failed already
}

// bind closes the connection when ctx ends before the returned function is
// called.
func (c *Client) bind(ctx context.Context) (release func()) {
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return func() { stop() }
}

// explain names the end of ctx as the reason of an error that it caused.
func (c *Client) explain(ctx context.Context, err error) error {
	var e *Error
	if ctx.Err() != nil && errors.As(err, &e) && e.Err != nil {
		return &Error{Stage: e.Stage, Err: context.Cause(ctx)}
	}
	return err
}

func (c *Client) deadline(d time.Duration) {
	// It fails on closed connections only, as will what comes next.
	_ = c.conn.SetDeadline(time.Now().Add(d))
}

// exchange sends a command and returns the answer.
func (c *Client) exchange(stage Stage, command string) (Reply, error) {
	c.out = append(append(c.out[:0], command...), '\r', '\n')
	if err := c.flush(stage, c.opt.Timeouts.Command); err != nil {
		return Reply{}, err
	}
	return c.reply(stage, c.opt.Timeouts.Command)
}

// flush sends what is in c.out.
func (c *Client) flush(stage Stage, timeout time.Duration) error {
	c.deadline(timeout)
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	if err != nil {
		c.broken = true
		return &Error{Stage: stage, Err: err}
	}
	return nil
}

// reply reads an answer. The whole of it has to come within the time: a server
// that sends an octet now and then does not hold us.
func (c *Client) reply(stage Stage, timeout time.Duration) (Reply, error) {
	c.deadline(timeout)
	r, err := readReply(c.in)
	if err != nil {
		c.broken = true
		return r, &Error{Stage: stage, Err: err}
	}
	if r.Code == 421 { // RFC 5321 section 3.8: the server closes the channel
		c.broken = true
	}
	return r, nil
}
