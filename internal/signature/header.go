package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// MaxHeader is the largest header that is checked, in octets, MaxFields how many fields it may have.
const (
	MaxHeader = 1 << 20
	MaxFields = 10_000
)

// ErrHeaderTooLarge tells that a header is longer than MaxHeader or has more than MaxFields.
var ErrHeaderTooLarge = errors.New("signature: header too large")

// Header is the header of a message with its fields by name.
type Header struct {
	Fields []Field
	byName map[string][]int // from the top down
}

// Field is one of them.
type Field struct {
	Name string // in lower case
	Raw  []byte // whole, with its line end
}

// Value returns what follows the colon, still folded.
func (f Field) Value() string {
	_, v, _ := bytes.Cut(f.Raw, []byte(":"))
	return string(v)
}

// ParseHeader reads a header. It keeps raw.
func ParseHeader(raw []byte) *Header {
	h := &Header{byName: map[string][]int{}}
	for f := range message.HeaderFields(raw) {
		if len(f.Name) == 0 {
			continue
		}
		name := strings.ToLower(string(f.Name))
		h.byName[name] = append(h.byName[name], len(h.Fields))
		h.Fields = append(h.Fields, Field{name, f.Raw})
	}
	return h
}

// ReadHeader reads the header of a message of size octets, and returns where the body begins: after
// the empty line, or at size when there is none.
func ReadHeader(r io.ReaderAt, size int64) (h *Header, body int64, err error) {
	var buf []byte
	for chunk := int64(8 << 10); ; chunk = 64 << 10 {
		from := len(buf)
		n := int(min(chunk, size-int64(from)))
		buf = append(buf, make([]byte, n)...)
		if n > 0 {
			if got, err := r.ReadAt(buf[from:], int64(from)); got < n {
				return nil, 0, fmt.Errorf("signature: read header: %w", err)
			}
		}
		end, next := headerEnd(buf, max(0, from-3))
		if end < 0 && int64(len(buf)) == size {
			end, next = len(buf), len(buf)
		}
		switch {
		case end < 0 && len(buf) <= MaxHeader:
			continue
		case end < 0 || end > MaxHeader || bytes.Count(buf[:end], []byte("\n")) > MaxFields && tooMany(buf[:end]):
			return nil, 0, ErrHeaderTooLarge
		}
		return ParseHeader(buf[:end]), int64(next), nil
	}
}

// tooMany tells whether a header has more fields than there may be.
func tooMany(raw []byte) bool {
	n := 0
	for range message.HeaderFields(raw) {
		if n++; n > MaxFields {
			return true
		}
	}
	return false
}

// headerEnd finds the empty line that ends a header: where the fields end, and where the body begins.
func headerEnd(b []byte, from int) (end, body int) {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return 0, 2
	}
	if i := bytes.Index(b[from:], []byte("\r\n\r\n")); i >= 0 {
		return from + i + 2, from + i + 4
	}
	return -1, -1
}

// All returns the fields with a name, given in lower case, from the top down.
func (h *Header) All(name string) []Field {
	list := make([]Field, 0, len(h.byName[name]))
	for _, i := range h.byName[name] {
		list = append(list, h.Fields[i])
	}
	return list
}

// picker chooses the fields that h= names: of several with one name the lowest first (RFC 6376
// section 5.4.2).
type picker struct {
	h    *Header
	used map[string]int
}

func (p *picker) pick(name string) []byte {
	all := p.h.byName[name]
	n := p.used[name]
	if n >= len(all) {
		return nil // a field that is not there is signed as absent
	}
	p.used[name] = n + 1
	return p.h.Fields[all[len(all)-1-n]].Raw
}
