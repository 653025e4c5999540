package jmapd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// blobID names the octets of an email, or of one of its parts, decoded. Part 0 is the message.
func blobID(e store.EmailID, part int) string {
	if part == 0 {
		return fmt.Sprintf("b%d", e)
	}
	return fmt.Sprintf("b%d-%d", e, part)
}

// bodyArguments are those of Email/get about bodies (RFC 8621 section 4.2).
var bodyArguments = []string{"bodyProperties", "fetchTextBodyValues", "fetchHTMLBodyValues", "fetchAllBodyValues", "maxBodyValueBytes"}

type bodyArgs struct {
	properties      []string
	text, html, all bool
	most            int // 0: no bound
}

// partProperties are those of an EmailBodyPart (RFC 8621 section 4.1.4) that are told unless others are named.
var partProperties = []string{"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"}

// readsText reports whether text is wanted, and not only what there is.
func (b *bodyArgs) readsText() bool { return b.text || b.html || b.all }

func (c *call) bodyArgs() (*bodyArgs, error) {
	b := &bodyArgs{}
	for i, v := range []any{&b.properties, &b.text, &b.html, &b.all, &b.most} {
		if err := c.args.read(bodyArguments[i], v); err != nil {
			return nil, err
		}
	}
	if b.properties == nil {
		b.properties = partProperties
	}
	if b.most < 0 {
		return nil, invalid("maxBodyValueBytes is negative")
	}
	for _, p := range b.properties {
		if _, ok := parseHeaderProperty(p); !ok && p != "subParts" && p != "headers" && !slices.Contains(partProperties, p) {
			return nil, invalid("unknown property %s of a part", p)
		}
	}
	return b, nil
}

// reader reads one message: an email, or one that is only looked at.
type reader struct {
	email *store.Email // nil for what is no email
	parts []message.Part
	open  func() (octets, error)
	read  func(off, n int64) ([]byte, error)
	name  func(part int) string // blob ids, of parts that count from 1
	take  func(octets int64) error
	head  []byte // of the message, once it was read
}

// octets are those of a message.
type octets interface {
	io.ReaderAt
	io.Closer
}

func (c *call) newReader(ctx context.Context, e *store.Email) *reader {
	s := c.server.store
	return &reader{
		email: e,
		take:  c.request.room.take,
		open:  func() (octets, error) { return s.Body(ctx, e) },
		read:  func(off, n int64) ([]byte, error) { return s.ReadBody(ctx, []byte{}, e, off, n) },
		name:  func(part int) string { return blobID(e.ID, part) },
	}
}

// maxHeaderRead bounds how much of a header is read, in octets.
const maxHeaderRead = 1 << 20

// fill adds the properties that are wanted and need the record of the email or its octets.
func (r *reader) fill(o object, g *getArgs, wanted *bodyArgs) (err error) {
	if r.parts, err = r.email.Summary.Parts(); err != nil {
		return err
	}
	o["preview"], o["hasAttachment"] = string(r.email.Summary.Preview()), r.email.Summary.HasAttachment()
	if err := r.fillHeader(o, g); err != nil {
		return err
	}
	if !slices.ContainsFunc(g.properties, isBodyProperty) {
		return nil
	}
	return r.fillBody(o, g, wanted)
}

func isBodyProperty(p string) bool {
	return p == "bodyStructure" || p == "bodyValues" || p == "textBody" || p == "htmlBody" || p == "attachments"
}

func (r *reader) fillHeader(o object, g *getArgs) error {
	for _, p := range g.properties {
		full := p
		if short, ok := headerProperties[p]; ok {
			full = short
		}
		h, ok := parseHeaderProperty(full)
		if !ok && p != "headers" {
			continue
		}
		header, err := r.fieldsOf(h.name)
		if err != nil {
			return err
		}
		if p == "headers" {
			o[p] = allFields(header)
		} else {
			o[p] = h.value(header)
		}
	}
	return nil
}

