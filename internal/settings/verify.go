package settings

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is what a server says before anybody signs in.
type Answer struct {
	Greeting string   `json:"greeting"`          // its first line
	Methods  []Method `json:"methods,omitempty"` // ways to sign in, over TLS
	Idle     bool     `json:"idle,omitempty"`    // IMAP IDLE, RFC 2177
	Size     int64    `json:"size,omitempty"`    // largest message in octets (RFC 1870); 0 if it does not say
}

// ErrProtocol is wrapped when a server does not speak the protocol.
var ErrProtocol = errors.New("settings: it speaks something else")

// Limits of what a server says.
const (
	maxLine  = 2000
	maxLines = 100
)

// Verify connects to a server, and believes it only if it proves its name by its
// certificate and greets in its protocol. It does not sign in. Plain is refused:
// whoever answers there proves nothing.
func (f *Finder) Verify(ctx context.Context, s Server) (*Answer, error) {
	c := f.complete()
	if s.Security == Plain {
		return nil, errors.New("settings: without encryption nothing can be verified")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*c.Timeout)
	defer cancel()
	conn, err := c.dialName(ctx, "tcp", s.Address())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) // whoever waits stops waiting
	defer stop()
	return (&conversation{conn: conn, config: c.tlsConfig(s.Host), server: s}).run(ctx)
}

// conversation is one short talk with a server.
type conversation struct {
	conn   net.Conn
	config *tls.Config
	server Server
	in     *bufio.Reader
	lines  int
}

func (c *conversation) run(ctx context.Context) (*Answer, error) {
	if c.server.Security == TLS {
		if err := c.encrypt(ctx); err != nil {
			return nil, err
		}
	}
	c.in = bufio.NewReader(c.conn)
	switch c.server.Protocol {
	case IMAP:
		return c.imap(ctx)
	case POP3:
		return c.pop3(ctx)
	}
	return c.smtp(ctx)
}

// encrypt puts TLS around the connection. What was sent before must have been read:
// words that came early are not the server's (RFC 8314 section 4, CVE-2011-0411).
func (c *conversation) encrypt(ctx context.Context) error {
	if c.in != nil && c.in.Buffered() > 0 {
		return fmt.Errorf("%w: it goes on talking before TLS", ErrProtocol)
	}
	t := tls.Client(c.conn, c.config)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("settings: TLS with %s: %w", c.server.Host, err)
	}
	c.conn, c.in = t, bufio.NewReader(t)
	return nil
}

// imap: RFC 9051 sections 7.1 (greeting), 6.2.1 (STARTTLS) and 6.1.1 (CAPABILITY).
func (c *conversation) imap(ctx context.Context) (*Answer, error) {
	greeting, err := c.expect("* OK", "* PREAUTH")
	if err != nil {
		return nil, err
	}
	if c.server.Security == STARTTLS {
		if _, err := c.ask("a STARTTLS", "a OK", "a "); err != nil {
			return nil, err
		}
		if err := c.encrypt(ctx); err != nil {
			return nil, err
		}
	}
	lines, err := c.ask("b CAPABILITY", "b OK", "b ")
	if err != nil {
		return nil, err
	}
	a := &Answer{Greeting: greeting}
	for _, line := range lines {
		words := strings.Fields(strings.ToUpper(line))
		if len(words) > 2 && words[1] == "CAPABILITY" {
			a.Idle = slices.Contains(words, "IDLE")
			if !slices.Contains(words, "LOGINDISABLED") {
				a.add("LOGIN")
			}
			for _, w := range words {
				if m, ok := strings.CutPrefix(w, "AUTH="); ok {
					a.add(m)
				}
			}
		}
	}
	return c.thank(a, "c LOGOUT"), nil
}

// pop3: RFC 1939 section 4, RFC 2595 section 4 (STLS), RFC 2449 section 5 (CAPA).
func (c *conversation) pop3(ctx context.Context) (*Answer, error) {
	greeting, err := c.expect("+OK")
	if err != nil {
		return nil, err
	}
	if c.server.Security == STARTTLS {
		if _, err := c.ask("STLS", "+OK", ""); err != nil {
			return nil, err
		}
		if err := c.encrypt(ctx); err != nil {
			return nil, err
		}
	}
	a := &Answer{Greeting: greeting}
	a.add("LOGIN") // USER and PASS
	if err := c.say("CAPA"); err != nil {
		return nil, err
	}
	line, err := c.line()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(line, "+OK") {
		return c.thank(a, "QUIT"), nil // CAPA is optional
	}
	for line != "." {
		if line, err = c.line(); err != nil {
			return nil, err
		}
		if words := strings.Fields(strings.ToUpper(line)); len(words) > 1 && words[0] == "SASL" {
			a.add(words[1:]...)
		}
	}
	return c.thank(a, "QUIT"), nil
}

