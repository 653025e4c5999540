package message

import (
	"bytes"
	"strconv"
)

// appendStructure appends the BODYSTRUCTURE of a part and all in it (RFC 9051 section 7.5.2) and
// returns the index of the part that follows. It nests no deeper than Limits.Depth.
func (s *Scanner) appendStructure(dst []byte, index int) ([]byte, int) {
	e := &s.entities[index]
	if e.IsMultipart() {
		return s.appendMultipart(dst, index)
	}
	dst = append(dst, '(')
	dst = append(appendString7(dst, e.Type), ' ')
	dst = append(appendString7(dst, e.Subtype), ' ')
	dst = append(s.appendParams(dst, e.typeParams), ' ')
	dst = append(s.appendField(dst, e, fieldContentID), ' ')
	dst = append(s.appendField(dst, e, fieldDescription), ' ')
	dst = append(appendString7(dst, e.Encoding), ' ')
	dst = strconv.AppendInt(dst, e.Size(), 10)
	next := index + 1
	switch {
	case e.IsMessage():
		dst = s.appendEnvelope(append(dst, ' '), &s.entities[next], nil)
		dst, next = s.appendStructure(append(dst, ' '), next)
		fallthrough
	case e.Type == "text":
		dst = strconv.AppendInt(append(dst, ' '), e.Lines, 10)
	}
	dst = s.appendField(append(dst, ' '), e, fieldMD5)
	dst = s.appendExtension(dst, e)
	return append(dst, ')'), next
}

func (s *Scanner) appendMultipart(dst []byte, index int) ([]byte, int) {
	e := &s.entities[index]
	dst = append(dst, '(')
	next := index + 1
	for next < len(s.entities) && s.entities[next].Parent == index {
		dst, next = s.appendStructure(dst, next)
	}
	dst = appendString7(append(dst, ' '), e.Subtype)
	dst = s.appendParams(append(dst, ' '), e.typeParams)
	dst = s.appendExtension(dst, e)
	return append(dst, ')'), next
}

// appendParams appends body-fld-param.
func (s *Scanner) appendParams(dst []byte, params span) []byte {
	if params.start == params.end {
		return append(dst, "NIL"...)
	}
	for i, p := range s.params[params.start:params.end] {
		dst = append(dst, "( "[min(i, 1)])
		dst = appendString7(append(appendString7(dst, p.name), ' '), p.value)
	}
	return append(dst, ')')
}

// appendExtension appends what multiparts and others have in common: disposition, language,
// location.
func (s *Scanner) appendExtension(dst []byte, e *entity) []byte {
	if e.Disposition == "" {
		dst = append(dst, " NIL"...)
	} else {
		dst = appendString7(append(dst, " ("...), e.Disposition)
		dst = append(s.appendParams(append(dst, ' '), e.dispositionParams), ')')
	}
	dst = s.appendLanguages(append(dst, ' '), e)
	return s.appendField(append(dst, ' '), e, fieldLocation)
}

// appendLanguages appends body-fld-lang: a string, or a list of several (RFC 3282).
func (s *Scanner) appendLanguages(dst []byte, e *entity) []byte {
	value, _ := s.value(e, fieldLanguage)
	start, n := len(dst), 0
	for len(value) > 0 && n < maxParams {
		var tag []byte
		if tag, value = cutToken(value); len(tag) == 0 {
			value = value[min(1, len(value)):]
			continue
		}
		dst = appendString7(append(dst, ' '), tag)
		n++
	}
	switch n {
	case 0:
		return append(dst, "NIL"...)
	case 1:
		return append(dst[:start], dst[start+1:]...)
	}
	dst[start] = '('
	return append(dst, ')')
}

// AppendBody appends BODY to dst, which is BODYSTRUCTURE without its extension data (RFC 9051
// section 7.5.2). What is not well formed is appended as it is.
func AppendBody(dst, bodyStructure []byte) []byte {
	start := len(dst)
	dst, rest, ok := appendPlainBody(dst, bodyStructure, 0)
	if !ok || len(rest) > 0 {
		return append(dst[:start], bodyStructure...)
	}
	return dst
}

