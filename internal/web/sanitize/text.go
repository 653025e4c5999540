package sanitize

import (
	"bytes"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// TextOptions are how a plain text is shown.
type TextOptions struct {
	Options
	// Flowed tells that lines which end in a space go on in the next one (RFC 3676), DelSp that this space is to go.
	Flowed, DelSp bool
}

// Bounds of a plain text that is shown; what comes behind is left out, and links behind stay text.
const (
	maxPlain = 2 << 20 // octets
	maxLines = 50_000
	maxLinks = 5000
)

// Text makes HTML of a plain text in UTF-8: addresses become links, quotes are folded, the signature stands back.
func Text(src []byte, o TextOptions) *Result {
	w := textWriter{writer: writer{o: &o.Options}}
	w.out = append(w.out, `<div id="`+o.Scope+`" class="plain">`...)
	lines, cut := splitLines(src[:min(len(src), maxPlain)])
	if o.Flowed {
		lines = joinFlowed(lines, o.DelSp)
	}
	w.lines(lines)
	w.out = append(w.out, "</div>"...)
	return &Result{HTML: w.out, Cut: cut || len(src) > maxPlain}
}

// line is one line without its marks of quotation.
type line struct {
	depth int
	text  []byte
	flows bool // goes on in the next line
}

// maxQuotes is how deep quotes are told apart.
const maxQuotes = 12

// splitLines returns the lines of a text, and whether there are more.
func splitLines(src []byte) (list []line, more bool) {
	for len(src) > 0 && len(list) < maxLines {
		one, rest, _ := bytes.Cut(src, []byte("\n"))
		src = rest
		one = bytes.TrimSuffix(one, []byte("\r"))
		l := line{}
		for len(one) > 0 && one[0] == '>' {
			l.depth++
			one = one[1:]
			if len(one) > 1 && one[0] == ' ' && one[1] == '>' {
				one = one[1:]
			}
		}
		if bytes.HasPrefix(one, []byte("From ")) && l.depth == 1 { // escaped by an old mailbox (">From ")
			l.depth, one = 0, append([]byte(">"), one...)
		}
		l.depth = min(l.depth, maxQuotes)
		l.text = one
		list = append(list, l)
	}
	return list, len(src) > 0
}

// joinFlowed joins the lines of paragraphs (RFC 3676 section 4.2).
func joinFlowed(list []line, delSp bool) []line {
	out := list[:0]
	for _, l := range list {
		text := bytes.TrimPrefix(l.text, []byte(" "))
		l.flows = bytes.HasSuffix(text, []byte(" ")) && string(text) != "-- "
		if l.flows && delSp {
			text = text[:len(text)-1]
		}
		l.text = text
		if n := len(out); n > 0 && out[n-1].flows && out[n-1].depth == l.depth && string(text) != "-- " {
			out[n-1].text = append(bytes.Clone(out[n-1].text), text...)
			out[n-1].flows = l.flows
			continue
		}
		out = append(out, l)
	}
	return out
}

type textWriter struct {
	writer
	links int
}

// lines writes all: runs of quoted lines, and what stands between them.
func (w *textWriter) lines(list []line) {
	signature := signatureAt(list)
	for i := 0; i < len(list); {
		end := i
		for end < len(list) && (list[end].depth > 0) == (list[i].depth > 0) && (end < signature || i >= signature) {
			end++
		}
		switch {
		case list[i].depth > 0:
			w.quote(list[i:end], !says(list[:i]) || says(list[end:min(max(signature, end), len(list))]))
		case i == signature:
			w.out = append(w.out, `<div class="signature">`...)
			w.block("<div>", list[i:end], false)
			w.out = append(w.out, "</div>"...)
		default:
			w.plain(list[i:end])
		}
		i = end
	}
}

// signatureAt is where the signature begins (RFC 3676 section 4.3): behind the last "-- ", if what follows is short.
func signatureAt(list []line) int {
	const longest = 20
	for i := len(list) - 1; i >= 0 && i >= len(list)-longest; i-- {
		if list[i].depth == 0 && string(list[i].text) == "-- " {
			return i
		}
	}
	return len(list)
}

// says reports whether there is any text of the writer's own.
func says(list []line) bool {
	for _, l := range list {
		if l.depth == 0 && len(bytes.TrimSpace(l.text)) > 0 {
			return true
		}
	}
	return false
}

// quote folds quoted lines; open ones, which an answer stands under or nothing above, are shown.
func (w *textWriter) quote(list []line, open bool) {
	folded := w.o.Quoted != nil
	if folded {
		w.out = append(w.out, `<details class="quoted"`...)
		if open {
			w.out = append(w.out, " open"...)
		}
		w.out = append(w.out, "><summary>"...)
		w.out = appendEscaped(w.out, w.o.Quoted(len(list)))
		w.out = append(w.out, "</summary>"...)
	}
	depth := 0
	for i := 0; i < len(list); {
		end := i
		for end < len(list) && list[end].depth == list[i].depth {
			end++
		}
		for ; depth < list[i].depth; depth++ {
			w.out = append(w.out, "<blockquote>"...)
		}
		for ; depth > list[i].depth; depth-- {
			w.out = append(w.out, "</blockquote>"...)
		}
		for j := i; j < end; j++ {
			list[j].text = bytes.TrimPrefix(list[j].text, []byte(" "))
		}
		w.plain(list[i:end])
		i = end
	}
	w.out = append(w.out, strings.Repeat("</blockquote>", depth)...)
	if folded {
		w.out = append(w.out, "</details>"...)
	}
}

// plain writes lines as they are, with links, and those that need it in letters of one width.
func (w *textWriter) plain(list []line) {
	fixed := fixedLines(list)
	for i := 0; i < len(list); {
		end := i
		for end < len(list) && fixed[end] == fixed[i] {
			end++
		}
		tag := "<div>"
		if fixed[i] {
			tag = `<div class="fixed">`
		}
		w.block(tag, list[i:end], end < len(list))
		i = end
	}
}

// block writes lines in an element; with more, another one follows: an empty line between them would be left out by a browser.
func (w *textWriter) block(tag string, list []line, more bool) {
	w.out = append(w.out, tag...)
	for i, l := range list {
		if i > 0 {
			w.out = append(w.out, '\n')
		}
		w.linkify(string(l.text))
	}
	if more && isBlank(list[len(list)-1]) {
		w.out = append(w.out, '\n')
	}
	w.out = append(w.out, "</div>"...)
}

// linkify writes text, with links of what looks like an address.
func (w *textWriter) linkify(text string) {
	for text != "" {
		n := strings.IndexAny(text, wordEnds)
		if n == 0 {
			w.out = appendEscaped(w.out, text[:1])
			text = text[1:]
			continue
		}
		if n < 0 {
			n = len(text)
		}
		n = w.word(text, text[:n])
		text = text[n:]
	}
}

const wordEnds = " \t<>\"(),;"

// word writes the word that a text begins with, as a link or not, and returns how much of the text that was.
func (w *textWriter) word(text, word string) int {
	if at := strings.Index(word, "://"); at >= 0 {
		start := strings.LastIndexFunc(word[:at], func(r rune) bool { return r >= utf8.RuneSelf || !isAlnum(byte(r)) })
		if start >= 0 {
			_, size := utf8.DecodeRuneInString(word[start:])
			w.out = appendEscaped(w.out, word[:start+size])
			return start + size
		}
		if n := addressEnd(text); n > 0 && w.web(text[:n]) { // commas and brackets may belong to it
			return n
		}
	}
	bare := strings.TrimRight(word, ".:!?'")
	if strings.HasPrefix(bare, "www.") && w.web(bare) || strings.Contains(bare, "@") && w.mail(bare) {
		return len(bare)
	}
	w.out = appendEscaped(w.out, word)
	return len(word)
}

// addressEnd is where an address of the web ends in a text: marks at the end of a sentence do not belong to it, nor a bracket that was
// opened before it.
func addressEnd(text string) int {
	n := strings.IndexAny(text, " \t<>\"")
	if n < 0 {
		n = len(text)
	}
	for n > 0 {
		switch c := text[n-1]; {
		case strings.IndexByte(".,;:!?'*_", c) >= 0:
		case c == ')' && strings.Count(text[:n], "(") < strings.Count(text[:n], ")"):
		case c == ']' && strings.Count(text[:n], "[") < strings.Count(text[:n], "]"):
		default:
			return n
		}
		n--
	}
	return 0
}

func (w *textWriter) web(word string) bool {
	if w.links == maxLinks {
		return false
	}
	address := word
	if strings.HasPrefix(word, "www.") {
		address = "https://" + word
	}
	a, ok := ParseAddress(address)
	if !ok || !strings.Contains(a.Host, ".") && a.Host != "localhost" {
		return false
	}
	w.links++
	w.out = append(w.out, `<a href="`...)
	w.out = appendEscaped(w.out, a.Text)
	w.out = append(w.out, `" target="_blank" rel="noopener noreferrer">`...)
	w.out = append(appendEscaped(w.out, word), "</a>"...)
	return true
}

func (w *textWriter) mail(word string) bool {
	address := strings.TrimPrefix(word, "mailto:")
	local, domain, _ := strings.Cut(address, "@")
	if w.links == maxLinks || local == "" || !strings.Contains(domain, ".") || !onlyOf(domain, ".-") || !onlyOf(local, "!#$%&'*+-/=?^_`{|}~.") {
		return false
	}
	if _, err := mail.ParseAddress(address); err != nil {
		return false
	}
	w.links++
	w.out = append(w.out, `<a href="mailto:`...)
	w.out = appendEscaped(w.out, string(appendPath(nil, address)))
	w.out = append(w.out, `" target="_blank" rel="noopener noreferrer">`...)
	w.out = append(appendEscaped(w.out, word), "</a>"...)
	return true
}
