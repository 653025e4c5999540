package message

import (
	"bytes"
	"unicode/utf8"
)

// DecodeHeader returns the text of an unstructured header value, or of a display name, as people
// read it: unfolded, encoded-words decoded (RFC 2047), octets above 127 taken for UTF-8 or else
// windows-1252. Encoded-words are decoded wherever they stand and however sloppily they are made.
// The result is valid UTF-8 without control characters.
func DecodeHeader(value string) string {
	raw := appendUnfolded(nil, []byte(value))
	if isPlainText(raw) {
		return string(trimWSP(raw))
	}
	return string(trimWSP(appendDecoded(nil, raw)))
}

// Unfold returns a header value on one line (RFC 5322 section 2.2.3), without white space around it.
func Unfold(value []byte) []byte {
	return trimWSP(appendUnfolded(make([]byte, 0, len(value)), value))
}

// isPlainText tells whether raw is its own decoded form.
func isPlainText(raw []byte) bool {
	for i, c := range raw {
		if c < ' ' || c >= 0x7f || c == '=' && i+1 < len(raw) && raw[i+1] == '?' {
			return false
		}
	}
	return true
}

// appendDecoded appends the decoded form of an unfolded header text.
func appendDecoded(dst, raw []byte) []byte {
	d := wordDecoder{dst: dst}
	for len(raw) > 0 {
		i := bytes.Index(raw, encodedStart)
		if i < 0 {
			break
		}
		word, n, ok := cutEncodedWord(raw[i:])
		if !ok {
			d.text(raw[:i+2])
			raw = raw[i+2:]
			continue
		}
		// White space between two encoded-words is no text (RFC 2047 section 6.2).
		if !d.afterWord || len(trimWSP(raw[:i])) > 0 {
			d.text(raw[:i])
		}
		d.word(word)
		raw = raw[i+n:]
	}
	d.text(raw)
	d.flush()
	return d.dst
}

var encodedStart = []byte("=?")

// maxEncodedWord is far beyond the 75 octets of RFC 2047 section 2, which many senders ignore.
const maxEncodedWord = 8 << 10

// encodedWord is "=?charset?encoding?text?=" taken apart.
type encodedWord struct {
	charset, text []byte
	base64        bool
}

// cutEncodedWord reads the encoded-word at the start of b, which begins with "=?".
func cutEncodedWord(b []byte) (w encodedWord, n int, ok bool) {
	i := bytes.IndexByte(b[2:], '?')
	if i <= 0 || i > 64 {
		return w, 0, false
	}
	w.charset = b[2 : 2+i]
	rest := b[2+i+1:]
	if len(rest) < 4 || rest[1] != '?' {
		return w, 0, false
	}
	switch lower(rest[0]) {
	case 'b':
		w.base64 = true
	case 'q':
	default:
		return w, 0, false
	}
	end := bytes.Index(rest[2:min(len(rest), maxEncodedWord)], []byte("?="))
	if end < 0 {
		return w, 0, false
	}
	w.text = rest[2 : 2+end]
	// RFC 2231 section 5: a language may follow the charset.
	w.charset, _, _ = bytes.Cut(w.charset, []byte{'*'})
	return w, len(b) - len(rest) + 2 + end + 2, true
}

// wordDecoder puts encoded-words and plain text together. The octets of neighbouring words with
// one charset are decoded together, for some senders split characters between them.
type wordDecoder struct {
	dst       []byte
	raw       []byte // decoded octets whose charset is not yet applied
	charset   []byte
	afterWord bool
}

func (d *wordDecoder) word(w encodedWord) {
	if d.afterWord && !equalFold(d.charset, w.charset) {
		d.flush()
	}
	d.charset, d.afterWord = w.charset, true
	if w.base64 {
		d.raw = appendBase64(d.raw, w.text)
	} else {
		d.raw = appendQ(d.raw, w.text)
	}
}

func (d *wordDecoder) text(b []byte) {
	if len(b) == 0 {
		return
	}
	d.flush()
	start := len(d.dst)
	d.dst = appendGuessed(d.dst, b)
	clean(d.dst[start:])
}

func (d *wordDecoder) flush() {
	if d.afterWord {
		start := len(d.dst)
		d.dst = appendCharset(d.dst, string(d.charset), d.raw)
		d.dst = d.dst[:start+len(withoutControls(d.dst[start:]))]
	}
	d.raw, d.afterWord = d.raw[:0], false
}

// withoutControls drops control characters in place: encoded they are no text (RFC 8621 section 4.1.2.2).
func withoutControls(b []byte) []byte {
	kept := b[:0]
	for _, c := range b {
		if c >= ' ' && c != 0x7f {
			kept = append(kept, c)
		}
	}
	return kept
}

// clean makes control characters spaces, so that decoded text cannot break lines or terminals.
func clean(b []byte) {
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
}

// appendQ decodes the "Q" encoding (RFC 2047 section 4.2).
func appendQ(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '_':
			dst = append(dst, ' ')
		case c == '=' && i+2 < len(b) && unhex(b[i+1]) < 16 && unhex(b[i+2]) < 16:
			dst = append(dst, unhex(b[i+1])<<4|unhex(b[i+2]))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendBase64 decodes base64 as far as it goes, passing over what does not belong to it.
func appendBase64(dst, b []byte) []byte {
	d := transferDecoder{kind: transferBase64}
	return d.append(dst, b, true)
}

// appendGuessed appends text of unknown charset: UTF-8 where it is valid, else windows-1252.
func appendGuessed(dst, raw []byte) []byte {
	if utf8.Valid(raw) {
		return append(dst, raw...)
	}
	return appendCharset(dst, "windows-1252", raw)
}

// base64Value maps an octet to its 6 bits, 0xff for what is not base64.
var base64Value = func() (table [256]byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range table {
		table[i] = 0xff
	}
	for i := range len(alphabet) {
		table[alphabet[i]] = byte(i)
	}
	return table
}()
