package peer

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

const (
	maxLine    = 64 << 10
	maxLiteral = 64 << 20
)

var errTooLong = errors.New("peer: line too long")

// conn is one session's connection.
type conn struct {
	s       *Server
	raw     net.Conn // below TLS
	nc      net.Conn
	r       *bufio.Reader
	client  netip.Addr
	port    int    // of the server
	id      int    // of the session
	user    string // the name of the sign-in that is tried or has succeeded
	account *Account
	tag     string        // IMAP: of the command at work
	caps    func() string // IMAP: the capabilities at this point
	instead []string      // what the script puts in place of the final reply
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, raw: nc, nc: nc, r: bufio.NewReaderSize(nc, 4096)}
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.client = ap.Addr().Unmap()
	}
	if a, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		c.port = a.Port
	}
	c.id = s.nextSession()
	return c
}

// secure tells whether the session is encrypted.
func (c *conn) secure() bool { return c.nc != c.raw }

// startTLS makes the handshake; the step "TLS" comes before it.
func (c *conn) startTLS() bool {
	if c.step("TLS") != proceed {
		return false
	}
	config := c.s.tlsConfig()
	if config == nil || c.r.Buffered() > 0 { // RFC 3207 section 5: nothing said before counts
		return false
	}
	t := tls.Server(c.raw, config)
	c.raw.SetDeadline(time.Now().Add(sessionTime))
	if err := t.Handshake(); err != nil {
		c.s.count(func(n *Counts) { n.FailedHandshakes++ })
		c.s.note(c, FromServer, "(TLS: "+err.Error()+")")
		return false
	}
	c.nc = t
	c.r = bufio.NewReaderSize(t, 4096)
	c.s.count(func(n *Counts) { n.Handshakes++ })
	return true
}

// line reads a line without its end. secret keeps it out of the transcript.
func (c *conn) line(secret bool) (string, error) {
	c.raw.SetReadDeadline(time.Now().Add(sessionTime))
	var b strings.Builder
	for {
		part, err := c.r.ReadSlice('\n')
		b.Write(part)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if b.Len() > maxLine {
			return "", errTooLong
		}
	}
	line := strings.TrimRight(b.String(), "\r\n")
	said := line
	if secret {
		said = "***"
	}
	c.s.note(c, FromClient, hideSecrets(said))
	return line, nil
}

// secretPart finds what follows a sign-in command and its mechanism.
var secretPart = regexp.MustCompile(`(?is)^((?:\S+ )?(?:AUTH(?:ENTICATE)? \S+|LOGIN)|PASS) .+$`)

// hideSecrets leaves out what a sign-in command shows.
func hideSecrets(line string) string { return secretPart.ReplaceAllString(line, "$1 ***") }

// octets reads exactly n octets.
func (c *conn) octets(n int) ([]byte, error) {
	if n > maxLiteral {
		return nil, errTooLong
	}
	b := make([]byte, n)
	c.raw.SetReadDeadline(time.Now().Add(sessionTime))
	_, err := io.ReadFull(c.r, b)
	return b, err
}

// send writes lines at once.
func (c *conn) send(lines ...string) {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l)
		b.WriteString("\r\n")
		c.s.note(c, FromServer, l)
	}
	c.raw.SetWriteDeadline(time.Now().Add(sessionTime))
	io.WriteString(c.nc, b.String())
}

// data sends what comes before a final reply, unless the script replaces that.
func (c *conn) data(lines ...string) {
	if c.instead == nil {
		c.send(lines...)
	}
}

// final sends the reply that ends a command, or what the script has in its place.
func (c *conn) final(lines ...string) {
	if c.instead != nil {
		lines, c.instead = c.instead, nil
	}
	c.send(lines...)
}

// drain reads until the client is gone.
func (c *conn) drain() {
	c.raw.SetReadDeadline(time.Now().Add(sessionTime))
	io.Copy(io.Discard, c.nc)
}

// reset ends the connection with a RST.
func (c *conn) reset() {
	if l, ok := c.raw.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0)
	}
	c.raw.Close()
}
