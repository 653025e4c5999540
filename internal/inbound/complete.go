package inbound

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// begin waits for the first line of the content; from then on all passes as it is.
func (m *content) begin(p []byte) error {
	switch {
	case m.opened:
		return m.complete(p)
	case len(m.opening) == 0 && bytes.IndexByte(p, '\n') >= 0: // as nearly always
		return m.open(p)
	}
	m.opening = append(m.opening, p...)
	if bytes.IndexByte(p, '\n') < 0 && len(m.opening) < maxOpening {
		return nil
	}
	return m.open(m.opening)
}

// maxOpening is the longest line of RFC 5322 section 2.1.1: a longer one is no header field that
// anybody can read.
const maxOpening = 1000

// open takes the beginning of the content. Text without a header, as people who test send it, is set
// apart from the fields that stand before it now (RFC 5322 section 3.5): it would be taken for them.
func (m *content) open(start []byte) error {
	m.opened, m.opening = true, nil
	if !hasHeader(start) {
		if err := m.complete([]byte("\r\n")); err != nil {
			return err
		}
	}
	return m.complete(start)
}

// hasHeader tells by its first line whether content begins with a header, be it empty. The line
// that mbox files put before a header is often sent along.
func hasHeader(content []byte) bool {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if len(bytes.TrimRight(line, "\r")) == 0 || bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From ")) {
		return true
	}
	for f := range message.HeaderFields(line) {
		return len(f.Name) > 0
	}
	return false
}

// complete adds to the header of a submission what it lacks (RFC 6409 section
// 8); all else passes as it is.
func (m *content) complete(p []byte) error {
	if m.header == nil {
		return m.put(p)
	}
	m.header = append(m.header, p...)
	end := bytes.Index(m.header, []byte("\r\n\r\n"))
	if end < 0 && !bytes.HasPrefix(m.header, []byte("\r\n")) && len(m.header) < spoolSize {
		return nil
	}
	return m.flushHeader()
}

func (m *content) flushHeader() error {
	header := m.header
	m.header = nil
	if err := m.put(m.s.missingFields(header)); err != nil {
		return err
	}
	return m.put(header)
}

// missingFields returns the Date and Message-ID fields that a submission lacks.
func (s *session) missingFields(header []byte) (b []byte) {
	var date, id bool
	for f := range message.HeaderFields(header) {
		date = date || strings.EqualFold(string(f.Name), "Date")
		id = id || strings.EqualFold(string(f.Name), "Message-ID")
	}
	if !date {
		b = fmt.Appendf(b, "Date: %s\r\n", message.FormatDate(s.b.Store.Now()))
	}
	if !id {
		b = fmt.Appendf(b, "Message-ID: <%s@%s>\r\n", s.trace, s.account.Domain())
	}
	return b
}
