package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// talk is a conversation with a mail server, line by line.
type talk struct {
	run  *Run
	ep   evidence.Endpoint
	conn net.Conn
	r    *bufio.Reader
	tag  int
	caps evidence.Capabilities
	// encrypted and trusted: TLS is on, and the server proved to be who it should be.
	encrypted, trusted bool
	signedIn           bool
}

// What a server may send.
const (
	maxReplyLine  = 8 << 10
	maxReplyLines = 2000
)

var (
	errLineTooLong  = errors.New("a line without end")
	errNotALine     = errors.New("a name or password with a line end in it")
	errReplyTooLong = errors.New("a reply without end")
)

func (r *Run) newTalk(ep evidence.Endpoint, conn net.Conn) *talk {
	return &talk{run: r, ep: ep, conn: conn, r: bufio.NewReaderSize(conn, maxReplyLine)}
}

// bound lets the next exchange take one step, and not longer than the context.
func (t *talk) bound(ctx context.Context) {
	deadline := time.Now().Add(t.run.Step)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = t.conn.SetDeadline(deadline) // a connection that takes no deadline is closed by the run
}

func (t *talk) send(ctx context.Context, line string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return errNotALine
	}
	t.bound(ctx)
	if _, err := io.WriteString(t.conn, line+"\r\n"); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// line reads one line without its end.
func (t *talk) line() (string, error) {
	line, err := t.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return string(line), errLineTooLong
	}
	if err != nil {
		return string(line), err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// reply reads a whole reply: the lines of SMTP up to the last one, the line of
// POP3 (more with multi), everything up to the tagged line of IMAP. The last line is
// returned apart.
func (t *talk) reply(multi bool) (last string, all []string, err error) {
	for range maxReplyLines {
		line, err := t.line()
		if err != nil {
			return "", all, fmt.Errorf("read: %w", err)
		}
		all = append(all, line)
		if t.ends(line, len(all) == 1, multi) {
			return line, all, nil
		}
		if t.ep.Protocol == evidence.IMAP {
			if err := t.literal(line, &all); err != nil {
				return "", all, err
			}
		}
	}
	return "", all, errReplyTooLong
}

func (t *talk) ends(line string, first, multi bool) bool {
	switch t.ep.Protocol {
	case evidence.IMAP:
		return strings.HasPrefix(line, t.tagged()+" ") || strings.HasPrefix(line, "+")
	case evidence.POP3:
		return first && (!multi || !strings.HasPrefix(line, "+OK")) || line == "."
	}
	return len(line) < 4 || line[3] != '-'
}

// literal reads the octets that an IMAP line announces, and appends them as a line.
func (t *talk) literal(line string, all *[]string) error {
	open := strings.LastIndexByte(line, '{')
	if open < 0 || !strings.HasSuffix(line, "}") {
		return nil
	}
	var n int
	if _, err := fmt.Sscanf(line[open:], "{%d}", &n); err != nil || n < 0 || n > 1<<20 {
		return errReplyTooLong
	}
	octets := make([]byte, n)
	if _, err := io.ReadFull(t.r, octets); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	*all = append(*all, string(octets))
	return nil
}

func (t *talk) tagged() string { return fmt.Sprintf("p%d", t.tag) }

// command sends a command and reads its reply. For IMAP a tag is put before it.
func (t *talk) command(ctx context.Context, line string) (last string, all []string, err error) {
	return t.exchange(ctx, line, false)
}

func (t *talk) exchange(ctx context.Context, line string, multi bool) (last string, all []string, err error) {
	if t.ep.Protocol == evidence.IMAP {
		t.tag++
		line = t.tagged() + " " + line
	}
	if err := t.send(ctx, line); err != nil {
		return "", nil, err
	}
	return t.reply(multi)
}

// continued sends what the server asked for, and reads on.
func (t *talk) continued(ctx context.Context, line string) (string, []string, error) {
	if err := t.send(ctx, line); err != nil {
		return "", nil, err
	}
	return t.reply(false)
}

// positive reports whether a reply says yes.
func (t *talk) positive(last string) bool {
	switch t.ep.Protocol {
	case evidence.IMAP:
		return strings.HasPrefix(strings.ToUpper(last), strings.ToUpper(t.tagged())+" OK")
	case evidence.POP3:
		return strings.HasPrefix(last, "+OK")
	}
	return strings.HasPrefix(last, "2")
}

// goesOn reports whether a reply asks for more.
func (t *talk) goesOn(last string) bool {
	switch t.ep.Protocol {
	case evidence.IMAP, evidence.POP3:
		return strings.HasPrefix(last, "+") && !strings.HasPrefix(last, "+OK")
	}
	return strings.HasPrefix(last, "3")
}

// untagged takes the tag off an IMAP reply, so that replies read alike.
func (t *talk) untagged(last string) string { return strings.TrimPrefix(last, t.tagged()+" ") }

// close says good-bye, as far as that is possible at once.
func (t *talk) close() {
	_ = t.conn.SetDeadline(time.Now().Add(t.run.Step / 4)) // the next line ends it in any case
	switch t.ep.Protocol {
	case evidence.IMAP:
		t.tag++
		_, _ = io.WriteString(t.conn, t.tagged()+" LOGOUT\r\n")
	default:
		_, _ = io.WriteString(t.conn, "QUIT\r\n")
	}
	_ = t.conn.Close()
}

// startTLS encrypts the connection and records the handshake. It goes on with
// a certificate that is not trusted, but t.trusted then stays false.
func (t *talk) startTLS(ctx context.Context, remote netip.Addr) error {
	began := time.Now()
	h := evidence.Handshake{Endpoint: t.ep, Addr: remote}
	t.bound(ctx)
	seen := &firstOctets{Conn: t.conn}
	c := tls.Client(seen, &tls.Config{
		ServerName: t.ep.Host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, // checked by trust below
	})
	err := c.HandshakeContext(ctx)
	h.Took = time.Since(began)
	h.Outcome, h.Alert = outcomeOf(err), alertOf(err)
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		h.Outcome, h.First = evidence.Garbled, string(seen.octets())
	}
	raw := ""
	if err != nil {
		raw = err.Error()
	} else {
		state := c.ConnectionState()
		h.Version = tls.VersionName(state.Version)
		h.Chain = certificates(state.PeerCertificates)
		h.Trust = trust(state.PeerCertificates, t.ep.Host, t.run.Roots, t.run.Now())
		t.conn, t.encrypted, t.trusted = c, true, h.Trust == evidence.Trusted
		t.r.Reset(c)
	}
	t.run.Evidence.Add(h, raw)
	if err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	return nil
}

// firstOctets keeps the first that the other side said.
type firstOctets struct {
	net.Conn
	first []byte
}

func (f *firstOctets) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if room := 200 - len(f.first); room > 0 && n > 0 {
		f.first = append(f.first, p[:min(n, room)]...)
	}
	return n, err
}

func (f *firstOctets) octets() []byte { return f.first }
