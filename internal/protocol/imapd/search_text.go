package imapd

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
)

// textReader reads the texts of one message at a time, no more than keys ask for. What a message
// says is decided by index.Texts, for this search as for the index that narrows it.
type textReader struct {
	s       *session
	email   *store.Email
	texts   index.Texts
	header  []byte // if haveHdr
	haveHdr bool
	raw     []byte // if haveRaw
	haveRaw bool
	err     error
}

func (t *textReader) reset(s *session, e *store.Email) {
	t.s, t.email, t.haveHdr, t.haveRaw = s, e, false, false
}

// readHeader returns the header of the message, at most index.MaxHeader of it.
func (t *textReader) readHeader() []byte {
	if !t.haveHdr {
		n := min(t.email.Summary.HeaderSize(), index.MaxHeader)
		header, err := t.s.store.ReadBody(t.s.ctx, t.header[:0], t.email, 0, n)
		t.fail(err)
		t.header, t.haveHdr = header, true
	}
	return t.header
}

// fail keeps the first error, which ends the search.
func (t *textReader) fail(err error) {
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("imapd: search in text: %w", err)
	}
}

// fieldHas reports whether a field of the header has the text.
func (t *textReader) fieldHas(name string, n index.Needle) bool {
	return t.texts.Header(t.readHeader(), func(field string, _, value []byte) bool {
		return strings.EqualFold(field, name) && n.InFolded(value)
	})
}

// headerHas reports whether a field of the header, name and all, has the text.
func (t *textReader) headerHas(n index.Needle) bool {
	known := func(_ index.Field, text []byte) bool { return n.InFolded(text) }
	return t.texts.Summary(&t.email.Summary, known) ||
		t.texts.Header(t.readHeader(), func(_ string, line, _ []byte) bool { return n.InFolded(line) })
}

// bodyHas reports whether the body has the text, or with fields the header of a part.
func (t *textReader) bodyHas(n index.Needle, fields bool) bool {
	if n.Len() == 0 {
		return true
	}
	parts, err := t.email.Summary.Parts()
	t.fail(err)
	if t.err != nil {
		return false
	}
	body, done := t.open()
	if body == nil {
		return false
	}
	defer done()
	found, err := t.texts.Body(body, parts, n.Len()-1, func(f index.Field, text []byte) bool {
		return (fields || f == index.Body) && n.InFolded(text)
	})
	t.fail(err)
	return found
}

// open returns the octets of the message, which small ones are read for once; nil after an error.
func (t *textReader) open() (body io.ReaderAt, done func()) {
	if t.email.Size > streamFrom {
		blob, err := t.s.store.Body(t.s.ctx, t.email)
		if err != nil {
			t.fail(err)
			return nil, nil
		}
		return blob, func() { blob.Close() }
	}
	if !t.haveRaw {
		raw, err := t.s.store.ReadBody(t.s.ctx, t.raw[:0], t.email, 0, t.email.Size)
		if err != nil {
			t.fail(err)
			return nil, nil
		}
		t.raw, t.haveRaw = raw, true
	}
	return bytes.NewReader(t.raw), func() {}
}
