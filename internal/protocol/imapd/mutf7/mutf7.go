// Package mutf7 converts mailbox names between UTF-8 and the modified UTF-7 of
// IMAP4rev1 (RFC 3501 section 5.1.3), strictly: every name has exactly one
// encoded form, and Decode refuses all others.
package mutf7

import (
	"encoding/base64"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrInvalid reports a name that is not in modified UTF-7, or not in the one
// form that Encode produces.
var ErrInvalid = errors.New("mutf7: invalid modified UTF-7")

// base64 with "," for "/" and without padding; no stray bits at the end.
var encoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// printable reports the octets that stand for themselves; "&" is apart.
func printable(c byte) bool { return c >= 0x20 && c <= 0x7e }

// AppendEncode appends the modified UTF-7 of a UTF-8 name to dst.
func AppendEncode(dst []byte, name string) []byte {
	for i := 0; i < len(name); {
		c := name[i]
		switch {
		case c == '&':
			dst = append(dst, '&', '-')
			i++
		case printable(c):
			dst = append(dst, c)
			i++
		default:
			end := i
			for end < len(name) && !printable(name[end]) {
				end++
			}
			dst = append(dst, '&')
			dst = appendShifted(dst, name[i:end])
			dst = append(dst, '-')
			i = end
		}
	}
	return dst
}

// Encode returns the modified UTF-7 of a UTF-8 name.
func Encode(name string) string { return string(AppendEncode(nil, name)) }

func appendShifted(dst []byte, run string) []byte {
	units := make([]byte, 0, 2*len(run))
	for _, r := range run {
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			units = append(units, byte(hi>>8), byte(hi), byte(lo>>8), byte(lo))
			continue
		}
		units = append(units, byte(r>>8), byte(r))
	}
	return encoding.AppendEncode(dst, units)
}

// Decode returns the UTF-8 of a name in modified UTF-7, or ErrInvalid.
func Decode(name string) (string, error) {
	dst := make([]byte, 0, len(name))
	shifted := false // the last thing read was a shifted run: two never touch
	for i := 0; i < len(name); {
		c := name[i]
		if !printable(c) {
			return "", ErrInvalid
		}
		if c != '&' {
			dst, shifted = append(dst, c), false
			i++
			continue
		}
		end := i + 1
		for end < len(name) && name[end] != '-' {
			end++
		}
		if end == len(name) {
			return "", ErrInvalid
		}
		if end == i+1 { // "&-" is an ampersand
			dst, shifted = append(dst, '&'), false
			i = end + 1
			continue
		}
		var ok bool
		if dst, ok = decodeShifted(dst, name[i+1:end]); !ok || shifted {
			return "", ErrInvalid
		}
		shifted = true
		i = end + 1
	}
	return string(dst), nil
}

// decodeShifted reads a run of base64. Characters that stand for themselves
// must not be in it (RFC 3501: "Modified BASE64 MUST NOT be used to represent
// any printing US-ASCII character which can represent itself").
func decodeShifted(dst []byte, run string) ([]byte, bool) {
	units, err := encoding.DecodeString(run)
	if err != nil || len(units)%2 != 0 || len(units) == 0 {
		return nil, false
	}
	for len(units) > 0 {
		r := rune(units[0])<<8 | rune(units[1])
		units = units[2:]
		if utf16.IsSurrogate(r) {
			if len(units) < 2 {
				return nil, false
			}
			r = utf16.DecodeRune(r, rune(units[0])<<8|rune(units[1]))
			if r == utf8.RuneError {
				return nil, false
			}
			units = units[2:]
		}
		if r >= 0x20 && r <= 0x7e {
			return nil, false
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, true
}
