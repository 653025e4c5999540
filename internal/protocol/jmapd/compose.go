package jmapd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// errTooLarge is a message above the limit.
var errTooLarge = errors.New("the message is too large")

// composer writes a message into the blob store while it is scanned; nothing of it is held.
type composer struct {
	ctx   context.Context
	c     *call
	p     *picture
	email *newEmail
	blob  blob.Writer
	scan  *message.Scanner
	left  int64 // octets until it is too large
}

// compose writes an email and returns it ready to be placed.
func (c *call) compose(ctx context.Context, p *picture, e *newEmail) (n store.NewEmail, err error) {
	w, err := c.server.store.Blobs().Create(ctx)
	if err != nil {
		return n, err
	}
	m := &composer{ctx: ctx, c: c, p: p, email: e, blob: w, scan: message.NewScanner(message.Limits{}), left: c.server.options.Limits.Message}
	h := message.Header{}
	for _, f := range e.fields {
		f.write(&h)
	}
	if len(h.Bytes()) > maxNewHeader {
		w.Abort()
		return n, errTooLarge
	}
	h.AddStructured("MIME-Version", "1.0")
	if err := m.part(e.root, &h); err != nil {
		w.Abort()
		return n, err
	}
	n.Summary = m.scan.Finish()
	n.Blob, err = w.Commit()
	return n, err
}

// Write implements io.Writer.
func (m *composer) Write(b []byte) (int, error) {
	if m.left -= int64(len(b)); m.left < 0 {
		return 0, errTooLarge
	}
	if _, err := m.scan.Write(b); err != nil {
		return 0, err
	}
	return m.blob.Write(b)
}

// part writes a part: its fields behind those that h has, and its content.
func (m *composer) part(n *newPart, h *message.Header) error {
	switch kind := n.contentType(); {
	case n.isMultipart():
		return m.multipart(n, h)
	case n.partID != "":
		return m.text(n, h, m.email.values[n.partID])
	case n.blobID == "": // an email without a body
		return m.text(n, h, "")
	case strings.HasPrefix(kind, "message/") && kind != "message/global":
		return m.message(n, h)
	default:
		return m.file(n, h)
	}
}

// begin writes a header.
func (m *composer) begin(n *newPart, h *message.Header, params []string, encoding string) error {
	n.header(h, params, encoding)
	_, err := m.Write(append(h.Bytes(), "\r\n"...))
	return err
}

func (m *composer) multipart(n *newPart, h *message.Header) error {
	boundary := message.NewBoundary()
	params := []string{"boundary", boundary}
	if n.kind == "multipart/related" { // RFC 2387 section 3.1
		params = append(params, "type", first(n.parts[0].contentType(), "text/plain"))
	}
	encoding := ""
	if m.eightBit(n) { // RFC 2045 section 6.4
		encoding = "8bit"
	}
	if err := m.begin(n, h, params, encoding); err != nil {
		return err
	}
	for i, sub := range n.parts {
		delimiter := "\r\n--" + boundary + "\r\n"
		if i == 0 {
			delimiter = delimiter[2:]
		}
		if _, err := io.WriteString(m, delimiter); err != nil {
			return err
		}
		if err := m.part(sub, &message.Header{}); err != nil {
			return err
		}
	}
	_, err := io.WriteString(m, "\r\n--"+boundary+"--\r\n")
	return err
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// text writes a text in UTF-8: as it is if that is possible, or in the shorter of the two encodings that every server
// passes on unchanged, which keeps signatures whole.
func (m *composer) text(n *newPart, h *message.Header, value string) error {
	value = strings.ToValidUTF8(value, "\uFFFD")
	value = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(value)
	encoding, charset := encodingOf(value), "utf-8"
	if isASCII(value) {
		charset = "us-ascii"
	}
	if n.kind != "" && !strings.HasPrefix(n.kind, "text/") {
		charset = ""
	}
	if err := m.begin(n, h, n.typeParams(charset), encoding); err != nil {
		return err
	}
	return m.encoded(encoding, strings.NewReader(value))
}

// encodingOf chooses how a text is written (RFC 2045 section 6).
func encodingOf(text string) string {
	plain, beyond, line := true, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n':
			line = 0
			continue
		case c >= utf8.RuneSelf:
			beyond++
		case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			plain = false
		}
		if line++; line > 990 { // RFC 5322 section 2.1.1
			plain = false
		}
	}
	switch {
	case plain && beyond == 0:
		return "7bit"
	case beyond*6 > len(text):
		return "base64"
	}
	return "quoted-printable"
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// file writes a blob.
func (m *composer) file(n *newPart, h *message.Header) error {
	body, err := m.c.server.open(m.ctx, m.p, n.blobID)
	if err != nil {
		return err
	}
	defer body.Close()
	if n.kind == "" && !n.named["content-type"] {
		n.kind = "application/octet-stream"
	}
	if err := m.begin(n, h, n.typeParams(n.charset), "base64"); err != nil {
		return err
	}
	return m.encoded("base64", body)
}

