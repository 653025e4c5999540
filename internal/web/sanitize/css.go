package sanitize

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/css"
)

// token is one of CSS.
type token struct {
	kind css.TokenType
	text string
}

// maxTokens bounds what is read of a style sheet or an attribute.
const maxTokens = 200_000

// tokens are those of a text, without comments.
func tokens(text string) []token {
	z := css.NewLexer(parse.NewInputString(text))
	list := make([]token, 0, len(text)/4+4)
	for len(list) < maxTokens {
		kind, raw := z.Next()
		switch kind {
		case css.ErrorToken:
			return list
		case css.CommentToken, css.CDOToken, css.CDCToken:
		default:
			list = append(list, token{kind, string(raw)})
		}
	}
	return list
}

// maxRemembered is how many different style attributes are remembered.
const maxRemembered = 2000

// declarations are those of a style attribute that may stay.
func (w *writer) declarations(style string) string {
	if out, ok := w.styles[style]; ok {
		return out
	}
	out := string(w.appendDeclarations(nil, tokens(style)))
	if w.styles == nil {
		w.styles = map[string]string{}
	}
	if len(w.styles) < maxRemembered {
		w.styles[style] = out
	}
	return out
}

// appendDeclarations writes the declarations of a block; what is wrong with one does no harm to the others (CSS Syntax
// section 5.4.4).
func (w *writer) appendDeclarations(out []byte, list []token) []byte {
	for len(list) > 0 {
		n := upTo(list, css.SemicolonToken)
		one := trimSpace(list[:n])
		list = list[min(n+1, len(list)):]
		if len(one) < 3 || one[0].kind != css.IdentToken {
			continue
		}
		value := trimSpace(one[1:])
		if len(value) < 2 || value[0].kind != css.ColonToken {
			continue
		}
		out = w.appendDeclaration(out, strings.ToLower(one[0].text), trimSpace(value[1:]))
	}
	return out
}

// upTo is where a token of one of some kinds stands outside of all brackets, or the end.
func upTo(list []token, kinds ...css.TokenType) int {
	depth := 0
	for i, t := range list {
		if depth == 0 && slices.Contains(kinds, t.kind) {
			return i
		}
		switch t.kind {
		case css.LeftBraceToken, css.LeftBracketToken, css.LeftParenthesisToken, css.FunctionToken:
			depth++
		case css.RightBraceToken, css.RightBracketToken, css.RightParenthesisToken:
			depth = max(depth-1, 0)
		}
	}
	return len(list)
}

func trimSpace(list []token) []token {
	for len(list) > 0 && list[0].kind == css.WhitespaceToken {
		list = list[1:]
	}
	for len(list) > 0 && list[len(list)-1].kind == css.WhitespaceToken {
		list = list[:len(list)-1]
	}
	return list
}

// form is what a property may have as its value.
type form struct {
	use     use
	special string // "background", "font-family", "margin"; "" for the usual
	atLeast float64
	words   string // if not "", the words that are taken
}

const anyNumber = -1e9

// properties are those that may stay. Nothing here reaches out of the element, fetches anything or hides what the reader's
// program shows.
var properties = makeProperties()

func makeProperties() map[string]form {
	all := map[string]form{}
	add := func(f form, names string) {
		for name := range strings.FieldsSeq(names) {
			all[name] = f
		}
	}
	add(form{use: forText, atLeast: anyNumber}, `color text-decoration text-decoration-color text-decoration-line text-decoration-style text-shadow
		letter-spacing word-spacing vertical-align`)
	add(form{use: forBackground, special: "background"}, `background background-color background-image`)
	add(form{}, `background-position background-repeat background-size`)
	add(form{use: forBorder}, `border border-top border-right border-bottom border-left border-color border-top-color border-right-color border-bottom-color
		border-left-color border-style border-top-style border-right-style border-bottom-style border-left-style border-width border-top-width
		border-right-width border-bottom-width border-left-width border-radius border-top-left-radius border-top-right-radius
		border-bottom-left-radius border-bottom-right-radius border-collapse border-spacing outline-color`)
	add(form{}, `box-sizing caption-side clear direction empty-cells float font-size font-stretch font-style font-variant font-weight
		height max-height max-width min-height min-width width line-height list-style list-style-position list-style-type padding padding-top padding-right padding-bottom padding-left object-fit opacity
		overflow-wrap table-layout text-align text-align-last text-overflow text-transform visibility white-space word-break
		word-wrap hyphens orphans widows page-break-after page-break-before page-break-inside break-inside align-items align-content align-self
		justify-content flex flex-basis flex-direction flex-grow flex-shrink flex-wrap order gap row-gap column-gap tab-size`)
	add(form{special: "margin"}, `margin margin-top margin-right margin-bottom margin-left text-indent`)
	add(form{special: "font-family"}, `font-family font`)
	add(form{words: ` block inline inline-block none table inline-table table-row table-cell table-row-group table-header-group table-footer-group table-column
		table-column-group table-caption list-item flex inline-flex flow-root initial inherit unset revert `}, `display`)
	add(form{words: ` visible hidden clip auto initial inherit unset `}, `overflow overflow-x overflow-y`)
	return all
}

