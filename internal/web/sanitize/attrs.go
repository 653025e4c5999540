package sanitize

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html/atom"
)

// tag is a start tag that is being made.
type tag struct {
	w     *writer
	a     atom.Atom
	attrs []byte // as written

	style         string // declarations of the message
	colour        string // of an attribute, as a declaration
	hidden, cite  bool
	withheld      bool // the picture of an attribute is not shown in the background
	href, src     string
	alt           string
	width, height string

	grounded, light bool // what looks found out
}

// attributes are those that are written if their value is of the form. What needs more is in tag.attribute.
var attributes = map[string]func(value string) bool{
	"align": oneOf(" left right center justify top middle bottom absmiddle baseline char "), "valign": oneOf(" top middle bottom baseline "),
	"border": isLength, "cellpadding": isLength, "cellspacing": isLength, "hspace": isLength, "vspace": isLength,
	"colspan": isCount, "rowspan": isCount, "span": isCount, "start": isCount, "value": isCount,
	"size": isSize, "nowrap": isAny, "noshade": isAny, "reversed": isAny, "open": isAny, "title": isAny, "abbr": isAny, "summary": isAny, "aria-label": isAny,
	"dir": oneOf(" ltr rtl auto "), "lang": isLanguage, "role": oneOf(" presentation none "), "aria-hidden": oneOf(" true false "), "datetime": isPlain,
	"type": oneOf(" 1 a i disc circle square "), "clear": oneOf(" left right all both none "),
	"rules": oneOf(" none groups rows cols all "), "frame": oneOf(" void above below hsides lhs rhs vsides box border "), "scope": oneOf(" row col rowgroup colgroup "),
}

// backed are the elements that can have a background.
var backed = map[atom.Atom]bool{atom.Body: true, atom.Table: true, atom.Tr: true, atom.Td: true, atom.Th: true}

func oneOf(list string) func(string) bool {
	return func(v string) bool {
		return v != "" && !strings.Contains(v, " ") && strings.Contains(list, " "+strings.ToLower(v)+" ")
	}
}

func isAny(v string) bool { return len(v) <= 2000 }

// isLength is a number of pixels or a percentage that is not absurd.
func isLength(v string) bool {
	v = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(strings.TrimSpace(v)), "px"), "%")
	n, err := strconv.ParseFloat(v, 64)
	return err == nil && n >= 0 && n <= 5000
}

func isCount(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= 0 && n <= 1000
}

func isSize(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= -7 && n <= 100
}

func isLanguage(v string) bool { return len(v) <= 35 && onlyOf(v, "-") }

func isPlain(v string) bool { return len(v) <= 64 && onlyOf(v, "-:.+ ") }

// withGeneric gives fonts that are not there a kind to fall back to; a browser would take one with serifs.
func withGeneric(fonts string) string {
	for one := range strings.SplitSeq(strings.ToLower(fonts), ",") {
		words := strings.Fields(one)
		if n := len(words); n > 0 && strings.Contains(" serif sans-serif monospace cursive fantasy system-ui ui-sans-serif inherit initial unset ", " "+words[n-1]+" ") {
			return fonts
		}
	}
	return fonts + ",sans-serif"
}

func isFontList(v string) bool { return len(v) <= 200 && onlyOf(v, " ,-_'") }

