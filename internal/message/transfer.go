package message

import (
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// DecodeTransfer returns the octets of a body without its content transfer encoding (RFC 2045
// section 6), as BINARY sends them and as they are saved. Encoding is Part.Encoding. Damage is
// passed over, never reported; any encoding but base64 and quoted-printable leaves the octets as
// they are. The only errors are those of r.
func DecodeTransfer(r io.Reader, encoding string) io.Reader {
	kind := transferKindOf(encoding)
	if kind == transferIdentity {
		return r
	}
	return &transferReader{src: r, decoder: transferDecoder{kind: kind}}
}

// DecodeBody returns the text of a body: without transfer encoding and in UTF-8. Charset is
// Part.Charset. Octets that are invalid in the charset become U+FFFD. Where the charset is
// missing, unknown or ASCII, octets above 127 are taken for UTF-8, else for windows-1252. The
// only errors are those of r.
func DecodeBody(r io.Reader, encoding, charset string) io.Reader {
	return new(BodyDecoder).Reset(r, encoding, charset)
}

// CanDecode reports whether a transfer encoding and a charset are known, so that DecodeBody need not guess.
func CanDecode(encoding, charset string) bool {
	plain := equalFold(encoding, "") || equalFold(encoding, "7bit") || equalFold(encoding, "8bit") || equalFold(encoding, "binary")
	_, known := findCharset(charset)
	return known && (plain || transferKindOf(encoding) != transferIdentity)
}

// BodyDecoder does what DecodeBody does for one body after the other, and keeps its buffers. The
// zero value is ready.
type BodyDecoder struct {
	transfer transferReader
	text     charsetReader
}

// Reset returns the text of a body. What Reset returned before must not be read any more.
func (d *BodyDecoder) Reset(r io.Reader, encoding, charset string) io.Reader {
	if kind := transferKindOf(encoding); kind != transferIdentity {
		d.transfer.reset(r, kind)
		r = &d.transfer
	}
	enc, known := findCharset(charset)
	switch {
	case known && enc != nil:
		d.text.reset(r, enc.NewDecoder(), false)
	case isUTF8(charset):
		d.text.reset(r, unicode.UTF8.NewDecoder(), true)
	default:
		d.text.reset(r, guess{}, true)
	}
	return &d.text
}

// charsetReader transforms what it reads.
type charsetReader struct {
	src         io.Reader
	transformer transform.Transformer
	keepsUTF8   bool // the transformer leaves valid UTF-8 as it is
	in, out     [4096]byte
	inFrom, inTo,
	outFrom, outTo int
	srcErr error // of src
	err    error // once out is read
}

func (c *charsetReader) reset(r io.Reader, t transform.Transformer, keepsUTF8 bool) {
	c.src, c.transformer, c.keepsUTF8 = r, t, keepsUTF8
	c.inFrom, c.inTo, c.outFrom, c.outTo = 0, 0, 0, 0
	c.srcErr, c.err = nil, nil
}

func (c *charsetReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for empty := 0; c.outFrom == c.outTo; {
		if c.err != nil {
			return 0, c.err
		}
		if c.transform() || c.srcErr != nil {
			continue
		}
		c.inTo = copy(c.in[:], c.in[c.inFrom:c.inTo])
		c.inFrom = 0
		n, err := c.src.Read(c.in[c.inTo:])
		c.inTo += n
		c.srcErr = err
		if empty++; n > 0 {
			empty = 0
		} else if empty == 100 {
			return 0, io.ErrNoProgress
		}
	}
	n := copy(p, c.out[c.outFrom:c.outTo])
	c.outFrom += n
	return n, nil
}

// transform fills out from in. It reports false if it needs more of src to go on.
func (c *charsetReader) transform() bool {
	c.outFrom, c.outTo = 0, 0
	from := c.in[c.inFrom:c.inTo]
	if len(from) == 0 && c.srcErr == nil {
		return false
	}
	if c.keepsUTF8 && len(from) > 0 && utf8.Valid(from) {
		c.outTo, c.inFrom = copy(c.out[:], from), c.inTo
		return true
	}
	var n int
	var err error
	c.outTo, n, err = c.transformer.Transform(c.out[:], from, c.srcErr == io.EOF)
	c.inFrom += n
	switch {
	case err == nil && n < len(from):
		c.err = io.ErrNoProgress
	case err == nil:
		c.err = c.srcErr // the end, if src is at it
	case err == transform.ErrShortDst && (n > 0 || c.outTo > 0):
	case err == transform.ErrShortSrc && c.srcErr == nil && len(from)-n < len(c.in):
		return c.outTo > 0
	case c.srcErr != nil && c.srcErr != io.EOF:
		c.err = c.srcErr
	default:
		c.err = err
	}
	return true
}

// guess is the transformer of text that does not say what it is.
type guess struct{ transform.NopResetter }

var (
	_ transform.Transformer = guess{}
	_ encoding.Encoding     = charmap.Windows1252
)

// Transform keeps valid UTF-8 and takes every other octet for windows-1252.
func (guess) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		r, n := rune(src[nSrc]), 1
		if r >= utf8.RuneSelf {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if r, n = utf8.DecodeRune(src[nSrc:]); r == utf8.RuneError && n == 1 {
				r = charmap.Windows1252.DecodeByte(src[nSrc])
			}
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
	return nDst, nSrc, nil
}

// transferReader decodes what it reads.
type transferReader struct {
	src     io.Reader
	decoder transferDecoder
	in      [4096]byte
	out     []byte // decoded
	pos     int    // of it, what was handed out
	err     error
}

func (t *transferReader) reset(r io.Reader, kind transferKind) {
	t.src, t.decoder = r, transferDecoder{kind: kind, joined: t.decoder.joined}
	t.out, t.pos, t.err = t.out[:0], 0, nil
}

func (t *transferReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for empty := 0; t.pos == len(t.out); empty++ {
		if t.err != nil {
			return 0, t.err
		}
		if empty == 100 {
			return 0, io.ErrNoProgress
		}
		n, err := t.src.Read(t.in[:])
		if n > 0 {
			empty = 0
		}
		t.err = err
		t.out = t.decoder.append(t.out[:0], t.in[:n], err != nil)
		t.pos = 0
	}
	n := copy(p, t.out[t.pos:])
	t.pos += n
	return n, nil
}

type transferKind uint8

const (
	transferIdentity transferKind = iota
	transferBase64
	transferQuotedPrintable
)

func transferKindOf(encoding string) transferKind {
	switch {
	case equalFold(encoding, "base64"):
		return transferBase64
	case equalFold(encoding, "quoted-printable"):
		return transferQuotedPrintable
	}
	return transferIdentity
}

// transferDecoder takes a transfer encoding away, piece by piece.
type transferDecoder struct {
	kind transferKind
	// base64: the sextets of an unfinished quantum.
	quantum uint32
	sextets int
	// quoted-printable: the end of the last piece, whose meaning depends on the next.
	pending []byte
	joined  []byte // scratch: the end of a piece with what follows
}

// append decodes src and appends the result. final tells that nothing follows.
func (d *transferDecoder) append(dst, src []byte, final bool) []byte {
	switch d.kind {
	case transferBase64:
		return d.appendBase64(dst, src, final)
	case transferQuotedPrintable:
		return d.appendQuotedPrintable(dst, src, final)
	}
	return append(dst, src...)
}

// appendBase64 decodes base64 (RFC 2045 section 6.8) and passes over all octets outside its
// alphabet. Padding ends a quantum but not the text, for some senders join encoded pieces.
func (d *transferDecoder) appendBase64(dst, src []byte, final bool) []byte {
	for i := 0; i < len(src); i++ {
		if d.sextets == 0 {
			// The common case: a whole quantum at once.
			for i+4 <= len(src) {
				a, b, c, e := base64Value[src[i]], base64Value[src[i+1]], base64Value[src[i+2]], base64Value[src[i+3]]
				if a|b|c|e > 63 {
					break
				}
				dst = append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|e)
				i += 4
			}
			if i == len(src) {
				break
			}
		}
		v := base64Value[src[i]]
		if v > 63 {
			if src[i] == '=' {
				dst = d.endQuantum(dst)
			}
			continue
		}
		d.quantum = d.quantum<<6 | uint32(v)
		if d.sextets++; d.sextets == 4 {
			dst = append(dst, byte(d.quantum>>16), byte(d.quantum>>8), byte(d.quantum))
			d.quantum, d.sextets = 0, 0
		}
	}
	if final {
		dst = d.endQuantum(dst)
	}
	return dst
}

