package sanitize

import (
	"bytes"
	"strings"
)

// A picture in the background that is not shown may have had light text on it. The element has the attribute data-behind then,
// with 1 if there is such text, for which the page has a ground. On a dark page, light text can be read as it is.

// ground is an open element that has a ground of its own, or one whose picture is not shown.
type ground struct {
	depth int // in the stack
	at    int // in the output, of the value of data-behind; 0 for a ground of its own
}

const behind = ` data-behind="0"`

// light is how light a colour is that cannot be read on a light page.
const light = 0.75

// isBehind tells whether a background is without its picture; style is what was made of the declarations.
func (t *tag) isBehind(style string) bool {
	if t.w.o.Dark || t.w.o.Remote != nil || strings.Contains(style, "background-image:") {
		return false
	}
	return t.withheld || strings.Contains(t.style, "url(")
}

// note remembers what text in an element that was just written stands on, and finds a ground for it if it is light.
func (w *writer) note(t *tag) {
	if w.o.Dark {
		return
	}
	switch g := (ground{depth: len(w.stack) - 1}); {
	case t.grounded:
		w.grounds = append(w.grounds, g)
	case bytes.HasSuffix(t.attrs, []byte(behind)):
		g.at = len(w.out) - len(`0">`)
		w.grounds = append(w.grounds, g)
	}
	if !t.light {
		return
	}
	if n := len(w.grounds); n == 0 {
		w.body = bytes.Replace(w.body, []byte(behind), []byte(` data-behind="1"`), 1)
	} else if at := w.grounds[n-1].at; at > 0 {
		w.out[at] = '1'
	}
}

// looks finds out whether an element has a ground, and light text.
func (t *tag) looks(style string) {
	own := declared(style, "background-color")
	t.grounded = own != "" && own != "transparent" && own != "inherit" && own != "initial" ||
		strings.Contains(style, "background-image:") || bytes.Contains(t.attrs, []byte(` bgcolor="`))
	t.light = false
	if c, ok := parseColour(declared(style, "color"), false); ok {
		l, _, _ := c.lab()
		t.light = l > light
	}
}
