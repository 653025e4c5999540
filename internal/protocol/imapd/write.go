package imapd

import (
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// This file writes the elements of responses: everything appends to a slice and returns it.

// appendAString writes s as an astring: an atom if it can be one, otherwise a string.
func appendAString(b, s []byte) []byte {
	for _, c := range s {
		if classes[c]&isAString == 0 {
			return appendString(b, s, false)
		}
	}
	if len(s) == 0 || isNil(s) {
		return appendString(b, s, false)
	}
	return append(b, s...)
}

// isNil reports the one atom that is not text.
func isNil(s []byte) bool {
	return len(s) == 3 && s[0]&^0x20 == 'N' && s[1]&^0x20 == 'I' && s[2]&^0x20 == 'L'
}

// maxQuoted is the longest string that is sent quoted.
const maxQuoted = 1024

// appendString writes s as a quoted string if that can hold it, otherwise as a literal. utf8 says
// that the client takes UTF-8 in quoted strings; s must then be UTF-8. NULs, which no string may
// hold, become spaces.
func appendString[T []byte | string](b []byte, s T, utf8 bool) []byte {
	if len(s) > maxQuoted {
		return appendLiteral(b, s)
	}
	escape := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\r', c == '\n', c == 0, c >= 0x80 && !utf8:
			return appendLiteral(b, s)
		case c == '"', c == '\\':
			escape = true
		}
	}
	b = append(b, '"')
	if !escape {
		b = append(b, s...)
		return append(b, '"')
	}
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func appendLiteral[T []byte | string](b []byte, s T) []byte {
	b = appendLiteralHead(b, int64(len(s)))
	start := len(b)
	b = append(b, s...)
	maskNUL(b[start:])
	return b
}

// appendLiteralHead writes what announces n octets.
func appendLiteralHead(b []byte, n int64) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(b, n, 10)
	return append(b, '}', '\r', '\n')
}

// maskNUL replaces the octet that a literal cannot hold (RFC 9051 section 4.3.1: CHAR8).
func maskNUL(b []byte) {
	for i, c := range b {
		if c == 0 {
			b[i] = ' '
		}
	}
}

func appendUint[T ~uint32 | ~uint64 | ~int | ~int64](b []byte, n T) []byte {
	return strconv.AppendUint(b, uint64(n), 10)
}

// appendDateTime writes a date-time, in UTC: `"07-Feb-2026 21:00:00 +0000"`.
func appendDateTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, '"')
	b = append2(b, day)
	b = append(b, '-')
	b = append(b, months[month-1]...)
	b = append(b, '-')
	b = append2(b, year/100%100)
	b = append2(b, year%100)
	b = append(b, ' ')
	b = append2(b, hour)
	b = append(b, ':')
	b = append2(b, minute)
	b = append(b, ':')
	b = append2(b, second)
	return append(b, " +0000\""...)
}

func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// systemFlagNames in the order of their bits.
var systemFlagNames = [...]struct {
	flag store.Flags
	name string
}{
	{store.FlagSeen, `\Seen`},
	{store.FlagAnswered, `\Answered`},
	{store.FlagFlagged, `\Flagged`},
	{store.FlagDeleted, `\Deleted`},
	{store.FlagDraft, `\Draft`},
}

// appendFlags writes a parenthesized list of flags.
func appendFlags(b []byte, f store.Flags, k *store.Keywords) []byte {
	b = append(b, '(')
	start := len(b)
	for _, s := range systemFlagNames {
		if f.Has(s.flag) {
			b = append(b, s.name...)
			b = append(b, ' ')
		}
	}
	k.Each(f, func(name string) {
		b = append(b, name...)
		b = append(b, ' ')
	})
	if len(b) > start {
		b = b[:len(b)-1]
	}
	return append(b, ')')
}

// The object identifiers of RFC 8474: a letter for the kind and the number.

func appendObjectID[T ~uint32 | ~uint64](b []byte, kind byte, n T) []byte {
	b = append(b, kind)
	return appendUint(b, uint64(n))
}
