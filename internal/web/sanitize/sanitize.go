// Package sanitize makes of the HTML or the plain text of a message, which anybody may have written with any intent,
// HTML that can be shown: only elements, attributes, addresses and styles that are known to be harmless are written,
// and all of it anew, so that a browser reads exactly what was decided here.
//
// The output is HTML without SVG, MathML, scripts, frames, forms, raw text or addresses of its own: pictures come
// from where the caller says, and links lead to web pages, addresses and telephones. It is still meant for a frame without
// scripts and with a strict content security policy: each of the two would be enough alone.
package sanitize

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/postiljon/postiljon/internal/message"
)

// Options are how a part of a message is shown.
type Options struct {
	// Scope is the id of the element that is made, and goes before ids and classes of the message; letters and digits.
	Scope string
	// Inline returns where the part with a Content-ID can be had, "" for none; nil has none.
	Inline func(contentID string) string
	// Remote returns where a picture of the web can be had for the message; nil, or "", leaves a place in its stead.
	Remote func(address string) string
	// Dark makes colours for a dark page.
	Dark bool
	// Hint is what is said behind a link whose text shows another host than it leads to; nil says nothing.
	Hint func(host string) string
	// Quoted is the line that unfolds so many quoted lines of plain text, 0 for quotes of HTML; nil folds none.
	Quoted func(lines int) string
}

// Result is what can be shown.
type Result struct {
	// HTML is one element with the id Options.Scope.
	HTML []byte
	// Style are rules that apply within that element alone.
	Style []byte
	// Remote are the addresses of pictures of the web, each once, at most MaxRemote.
	Remote []string
	// Trackers is how many pictures of the web were too small to be seen; they are never shown.
	Trackers int
	// Disguised are the hosts that links lead to whose text shows another one.
	Disguised []string
	// Plain tells that the message is too large or too entangled to be shown as it was made, and that this is its text.
	Plain bool
	// Cut tells that only the beginning of a text is shown.
	Cut bool
}

// Bounds of a message that is shown as it was made, and of what is shown of any other.
const (
	MaxInput    = 10 << 20 // octets
	MaxRemote   = 500
	maxElements = 50_000
	maxDepth    = 256
	maxTooDeep  = 5_000 // elements that stand deeper
	maxStyle    = 512 << 10
	maxAttrs    = 64
	maxOutput   = MaxInput + MaxInput/2
	maxText     = 512 << 10 // octets of the text instead
)

// HTML sanitises an HTML document in UTF-8.
func HTML(src []byte, o Options) *Result {
	if len(src) > MaxInput {
		return fallback(src, o)
	}
	w := writer{o: &o, z: html.NewTokenizer(bytes.NewReader(src)), out: make([]byte, 0, len(src)+len(src)/4+256), prefix: o.Scope + "-"}
	if !w.document() {
		return fallback(src, o)
	}
	r := &Result{Style: w.sheet(), Remote: w.remote.list, Trackers: w.trackers, Disguised: w.disguised.list}
	r.HTML = w.container()
	return r
}

// fallback is the text of a document that is not shown as it was made.
func fallback(src []byte, o Options) *Result {
	text := message.HTMLText(bytes.NewReader(src), maxText)
	r := Text([]byte(text), TextOptions{Options: o})
	r.Plain, r.Cut = true, len(text) >= maxText-4
	return r
}

// writer goes through a document once and writes what may stay.
type writer struct {
	o      *Options
	z      *html.Tokenizer
	out    []byte
	prefix string // of ids and classes

	stack    []atom.Atom // open elements that were written
	elements int
	tooDeep  int
	skip     atom.Atom // the element whose content is left out
	skipping int       // how many of those are open
	inStyle  bool
	folds    []fold
	grounds  []ground

	body      []byte // attributes of <body>
	attrs     []byte // of the tag at hand
	sheets    []byte
	styles    map[string]string // declarations that were seen, and what was made of them
	link      *link
	remote    list
	trackers  int
	disguised list
	said      bool // something since the last quote
}

// list is a bounded list without repetitions.
type list struct {
	list []string
	seen map[string]bool
}

func (l *list) add(s string) {
	if l.seen[s] || len(l.list) == MaxRemote {
		return
	}
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	l.seen[s] = true
	l.list = append(l.list, s)
}

// document writes everything, and reports whether it is within the bounds.
func (w *writer) document() bool {
	for {
		switch w.z.Next() {
		case html.ErrorToken:
			w.closeFrom(0)
			return w.elements <= maxElements && w.tooDeep <= maxTooDeep
		case html.TextToken:
			w.text()
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start()
		case html.EndTagToken:
			name, _ := w.z.TagName()
			w.end(atom.Lookup(name))
		}
		if w.elements > maxElements || w.tooDeep > maxTooDeep || len(w.out) > maxOutput {
			return false
		}
	}
}

// container is all that was written, in an element with what the message says of its body.
func (w *writer) container() []byte {
	w.unfold()
	out := make([]byte, 0, len(w.out)+256)
	out = append(out, `<div id="`...)
	out = append(out, w.o.Scope...)
	out = append(out, '"')
	out = append(out, w.body...)
	out = append(out, '>')
	out = append(out, w.out...)
	return append(out, "</div>"...)
}

func (w *writer) text() {
	switch {
	case w.inStyle:
		if room := maxStyle - len(w.sheets); room > 0 {
			raw := w.z.Raw()
			w.sheets = append(append(w.sheets, raw[:min(len(raw), room)]...), '\n')
		}
	case w.skipping > 0:
	default:
		text := w.z.Text()
		if w.link != nil {
			w.link.saw(text)
		}
		if !w.said {
			w.said = len(bytes.TrimSpace(text)) > 0
		}
		w.out = appendEscaped(w.out, text)
	}
}

