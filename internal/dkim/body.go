package dkim

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync"
)

// relaxedBody hashes a body in the relaxed form as it streams by (RFC 6376 section 3.4.4): white
// space within a line is one space, at its end nothing, and empty lines at the end of the body
// are left out.
type relaxedBody struct {
	hash  hash.Hash
	out   []byte // canonical, not hashed yet
	lines int    // line ends that wait for something to follow
	space bool   // white space waits for something to follow on its line
	cr    bool   // a CR waits for its LF
	some  bool   // something was written
}

const blockSize = 32 << 10

var blocks = sync.Pool{New: func() any { b := make([]byte, blockSize); return &b }}

// hashBody returns the hash of a body; of one without content, that of nothing.
func hashBody(r io.Reader) ([]byte, error) {
	in, out := blocks.Get().(*[]byte), blocks.Get().(*[]byte)
	defer blocks.Put(in)
	defer blocks.Put(out)
	b := relaxedBody{hash: sha256.New(), out: (*out)[:0]}
	for {
		n, err := r.Read(*in)
		b.write((*in)[:n])
		if err == io.EOF {
			return b.sum(), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// special are the octets that are not hashed as they come.
var special = [256]bool{' ': true, '\t': true, '\r': true, '\n': true}

func (b *relaxedBody) write(p []byte) {
	for i := 0; i < len(p); {
		if !special[p[i]] {
			start := i
			for i < len(p) && !special[p[i]] {
				i++
			}
			b.content(p[start:i])
			continue
		}
		b.control(p[i])
		i++
	}
}

// control takes an octet whose meaning depends on what stands beside it. Only CR LF ends a line;
// either alone is content.
func (b *relaxedBody) control(c byte) {
	switch {
	case c == '\n' && b.cr:
		b.cr, b.space = false, false
		b.lines++
	case c == '\n':
		b.content([]byte{c})
	case c == '\r':
		b.loneCR()
		b.cr = true
	default:
		b.loneCR()
		b.space = true
	}
}

func (b *relaxedBody) loneCR() {
	if b.cr {
		b.content(nil)
	}
}

// content takes octets that are hashed as they are, after all that waited for them.
func (b *relaxedBody) content(p []byte) {
	for ; b.lines > 0; b.lines-- {
		b.put("\r\n")
	}
	if b.space {
		b.put(" ")
	}
	if b.cr {
		b.put("\r")
	}
	b.space, b.cr, b.some = false, false, true
	if len(p) > cap(b.out)-len(b.out) {
		b.flush()
	}
	b.out = append(b.out, p...) // at most a block, so it fits
}

func (b *relaxedBody) put(text string) {
	if len(text) > cap(b.out)-len(b.out) {
		b.flush()
	}
	b.out = append(b.out, text...)
}

func (b *relaxedBody) flush() {
	b.hash.Write(b.out)
	b.out = b.out[:0]
}

func (b *relaxedBody) sum() []byte {
	b.loneCR()
	if b.some {
		b.put("\r\n")
	}
	b.flush()
	return b.hash.Sum(nil)
}