// endQuantum writes the octets of an incomplete quantum.
func (d *transferDecoder) endQuantum(dst []byte) []byte {
	switch d.sextets {
	case 2:
		dst = append(dst, byte(d.quantum>>4))
	case 3:
		dst = append(dst, byte(d.quantum>>10), byte(d.quantum>>2))
	}
	d.quantum, d.sextets = 0, 0
	return dst
}

// maxPadding bounds the white space at the end of a line that is held back to be dropped.
const maxPadding = 998

// appendQuotedPrintable decodes quoted-printable (RFC 2045 section 6.7). An "=" that begins no
// escape stands for itself.
func (d *transferDecoder) appendQuotedPrintable(dst, src []byte, final bool) []byte {
	if len(d.pending) > 0 {
		d.joined = append(append(d.joined[:0], d.pending...), src...)
		src, d.pending = d.joined, d.pending[:0]
	}
	for i := 0; i < len(src); {
		start := i
		for i < len(src) && src[i] != '=' && src[i] != '\t' && (src[i] != ' ' || spaceWithin(src[i+1:])) {
			i++
		}
		dst = append(dst, src[start:i]...)
		if i == len(src) {
			break
		}
		out, n, ok := quotedEscape(src[i:], final)
		if !ok {
			d.pending = append(d.pending[:0], src[i:]...)
			break
		}
		if out >= 0 {
			dst = append(dst, byte(out))
		} else if out == keepSpace {
			dst = append(dst, src[i:i+n]...)
		}
		i += n
	}
	return dst
}

