package message

import (
	"bytes"
	"strconv"
)

// param is a parameter of Content-Type or Content-Disposition: its name in lower case, its value
// without quotes. The segments of RFC 2231 section 3 are joined: a name that ends in "*" has a
// value of the form charset'language'percent-encoded.
type param struct {
	name, value []byte
}

// maxParams bounds the parameters kept of one field.
const maxParams = 64

// readParams reads parameters from what follows the type or disposition, with all that is met in
// practice: missing semicolons, white space around "=", unquoted values with spaces, comments.
func (s *Scanner) readParams(b []byte) span {
	start, segmented := len(s.params), false
	for len(b) > 0 {
		b = skipParamSpace(b)
		n := paramNameLen(b)
		name, rest := b[:n], trimLeftWSP(b[n:])
		if n == 0 || len(rest) == 0 || rest[0] != '=' {
			b = b[max(n, min(1, len(b))):]
			continue
		}
		if len(s.params)-start == maxParams {
			s.degraded = true
			break
		}
		var value []byte
		value, b = s.cutParamValue(trimLeftWSP(rest[1:]))
		s.params = append(s.params, param{s.lowered(name), value})
		segmented = segmented || bytes.IndexByte(name, '*') >= 0
	}
	if segmented {
		s.joinSegments(start)
	}
	return span{start, len(s.params)}
}

// skipParamSpace skips what may stand between parameters.
func skipParamSpace(b []byte) []byte {
	for len(b) > 0 {
		switch b[0] {
		case ' ', '\t', ';', ',':
			b = b[1:]
		case '(':
			b = b[commentLen(b):]
		default:
			return b
		}
	}
	return b
}

func trimLeftWSP(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

func paramNameLen(b []byte) int {
	i := 0
	for i < len(b) && b[i] > ' ' && b[i] != '=' && b[i] != ';' && b[i] != '"' && b[i] != '(' {
		i++
	}
	return i
}

// lowered returns b in lower case; it is b itself where that is so already.
func (s *Scanner) lowered(b []byte) []byte {
	for i := range b {
		if lower(b[i]) != b[i] {
			start := len(s.scratch)
			for _, c := range b {
				s.scratch = append(s.scratch, lower(c))
			}
			return s.scratch[start:]
		}
	}
	return b
}

// cutParamValue reads a value: a quoted-string, or text up to the next parameter.
func (s *Scanner) cutParamValue(b []byte) (value, rest []byte) {
	if len(b) > 0 && b[0] == '"' {
		n, escaped := quotedLen(b)
		value, rest = b[1:n], b[n:]
		if len(rest) > 0 {
			rest = rest[1:] // the closing quote
		}
		if escaped {
			value = s.unescaped(value)
		}
		return value, rest
	}
	end := bytes.IndexByte(b, ';')
	if end < 0 {
		end = len(b)
	}
	for i := 1; i < end; i++ {
		if b[i-1] != ' ' && b[i-1] != '\t' {
			continue
		}
		// A comment, or a parameter whose semicolon is missing.
		if n := paramNameLen(b[i:end]); b[i] == '(' || n > 0 && i+n < end && b[i+n] == '=' {
			end = i
		}
	}
	return trimWSP(b[:end]), b[end:]
}

// quotedLen returns the index of the closing quote of the quoted-string at the start of b, its
// length where there is none, and whether there are escapes in it.
func quotedLen(b []byte) (n int, escaped bool) {
	for n = 1; n < len(b) && b[n] != '"'; n++ {
		if b[n] == '\\' {
			escaped = true
			n++
		}
	}
	return min(n, len(b)), escaped
}

// unescaped returns b without the backslashes of quoted-pairs.
func (s *Scanner) unescaped(b []byte) []byte {
	start := len(s.scratch)
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			i++
		}
		s.scratch = append(s.scratch, b[i])
	}
	return s.scratch[start:]
}

// joinSegments joins "name*0", "name*1*" and so on into "name" or "name*" (RFC 2231 sections 3
// and 4.1), in the place of the first.
func (s *Scanner) joinSegments(start int) {
	list := s.params[start:]
	for i := range list {
		base, number, extended, ok := segment(list[i].name)
		if !ok || number != 0 {
			continue
		}
		pieces, anyExtended := []int{i}, extended
		for next := 1; next < maxParams; next++ {
			j, extended := findSegment(list, base, next)
			if j < 0 {
				break
			}
			pieces, anyExtended = append(pieces, j), anyExtended || extended
		}
		list[i] = s.joined(list, base, pieces, anyExtended)
		for _, j := range pieces[1:] {
			list[j].name = nil
		}
	}
	kept := list[:0]
	for _, p := range list {
		if len(p.name) > 0 {
			kept = append(kept, p)
		}
	}
	s.params = s.params[:start+len(kept)]
}

