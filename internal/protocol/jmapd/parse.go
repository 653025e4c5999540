package jmapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// parseDefaults is what Email/parse tells if properties are not named (RFC 8621 section 4.9).
var parseDefaults = []string{
	"messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt",
	"hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments",
}

// emailParse is Email/parse (RFC 8621 section 4.9): messages that are no emails of the account, such as one that is attached
// to another.
func emailParse(ctx context.Context, c *call) (any, error) {
	if err := c.args.only(append([]string{"blobIds", "properties"}, bodyArguments...)...); err != nil {
		return nil, err
	}
	g := &getArgs{}
	if err := c.args.read("blobIds", &g.ids); err != nil {
		return nil, err
	}
	if err := c.args.read("properties", &g.properties); err != nil {
		return nil, err
	}
	switch {
	case g.ids == nil:
		return nil, invalid("blobIds is missing")
	case len(g.ids) > c.server.options.Limits.Get:
		return nil, errTooManyToGet
	}
	for i, id := range g.ids {
		g.ids[i] = c.named(id)
	}
	if g.properties == nil {
		g.properties = parseDefaults
	}
	for _, name := range g.properties {
		if !isEmailProperty(name) {
			return nil, invalid("unknown property %s", name)
		}
	}
	wanted, err := c.bodyArgs()
	if err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	parsed, notParsable, notFound := object{}, []string{}, []string{}
	for _, id := range g.ids {
		o, err := c.parseBlob(ctx, p, id, g, wanted)
		switch {
		case errors.Is(err, errNoPart):
			notFound = append(notFound, id)
		case errors.Is(err, errNoMessage):
			notParsable = append(notParsable, id)
		case err != nil:
			return nil, err
		default:
			parsed[id] = o
		}
	}
	return object{
		"accountId": accountID(c.account.ID), "parsed": nullIfEmpty(parsed), "notParsable": nullIfNone(notParsable), "notFound": nullIfNone(notFound),
	}, nil
}

func nullIfNone(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return listed(list)
}

// errNoMessage are octets that are no message, or too many to be looked at.
var errNoMessage = errors.New("no message")

func (c *call) parseBlob(ctx context.Context, p *picture, id string, g *getArgs, wanted *bodyArgs) (object, error) {
	m, err := c.server.inside(ctx, p, id)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	o := object{
		"id": nil, "blobId": id, "threadId": nil, "mailboxIds": nil, "keywords": nil, "receivedAt": nil, "size": m.summary.Size,
		"preview": m.summary.Preview, "hasAttachment": m.summary.HasAttachment,
	}
	r := &reader{
		take:  c.request.room.take,
		parts: m.summary.Parts,
		open:  func() (octets, error) { return keptOpen{m.text}, nil },
		read: func(off, n int64) ([]byte, error) {
			return io.ReadAll(io.NewSectionReader(m.text, off, n))
		},
		name: func(part int) string { return partOf(id, part) },
	}
	if err := r.fillHeader(o, g); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(g.properties, isBodyProperty) {
		if err := r.fillBody(o, g, wanted); err != nil {
			return nil, err
		}
	}
	for name := range o {
		if !slices.Contains(g.properties, name) {
			delete(o, name)
		}
	}
	return o, nil
}

// partOf names a part of a message that is a blob itself; parts count from 1.
func partOf(blob string, part int) string {
	if isWhole(blob) {
		return fmt.Sprintf("%s-%d", blob, part)
	}
	return fmt.Sprintf("%s_%d", blob, part)
}

// isWhole reports whether a blob id names an email, whose parts have names of their own.
func isWhole(blob string) bool {
	_, part, ok := parseBlobID(blob)
	return ok && part == 0
}

// cutPart reads what partOf wrote of others than emails.
func cutPart(id string) (blob string, part int, ok bool) {
	at := strings.LastIndexByte(id, '_')
	if at < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(id[at+1:], 10, 16)
	return id[:at], int(n), err == nil && n > 0
}

// keptOpen is closed by who opened it.
type keptOpen struct{ io.ReaderAt }

func (keptOpen) Close() error { return nil }

// nested is a message that is a blob, scanned.
type nested struct {
	text    io.ReaderAt
	summary *message.Summary
	io.Closer
}

// maxNested is the largest message that is read into memory, in octets: what is encoded in base64 within another. maxNesting
// is how deep they lie in each other.
const (
	maxNested  = 32 << 20
	maxNesting = 10
)

// inside opens a blob as a message. Errors: errNoPart, errNoMessage.
func (s *Server) inside(ctx context.Context, p *picture, id string) (*nested, error) {
	if strings.Count(id, "_") > maxNesting {
		return nil, errNoPart
	}
	body, err := s.open(ctx, p, id)
	if err != nil {
		return nil, err
	}
	m := &nested{Closer: body}
	scanner := message.NewScanner(message.Limits{})
	if section, ok := body.Reader.(*io.SectionReader); ok {
		m.text = section
		_, err = io.Copy(scanner, section)
	} else {
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(body, maxNested+1)); len(text) > maxNested {
			err = errNoMessage
		}
		m.text = bytes.NewReader(text)
		scanner.Write(text) // never fails
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if m.summary = scanner.Finish(); !looksLikeMessage(m.summary) {
		return nil, errors.Join(errNoMessage, m.Close())
	}
	return m, nil
}

// looksLikeMessage reports whether octets begin with a header as messages have one.
func looksLikeMessage(s *message.Summary) bool {
	return s.HeaderSize > 2 && !s.NUL &&
		(len(s.From)+len(s.To)+len(s.Sender) > 0 || s.Subject != "" || !s.Date.IsZero() || s.MessageID != "" || len(s.Parts) > 1)
}

// openInside opens a part of a message that is a blob itself.
func (s *Server) openInside(ctx context.Context, p *picture, blob string, part int) (*readCloser, error) {
	m, err := s.inside(ctx, p, blob)
	if errors.Is(err, errNoMessage) {
		err = errNoPart
	}
	if err != nil {
		return nil, err
	}
	if part > len(m.summary.Parts) || m.summary.Parts[part-1].IsMultipart() {
		return nil, errors.Join(errNoPart, m.Close())
	}
	one := &m.summary.Parts[part-1]
	return &readCloser{message.DecodeTransfer(io.NewSectionReader(m.text, one.BodyStart, one.End-one.BodyStart), one.Encoding), m}, nil
}
