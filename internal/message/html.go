package message

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// HTMLText returns the text of an HTML document in UTF-8 as a reader sees it, at most limit
// octets: without markup, scripts, styles, head and what is hidden, pictures by their alternative
// text, blocks on lines of their own, white space collapsed. It reads no further than it must, and
// takes a read error for the end.
func HTMLText(r io.Reader, limit int) string {
	t := textWriter{limit: limit}
	z := html.NewTokenizer(r)
	z.SetMaxBuf(maxHTMLToken)
	for skip := (skipper{}); len(t.buf) < limit; {
		switch z.Next() {
		case html.ErrorToken:
			return t.String()
		case html.TextToken:
			if skip.depth == 0 {
				t.text(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t.tag(z, &skip)
		case html.EndTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			skip.end(a)
			if isBlock(a) {
				t.lineBreak()
			}
		}
	}
	return t.String()
}

// maxHTMLToken bounds one tag, comment or text; a longer one ends the reading.
const maxHTMLToken = 1 << 20

// skipper counts the open elements whose content is not shown. It is in at most one of them by
// name, so that stray end tags of others do no harm.
type skipper struct {
	element atom.Atom
	depth   int
}

func (s *skipper) start(a atom.Atom, hide bool) {
	switch {
	case s.depth > 0 && a == s.element:
		s.depth++
	case s.depth == 0 && hide:
		s.element, s.depth = a, 1
	}
}

func (s *skipper) end(a atom.Atom) {
	if s.depth > 0 && (a == s.element || s.element == atom.Head && a == atom.Body) {
		s.depth--
	}
}

// tag acts on a start tag.
func (t *textWriter) tag(z *html.Tokenizer, skip *skipper) {
	name, more := z.TagName()
	a := atom.Lookup(name)
	if a == atom.Body && skip.element == atom.Head {
		skip.depth = 0 // the end of the head may be left out
	}
	hidden, alt := false, ""
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "hidden":
			hidden = true
		case "style":
			hidden = hidden || hidesContent(string(value))
		case "alt":
			alt = string(value)
		}
	}
	if !isVoid(a) {
		skip.start(a, hidden || isHiddenElement(a))
	}
	if skip.depth > 0 {
		return
	}
	switch {
	case a == atom.Img && !hidden && alt != "":
		t.text([]byte(alt))
	case isBlock(a) || a == atom.Br:
		t.lineBreak()
	case a == atom.Td || a == atom.Th:
		t.space = true
	}
}

// hidesContent tells whether an inline style keeps an element from sight, as the preheaders of
// newsletters do.
func hidesContent(style string) bool {
	style = strings.ToLower(strings.Join(strings.Fields(style), ""))
	return strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")
}

func isHiddenElement(a atom.Atom) bool {
	switch a {
	case atom.Head, atom.Script, atom.Style, atom.Title, atom.Template, atom.Noframes, atom.Iframe,
		atom.Object, atom.Select, atom.Textarea, atom.Svg, atom.Math, atom.Audio, atom.Video, atom.Canvas:
		return true
	}
	return false
}

// isVoid tells of elements without content, which have no end tag.
func isVoid(a atom.Atom) bool {
	switch a {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input,
		atom.Link, atom.Meta, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

func isBlock(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.Tr, atom.Table, atom.Ul, atom.Ol, atom.Li, atom.Dl, atom.Dt, atom.Dd,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Blockquote, atom.Pre, atom.Hr,
		atom.Header, atom.Footer, atom.Section, atom.Article, atom.Nav, atom.Aside, atom.Main,
		atom.Address, atom.Center, atom.Form, atom.Fieldset, atom.Figure, atom.Figcaption:
		return true
	}
	return false
}

// textWriter collects text with white space collapsed.
type textWriter struct {
	buf         []byte
	limit       int
	space, line bool // a space or a line break is due before the next character
}

func (t *textWriter) lineBreak() { t.line = true }

func (t *textWriter) text(b []byte) {
	for len(b) > 0 && len(t.buf) < t.limit {
		if n := plainStart(b); n > 1 { // the common case: words at once
			t.put(rune(b[0]))
			t.putRest(b[1:n])
			b = b[n:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		switch {
		case isInvisible(r):
		case isWhite(r):
			t.space = true
		default:
			t.put(r)
		}
	}
}

// plainStart is how many octets of words in ASCII b begins with, with one space between each two.
func plainStart(b []byte) int {
	for i, c := range b {
		if c > ' ' && c < 0x7f || c == ' ' && i > 0 && i+1 < len(b) && b[i+1] > ' ' && b[i+1] < 0x7f {
			continue
		}
		return i
	}
	return len(b)
}

// putRest puts what follows the first character of words, as much of it as there is room for.
func (t *textWriter) putRest(words []byte) {
	room := t.limit - len(t.buf)
	if len(words) <= room {
		t.buf = append(t.buf, words...)
		return
	}
	t.buf = bytes.TrimSuffix(append(t.buf, words[:room]...), []byte(" "))
	t.limit = len(t.buf)
}

func (t *textWriter) put(r rune) {
	before := len(t.buf)
	switch {
	case len(t.buf) == 0:
	case t.line:
		t.buf = append(t.buf, '\n')
	case t.space:
		t.buf = append(t.buf, ' ')
	}
	t.space, t.line = false, false
	if t.buf = utf8.AppendRune(t.buf, r); len(t.buf) > t.limit {
		t.buf = t.buf[:before]
		t.limit = before
	}
}

func (t *textWriter) String() string { return string(t.buf) }

// isWhite tells whether a character counts as a space between words.
func isWhite(r rune) bool {
	switch {
	case r <= ' ', r == 0x7f, r == 0x85, r == 0xa0, 0x2000 <= r && r <= 0x200a,
		r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000:
		return true
	}
	return false
}

// isInvisible tells of characters that fill previews with nothing: zero-width ones, soft hyphens,
// and the controls of text direction, which could also make a preview lie.
func isInvisible(r rune) bool {
	switch {
	case r == 0xad, r == 0x34f, r == 0x61c, r == 0x180e, 0x200b <= r && r <= 0x200f,
		0x202a <= r && r <= 0x202e, 0x2060 <= r && r <= 0x206f, r == 0xfeff:
		return true
	}
	return false
}
