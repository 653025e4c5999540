package sanitize

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/net/html/atom"
)

// image writes a picture: a part of the message, one that is in the address itself, or one of the web, which comes from
// where the caller says or is but a place.
func (w *writer) image(t *tag) {
	src, shown := clean(t.src), ""
	if w.link != nil {
		w.link.saw([]byte(t.alt)) // which is read where the picture is not shown
	}
	t.alt = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimFunc(t.alt, func(r rune) bool { return r <= ' ' || r == 0x7f }))
	switch scheme, rest, _ := cutScheme(src); scheme {
	case "cid":
		if w.o.Inline != nil {
			shown = w.o.Inline(unescape(strings.Trim(rest, "<>")))
		}
	case "data":
		if isPicture(src) {
			shown = src
		}
	default:
		if a, ok := ParseAddress(src); ok {
			if shown = w.remoteImage(t, a); shown == "" {
				return
			}
		}
	}
	if shown == "" && t.alt == "" {
		return
	}
	w.said = true
	if shown != "" {
		t.put("src", shown)
	}
	t.put("alt", t.alt)
	w.open(t)
}

// remoteImage returns where a picture of the web can be had; "" if a place was written in its stead, or nothing because nothing
// could be seen.
func (w *writer) remoteImage(t *tag, a Address) string {
	if tiny(t.width) || tiny(t.height) || hides(t.style) {
		w.trackers++
		return ""
	}
	w.remote.add(a.Text)
	if w.o.Remote != nil {
		if at := w.o.Remote(a.Text); at != "" {
			t.put("loading", "lazy")
			return at
		}
	}
	w.place(t, a.Host)
	return ""
}

// place writes a box as large as the picture would be, with the text that stands for it.
func (w *writer) place(t *tag, host string) {
	t.put("data-remote", host)
	if step := wide(t.width); step != "" {
		t.put("data-wide", step)
	}
	t.colour = "display:inline-block;overflow:hidden;vertical-align:middle;" + pixels("width", t.width) + pixels("height", t.height)
	for _, side := range []string{"left", "right"} {
		if bytes.Contains(t.attrs, []byte(` align="`+side+`"`)) {
			t.colour += "float:" + side + ";"
		}
	}
	t.a, t.width, t.height = atom.Span, "", ""
	w.open(t)
	w.out = append(appendEscaped(w.out, t.alt), "</span>"...)
	w.said = true
}

// pixels writes the length of an attribute as a declaration.
func pixels(property, length string) string {
	if length = strings.TrimSuffix(strings.ToLower(length), "px"); length == "" {
		return ""
	}
	if !strings.HasSuffix(length, "%") {
		length += "px"
	}
	return property + ":" + length + ";"
}

// tiny reports whether a length is too small for a picture to be seen.
func tiny(length string) bool {
	n, err := strconv.ParseFloat(strings.TrimSuffix(strings.ToLower(length), "px"), 64)
	return err == nil && n <= 2
}

// hides reports whether declarations keep a picture from sight.
func hides(style string) bool {
	if style == "" {
		return false
	}
	style = strings.ToLower(strings.Join(strings.Fields(style), ""))
	for _, s := range []string{"display:none", "visibility:hidden", "width:0;", "width:0px", "width:1px", "height:1px", "height:0px", "opacity:0;"} {
		if i := strings.Index(style, s); i >= 0 && (i == 0 || style[i-1] == ';') {
			return true
		}
	}
	return false
}

// isPicture reports whether a data address is a picture of dots, in base64.
func isPicture(src string) bool {
	for _, kind := range []string{"png", "jpeg", "jpg", "gif", "webp"} {
		if data, ok := cutFold(src, "data:image/"+kind+";base64,"); ok {
			return onlyOf(data, "+/= %")
		}
	}
	return false
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