// spaceWithin reports whether a space before b certainly stands within a line, as most do.
func spaceWithin(b []byte) bool { return len(b) > 0 && b[0] > ' ' && b[0] != '=' }

const (
	dropped   = -1 // a soft line break, or white space at the end of a line
	keepSpace = -2 // white space within a line
)

// quotedEscape decides what begins at b[0], an "=" or white space: how long it is and which octet
// it stands for. It is not ok where that depends on octets to come.
func quotedEscape(b []byte, final bool) (out, n int, ok bool) {
	if b[0] == '=' && len(b) >= 3 {
		if hi, lo := unhex(b[1]), unhex(b[2]); hi < 16 && lo < 16 {
			return int(hi<<4 | lo), 3, true
		}
	}
	n = 1
	if b[0] == '=' && len(b) > 1 && unhex(b[1]) < 16 {
		return '=', 1, final || len(b) >= 3
	}
	for n < len(b) && n < maxPadding && (b[n] == ' ' || b[n] == '\t') {
		n++
	}
	if n == len(b) {
		if b[0] == '=' {
			return dropped, n, final
		}
		return keepSpace, n, final
	}
	end := n
	if b[end] == '\r' {
		if end++; end == len(b) {
			return dropped, n, final
		}
	}
	lineEnd := b[end] == '\n'
	switch {
	case b[0] == '=' && lineEnd:
		return dropped, end + 1, true
	case b[0] == '=':
		return '=', 1, true
	case lineEnd:
		return dropped, n, true
	}
	return keepSpace, n, true
}