// onlyOf reports whether text has only letters and digits of ASCII and some other characters.
func onlyOf(v, others string) bool {
	for i := range len(v) {
		if c := v[i]; !isAlnum(c) && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return v != ""
}

func isAlnum(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' }

// attribute takes one attribute of the message; the first of a name counts.
func (t *tag) attribute(key, value []byte) {
	switch name := string(key); name {
	case "style":
		once(&t.style, value)
	case "class":
		t.names("class", string(value))
	case "id":
		t.names("id", oneName(string(value)))
	case "name":
		if t.a == atom.A {
			t.names("name", oneName(string(value)))
		}
	case "href":
		once(&t.href, value)
	case "src":
		once(&t.src, value)
	case "alt":
		once(&t.alt, value)
	case "width":
		t.width = cmp.Or(t.width, length(string(value)))
	case "height":
		t.height = cmp.Or(t.height, length(string(value)))
	case "bgcolor":
		if c, ok := parseColour(string(value), true); ok {
			t.put(name, t.w.shade(c, forBackground).String())
		}
	case "background":
		if v := (valueWriter{w: t.w}); backed[t.a] {
			if picture := v.picture("url(" + string(value) + ")"); picture != "" {
				t.colour += "background-image:" + picture + ";"
			} else {
				t.withheld = true
			}
		}
	case "color", "text":
		if c, ok := parseColour(string(value), true); ok && (t.a == atom.Font && name == "color" || t.a == atom.Body && name == "text") {
			t.colour += "color:" + t.w.shade(c, forText).String() + ";"
		}
	case "hidden":
		t.hidden = true
	case "face":
		if isFontList(string(value)) {
			t.put(name, withGeneric(string(value)))
		}
	case "type":
		t.cite = strings.EqualFold(string(value), "cite")
		fallthrough
	default:
		if form := attributes[name]; form != nil && form(string(value)) {
			t.put(name, string(value))
		}
	}
}

func once(to *string, value []byte) {
	if *to == "" {
		*to = string(value)
	}
}

// length is a length of an attribute as it is written, "" for one that is not to be believed.
func length(v string) string {
	if v = strings.TrimSpace(v); !isLength(v) {
		return ""
	}
	return v
}

// put writes an attribute; the first of a name counts.
func (t *tag) put(name, value string) {
	n := len(t.attrs)
	t.attrs = append(append(append(t.attrs, ' '), name...), `="`...)
	if bytes.Contains(t.attrs[:n], t.attrs[n:]) { // which no value can have in it
		t.attrs = t.attrs[:n]
		return
	}
	t.attrs = append(appendEscaped(t.attrs, value), '"')
}

// oneName is an id; of several words, none is.
func oneName(v string) string {
	if words := strings.Fields(v); len(words) == 1 {
		return words[0]
	}
	return ""
}

// maxNames is how many classes an element has.
const maxNames = 20

// names writes ids or classes with the prefix of the message; those of strange form are left out.
func (t *tag) names(attribute, value string) {
	var b []byte
	for i, name := range strings.Fields(value) {
		if i == maxNames {
			break
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		n := len(b)
		if b = t.w.appendName(b, name); len(b) == n && n > 0 {
			b = b[:n-1]
		}
	}
	if len(b) > 0 {
		t.put(attribute, string(b))
	}
}

// appendName appends an id or a class with the prefix, or nothing.
func (w *writer) appendName(b []byte, name string) []byte {
	if len(name) > 100 || !onlyOf(name, "-_") {
		return b
	}
	if !strings.HasPrefix(name, w.prefix) {
		b = append(b, w.prefix...)
	}
	return append(b, name...)
}

// widths are the steps of data-wide.
var widths = []int{480, 600, 640, 700}

// Widths are the values of data-wide, which elements have that are about as wide, in pixels: where there is less room, the page makes
// them as wide as there is.
func Widths() []int { return slices.Clone(widths) }

// wide is the step of a length that is too large for a telephone, "" for others.
func wide(length string) string {
	n, err := strconv.ParseFloat(strings.TrimSuffix(length, "px"), 64)
	if err != nil || n <= 360 {
		return ""
	}
	at := slices.IndexFunc(widths, func(step int) bool { return n <= float64(step) })
	if at < 0 {
		at = len(widths) - 1
	}
	return strconv.Itoa(widths[at])
}

// declared is the value of a property in declarations as they are written here.
func declared(style, property string) string {
	for style != "" {
		var one string
		one, style, _ = strings.Cut(style, ";")
		if value, ok := strings.CutPrefix(one, property+":"); ok {
			return strings.TrimSuffix(value, "!important")
		}
	}
	return ""
}

// finish writes what depends on more than one attribute.
func (t *tag) finish() {
	if t.width != "" {
		t.put("width", t.width)
	}
	if t.height != "" {
		t.put("height", t.height)
	}
	style := t.colour
	if t.style != "" {
		style += t.w.declarations(t.style)
	}
	if t.hidden {
		style += "display:none;"
	}
	if style != "" {
		t.put("style", strings.TrimSuffix(style, ";"))
	}
	if step := cmp.Or(wide(t.width), wide(declared(style, "width")), wide(declared(style, "min-width"))); step != "" {
		t.put("data-wide", step)
	}
	if t.looks(style); !t.grounded && t.isBehind(style) {
		t.attrs = append(t.attrs, behind...)
	}
	t.style, t.colour, t.width, t.height, t.hidden = "", "", "", "", false
}
