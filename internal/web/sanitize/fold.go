package sanitize

import (
	"bytes"
	"strings"

	"golang.org/x/net/html/atom"
)

// fold is a quote that is folded: where its <details> stands in the stack, where in the output it could be told to be open,
// and whether it is.
type fold struct {
	depth, at int
	closed    bool
	open      bool
	rest      bool // it ends with the element around it
}

// maxFolds is how many quotes of a message are folded.
const maxFolds = 100

// fold begins to fold an element that quotes another message, or with which all that follows is another message; what is quoted
// in it stays in it. A quote that nothing stands above is open.
func (w *writer) fold(t *tag) {
	n := len(w.folds)
	rest := w.o.Quoted != nil && t.separates()
	if w.o.Quoted == nil || !rest && !t.quotes() || n == maxFolds || n > 0 && !w.folds[n-1].closed {
		return
	}
	if n > 0 && w.said {
		w.folds[n-1].open = true // it was answered below
	}
	f := fold{open: n == 0 && !w.said, rest: rest}
	w.said = false
	around := rest && w.unwrap()
	f.depth = len(w.stack)
	w.out = append(w.out, `<details class="quoted"`...)
	f.at = len(w.out)
	w.folds = append(w.folds, f)
	w.out = append(w.out, "><summary>"...)
	w.out = append(appendEscaped(w.out, w.o.Quoted(0)), "</summary>"...)
	w.stack = append(w.stack, atom.Details)
	if around {
		w.out = append(w.out, bareDiv...)
		w.stack = append(w.stack, atom.Div)
	}
}

const bareDiv = "<div>"

// unwrap takes back a <div> that was just opened, which Outlook has around what separates messages: what is folded begins before it.
func (w *writer) unwrap() bool {
	n := len(w.stack)
	out, ok := bytes.CutSuffix(bytes.TrimRight(w.out, " \r\n\t"), []byte(bareDiv))
	if !ok || n == 0 || w.stack[n-1] != atom.Div {
		return false
	}
	w.out, w.stack = out, w.stack[:n-1]
	return true
}

// quotes tells of elements with which mail programs quote.
func (t *tag) quotes() bool {
	if t.a == atom.Blockquote && t.cite {
		return true
	}
	for _, class := range []string{"-gmail_quote", "-yahoo_quoted", "-moz-cite-block", "-protonmail_quote"} {
		if (t.a == atom.Div || t.a == atom.Blockquote) && bytes.Contains(t.attrs, []byte(class)) {
			return true
		}
	}
	return false
}

// separates tells of elements behind which Outlook has the message that was answered.
func (t *tag) separates() bool {
	if t.a != atom.Div {
		return false
	}
	if bytes.Contains(t.attrs, []byte(`-appendonsend"`)) || bytes.Contains(t.attrs, []byte(`-divRplyFwdMsg"`)) {
		return true
	}
	style := strings.ToLower(strings.Join(strings.Fields(t.style), ""))
	return strings.HasPrefix(style, "border:none;border-top:solid#") && strings.Contains(style, "padding:3.0pt0")
}

// endFold ends the fold whose element was closed.
func (w *writer) endFold() {
	if n := len(w.folds); n > 0 && !w.folds[n-1].closed && !w.folds[n-1].rest && len(w.stack) == w.folds[n-1].depth+1 {
		w.closeFrom(w.folds[n-1].depth)
	}
}

// unfold opens the quotes that something was said below.
func (w *writer) unfold() {
	n := len(w.folds)
	if n == 0 {
		return
	}
	w.folds[n-1].open = w.folds[n-1].open || w.folds[n-1].closed && w.said
	var b []byte
	last := 0
	for _, f := range w.folds {
		if f.open {
			b = append(append(b, w.out[last:f.at]...), " open"...)
			last = f.at
		}
	}
	w.out = append(b, w.out[last:]...)
}