func (w *writer) appendDeclaration(out []byte, name string, value []token) []byte {
	f, known := properties[name]
	if !known {
		return out
	}
	value, important := cutImportant(value)
	v := valueWriter{w: w, form: f}
	var list []string // of declarations
	switch {
	case f.special == "background":
		list = v.background(value)
	case v.list(value, 0) && len(v.out) > 0:
		list = []string{name + ":" + v.text()}
	}
	for _, one := range list {
		out = append(out, one...)
		if important {
			out = append(out, "!important"...)
		}
		out = append(out, ';')
	}
	return out
}

// cutImportant takes "!important" from the end of a value.
func cutImportant(value []token) ([]token, bool) {
	rest := value
	if n := len(rest); n < 2 || rest[n-1].kind != css.IdentToken || !strings.EqualFold(rest[n-1].text, "important") {
		return value, false
	}
	rest = trimSpace(rest[:len(rest)-1])
	if n := len(rest); n == 0 || rest[n-1].text != "!" {
		return value, false
	}
	return trimSpace(rest[:len(rest)-1]), true
}

// valueWriter writes a value anew, token by token, and refuses what it does not know.
type valueWriter struct {
	w    *writer
	form form
	out  []byte
}

// text is the value as it is written.
func (v *valueWriter) text() string {
	if v.form.special == "font-family" {
		return withGeneric(string(v.out))
	}
	return string(v.out)
}

// Bounds of a value.
const (
	maxValueTokens = 200
	maxNesting     = 4
	maxNumber      = 10_000
)

// list writes tokens, and reports whether it knows them all.
func (v *valueWriter) list(list []token, depth int) bool {
	if len(list) > maxValueTokens || depth > maxNesting {
		return false
	}
	open := 0 // brackets
	for i := 0; i < len(list); i++ {
		t := list[i]
		switch t.kind {
		case css.FunctionToken:
			end := i + 1 + upTo(list[i+1:], css.RightParenthesisToken)
			if !v.function(strings.ToLower(t.text), list[i+1:end], depth) {
				return false
			}
			i = end
			continue
		case css.LeftParenthesisToken:
			open++
		case css.RightParenthesisToken:
			open--
		}
		if !v.token(t, depth) || open < 0 {
			return false
		}
	}
	return open == 0
}

func (v *valueWriter) token(t token, depth int) bool {
	switch t.kind {
	case css.WhitespaceToken:
		v.out = append(v.out, ' ')
	case css.CommaToken:
		v.out = append(v.out, ',')
	case css.IdentToken:
		return v.word(t.text)
	case css.HashToken:
		c, ok := parseColour(t.text, false)
		v.out = append(v.out, v.w.shade(c, v.form.use).String()...)
		return ok
	case css.NumberToken, css.PercentageToken, css.DimensionToken:
		return v.number(t, depth)
	case css.StringToken:
		return v.string(t.text)
	case css.DelimToken:
		if t.text == "-" && v.form.special == "margin" { // which would move the element out of its place
			return false
		}
		if t.text != "/" && (depth == 0 || t.text != "*" && t.text != "+" && t.text != "-") {
			return false
		}
		v.out = append(v.out, t.text...)
	case css.LeftParenthesisToken, css.RightParenthesisToken:
		v.out = append(v.out, t.text...)
		return depth > 0
	default:
		return false
	}
	return true
}