// message writes a message within the message, which must not be encoded (RFC 2046 section 5.2.1), unless it is none that
// could be sent otherwise.
func (m *composer) message(n *newPart, h *message.Header) error {
	encoding, err := m.messageEncoding(n)
	if err != nil {
		return err
	}
	body, err := m.c.server.open(m.ctx, m.p, n.blobID)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := m.begin(n, h, n.typeParams(""), encoding); err != nil {
		return err
	}
	return m.encoded(encoding, body)
}

// messageEncoding looks at a message and says how it is written.
func (m *composer) messageEncoding(n *newPart) (string, error) {
	body, err := m.c.server.open(m.ctx, m.p, n.blobID)
	if err != nil {
		return "", err
	}
	defer body.Close()
	s := message.NewScanner(message.Limits{})
	if _, err := io.Copy(s, io.LimitReader(body, m.c.server.options.Limits.Message+1)); err != nil {
		return "", err
	}
	switch sum := s.Finish(); {
	case sum.NUL || sum.BareCR || sum.MaxLine > 998:
		return "base64", nil
	case sum.EightBit:
		return "8bit", nil
	}
	return "7bit", nil
}

// eightBit reports whether a part has a message in it that is written in 8 bits.
func (m *composer) eightBit(n *newPart) bool {
	found := n.walk(func(n *newPart) *methodError {
		kind := n.contentType()
		if n.blobID == "" || !strings.HasPrefix(kind, "message/") || kind == "message/global" {
			return nil
		}
		if encoding, err := m.messageEncoding(n); err == nil && encoding == "8bit" {
			return &methodError{}
		}
		return nil
	})
	return found != nil
}

// encoded writes content in an encoding.
func (m *composer) encoded(encoding string, from io.Reader) error {
	var w io.WriteCloser
	switch encoding {
	case "base64":
		lines := &base64Lines{w: m}
		w = closers{base64.NewEncoder(base64.StdEncoding, lines), lines}
	case "quoted-printable":
		w = quotedprintable.NewWriter(m)
	default:
		w = &lines{w: m}
	}
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Close()
}

// closers closes the one and then the other.
type closers struct {
	io.WriteCloser
	then io.Closer
}

func (c closers) Close() error {
	if err := c.WriteCloser.Close(); err != nil {
		return err
	}
	return c.then.Close()
}

// lines ends every line as messages do, whatever it came with.
type lines struct {
	w    io.Writer
	last byte
	buf  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.buf.Reset()
	for _, c := range b {
		if c == '\n' && l.last != '\r' {
			l.buf.WriteByte('\r')
		}
		l.buf.WriteByte(c)
		l.last = c
	}
	if _, err := l.w.Write(l.buf.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (l *lines) Close() error { return nil }

// base64Lines breaks base64 into lines of 76 characters (RFC 2045 section 6.8).
type base64Lines struct {
	w      io.Writer
	column int
	buf    bytes.Buffer
}

const base64Line = 76

func (l *base64Lines) Write(b []byte) (int, error) {
	n := len(b)
	l.buf.Reset()
	for len(b) > 0 {
		if l.column == base64Line {
			l.buf.WriteString("\r\n")
			l.column = 0
		}
		k := min(base64Line-l.column, len(b))
		l.buf.Write(b[:k])
		l.column, b = l.column+k, b[k:]
	}
	if _, err := l.w.Write(l.buf.Bytes()); err != nil {
		return 0, err
	}
	return n, nil
}

// Close ends the last line.
func (l *base64Lines) Close() error {
	if l.column == 0 {
		return nil
	}
	_, err := io.WriteString(l.w, "\r\n")
	return err
}