// smtp: RFC 5321 sections 3.1, 4.1.1.1; RFC 3207; RFC 1870; RFC 4954 section 3.
func (c *conversation) smtp(ctx context.Context) (*Answer, error) {
	greetings, err := c.replies("220")
	if err != nil {
		return nil, err
	}
	// The name of this computer is nobody's business; RFC 5321 section 4.1.4 allows
	// the address in its place.
	hello := "EHLO [127.0.0.1]"
	if addr, ok := c.conn.LocalAddr().(*net.TCPAddr); ok && addr.IP.To4() != nil {
		hello = "EHLO [" + addr.IP.String() + "]"
	}
	if c.server.Security == STARTTLS {
		for _, step := range [][2]string{{hello, "250"}, {"STARTTLS", "220"}} {
			if _, err := c.command(step[0], step[1]); err != nil {
				return nil, err
			}
		}
		if err := c.encrypt(ctx); err != nil {
			return nil, err
		}
	}
	lines, err := c.command(hello, "250")
	if err != nil {
		return nil, err
	}
	a := &Answer{Greeting: greetings[0]}
	for _, line := range lines {
		words := strings.Fields(strings.ToUpper(line[4:]))
		switch {
		case len(words) > 1 && words[0] == "SIZE":
			a.Size, _ = strconv.ParseInt(words[1], 10, 64) // 0 says nothing either
		case len(words) > 1 && words[0] == "AUTH":
			a.add(words[1:]...)
		}
	}
	return c.thank(a, "QUIT"), nil
}

// add notes ways to sign in by the names of SASL mechanisms.
func (a *Answer) add(mechanisms ...string) {
	for _, name := range mechanisms {
		m := Method("")
		switch {
		case name == "PLAIN" || name == "LOGIN" || strings.HasPrefix(name, "SCRAM-"):
			m = Password
		case name == "OAUTHBEARER" || name == "XOAUTH2":
			m = OAuth2
		case name == "CRAM-MD5":
			m = CRAMMD5
		case name == "NTLM":
			m = NTLM
		case name == "GSSAPI":
			m = GSSAPI
		case name == "EXTERNAL":
			m = Certificate
		}
		if m != "" && !slices.Contains(a.Methods, m) {
			a.Methods = append(a.Methods, m)
		}
	}
}

// thank takes leave. The server has said all, so it does not matter whether it hears.
func (c *conversation) thank(a *Answer, goodbye string) *Answer {
	_ = c.say(goodbye)
	return a
}

func (c *conversation) say(line string) error {
	_, err := c.conn.Write([]byte(line + "\r\n"))
	return err
}

// line reads one line, which is limited, as is their number.
func (c *conversation) line() (string, error) {
	if c.lines++; c.lines > maxLines {
		return "", fmt.Errorf("%w: too many lines", ErrProtocol)
	}
	var all []byte
	for {
		part, more, err := c.in.ReadLine()
		if err != nil {
			return "", err
		}
		if all = append(all, part...); len(all) > maxLine {
			return "", fmt.Errorf("%w: too long a line", ErrProtocol)
		}
		if !more {
			return string(all), nil
		}
	}
}

// expect reads a line that must begin in one of these ways.
func (c *conversation) expect(beginnings ...string) (string, error) {
	line, err := c.line()
	if err != nil {
		return "", err
	}
	for _, b := range beginnings {
		if strings.HasPrefix(strings.ToUpper(line), b) {
			return line, nil
		}
	}
	return "", fmt.Errorf("%w: %.60q", ErrProtocol, line)
}

// ask sends a command and reads until the line that ends the answer: one that
// begins with last, in any case that must begin with good.
func (c *conversation) ask(command, good, last string) ([]string, error) {
	if err := c.say(command); err != nil {
		return nil, err
	}
	var lines []string
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(strings.ToLower(line), last) {
			if !strings.HasPrefix(strings.ToUpper(line), strings.ToUpper(good)) {
				return nil, fmt.Errorf("%w: %.60q to %s", ErrProtocol, line, command)
			}
			return lines, nil
		}
		lines = append(lines, line)
	}
}

// command sends an SMTP command and reads its reply.
func (c *conversation) command(line, code string) ([]string, error) {
	if err := c.say(line); err != nil {
		return nil, err
	}
	return c.replies(code)
}

// replies reads the lines of an SMTP reply (RFC 5321 section 4.2.1).
func (c *conversation) replies(code string) ([]string, error) {
	var lines []string
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 3 {
			line += " "
		}
		if len(line) < 4 || line[:3] != code || line[3] != ' ' && line[3] != '-' {
			return nil, fmt.Errorf("%w: %.60q", ErrProtocol, line)
		}
		lines = append(lines, line)
		if line[3] == ' ' {
			return lines, nil
		}
	}
}
