package imapd

import (
	"bytes"
	"errors"
	"io"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// errEncoding reports a BINARY section in a transfer encoding that is not known (RFC 3516 section
// 4.3, UNKNOWN-CTE).
var errEncoding = errors.New("imapd: transfer encoding is not known")

// specs are the parts of message.Section by kind of section.
var specs = [...]message.SectionSpec{
	sectionBody:      message.SectionBody,
	sectionHeader:    message.SectionHeader,
	sectionFields:    message.SectionHeader,
	sectionFieldsNot: message.SectionHeader,
	sectionText:      message.SectionText,
	sectionMIME:      message.SectionMIME,
}

// section writes one section with its label. A part that does not exist is NIL.
func (w *fetchWriter) section(sec *section, e *store.Email) error {
	if sec.what == sectionBinary || sec.what == sectionBinarySize {
		return w.binary(sec, e)
	}
	w.s.out = append(w.s.out, sec.label...)
	start, end, ok := e.Summary.Section(sec.path, specs[sec.what])
	if !ok {
		w.s.out = append(w.s.out, " NIL"...)
		return nil
	}
	if sec.fields != nil {
		return w.headerFields(sec, e, start, end)
	}
	if sec.partial {
		start, end = sec.cut(start, end)
	}
	w.s.out = appendLiteralHead(append(w.s.out, ' '), end-start)
	if start == end {
		return nil
	}
	return w.copyBlob(e, start, end)
}

// cut narrows octets to the part that is asked for (RFC 9051 section 6.4.5, <partial>).
func (sec *section) cut(start, end int64) (int64, int64) {
	start = min(start+int64(sec.offset), end)
	return start, min(end, start+int64(sec.count))
}

// maxHeader is how much of a header is searched for fields.
const maxHeader = 4 << 20

// headerFields writes HEADER.FIELDS or HEADER.FIELDS.NOT.
func (w *fetchWriter) headerFields(sec *section, e *store.Email, start, end int64) error {
	s := w.s
	if overview := e.Summary.Overview(); sec.overview && len(overview) > 0 {
		w.scratch = message.FilterFields(w.scratch[:0], overview, sec.set, false)
		s.writeText(sec, e, w.scratch)
		return nil
	}
	header, err := s.store.ReadBody(s.ctx, w.scratch[:0], e, start, min(end-start, maxHeader))
	if err != nil {
		return err
	}
	n := len(header)
	both := message.FilterFields(header, header[:n:n], sec.set, sec.what == sectionFieldsNot)
	w.scratch = both[:0]
	s.writeText(sec, e, both[n:])
	return nil
}

// writeText writes the contents of a section that are in memory, as a literal.
func (s *session) writeText(sec *section, e *store.Email, text []byte) {
	if sec.partial {
		from, to := sec.cut(0, int64(len(text)))
		text = text[from:to]
	}
	s.out = appendLiteralHead(append(s.out, ' '), int64(len(text)))
	from := len(s.out)
	s.out = append(s.out, text...)
	if e.Summary.NUL() {
		maskNUL(s.out[from:])
	}
}

// binary writes BINARY or BINARY.SIZE: a part without its transfer encoding (RFC 9051 section
// 6.4.5, RFC 3516 section 4).
func (w *fetchWriter) binary(sec *section, e *store.Email) error {
	s := w.s
	r, closer, err := w.decodedPart(sec, e)
	if err != nil {
		return err
	}
	s.out = append(s.out, sec.label...)
	if r == nil {
		if sec.what == sectionBinarySize {
			s.out = append(s.out, " 0"...)
			return nil
		}
		s.out = append(s.out, " NIL"...)
		return nil
	}
	defer closer.Close()
	if sec.what == sectionBinarySize {
		n, err := io.Copy(io.Discard, r)
		s.out = appendUint(append(s.out, ' '), n)
		return err
	}
	if sec.partial {
		if _, err := io.CopyN(io.Discard, r, int64(sec.offset)); err != nil && err != io.EOF {
			return err
		}
		r = io.LimitReader(r, int64(sec.count))
	}
	return w.copyBinary(sec, e, r)
}

// copyBinary writes what a reader yields as a literal, or as literal8 if there is a NUL in it. If
// there is much, it is read twice: the count of octets comes first.
func (w *fetchWriter) copyBinary(sec *section, e *store.Email, r io.Reader) error {
	s := w.s
	small := bytes.NewBuffer(w.scratch[:0])
	_, err := io.CopyN(small, r, streamFrom)
	w.scratch = small.Bytes()[:0]
	if err == io.EOF {
		s.out = appendBinaryHead(s.out, int64(small.Len()), bytes.IndexByte(small.Bytes(), 0) >= 0)
		s.out = append(s.out, small.Bytes()...)
		return nil
	}
	if err != nil {
		return err
	}
	rest := &nulCounter{}
	if _, err := io.Copy(rest, r); err != nil {
		return err
	}
	size := int64(small.Len()) + rest.n
	s.out = appendBinaryHead(s.out, size, rest.nul || bytes.IndexByte(small.Bytes(), 0) >= 0)
	again, closer, err := w.decodedPart(sec, e)
	if err != nil {
		return err
	}
	defer closer.Close()
	if sec.partial {
		if _, err := io.CopyN(io.Discard, again, int64(sec.offset)); err != nil {
			return err
		}
	}
	return w.copyReader(again, size, false)
}

func appendBinaryHead(b []byte, n int64, literal8 bool) []byte {
	b = append(b, ' ')
	if literal8 {
		b = append(b, '~')
	}
	return appendLiteralHead(b, n)
}

// nulCounter counts octets and looks for NUL.
type nulCounter struct {
	n   int64
	nul bool
}

func (c *nulCounter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	c.nul = c.nul || bytes.IndexByte(p, 0) >= 0
	return len(p), nil
}

// decodedPart opens the octets of a part without its transfer encoding; nil if there is no such
// part.
func (w *fetchWriter) decodedPart(sec *section, e *store.Email) (io.Reader, io.Closer, error) {
	parts, err := e.Summary.Parts()
	if err != nil {
		return nil, nil, err
	}
	sum := message.Summary{Parts: parts}
	start, end, ok := e.Summary.Section(sec.path, message.SectionBody)
	at, found := sum.PartAt(sec.path)
	if !ok || !found {
		return nil, nil, nil
	}
	encoding := "binary"
	if p := &parts[at]; len(sec.path) > 0 && !p.IsMultipart() {
		encoding = p.Encoding
	}
	switch encoding {
	case "7bit", "8bit", "binary", "base64", "quoted-printable", "":
	default:
		return nil, nil, errEncoding
	}
	blob, err := w.s.store.Body(w.s.ctx, e)
	if err != nil {
		return nil, nil, err
	}
	return message.DecodeTransfer(io.NewSectionReader(blob, start, end-start), encoding), blob, nil
}
