package signature

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
)

// Canon is a form that header or body are brought to before they are hashed (RFC 6376 section 3.4).
type Canon uint8

const (
	// Simple takes nearly everything as it is.
	Simple Canon = iota
	// Relaxed makes all white space the same.
	Relaxed
)

// String returns the name as it stands in c=.
func (c Canon) String() string {
	if c == Relaxed {
		return "relaxed"
	}
	return "simple"
}

// parseCanon reads the value of c=; what is left out is simple.
func parseCanon(value string) (header, body Canon, err error) {
	h, b, _ := strings.Cut(value, "/")
	for _, one := range []struct {
		name string
		to   *Canon
	}{{h, &header}, {b, &body}} {
		switch strings.ToLower(one.name) {
		case "", "simple":
		case "relaxed":
			*one.to = Relaxed
		default:
			return 0, 0, fmt.Errorf("canonical form %.20q is not known", one.name)
		}
	}
	return header, body, nil
}

// AppendField appends a header field, given whole with its line end, in a canonical form (RFC 6376
// sections 3.4.1 and 3.4.2). The result ends in CR LF.
func AppendField(dst, raw []byte, c Canon) []byte {
	if c == Simple {
		return append(bytes.TrimRight(append(dst, raw...), "\r\n"), "\r\n"...)
	}
	name, value, _ := bytes.Cut(raw, []byte(":"))
	for _, b := range bytes.TrimRight(name, " \t\r\n") {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	dst = append(dst, ':')
	space, begun := false, false
	for i, b := range value {
		if b == ' ' || b == '\t' || b == '\n' || b == '\r' && i+1 < len(value) && value[i+1] == '\n' {
			space = true
			continue
		}
		if space && begun {
			dst = append(dst, ' ')
		}
		space, begun = false, true
		dst = append(dst, b)
	}
	return append(dst, "\r\n"...)
}

// Body hashes the body of a message in a canonical form as it streams by (RFC 6376 sections 3.4.3
// and 3.4.4). It needs no memory that grows with the body.
type Body struct {
	canon Canon
	limit int64 // of the canonical octets that are hashed, -1 for all
	hash  hash.Hash
	out   []byte // canonical octets on their way to hash
	size  int64  // canonical octets so far
	sum   []byte

	ends  int64 // line ends held back: they count only if something follows
	space bool  // white space held back
	cr    bool  // a CR that may begin a line end
}

// NewBody returns a Body that hashes the first limit canonical octets with SHA-256, or all with -1.
func NewBody(c Canon, limit int64) *Body {
	return &Body{canon: c, limit: limit, hash: sha256.New(), out: make([]byte, 0, 4096)}
}

// Write takes the next octets of the body. It never fails.
func (b *Body) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if b.cr {
			b.cr = false
			if p[0] == '\n' {
				b.ends++
				b.space = false
				p = p[1:]
				continue
			}
			b.ordinary([]byte{'\r'})
		}
		run := b.run(p)
		if run > 0 {
			b.ordinary(p[:run])
			p = p[run:]
			continue
		}
		if p[0] == '\r' {
			b.cr = true
		} else {
			b.space = true
		}
		p = p[1:]
	}
	return n, nil
}

// run returns how many octets at the start of p pass as they are.
func (b *Body) run(p []byte) int {
	if b.canon == Simple {
		if i := bytes.IndexByte(p, '\r'); i >= 0 {
			return i
		}
		return len(p)
	}
	// Most lines have single spaces between words and need no change.
	if i := bytes.IndexByte(p, '\r'); i > 0 && !b.space && p[0] != ' ' && p[i-1] != ' ' &&
		bytes.IndexByte(p[:i], '\t') < 0 && !bytes.Contains(p[:i], twoSpaces) {
		return i
	}
	for i, c := range p {
		if c == ' ' || c == '\r' || c == '\t' {
			return i
		}
	}
	return len(p)
}

var twoSpaces = []byte("  ")

// ordinary puts out what was held back, and then p.
func (b *Body) ordinary(p []byte) {
	for ; b.ends > 0; b.ends-- {
		b.put([]byte("\r\n"))
	}
	if b.space {
		b.put([]byte{' '})
		b.space = false
	}
	b.put(p)
}

func (b *Body) put(p []byte) {
	before := b.size
	b.size += int64(len(p))
	if b.limit >= 0 && b.size > b.limit {
		p = p[:max(0, b.limit-before)]
	}
	if len(b.out)+len(p) > cap(b.out) {
		b.hash.Write(b.out)
		b.out = b.out[:0]
	}
	if len(p) > cap(b.out) {
		b.hash.Write(p)
		return
	}
	b.out = append(b.out, p...)
}

// Sum ends the body and returns its hash. Nothing may be written afterwards.
func (b *Body) Sum() []byte {
	if b.sum != nil {
		return b.sum
	}
	if b.cr {
		b.ordinary([]byte{'\r'})
		b.cr = false
	}
	// All line ends but one are cut off. A body that is not empty ends in one; an empty one is
	// nothing in the relaxed form and a line end in the simple one.
	if b.size > 0 || b.canon == Simple {
		b.put([]byte("\r\n"))
	}
	b.hash.Write(b.out)
	b.sum = b.hash.Sum(nil)
	return b.sum
}

// Size is the number of octets of the canonical body, known after Sum.
func (b *Body) Size() int64 { return b.size }

// maxBodies is how many different hashes of one body are computed at most.
const maxBodies = 16

// Bodies are the hashes that the signatures of one message need, each computed once.
type Bodies struct {
	list []*Body
}

// Need returns the hash for a form and limit, nil if there would be too many.
func (s *Bodies) Need(c Canon, limit int64) *Body {
	for _, b := range s.list {
		if b.canon == c && b.limit == limit {
			return b
		}
	}
	if len(s.list) == maxBodies {
		return nil
	}
	b := NewBody(c, limit)
	s.list = append(s.list, b)
	return b
}

// Write gives the next octets of the body to all hashes. It never fails.
func (s *Bodies) Write(p []byte) (int, error) {
	for _, b := range s.list {
		_, _ = b.Write(p)
	}
	return len(p), nil
}

// Empty reports whether nothing needs the body.
func (s *Bodies) Empty() bool { return len(s.list) == 0 }
