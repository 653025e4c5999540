package message

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// findOldCharset returns the encoding of a charset that browsers do not read any more, but that old mail is in, or read otherwise.
func findOldCharset(name string) (encoding.Encoding, bool) {
	switch strings.ToLower(name) {
	case "utf-7", "utf7", "unicode-1-1-utf-7", "unicode-2-0-utf-7", "csunicode11utf7":
		return decodeOnly(func() transform.Transformer { return &utf7{} }), true
	case "iso-2022-kr", "csiso2022kr":
		return decodeOnly(func() transform.Transformer {
			return transform.Chain(&iso2022KR{}, korean.EUCKR.NewDecoder())
		}), true
	case "utf-16", "utf16": // in the order that the mark at its beginning tells, which is no part of the text (RFC 2781 section 4.3)
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
	case "hz-gb-2312":
		return simplifiedchinese.HZGB2312, true
	}
	return nil, false
}

// decodeOnly is an encoding that nothing is written in.
type decodeOnly func() transform.Transformer

func (d decodeOnly) NewDecoder() *encoding.Decoder { return &encoding.Decoder{Transformer: d()} }
func (d decodeOnly) NewEncoder() *encoding.Encoder { return encoding.Replacement.NewEncoder() }

// utf7 decodes UTF-7 (RFC 2152).
type utf7 struct {
	shifted bool // in base64
	fresh   bool // nothing of it came yet
	bits    uint32
	n       uint // how many of them wait
	high    rune // the first half of a surrogate pair, if it waits
}

func (u *utf7) Reset() { *u = utf7{} }

// maxUTF7 is how many octets one octet can become: a surrogate without its other half, and what follows.
const maxUTF7 = 3 * utf8.UTFMax

func (u *utf7) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for ; nSrc < len(src); nSrc++ {
		if len(dst)-nDst < maxUTF7 {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst = len(u.octet(dst[:nDst], src[nSrc]))
	}
	if atEOF && u.high != 0 {
		if len(dst)-nDst < maxUTF7 {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst = len(u.unpaired(dst[:nDst]))
	}
	return nDst, nSrc, nil
}

// octet appends what an octet completes.
func (u *utf7) octet(dst []byte, c byte) []byte {
	if !u.shifted {
		if c == '+' {
			*u = utf7{shifted: true, fresh: true}
			return dst
		}
		return appendValid(dst, []byte{c})
	}
	v := base64Value[c]
	if v > 63 {
		dst = u.unpaired(dst)
		u.shifted = false
		switch {
		case c != '-':
			return appendValid(dst, []byte{c})
		case u.fresh:
			return append(dst, '+')
		}
		return dst
	}
	u.fresh = false
	u.bits, u.n = u.bits<<6|uint32(v), u.n+6
	if u.n < 16 {
		return dst
	}
	u.n -= 16
	unit := rune(u.bits >> u.n)
	u.bits &= 1<<u.n - 1
	switch {
	case u.high != 0 && utf16.IsSurrogate(unit) && unit >= 0xdc00:
		r := utf16.DecodeRune(u.high, unit)
		u.high = 0
		return utf8.AppendRune(dst, r)
	case utf16.IsSurrogate(unit) && unit < 0xdc00:
		dst = u.unpaired(dst)
		u.high = unit
		return dst
	}
	return utf8.AppendRune(u.unpaired(dst), unit) // half a pair becomes U+FFFD
}

// unpaired appends U+FFFD if half a pair waits for the other.
func (u *utf7) unpaired(dst []byte) []byte {
	if u.high == 0 {
		return dst
	}
	u.high = 0
	return utf8.AppendRune(dst, utf8.RuneError)
}

// iso2022KR makes EUC-KR of ISO-2022-KR (RFC 1557): what is between SO and SI has the eighth bit.
type iso2022KR struct{ shifted bool }

func (k *iso2022KR) Reset() { k.shifted = false }

func (k *iso2022KR) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	const designator, so, si, esc = "\x1b$)C", 0x0e, 0x0f, 0x1b
	for nSrc < len(src) {
		switch c := src[nSrc]; {
		case c == esc && strings.HasPrefix(designator, string(src[nSrc:min(len(src), nSrc+len(designator))])):
			if len(src)-nSrc < len(designator) && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			nSrc += min(len(designator), len(src)-nSrc)
			continue
		case c == so, c == si:
			k.shifted = c == so
		case nDst == len(dst):
			return nDst, nSrc, transform.ErrShortDst
		default:
			if c == '\n' {
				k.shifted = false
			}
			if k.shifted && c > ' ' {
				c |= 0x80
			}
			dst[nDst] = c
			nDst++
		}
		nSrc++
	}
	return nDst, nSrc, nil
}
