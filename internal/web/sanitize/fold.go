package sanitize

import (
	"bytes"

	"golang.org/x/net/html/atom"
)

// fold is a quote that is folded: where its <details> stands in the stack, where in the output it could be told to be open,
// and whether it is.
type fold struct {
	depth, at int
	closed    bool
	open      bool
}

// maxFolds is how many quotes of a message are folded.
const maxFolds = 100

// fold begins to fold an element that quotes another message; what is quoted in it stays in it.
func (w *writer) fold(t *tag) {
	n := len(w.folds)
	if w.o.Quoted == nil || !t.quotes() || n == maxFolds || n > 0 && !w.folds[n-1].closed {
		return
	}
	if n > 0 && w.said {
		w.folds[n-1].open = true // it was answered below
	}
	w.said = false
	w.out = append(w.out, `<details class="quoted"`...)
	w.folds = append(w.folds, fold{depth: len(w.stack), at: len(w.out)})
	w.out = append(w.out, "><summary>"...)
	w.out = append(appendEscaped(w.out, w.o.Quoted(0)), "</summary>"...)
	w.stack = append(w.stack, atom.Details)
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

// endFold ends the fold whose element was closed.
func (w *writer) endFold() {
	if n := len(w.folds); n > 0 && !w.folds[n-1].closed && len(w.stack) == w.folds[n-1].depth+1 {
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