// word writes a keyword, which a colour can be.
func (v *valueWriter) word(text string) bool {
	lower := strings.ToLower(text)
	if !onlyOf(lower, "-_") || v.form.words != "" && !strings.Contains(v.form.words, " "+lower+" ") {
		return false
	}
	if v.w.o.Dark && v.form.special == "" {
		if c, ok := parseColour(lower, false); ok {
			lower = v.w.shade(c, v.form.use).String()
		}
	}
	if v.form.special == "font-family" {
		lower = text
	}
	v.out = append(v.out, lower...)
	return true
}

// units are those of lengths that do not depend on the height of the frame, which follows from its content.
const units = " px pt pc em rem ex ch in cm mm q vw deg fr "

// number writes a number with its unit, if it is not absurd.
func (v *valueWriter) number(t token, depth int) bool {
	n := len(t.text)
	for n > 0 && (t.text[n-1] == '%' || 'a' <= t.text[n-1]|0x20 && t.text[n-1]|0x20 <= 'z') {
		n--
	}
	unit := strings.ToLower(t.text[n:])
	value, err := strconv.ParseFloat(t.text[:n], 64)
	if err != nil || math.Abs(value) > maxNumber && depth == 0 || value < v.form.atLeast && (depth == 0 || v.form.special == "margin") || math.Abs(value) > 1e6 {
		return false
	}
	if unit != "" && unit != "%" && !strings.Contains(units, " "+unit+" ") {
		return false
	}
	v.out = strconv.AppendFloat(v.out, value, 'f', -1, 64)
	v.out = append(v.out, unit...)
	return true
}

// string writes the name of a font.
func (v *valueWriter) string(text string) bool {
	if len(text) < 2 || v.form.special != "font-family" {
		return false
	}
	name := text[1 : len(text)-1]
	if name != "" && !onlyOf(name, " -_.") {
		return false
	}
	v.out = append(append(append(v.out, '\''), name...), '\'')
	return true
}

// function writes colours and sums.
func (v *valueWriter) function(name string, args []token, depth int) bool {
	switch name {
	case "rgb(", "rgba(", "hsl(", "hsla(":
		c, ok := colourFunction(name, args)
		v.out = append(v.out, v.w.shade(c, v.form.use).String()...)
		return ok
	case "calc(", "min(", "max(", "clamp(":
		v.out = append(v.out, name...)
		ok := v.list(trimSpace(args), depth+1)
		v.out = append(v.out, ')')
		return ok
	case "linear-gradient(", "radial-gradient(":
		if v.form.special != "background" || depth > 0 {
			return false
		}
		v.out = append(v.out, name...)
		ok := v.list(trimSpace(args), depth+1)
		v.out = append(v.out, ')')
		return ok
	}
	return false
}

// colourFunction reads rgb() and hsl(), with commas or without.
func colourFunction(name string, args []token) (colour, bool) {
	var n []float64
	var percent []bool
	for _, t := range args {
		switch t.kind {
		case css.NumberToken, css.PercentageToken, css.DimensionToken:
			text := strings.TrimSuffix(strings.TrimSuffix(t.text, "%"), "deg")
			value, err := strconv.ParseFloat(text, 64)
			if err != nil || len(n) == 4 {
				return colour{}, false
			}
			n, percent = append(n, value), append(percent, strings.HasSuffix(t.text, "%"))
		case css.WhitespaceToken, css.CommaToken:
		case css.DelimToken:
			if t.text != "/" {
				return colour{}, false
			}
		default:
			return colour{}, false
		}
	}
	if len(n) < 3 {
		return colour{}, false
	}
	opacity := 1.0
	if len(n) == 4 {
		if opacity = n[3]; percent[3] {
			opacity /= 100
		}
		opacity = min(max(opacity, 0), 1)
	}
	if strings.HasPrefix(name, "hsl") {
		return fromHSL(n[0], n[1]/100, n[2]/100, opacity), true
	}
	for i := range 3 {
		if n[i] /= 255; percent[i] {
			n[i] *= 255. / 100
		}
		n[i] = min(max(n[i], 0), 1)
	}
	return colour{n[0], n[1], n[2], opacity}, true
}