// appendEscaped appends text so that it is nothing but text, in an element or in an attribute with double quotes. Octets
// that a browser would replace, or that make it guess, are left out.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	last := 0
	for i := range len(text) {
		c := text[i]
		var instead string
		switch {
		case c == '&':
			instead = "&amp;"
		case c == '<':
			instead = "&lt;"
		case c == '>':
			instead = "&gt;"
		case c == '"':
			instead = "&#34;"
		case c < ' ' && c != '\n' && c != '\t' || c == 0x7f:
		default:
			continue
		}
		dst = append(append(dst, text[last:i]...), instead...)
		last = i + 1
	}
	return append(dst, text[last:]...)
}

// start acts on a start tag.
func (w *writer) start() {
	name, more := w.z.TagName()
	a := atom.Lookup(name)
	if w.skipping > 0 {
		if a == w.skip {
			w.skipping++
		}
		return
	}
	e, known := elements[a]
	switch {
	case a == atom.Style:
		w.inStyle, w.skip, w.skipping = true, a, 1
		return
	case e.kind == dropped:
		w.skip, w.skipping = a, 1
		return
	case !known || a == 0:
		return // what is in it stays
	}
	w.elements++
	t := tag{w: w, a: a, attrs: w.attrs[:0]}
	defer func() { w.attrs = t.attrs }()
	for n := 0; more && n < maxAttrs; n++ {
		var key, value []byte
		key, value, more = w.z.TagAttr()
		t.attribute(key, value)
	}
	switch {
	case a == atom.Body || a == atom.Html:
		if a == atom.Body && len(w.body) == 0 {
			w.keepBody(&t)
		}
		return
	case a == atom.Img:
		w.image(&t)
		return
	case a == atom.A:
		w.closeLink()
	}
	w.imply(a, e)
	if e.kind == void {
		w.open(&t)
		return
	}
	if len(w.stack) >= maxDepth {
		w.tooDeep++
		return
	}
	if a == atom.A {
		w.anchor(&t)
	}
	w.fold(&t)
	w.open(&t)
	w.stack = append(w.stack, a)
	w.note(&t)
}

// keepBody keeps the attributes of the body.
func (w *writer) keepBody(t *tag) {
	t.finish()
	w.body = bytes.Clone(t.attrs)
	if t.light {
		w.body = bytes.Replace(w.body, []byte(behind), []byte(` data-behind="1"`), 1)
	}
}

// open writes a start tag.
func (w *writer) open(t *tag) {
	t.finish()
	w.out = append(w.out, '<')
	w.out = append(w.out, t.a.String()...)
	w.out = append(w.out, t.attrs...)
	w.out = append(w.out, '>')
}

func (w *writer) close(a atom.Atom) {
	if a == atom.A {
		w.finishLink()
		return
	}
	w.out = append(w.out, "</"...)
	w.out = append(w.out, a.String()...)
	w.out = append(w.out, '>')
}

// closeFrom writes the end tags of all elements from a place of the stack on.
func (w *writer) closeFrom(at int) {
	for i := len(w.stack) - 1; i >= at; i-- {
		w.close(w.stack[i])
	}
	w.stack = w.stack[:at]
	for n := len(w.grounds); n > 0 && w.grounds[n-1].depth >= at; n-- {
		w.grounds = w.grounds[:n-1]
	}
	if n := len(w.folds); n > 0 && !w.folds[n-1].closed && at <= w.folds[n-1].depth {
		w.folds[n-1].closed, w.said = true, false
	}
}

// remove takes one element out of the stack; a browser closes it.
func (w *writer) remove(at int) {
	w.stack = append(w.stack[:at], w.stack[at+1:]...)
	w.grounds = slices.DeleteFunc(w.grounds, func(g ground) bool { return g.depth == at })
	for i := range w.grounds {
		if w.grounds[i].depth > at {
			w.grounds[i].depth--
		}
	}
	if n := len(w.folds); n > 0 && at < w.folds[n-1].depth {
		w.folds[n-1].depth--
	}
}

// end acts on an end tag: one that closes nothing that was written is not written, so that no message closes what it did
// not open.
func (w *writer) end(a atom.Atom) {
	if w.skipping > 0 {
		if a == w.skip {
			if w.skipping--; w.skipping == 0 {
				w.inStyle = false
			}
		}
		return
	}
	e := elements[a]
	if e.kind != element {
		return
	}
	at := w.find(a, e)
	switch {
	case at < 0:
	case e.inline: // a browser knows what crossed elements mean
		w.close(a)
		w.remove(at)
	default:
		w.closeFrom(at)
		w.endFold()
	}
}

// find looks for an open element from within the nearest cell, or, of a part of a table, within the nearest table.
func (w *writer) find(a atom.Atom, e rule) int {
	for i := len(w.stack) - 1; i >= 0; i-- {
		if w.stack[i] == a {
			return i
		}
		if w.stack[i] == atom.Table || !e.table && elements[w.stack[i]].boundary {
			return -1
		}
	}
	return -1
}

// imply ends what a start tag ends although nobody says so, as browsers do.
func (w *writer) imply(a atom.Atom, e rule) {
	if e.endsP {
		for i := len(w.stack) - 1; i >= 0 && !elements[w.stack[i]].boundary; i-- {
			if w.stack[i] == atom.P {
				w.remove(i)
				break
			}
		}
	}
	for i := len(w.stack) - 1; i >= 0 && len(e.ends) > 0; i-- {
		if strings.Contains(e.ends, " "+w.stack[i].String()+" ") {
			w.closeFrom(i)
			i = len(w.stack)
		} else if w.stack[i] == atom.Table || strings.Contains(e.within, " "+w.stack[i].String()+" ") {
			return
		}
	}
}
