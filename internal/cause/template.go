package cause

import (
	"fmt"
	"strings"
	"time"
)

// Kind is the type of a placeholder.
type Kind string

// The kinds of placeholders and the values they hold.
const (
	KindText  Kind = "text"  // string
	KindCount Kind = "count" // int64
	KindSize  Kind = "size"  // Bytes
	KindTime  Kind = "time"  // time.Time, shown as day and hour
	KindClock Kind = "clock" // time.Time at most a day away, shown as hour and minute
	KindSpan  Kind = "span"  // time.Duration
)

// valid reports whether k is one of the kinds.
func (k Kind) valid() bool {
	switch k {
	case KindText, KindCount, KindSize, KindTime, KindClock, KindSpan:
		return true
	}
	return false
}

// holds reports whether a value is of this kind.
func (k Kind) holds(v any) bool {
	var ok bool
	switch k {
	case KindText:
		_, ok = v.(string)
	case KindCount:
		_, ok = v.(int64)
	case KindSize:
		_, ok = v.(Bytes)
	case KindTime, KindClock:
		_, ok = v.(time.Time)
	case KindSpan:
		_, ok = v.(time.Duration)
	}
	return ok
}

// until is the placeholder that shows Decision.Until.
const until = "until"

// template is a text with placeholders. A placeholder stands in an optional
// part in brackets, which is left out when its value is not known:
//
//	Sending limit[ of {limit} messages an hour] reached[, open again {until}]
//
// So every text also reads well with nothing filled in, which is how the why
// page shows it. A word that depends on a count stands beside it with its forms
// in the order of the language's plural categories: {limit} {limit:message|messages}.
// A word that stands before a date but not before "today" is the placeholder's:
// {since:on}.
type template struct {
	parts []part
	names []string // the placeholders, in order of appearance
}

// part is a stretch of text; an optional one has placeholders.
type part []piece

// piece is a literal or, if name is not empty, a placeholder; with forms, it
// shows the one that the count of this name takes, and before stands in front of
// a date.
type piece struct {
	literal, name string
	before        string
	forms         []string
}

// parseTemplate reads a template. Brackets do not nest.
func parseTemplate(s string) (template, error) {
	var t template
	for rest := s; rest != ""; {
		open := strings.IndexByte(rest, '[')
		if open < 0 {
			open = len(rest)
		}
		if open > 0 {
			if strings.ContainsAny(rest[:open], "]{}") {
				return template{}, fmt.Errorf("placeholder or bracket outside an optional part in %q", s)
			}
			t.parts = append(t.parts, part{{literal: rest[:open]}})
			rest = rest[open:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return template{}, fmt.Errorf("unclosed bracket in %q", s)
		}
		p, names, err := parsePart(rest[1:end])
		if err != nil {
			return template{}, fmt.Errorf("%w in %q", err, s)
		}
		t.parts = append(t.parts, p)
		t.names = append(t.names, names...)
		rest = rest[end+1:]
	}
	return t, nil
}

// parsePart reads what stands between brackets: literals and at least one
// placeholder.
func parsePart(s string) (part, []string, error) {
	var p part
	var names []string
	for s != "" {
		literal, rest, found := strings.Cut(s, "{")
		if strings.ContainsAny(literal, "[}") {
			return nil, nil, fmt.Errorf("stray bracket")
		}
		if literal != "" {
			p = append(p, piece{literal: literal})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		word, _, more := strings.Cut(name, ":")
		if !closed || word == "" || more && strings.HasSuffix(name, ":") || strings.ContainsAny(word, "{[ |") || strings.ContainsAny(name, "{[") {
			return nil, nil, fmt.Errorf("bad placeholder")
		}
		s = after
		name, words, _ := strings.Cut(name, ":")
		if strings.Contains(words, "|") {
			p = append(p, piece{name: name, forms: strings.Split(words, "|")})
			continue
		}
		p = append(p, piece{name: name, before: words})
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("optional part without a placeholder")
	}
	return p, names, nil
}

// plain returns the text with every optional part left out.
func (t *template) plain() string {
	var b strings.Builder
	for _, p := range t.parts {
		if len(p) == 1 && p[0].name == "" {
			b.WriteString(p[0].literal)
		}
	}
	return b.String()
}

// counted returns the names of counts that words depend on, with the number of their forms.
func (t *template) counted() map[string]int {
	counts := map[string]int{}
	for _, p := range t.parts {
		for _, piece := range p {
			if piece.forms != nil {
				counts[piece.name] = len(piece.forms)
			}
		}
	}
	return counts
}

// dated returns the placeholders with a word before a date.
func (t *template) dated() (names []string) {
	for _, p := range t.parts {
		for _, piece := range p {
			if piece.before != "" {
				names = append(names, piece.name)
			}
		}
	}
	return names
}

// append writes the text with what the decision fills in.
func (t *template) append(dst []byte, kinds map[string]Kind, d *Decision, w *writer) []byte {
	left := 0 // octets of fixed text still to come, which always have room
	for _, p := range t.parts {
		left += p.fixed()
	}
	for _, p := range t.parts {
		left -= p.fixed()
		longer, ok := p.append(dst, kinds, d, w)
		if ok && (p.fixed() > 0 || w.fits(len(longer)+left)) {
			dst = longer
		}
	}
	return dst
}

// fixed returns the length of a part that is always shown, 0 for an optional one.
func (p part) fixed() int {
	if len(p) == 1 && p[0].name == "" {
		return len(p[0].literal)
	}
	return 0
}

func (p part) append(dst []byte, kinds map[string]Kind, d *Decision, w *writer) ([]byte, bool) {
	for _, piece := range p {
		if piece.name == "" {
			dst = append(dst, piece.literal...)
			continue
		}
		if piece.forms != nil {
			n, ok := d.count(piece.name)
			if !ok {
				return dst, false
			}
			dst = append(dst, w.speech.form(n, piece.forms)...)
			continue
		}
		var ok bool
		if dst, ok = d.appendValue(dst, piece, kinds[piece.name], w); !ok {
			return dst, false
		}
	}
	return dst, true
}

// count returns the value of a parameter that counts something.
func (d *Decision) count(name string) (int64, bool) {
	for i := range d.Params {
		if d.Params[i].Name == name {
			n, ok := d.Params[i].Value.(int64)
			return n, ok
		}
	}
	return 0, false
}

// appendValue writes what fills a placeholder. It reports false if the value is
// not known, not of the kind or does not fit.
func (d *Decision) appendValue(dst []byte, p piece, kind Kind, w *writer) ([]byte, bool) {
	v := d.value(p.name)
	if t, ok := v.(time.Time); ok && p.before != "" && !w.isToday(t) {
		dst = append(append(dst, p.before...), ' ')
	}
	return w.appendValue(dst, kind, v)
}

// value is what fills a placeholder, nil if that is not known. Decision.Until is
// {until}, unless a parameter of that name says otherwise.
func (d *Decision) value(name string) any {
	for i := range d.Params {
		if d.Params[i].Name == name {
			return d.Params[i].Value
		}
	}
	if name == until && !d.Until.IsZero() {
		return d.Until
	}
	return nil
}