// background keeps the colour, the gradient and, where pictures are shown, the first picture of a background.
func (v *valueWriter) background(list []token) []string {
	var b backdrop
	for i := 0; i < len(list) && i < maxValueTokens; i++ {
		t := list[i]
		v.out = v.out[:0]
		switch t.kind {
		case css.URLToken:
			b.picture = cmp.Or(b.picture, v.picture(t.text))
		case css.FunctionToken:
			end := i + 1 + upTo(list[i+1:], css.RightParenthesisToken)
			if name := strings.ToLower(t.text); v.function(name, list[i+1:end], 0) {
				if strings.Contains(name, "gradient") {
					b.gradient = string(v.out)
				} else {
					b.ground = string(v.out)
				}
			}
			i = end
		case css.DelimToken:
			b.sizes = b.sizes || t.text == "/"
		case css.NumberToken, css.PercentageToken, css.DimensionToken:
			if !v.number(t, 0) {
				continue
			}
			if b.sizes {
				b.size = append(b.size, string(v.out))
			} else {
				b.place = append(b.place, string(v.out))
			}
		case css.HashToken, css.IdentToken:
			text := strings.ToLower(t.text)
			if c, ok := parseColour(text, false); !b.word(text) && ok {
				b.ground = v.w.shade(c, forBackground).String()
			}
		}
	}
	return b.declarations()
}

// backdrop is what is kept of a background, in CSS.
type backdrop struct {
	ground, gradient, picture string
	place, size, repeat       []string
	sizes                     bool // after a slash
}

// word takes a word of a background that is no colour; false for others.
func (b *backdrop) word(text string) bool {
	is := func(words string) bool { return strings.Contains(words, " "+text+" ") }
	switch {
	case is(" transparent none inherit initial "):
		b.ground = strings.Replace(text, "none", "transparent", 1)
	case is(" repeat repeat-x repeat-y no-repeat "):
		b.repeat = append(b.repeat, text)
	case is(" left right top bottom center ") && !b.sizes:
		b.place = append(b.place, text)
	case is(" cover contain auto ") && b.sizes:
		b.size = append(b.size, text)
	default:
		return false
	}
	return true
}

// declarations write it, apart.
func (b *backdrop) declarations() (out []string) {
	if b.ground != "" {
		out = append(out, "background-color:"+b.ground)
	}
	if b.picture == "" {
		if b.gradient != "" {
			out = append(out, "background-image:"+b.gradient)
		}
		return out
	}
	out = append(out, "background-image:"+b.picture)
	for _, one := range []struct {
		name   string
		values []string
	}{{"position", b.place}, {"size", b.size}, {"repeat", b.repeat}} {
		if n := len(one.values); n > 0 && n <= 2 {
			out = append(out, "background-"+one.name+":"+strings.Join(one.values, " "))
		}
	}
	return out
}

// picture is where the picture of a background can be had, as an image of CSS; "" for none. Nothing but an address that the caller
// made, of characters that mean nothing in CSS, is written.
func (v *valueWriter) picture(text string) string {
	raw := strings.TrimSpace(strings.TrimSuffix(text[len("url("):], ")"))
	if n := len(raw); n > 1 && (raw[0] == '"' || raw[0] == '\'') && raw[n-1] == raw[0] {
		raw = raw[1 : n-1]
	}
	if strings.Contains(raw, `\`) { // nobody writes addresses so who means well
		return ""
	}
	shown := ""
	if scheme, rest, _ := cutScheme(clean(raw)); scheme == "cid" {
		if v.w.o.Inline != nil {
			shown = v.w.o.Inline(unescape(rest))
		}
	} else if a, ok := ParseAddress(raw); ok {
		v.w.remote.add(a.Text)
		if v.w.o.Remote != nil {
			shown = v.w.o.Remote(a.Text)
		}
	}
	if !strings.HasPrefix(shown, "/") || strings.HasPrefix(shown, "//") || !onlyOf(shown, "/?&=%+-_.~:@!$,") {
		return ""
	}
	if v.w.o.Dark { // what is written on it is light now
		return "linear-gradient(#000a,#000a),url(\"" + shown + "\")"
	}
	return "url(\"" + shown + "\")"
}
