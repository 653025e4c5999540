package sanitize

import (
	"strings"

	"github.com/tdewolff/parse/v2/css"
)

// Bounds of the style sheets of a message.
const (
	maxRules     = 5000
	maxSelectors = 100 // of a rule
	maxCompounds = 12  // of a selector
	maxRuleDepth = 3   // of @media in each other
)

// sheet writes the rules of the message's style sheets so that they apply within its element alone.
func (w *writer) sheet() []byte {
	if len(w.sheets) == 0 {
		return nil
	}
	s := sheetWriter{w: w}
	s.rules(tokens(string(w.sheets)), 0)
	return s.out
}

type sheetWriter struct {
	w     *writer
	out   []byte
	count int
}

// rules writes those of a sheet or of a block of @media. All other rules that begin with an @ are left out: they fetch, name or move
// things.
func (s *sheetWriter) rules(list []token, depth int) {
	for {
		if list = trimSpace(list); len(list) == 0 || s.count == maxRules {
			return
		}
		at := list[0].kind == css.AtKeywordToken
		n := 0
		if at {
			n = upTo(list, css.LeftBraceToken, css.SemicolonToken)
		} else {
			n = upTo(list, css.LeftBraceToken)
		}
		prelude, rest := trimSpace(list[:n]), list[n:]
		if len(rest) == 0 || rest[0].kind != css.LeftBraceToken {
			list = rest[min(1, len(rest)):]
			continue
		}
		end := 1 + upTo(rest[1:], css.RightBraceToken)
		block := rest[1:end]
		list = rest[min(end+1, len(rest)):]
		switch {
		case at && strings.EqualFold(prelude[0].text, "@media") && depth < maxRuleDepth:
			s.media(prelude[1:], block, depth)
		case !at:
			s.rule(prelude, block)
		}
	}
}

func (s *sheetWriter) rule(prelude, block []token) {
	s.count++
	before := len(s.out)
	if !s.selectors(prelude) {
		s.out = s.out[:before]
		return
	}
	s.out = append(s.out, '{')
	start := len(s.out)
	if s.out = s.w.appendDeclarations(s.out, block); len(s.out) == start {
		s.out = s.out[:before]
		return
	}
	s.out = append(s.out[:len(s.out)-1], "}\n"...)
}

// mediaWords are those of a query that ask for nothing but the width and the kind of what shows the page. What asks whether the page
// is dark is left out: that is decided elsewhere.
const mediaWords = " all screen print only and min-width max-width min-device-width max-device-width orientation portrait landscape "

func (s *sheetWriter) media(query, block []token, depth int) {
	before := len(s.out)
	s.out = append(s.out, "@media "...)
	for _, t := range trimSpace(query) {
		switch t.kind {
		case css.IdentToken:
			if !strings.Contains(mediaWords, " "+strings.ToLower(t.text)+" ") {
				s.out = s.out[:before]
				return
			}
			s.out = append(s.out, strings.ToLower(t.text)...)
		case css.WhitespaceToken:
			s.out = append(s.out, ' ')
		case css.ColonToken, css.CommaToken, css.LeftParenthesisToken, css.RightParenthesisToken:
			s.out = append(s.out, t.text...)
		case css.DimensionToken, css.NumberToken:
			v := valueWriter{w: s.w}
			if !v.number(t, 0) {
				s.out = s.out[:before]
				return
			}
			s.out = append(s.out, v.out...)
		default:
			s.out = s.out[:before]
			return
		}
	}
	s.out = append(s.out, "{\n"...)
	start := len(s.out)
	if s.rules(block, depth+1); len(s.out) == start {
		s.out = s.out[:before]
		return
	}
	s.out = append(s.out, "}\n"...)
}

// selectors writes those of a rule that are understood, and reports whether there are any.
func (s *sheetWriter) selectors(list []token) bool {
	any := false
	for n := 0; n < maxSelectors && len(list) > 0; n++ {
		end := upTo(list, css.CommaToken)
		one := trimSpace(list[:end])
		list = list[min(end+1, len(list)):]
		before := len(s.out)
		if any {
			s.out = append(s.out, ',')
		}
		if len(one) == 0 || !s.selector(one) {
			s.out = s.out[:before]
			continue
		}
		any = true
	}
	return any
}

// compound is a part of a selector that is about one element, and how that stands to the one before.
type compound struct {
	combinator byte
	tokens     []token
}

// selector writes a selector so that it finds only what is in the element of the message, which stands for its html and
// body.
func (s *sheetWriter) selector(list []token) bool {
	compounds := split(list)
	if len(compounds) == 0 || len(compounds) > maxCompounds {
		return false
	}
	s.out = append(append(s.out, '#'), s.w.o.Scope...)
	inside := false
	for _, c := range compounds {
		rest, root := cutRoot(c.tokens)
		if inside || !root {
			if rest = c.tokens; !inside && (c.combinator == '+' || c.combinator == '~') {
				return false // that would be beside the element
			}
			inside = true
			s.out = append(s.out, c.combinator)
		}
		if !s.compound(rest) {
			return false
		}
	}
	return true
}

func split(list []token) (all []compound) {
	next := compound{combinator: ' '}
	flush := func(combinator byte) {
		if len(next.tokens) > 0 {
			all = append(all, next)
			next = compound{}
		}
		next.combinator = combinator
	}
	for _, t := range list {
		switch {
		case t.kind == css.WhitespaceToken:
			if len(next.tokens) > 0 {
				flush(' ')
			}
		case t.kind == css.DelimToken && (t.text == ">" || t.text == "+" || t.text == "~"):
			flush(t.text[0])
		default:
			next.tokens = append(next.tokens, t)
		}
	}
	flush(' ')
	return all
}

// cutRoot takes html, body or :root from the beginning of a compound.
func cutRoot(list []token) ([]token, bool) {
	switch {
	case list[0].kind == css.IdentToken && (strings.EqualFold(list[0].text, "html") || strings.EqualFold(list[0].text, "body")):
		return list[1:], true
	case list[0].kind == css.ColonToken && len(list) > 1 && strings.EqualFold(list[1].text, "root"):
		return list[2:], true
	}
	return list, false
}

// pseudoClasses are those that may stay: they depend on place and pointer alone.
const pseudoClasses = " first-child last-child only-child first-of-type last-of-type hover active focus link empty "

func (s *sheetWriter) compound(list []token) bool {
	for i := 0; i < len(list); i++ {
		switch t := list[i]; {
		case t.kind == css.IdentToken && i == 0 && onlyOf(t.text, ""):
			s.out = append(s.out, strings.ToLower(t.text)...)
		case t.kind == css.DelimToken && t.text == "*" && i == 0:
			s.out = append(s.out, '*')
		case t.kind == css.HashToken:
			if !s.name('#', t.text[1:]) {
				return false
			}
		case t.kind == css.DelimToken && t.text == "." && i+1 < len(list):
			if i++; !s.name('.', list[i].text) {
				return false
			}
		case t.kind == css.ColonToken && i+1 < len(list):
			if i++; !strings.Contains(pseudoClasses, " "+strings.ToLower(list[i].text)+" ") {
				return false
			}
			s.out = append(append(s.out, ':'), strings.ToLower(list[i].text)...)
		default:
			return false
		}
	}
	return true
}

func (s *sheetWriter) name(mark byte, name string) bool {
	n := len(s.out) + 1
	s.out = s.w.appendName(append(s.out, mark), name)
	return len(s.out) > n
}
