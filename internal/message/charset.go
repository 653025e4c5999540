package message

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// findCharset returns the encoding of a charset by any of its names (IANA, WHATWG), nil for UTF-8
// and ASCII, which need none, and false for one that is not known.
func findCharset(name string) (encoding.Encoding, bool) {
	name = strings.Trim(name, " \t\"'")
	for _, same := range [...]string{"utf-8", "utf8", "us-ascii", "ascii", ""} {
		if equalFold(name, same) {
			return nil, true
		}
	}
	if len(name) > 64 {
		return nil, false
	}
	if enc, ok := findOldCharset(name); ok {
		return enc, true
	}
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc, true
	}
	for _, index := range [...]*ianaindex.Index{ianaindex.MIME, ianaindex.IANA} {
		if enc, err := index.Encoding(name); err == nil && enc != nil {
			return enc, true
		}
	}
	return nil, false
}

// appendCharset appends raw, converted from a charset to UTF-8. What is invalid becomes U+FFFD.
// The text of an unknown charset, and 8-bit text that claims to be ASCII, is guessed.
func appendCharset(dst []byte, charset string, raw []byte) []byte {
	if !hasEightBit(raw) && !mayShift(charset) {
		return append(dst, raw...)
	}
	enc, known := findCharset(charset)
	if !known {
		return appendGuessed(dst, raw)
	}
	if enc == nil {
		if !isUTF8(charset) && !utf8.Valid(raw) {
			return appendGuessed(dst, raw)
		}
		return appendValid(dst, raw)
	}
	out, err := enc.NewDecoder().Bytes(raw)
	if err != nil {
		return appendValid(dst, raw)
	}
	return append(dst, out...)
}

func isUTF8(charset string) bool {
	return equalFold(charset, "utf-8") || equalFold(charset, "utf8")
}

// mayShift tells whether octets below 128 can mean something else than ASCII in a charset. Of the
// common ones that is so for UTF-16 and the ISO-2022 family; others are looked at the long way.
func mayShift(charset string) bool {
	for _, ascii := range [...]string{"utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "utf8", ""} {
		if equalFold(charset, ascii) {
			return false
		}
	}
	return true
}

// appendValid appends UTF-8 text, each invalid octet as U+FFFD.
func appendValid(dst, raw []byte) []byte {
	for len(raw) > 0 {
		i := 0
		for i < len(raw) && raw[i] < utf8.RuneSelf {
			i++
		}
		dst, raw = append(dst, raw[:i]...), raw[i:]
		if len(raw) == 0 {
			break
		}
		r, n := utf8.DecodeRune(raw)
		dst = utf8.AppendRune(dst, r)
		raw = raw[n:]
	}
	return dst
}