// fieldsOf is a header, or a part of it, that has all fields with a name; of no name it is all. Mostly the overview
// will do, and no message is read to list it.
func (r *reader) fieldsOf(name string) (_ []byte, err error) {
	if r.email != nil && message.InOverview(name) {
		if overview := r.email.Summary.Overview(); len(overview) > 0 {
			return overview, nil
		}
	}
	if r.head == nil {
		r.head, err = r.header(0)
	}
	return r.head, err
}

// header reads the header of a part.
func (r *reader) header(part int) ([]byte, error) {
	p := &r.parts[part]
	n := min(p.BodyStart-p.HeaderStart, maxHeaderRead)
	if err := r.take(n); err != nil {
		return nil, err
	}
	return r.read(p.HeaderStart, n)
}

func (r *reader) fillBody(o object, g *getArgs, wanted *bodyArgs) error {
	b := message.BodiesOf(r.parts, 0)
	for name, list := range map[string][]int{"textBody": b.Text, "htmlBody": b.HTML, "attachments": b.Attachments} {
		if !g.wants(name) {
			continue
		}
		out := []object{}
		for _, i := range list {
			part, err := r.part(i, wanted.properties)
			if err != nil {
				return err
			}
			out = append(out, part)
		}
		o[name] = out
	}
	if g.wants("bodyStructure") {
		structure, err := r.part(0, append(slices.Clone(wanted.properties), "subParts"))
		if err != nil {
			return err
		}
		o["bodyStructure"] = structure
	}
	if !g.wants("bodyValues") {
		return nil
	}
	values, err := r.values(b, wanted)
	o["bodyValues"] = values
	return err
}

// part is an EmailBodyPart.
func (r *reader) part(i int, properties []string) (object, error) {
	p := &r.parts[i]
	o := object{}
	var header []byte
	for _, name := range properties {
		h, isHeader := parseHeaderProperty(name)
		if isHeader || name == "headers" || name == "language" || name == "location" {
			var err error
			if header == nil {
				if header, err = r.header(i); err != nil {
					return nil, err
				}
			}
		}
		switch {
		case isHeader:
			o[name] = h.value(header)
		case name == "headers":
			o[name] = allFields(header)
		case name == "language":
			o[name] = languages(header)
		case name == "location":
			h, _ := parseHeaderProperty("header:Content-Location:asText")
			o[name] = h.value(header)
		case name == "subParts":
			sub, err := r.subParts(i, properties)
			if err != nil {
				return nil, err
			}
			o[name] = sub
		default:
			value, err := r.partProperty(i, p, name)
			if err != nil {
				return nil, err
			}
			o[name] = value
		}
	}
	return o, nil
}

// subParts are null for what is no multipart.
func (r *reader) subParts(of int, properties []string) (any, error) {
	if !r.parts[of].IsMultipart() {
		return nil, nil
	}
	list := []object{}
	for _, i := range message.Children(r.parts, of) {
		sub, err := r.part(i, properties)
		if err != nil {
			return nil, err
		}
		list = append(list, sub)
	}
	return list, nil
}

