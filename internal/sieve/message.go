package sieve

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// Bounds of what a script sees of a message.
const (
	maxHeader = 256 << 10 // octets of the header
	maxBody   = 1 << 20   // octets of the body, decoded
	maxParts  = 100       // of the body
)

// Message answers what Env asks about the message itself. Headers are read at the first question and
// decoded once. It is for one goroutine.
type Message struct {
	content io.ReaderAt
	summary *message.Summary
	fields  map[string][]string // raw values by lower-case name
	decoded map[string][]string
	lists   map[string][][]message.Address
	bodies  map[string][]string
}

// NewMessage returns the answers for a message and what was found in it.
func NewMessage(content io.ReaderAt, summary *message.Summary) *Message {
	return &Message{content: content, summary: summary}
}

// Load reads the header, so that a failure is known before the run.
func (m *Message) Load() error {
	if m.fields != nil {
		return nil
	}
	header := make([]byte, min(m.summary.HeaderSize, maxHeader))
	if n, err := m.content.ReadAt(header, 0); n < len(header) && err != nil {
		return fmt.Errorf("sieve: read header: %w", err)
	}
	m.fields, m.decoded, m.lists = map[string][]string{}, map[string][]string{}, map[string][][]message.Address{}
	for f := range message.HeaderFields(header) {
		if len(f.Name) > 0 {
			name := strings.ToLower(string(f.Name))
			m.fields[name] = append(m.fields[name], string(f.Value()))
		}
	}
	return nil
}

// Header implements Env.
func (m *Message) Header(name string) []string {
	name = strings.ToLower(name)
	values, known := m.decoded[name]
	if !known && len(m.fields[name]) > 0 {
		for _, raw := range m.fields[name] {
			values = append(values, message.DecodeHeader(raw))
		}
		m.decoded[name] = values
	}
	return values
}

// Addresses implements Env.
func (m *Message) Addresses(name string) [][]message.Address {
	name = strings.ToLower(name)
	list, known := m.lists[name]
	if !known && len(m.fields[name]) > 0 {
		for _, raw := range m.fields[name] {
			list = append(list, message.ParseAddressList(raw))
		}
		m.lists[name] = list
	}
	return list
}

// Size implements Env.
func (m *Message) Size() int64 { return m.summary.Size }

// Body implements Env.
func (m *Message) Body(want BodyKind, types []string) ([]string, error) {
	key := fmt.Sprint(want, types)
	if texts, known := m.bodies[key]; known {
		return texts, nil
	}
	texts, err := m.body(want, types)
	if err != nil {
		return nil, fmt.Errorf("sieve: read body: %w", err)
	}
	if m.bodies == nil {
		m.bodies = map[string][]string{}
	}
	if len(m.bodies) < 10 {
		m.bodies[key] = texts
	}
	return texts, nil
}

func (m *Message) body(want BodyKind, types []string) (texts []string, err error) {
	if want == BodyRaw {
		text, err := readText(io.NewSectionReader(m.content, m.summary.HeaderSize, m.summary.Size-m.summary.HeaderSize), maxBody)
		return []string{text}, err
	}
	room := maxBody
	for i := range m.summary.Parts {
		if room <= 0 || len(texts) >= maxParts {
			break
		}
		p := &m.summary.Parts[i]
		if want == BodyText && p.Type != "text" || want == BodyContent && !hasType(p, types) {
			continue
		}
		if p.IsMultipart() {
			around, err := m.around(i, room)
			if err != nil {
				return nil, err
			}
			room -= len(around[0]) + len(around[1])
			texts = append(texts, around[:]...)
			continue
		}
		text, err := m.part(i, want, room)
		if err != nil {
			return nil, err
		}
		room -= len(text)
		texts = append(texts, text)
	}
	return texts, nil
}

// hasType tells whether a part has one of some media types: "text/plain", "text", or "" for all
// (RFC 5173 section 5.2).
func hasType(p *message.Part, types []string) bool {
	for _, t := range types {
		main, sub, both := strings.Cut(strings.ToLower(t), "/")
		if t == "" || main == p.Type && (!both || sub == p.Subtype) {
			return true
		}
	}
	return false
}

// part returns the text of a part. Of a message in the message it is the header.
func (m *Message) part(i int, want BodyKind, room int) (string, error) {
	p := &m.summary.Parts[i]
	if p.IsMessage() && i+1 < len(m.summary.Parts) {
		inner := &m.summary.Parts[i+1]
		return readText(io.NewSectionReader(m.content, inner.HeaderStart, inner.BodyStart-inner.HeaderStart), room)
	}
	text := message.DecodeBody(io.NewSectionReader(m.content, p.BodyStart, p.Size()), p.Encoding, p.Charset)
	if want == BodyText && p.Subtype == "html" {
		return message.HTMLText(text, room), nil
	}
	return readText(text, room)
}

// around returns what stands before the first and behind the last part of a multipart (RFC 5173
// section 5.2).
func (m *Message) around(i, room int) (texts [2]string, err error) {
	p := &m.summary.Parts[i]
	first, last := p.End, p.BodyStart
	for j := i + 1; j < len(m.summary.Parts); j++ {
		if child := &m.summary.Parts[j]; child.Parent == i {
			first, last = min(first, child.HeaderStart), max(last, child.End)
		}
	}
	if texts[0], err = readText(io.NewSectionReader(m.content, p.BodyStart, first-p.BodyStart), room); err != nil {
		return texts, err
	}
	if k := strings.LastIndex(texts[0], "--"+p.Boundary); k >= 0 {
		texts[0] = texts[0][:k]
	}
	if texts[1], err = readText(io.NewSectionReader(m.content, last, p.End-last), room-len(texts[0])); err != nil {
		return texts, err
	}
	if _, behind, ok := strings.Cut(texts[1], "--"+p.Boundary+"--"); ok {
		_, texts[1], _ = strings.Cut(behind, "\n")
	}
	return texts, nil
}

func readText(r io.Reader, most int) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(most)))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return string(b), err
}