// Body returns BODY, made of a BODYSTRUCTURE; see AppendBody.
func Body(bodyStructure []byte) []byte {
	return AppendBody(make([]byte, 0, len(bodyStructure)), bodyStructure)
}

// maxBodyDepth is beyond any Limits.Depth that makes sense.
const maxBodyDepth = 2000

// appendPlainBody copies one body without extension data and returns what follows it.
func appendPlainBody(dst, b []byte, depth int) (out, rest []byte, ok bool) {
	if depth > maxBodyDepth || len(b) < 2 || b[0] != '(' {
		return dst, b, false
	}
	dst, rest = append(dst, '('), b[1:]
	fields := 0
	if rest[0] == '(' {
		for len(rest) > 0 && rest[0] == '(' {
			if dst, rest, ok = appendPlainBody(dst, rest, depth+1); !ok {
				return dst, rest, false
			}
		}
		if len(rest) == 0 || rest[0] != ' ' {
			return dst, rest, false
		}
		dst, rest = append(dst, ' '), rest[1:]
		fields = 1 // the subtype
	} else {
		fields = basicFields(rest)
	}
	for i := range fields {
		if i > 0 {
			if len(rest) == 0 || rest[0] != ' ' {
				return dst, rest, false
			}
			dst, rest = append(dst, ' '), rest[1:]
		}
		// Field 8 of a message is its body, from which extension data goes as well.
		if fields == 10 && i == 8 {
			if dst, rest, ok = appendPlainBody(dst, rest, depth+1); !ok {
				return dst, rest, false
			}
			continue
		}
		n := valueLen(rest)
		if n == 0 {
			return dst, rest, false
		}
		dst, rest = append(dst, rest[:n]...), rest[n:]
	}
	for len(rest) > 0 && rest[0] == ' ' { // the extension data
		n := valueLen(rest[1:])
		if n == 0 {
			return dst, rest, false
		}
		rest = rest[1+n:]
	}
	if len(rest) == 0 || rest[0] != ')' {
		return dst, rest, false
	}
	return append(dst, ')'), rest[1:], true
}

// basicFields returns how many fields a body without parts has before its extension data.
func basicFields(b []byte) int {
	switch {
	case bytes.HasPrefix(b, []byte(`"text" `)):
		return 8
	case bytes.HasPrefix(b, []byte(`"message" "rfc822" `)), bytes.HasPrefix(b, []byte(`"message" "global" `)):
		return 10
	}
	return 7
}

// valueLen returns the length of the value at the start of b: a list, a string, a number or NIL.
// It is 0 where there is none that is whole.
func valueLen(b []byte) int {
	depth := 0
	for i := 0; i < len(b); {
		switch c := b[i]; c {
		case '(':
			depth++
			i++
		case ')':
			depth--
			i++
			if depth < 0 {
				return 0
			}
		case '"':
			n, _ := quotedLen(b[i:])
			i += n + 1
		case '{':
			n := literalLen(b[i:])
			if n == 0 {
				return 0
			}
			i += n
		case ' ':
			if i == 0 {
				return 0
			}
			i++
		default:
			for i < len(b) && b[i] != ' ' && b[i] != '(' && b[i] != ')' && b[i] != '"' {
				i++
			}
		}
		if i > len(b) {
			return 0
		}
		if depth == 0 {
			return i
		}
	}
	return 0
}

// literalLen returns the length of "{n}CRLF" and the n octets after it, 0 where they are not there.
func literalLen(b []byte) int {
	end := bytes.Index(b[:min(len(b), 16)], []byte("}\r\n"))
	if end < 0 {
		return 0
	}
	n, ok := 0, end > 1
	for _, c := range b[1:end] {
		ok = ok && isDigit(c)
		n = n*10 + int(c-'0')
	}
	if total := end + 3 + n; ok && total <= len(b) {
		return total
	}
	return 0
}
