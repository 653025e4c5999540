package sieve

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// tokenKind is what a token is (RFC 5228 section 8.1).
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenIdentifier
	tokenTag
	tokenNumber
	tokenString
	tokenMark // one of ; , ( ) [ ] { }
)

// token is the smallest piece of a script. Text is the identifier in lower case, the tag without
// its colon in lower case, the value of the string, or the mark.
type token struct {
	Position
	kind   tokenKind
	text   string
	number uint64
}

// shown is the token as messages name it, "" for the end of the script; see Error.Say.
func (t *token) shown() string {
	switch t.kind {
	case tokenTag:
		return ":" + shorten(t.text)
	case tokenNumber:
		return strconv.FormatUint(t.number, 10)
	case tokenString:
		return Quote(shorten(t.text))
	}
	return shorten(t.text)
}

// shorten keeps messages readable.
func shorten(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// lexer cuts a script into tokens.
type lexer struct {
	rest string
	at   Position
	most int // octets of a string
}

// advance passes n octets.
func (l *lexer) advance(n int) string {
	passed := l.rest[:n]
	l.rest = l.rest[n:]
	if i := strings.LastIndexByte(passed, '\n'); i >= 0 {
		l.at.Line += strings.Count(passed, "\n")
		l.at.Column = 1
		l.at.Column += utf8.RuneCountInString(passed[i+1:])
	} else {
		l.at.Column += utf8.RuneCountInString(passed)
	}
	return passed
}

// next returns the next token.
func (l *lexer) next() (token, *Error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	t := token{Position: l.at}
	if l.rest == "" {
		return t, nil
	}
	switch c := l.rest[0]; {
	case strings.IndexByte(";,()[]{}", c) >= 0:
		t.kind, t.text = tokenMark, l.advance(1)
		return t, nil
	case c == '"':
		return l.quoted(t)
	case c == ':':
		n := identifier(l.rest[1:])
		if n == 0 {
			return t, failAt(t.Position, "tag-name")
		}
		t.kind, t.text = tokenTag, strings.ToLower(l.advance(1 + n)[1:])
		return t, nil
	case c >= '0' && c <= '9':
		return l.number(t)
	}
	n := identifier(l.rest)
	if n == 0 {
		r, _ := utf8.DecodeRuneInString(l.rest)
		return t, failAt(t.Position, "character", "character", strconv.QuoteRune(r))
	}
	if strings.EqualFold(l.rest[:n], "text") && strings.HasPrefix(l.rest[n:], ":") {
		l.advance(n + 1)
		return l.multiline(t)
	}
	t.kind, t.text = tokenIdentifier, strings.ToLower(l.advance(n))
	return t, nil
}

// identifier returns how many octets of s are an identifier.
func identifier(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

// skip passes white space and comments.
func (l *lexer) skip() *Error {
	for l.rest != "" {
		switch {
		case strings.IndexByte(" \t\r\n", l.rest[0]) >= 0:
			l.advance(len(l.rest) - len(strings.TrimLeft(l.rest, " \t\r\n")))
		case l.rest[0] == '#':
			end := strings.IndexByte(l.rest, '\n')
			if end < 0 {
				end = len(l.rest) - 1
			}
			l.advance(end + 1)
		case strings.HasPrefix(l.rest, "/*"):
			end := strings.Index(l.rest[2:], "*/")
			if end < 0 {
				return failAt(l.at, "comment-open")
			}
			l.advance(2 + end + 2)
		default:
			return nil
		}
	}
	return nil
}

// number reads digits and a quantifier (RFC 5228 section 2.4.1).
func (l *lexer) number(t token) (token, *Error) {
	n := len(l.rest) - len(strings.TrimLeft(l.rest, "0123456789"))
	value, err := strconv.ParseUint(l.advance(n), 10, 63)
	shift := 0
	if l.rest != "" {
		switch l.rest[0] | 0x20 {
		case 'k':
			shift = 10
		case 'm':
			shift = 20
		case 'g':
			shift = 30
		}
	}
	if shift > 0 {
		l.advance(1)
	}
	if identifier(l.rest) > 0 {
		return t, failAt(t.Position, "number-unit", "found", shorten(l.rest[:identifier(l.rest)]))
	}
	if err != nil || value > 1<<63>>shift-1 {
		return t, failAt(t.Position, "number-large")
	}
	t.kind, t.number = tokenNumber, value<<shift
	return t, nil
}

// quoted reads a string in quotation marks.
func (l *lexer) quoted(t token) (token, *Error) {
	var b strings.Builder
	for i := 1; i < len(l.rest); i++ {
		c := l.rest[i]
		switch {
		case c == '"':
			l.advance(i + 1)
			t.kind, t.text = tokenString, b.String()
			return l.bounded(t)
		case c == '\\' && i+1 < len(l.rest):
			i++
			c = l.rest[i]
		}
		b.WriteByte(c)
	}
	return t, failAt(t.Position, "string-open")
}

// multiline reads a string behind "text:", up to a line that is a dot (RFC 5228 section 2.4.2).
func (l *lexer) multiline(t token) (token, *Error) {
	first, _, found := strings.Cut(l.rest, "\n")
	blank := strings.Trim(first, " \t\r")
	if !found || blank != "" && blank[0] != '#' {
		return t, failAt(t.Position, "text-line")
	}
	l.advance(len(first) + 1)
	var b strings.Builder
	for l.rest != "" {
		line, _, ended := strings.Cut(l.rest, "\n")
		size := len(line)
		if ended {
			size++
		}
		l.advance(size)
		if strings.TrimSuffix(line, "\r") == "." {
			t.kind, t.text = tokenString, b.String()
			return l.bounded(t)
		}
		b.WriteString(strings.TrimSuffix(strings.TrimPrefix(line, "."), "\r"))
		b.WriteString("\r\n")
	}
	return t, failAt(t.Position, "text-open")
}

func (l *lexer) bounded(t token) (token, *Error) {
	if len(t.text) > l.most {
		return t, failAt(t.Position, "string-long", "most", strconv.Itoa(l.most))
	}
	return t, nil
}
