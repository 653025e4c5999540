package imapd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// needle is text to be found, whatever the case of its letters.
type needle struct {
	folded []byte
	ascii  bool // texts need not be folded beyond ASCII
}

func newNeedle(text string) needle {
	n := needle{ascii: true}
	for i := range len(text) {
		n.ascii = n.ascii && text[i] < utf8.RuneSelf
	}
	n.folded = n.fold(nil, []byte(text))
	return n
}

// fold appends text in the form that is compared.
func (n needle) fold(dst, text []byte) []byte {
	if n.ascii {
		from := len(dst)
		dst = append(dst, text...)
		lowerASCII(dst[from:])
		return dst
	}
	for _, r := range string(norm.NFC.Bytes(text)) {
		dst = utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
	}
	return dst
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 0x20
		}
	}
}

// in reports whether the text has the needle.
func (n needle) in(text []byte) bool {
	if len(n.folded) == 0 {
		return true
	}
	var room [512]byte
	return bytes.Contains(n.fold(room[:0], text), n.folded)
}

// textReader reads the texts of one message at a time, no more than keys ask for.
type textReader struct {
	s       *session
	email   *store.Email
	header  []byte // if haveHdr
	haveHdr bool
	raw     []byte // if haveRaw
	haveRaw bool
	folded  []byte // reused
	err     error
}

func (t *textReader) reset(s *session, e *store.Email) {
	t.s, t.email, t.haveHdr, t.haveRaw = s, e, false, false
}

// readHeader returns the header of the message, at most maxHeader of it.
func (t *textReader) readHeader() []byte {
	if !t.haveHdr {
		n := min(t.email.Summary.HeaderSize(), maxHeader)
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
func (t *textReader) fieldHas(name string, n needle) bool {
	for f := range message.HeaderFields(t.readHeader()) {
		if strings.EqualFold(string(f.Name), name) && n.in([]byte(message.DecodeHeader(string(f.Value())))) {
			return true
		}
	}
	return false
}

// headerHas reports whether a field of the header, name and all, has the text.
func (t *textReader) headerHas(n needle) bool { return headerHas(t.readHeader(), n) }

func headerHas(header []byte, n needle) bool {
	for f := range message.HeaderFields(header) {
		text := string(f.Name) + ": " + message.DecodeHeader(string(f.Value()))
		if n.in([]byte(text)) {
			return true
		}
	}
	return false
}

// bodyHas reports whether a text part has the text, or the header of a message inside.
func (t *textReader) bodyHas(n needle) bool {
	if len(n.folded) == 0 {
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
	for i := range parts {
		if t.partHas(body, parts, i, n) {
			return true
		}
	}
	return false
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

func (t *textReader) partHas(body io.ReaderAt, parts []message.Part, i int, n needle) bool {
	p := &parts[i]
	if i > 0 && parts[p.Parent].IsMessage() {
		header := make([]byte, min(p.BodyStart-p.HeaderStart, maxHeader))
		m, err := body.ReadAt(header, p.HeaderStart)
		if err != io.EOF {
			t.fail(err)
		}
		if headerHas(header[:m], n) {
			return true
		}
	}
	if p.Type != "text" {
		return false
	}
	section := io.NewSectionReader(body, p.BodyStart, p.Size())
	if n.ascii && holdsASCII(p.Charset) {
		return t.streamHas(message.DecodeTransfer(section, p.Encoding), n)
	}
	return t.streamHas(message.DecodeBody(section, p.Encoding, p.Charset), n)
}

// holdsASCII reports a charset in which ASCII text is the same octets, and these octets nothing
// else, so that it can be searched for ASCII as it stands.
func holdsASCII(charset string) bool {
	switch charset {
	case "", "us-ascii", "ascii", "utf-8", "utf8":
		return true
	}
	for _, prefix := range []string{"iso-8859-", "windows-125", "koi8-"} {
		if strings.HasPrefix(charset, prefix) {
			return true
		}
	}
	return false
}

// searchPiece is how much text is looked at at once.
const searchPiece = 32 << 10

// streamHas looks for text in a stream, piece by piece with an overlap.
func (t *textReader) streamHas(r io.Reader, n needle) bool {
	if !n.ascii {
		r = norm.NFC.Reader(r)
	}
	room := t.s.server.pools.message(searchPiece)
	defer t.s.server.pools.messages.Put(room)
	window := t.folded[:0]
	held := 0 // octets of a character that is not whole yet, at the start of room
	for {
		m, err := io.ReadFull(r, room.b[held:])
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			t.fail(err)
			return false
		}
		text := room.b[:held+m]
		whole := len(text)
		if !last && !n.ascii {
			whole = lastWhole(text)
		}
		window = n.fold(window, text[:whole])
		t.folded = window
		if bytes.Contains(window, n.folded) {
			return true
		}
		if last {
			return false
		}
		held = copy(room.b, text[whole:])
		keep := min(len(window), len(n.folded)-1)
		window = append(window[:0], window[len(window)-keep:]...)
	}
}

// lastWhole returns the length of b without an incomplete character at its end.
func lastWhole(b []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return len(b) - i
			}
			break
		}
	}
	return len(b)
}
