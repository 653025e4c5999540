package view

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// mail is what is known of a message without its text.
type mail struct {
	store.Email // without Summary, which is valid for a moment only
	id          string
	owner       store.AccountID // whose it is
	parts       []message.Part
	from        []message.Address
	replyTo     []message.Address
	subject     string
	messageID   string
	headerSize  int64
}

// find looks up a message by the id that JMAP has for it, such as M123.
func (s *Server) find(ctx context.Context, a store.AccountID, id string) (*mail, error) {
	owner, number, err := s.named(ctx, a, id)
	if err != nil {
		return nil, err
	}
	var found *mail
	err = s.store.Emails(ctx, owner, number, number+1, func(e *store.Email) (err error) {
		v := &e.Summary
		found = &mail{
			Email: store.Email{ID: e.ID, Thread: e.Thread, Blob: e.Blob, Size: e.Size, Received: e.Received, Arrived: e.Arrived}, id: id, owner: owner,
			from: v.Addresses(message.FieldFrom), replyTo: v.Addresses(message.FieldReplyTo), subject: string(v.Subject()),
			messageID: string(v.MessageID()), headerSize: v.HeaderSize(),
		}
		found.parts, err = v.Parts()
		return err
	})
	if err == nil && found == nil {
		err = errStatus(http.StatusNotFound)
	}
	return found, err
}

// named reads the id of a message: M123 of one's own, M7-123 of one that another shares.
func (s *Server) named(ctx context.Context, a store.AccountID, id string) (owner store.AccountID, e store.EmailID, err error) {
	if strings.Contains(id, "-") && s.options.Shared != nil {
		return s.options.Shared(ctx, a, id)
	}
	digits, ok := strings.CutPrefix(id, "M")
	number, err := strconv.ParseUint(digits, 10, 63)
	if !ok || err != nil || emailID(store.EmailID(number)) != id {
		return 0, 0, errStatus(http.StatusNotFound)
	}
	return a, store.EmailID(number), nil
}

// partNumber reads the id that JMAP has for a part: its number, from 1.
func (m *mail) partNumber(id string) (int, error) {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(m.parts) || m.parts[n-1].IsMultipart() {
		return 0, errStatus(http.StatusNotFound)
	}
	return n - 1, nil
}

func partID(i int) string { return strconv.Itoa(i + 1) }

// maxHeader bounds how much of a header is read, in octets.
const maxHeader = 1 << 20

// header reads the header of a part.
func (s *Server) header(ctx context.Context, m *mail, part int) ([]byte, error) {
	p := &m.parts[part]
	return s.store.ReadBody(ctx, []byte{}, &m.Email, p.HeaderStart, min(p.BodyStart-p.HeaderStart, maxHeader))
}

// octets opens a part without its transfer encoding.
func (s *Server) octets(ctx context.Context, m *mail, part int) (io.ReadCloser, error) {
	body, err := s.store.Body(ctx, &m.Email)
	if err != nil {
		return nil, err
	}
	p := &m.parts[part]
	return readCloser{message.DecodeTransfer(io.NewSectionReader(body, p.BodyStart, p.End-p.BodyStart), p.Encoding), body}, nil
}

// readCloser reads from the one and closes the other.
type readCloser struct {
	io.Reader
	io.Closer
}

// text reads the text of a part in UTF-8, at most some octets of it.
func (s *Server) text(ctx context.Context, m *mail, part int, limit int64) ([]byte, error) {
	body, err := s.store.Body(ctx, &m.Email)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	p := &m.parts[part]
	charset := p.Charset
	if charset == "" && p.Subtype == "html" {
		charset = metaCharset(message.DecodeTransfer(io.NewSectionReader(body, p.BodyStart, p.End-p.BodyStart), p.Encoding))
	}
	r := message.DecodeBody(io.NewSectionReader(body, p.BodyStart, p.End-p.BodyStart), p.Encoding, charset)
	return io.ReadAll(io.LimitReader(r, limit))
}

// metaCharset is the charset that an HTML document itself says it is in, where the message does not.
func metaCharset(r io.Reader) string {
	begin := make([]byte, 2048)
	n, _ := io.ReadFull(r, begin)
	begin = bytes.ToLower(begin[:n])
	_, rest, found := bytes.Cut(begin, []byte("charset="))
	if !found || bytes.Contains(begin[:len(begin)-len(rest)], []byte("<body")) {
		return ""
	}
	rest = bytes.TrimLeft(rest, `"'`)
	end := bytes.IndexFunc(rest, func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_') })
	if end <= 0 || end > 40 {
		return ""
	}
	if name := string(rest[:end]); name != "utf-16" && name != "utf-16le" && name != "utf-16be" { // it could not have been read (HTML section 13.2.3.2)
		return name
	}
	return ""
}

// emailID is the id that JMAP has for a message.
func emailID(e store.EmailID) string { return "M" + strconv.FormatUint(uint64(e), 10) }