func (r *reader) partProperty(i int, p *message.Part, name string) (any, error) {
	switch name {
	case "partId", "blobId":
		if p.IsMultipart() {
			return nil, nil
		}
		if name == "partId" {
			return strconv.Itoa(i + 1), nil
		}
		return r.name(i + 1), nil
	case "size":
		if p.IsMultipart() {
			return 0, nil
		}
		return r.size(i)
	case "name":
		return textOrNull(p.Title()), nil
	case "type":
		return p.Type + "/" + p.Subtype, nil
	case "charset":
		if p.Charset == "" && p.Type == "text" {
			return "us-ascii", nil
		}
		return textOrNull(p.Charset), nil
	case "disposition":
		return textOrNull(p.Disposition), nil
	}
	return textOrNull(p.ContentID), nil // cid
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// languages are the tags of Content-Language (RFC 3282).
func languages(header []byte) any {
	text, ok := message.DecodedField(header, "Content-Language")
	if !ok {
		return nil
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// size is how many octets a part has without its transfer encoding.
func (r *reader) size(i int) (int64, error) {
	p := &r.parts[i]
	if p.Encoding != "base64" && p.Encoding != "quoted-printable" {
		return p.Size(), nil
	}
	body, err := r.open()
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.Copy(io.Discard, message.DecodeTransfer(io.NewSectionReader(body, p.BodyStart, p.End-p.BodyStart), p.Encoding))
}

// maxValue bounds the text of a part that is told, in octets.
const maxValue = 4 << 20

// values are the texts of the parts that are asked for (RFC 8621 section 4.1.4: bodyValues).
func (r *reader) values(b message.Bodies, wanted *bodyArgs) (object, error) {
	var list []int
	if wanted.text || wanted.all {
		list = append(list, b.Text...)
	}
	if wanted.html || wanted.all {
		list = append(list, b.HTML...)
	}
	if wanted.all {
		for i := range r.parts {
			list = append(list, i)
		}
	}
	values := object{}
	for _, i := range list {
		id := strconv.Itoa(i + 1)
		if _, done := values[id]; done || r.parts[i].Type != "text" || r.inside(i) {
			continue
		}
		value, err := r.value(i, wanted.most)
		if err != nil {
			return nil, err
		}
		values[id] = value
	}
	return values, nil
}

// inside reports whether a part belongs to a message inside the message.
func (r *reader) inside(i int) bool {
	for at := r.parts[i].Parent; at >= 0; at = r.parts[at].Parent {
		if r.parts[at].IsMessage() {
			return true
		}
	}
	return false
}

func (r *reader) value(i, most int) (object, error) {
	if most == 0 || most > maxValue {
		most = maxValue
	}
	body, err := r.open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	p := &r.parts[i]
	text := message.DecodeBody(io.NewSectionReader(body, p.BodyStart, p.End-p.BodyStart), p.Encoding, p.Charset)
	// A line end of two octets becomes one, so that twice as much is enough.
	value, err := io.ReadAll(io.LimitReader(text, 2*int64(most)+utf8.UTFMax))
	if err != nil {
		return nil, err
	}
	if err := r.take(int64(len(value))); err != nil {
		return nil, err
	}
	value = bytes.ReplaceAll(value, []byte("\r\n"), []byte("\n"))
	truncated := len(value) > most
	if truncated {
		for value = value[:most]; len(value) > 0 && !endsWhole(value); {
			value = value[:len(value)-1]
		}
		if p.Type == "text" && p.Subtype == "html" {
			value = value[:openTag(value)]
		}
	}
	problem := !message.CanDecode(p.Encoding, p.Charset) || bytes.ContainsRune(value, utf8.RuneError)
	if p.Charset == "" || strings.EqualFold(p.Charset, "us-ascii") { // what is not ASCII is guessed
		problem = problem || bytes.ContainsFunc(value, func(r rune) bool { return r >= utf8.RuneSelf })
	}
	return object{"value": string(value), "isTruncated": truncated, "isEncodingProblem": problem}, nil
}

// endsWhole reports whether text does not end within a character.
func endsWhole(text []byte) bool {
	r, n := utf8.DecodeLastRune(text)
	return r != utf8.RuneError || n > 1
}

// openTag is where a tag or a comment begins that HTML ends in, its length where it does not (RFC 8621 section 4.2: no value is cut in
// the middle of one).
func openTag(html []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(html[at:], '<')
		if i < 0 {
			return len(html)
		}
		start := at + i
		n := tagLen(html[start:])
		if n == 0 {
			return start
		}
		at = start + n
	}
}

// tagLen is how long the tag or comment is that text begins with, 1 for a sign that begins none, and 0 for one that does not end.
func tagLen(text []byte) int {
	switch {
	case len(text) == 1:
		return 0
	case bytes.HasPrefix(text, []byte("<!--")):
		if _, rest, ends := bytes.Cut(text[2:], []byte("-->")); ends {
			return len(text) - len(rest)
		}
		return 0
	case (text[1]|0x20 < 'a' || text[1]|0x20 > 'z') && bytes.IndexByte([]byte("/!?"), text[1]) < 0:
		return 1
	}
	quote := byte(0)
	for i, c := range text {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return i + 1
		case (c == '"' || c == '\'') && i > 0 && text[i-1] == '=':
			quote = c
		}
	}
	return 0
}