// segment takes a name such as "filename*2*" apart.
func segment(name []byte) (base []byte, number int, extended, ok bool) {
	base, digits, found := bytes.Cut(name, []byte{'*'})
	if !found {
		return nil, 0, false, false
	}
	digits, extended = bytes.CutSuffix(digits, []byte{'*'})
	number, err := strconv.Atoi(string(digits))
	return base, number, extended, err == nil && number >= 0 && len(base) > 0
}

func findSegment(list []param, base []byte, number int) (index int, extended bool) {
	for i := range list {
		b, n, extended, ok := segment(list[i].name)
		if ok && n == number && bytes.Equal(b, base) {
			return i, extended
		}
	}
	return -1, false
}

func (s *Scanner) joined(list []param, base []byte, pieces []int, extended bool) param {
	name := append([]byte(nil), base...)
	if extended {
		name = append(name, '*')
	}
	var value []byte
	for n, i := range pieces {
		_, _, pieceExtended, _ := segment(list[i].name)
		switch {
		case extended && !pieceExtended && n == 0:
			value = appendPercent(append(value, "''"...), list[i].value)
		case extended && !pieceExtended:
			value = appendPercent(value, list[i].value)
		default:
			value = append(value, list[i].value...)
		}
	}
	return param{name, value}
}

// appendPercent appends b so that it means itself in an extended value.
func appendPercent(dst, b []byte) []byte {
	for _, c := range b {
		if isAttributeChar(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexUpper[c>>4], hexUpper[c&15])
		}
	}
	return dst
}

const hexUpper = "0123456789ABCDEF"

// isAttributeChar is attribute-char of RFC 2231 section 7.
func isAttributeChar(c byte) bool {
	return isLetter(c) || isDigit(c) || bytes.IndexByte([]byte("!#$&+-.^_`{|}~"), c) >= 0
}

// param returns the raw value of a parameter.
func (s *Scanner) param(params span, name string) ([]byte, bool) {
	for _, p := range s.params[params.start:params.end] {
		if string(p.name) == name {
			return p.value, true
		}
	}
	return nil, false
}

// decodedParam returns the text of a parameter: of its extended form where there is one (RFC 2231
// section 4), else with encoded-words decoded, which are not allowed there but common.
func (s *Scanner) decodedParam(params span, name string) string {
	for _, p := range s.params[params.start:params.end] {
		if n := len(name); len(p.name) == n+1 && p.name[n] == '*' && string(p.name[:n]) == name {
			return s.str(appendExtended(nil, p.value))
		}
	}
	value, _ := s.param(params, name)
	return s.decoded(value)
}

// decoded returns a header text decoded, as a string of the Summary.
func (s *Scanner) decoded(raw []byte) string {
	if isPlainText(raw) {
		return s.str(raw)
	}
	start := len(s.scratch)
	s.scratch = appendDecoded(s.scratch, raw)
	text := s.str(s.scratch[start:])
	s.scratch = s.scratch[:start]
	return text
}

// appendExtended decodes charset'language'percent-encoded text.
func appendExtended(dst, value []byte) []byte {
	charset, rest, ok := bytes.Cut(value, []byte{'\''})
	if ok {
		_, rest, ok = bytes.Cut(rest, []byte{'\''})
	}
	if !ok {
		charset, rest = nil, value
	}
	raw := make([]byte, 0, len(rest))
	for i := 0; i < len(rest); i++ {
		if rest[i] == '%' && i+2 < len(rest) {
			if hi, lo := unhex(rest[i+1]), unhex(rest[i+2]); hi < 16 && lo < 16 {
				raw = append(raw, hi<<4|lo)
				i += 2
				continue
			}
		}
		raw = append(raw, rest[i])
	}
	return appendCharset(dst, string(charset), raw)
}

// unhex returns the value of a hexadecimal digit, 255 for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// cutToken takes a token off b (RFC 2045 section 5.1), skipping white space and comments on both
// sides of it.
func cutToken(b []byte) (token, rest []byte) {
	b = skipCFWS(b)
	i := 0
	for i < len(b) && b[i] > ' ' && b[i] < 0x7f && bytes.IndexByte(tspecials, b[i]) < 0 {
		i++
	}
	return b[:i], skipCFWS(b[i:])
}

var tspecials = []byte(`()<>@,;:\"/[]?=`)

func skipCFWS(b []byte) []byte {
	for len(b) > 0 {
		switch b[0] {
		case ' ', '\t':
			b = b[1:]
		case '(':
			b = b[commentLen(b):]
		default:
			return b
		}
	}
	return b
}
