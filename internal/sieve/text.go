package sieve

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// text is a string of a script. With the extension variables it may have references in it, which a
// run fills in (RFC 5229 section 3).
type text struct {
	Position
	literal string
	pieces  []piece // nil: the text is literal
}

// texts are the strings of an argument. Literal has them as they are, if none has variables.
type texts struct {
	list    []text
	literal []string
}

// piece is text and a reference behind it. Match is the number of a match variable, or -1.
type piece struct {
	literal string
	name    string // in lower case; "" with match
	match   int
}

// maxMatch is the highest match variable; RFC 5229 section 3.2 wants at least nine.
const maxMatch = 31

// text reads a string.
func (c *compiler) text(s String) text {
	t := text{Position: s.Position, literal: c.constant(s)}
	if !c.has("variables") || !strings.Contains(t.literal, "${") {
		return t
	}
	var pieces []piece
	begin := 0
	for i := 0; i < len(t.literal); {
		n, p, ok := c.reference(t.literal[i:], s.Position)
		if !ok {
			i++
			continue
		}
		p.literal = t.literal[begin:i]
		pieces = append(pieces, p)
		i += n
		begin = i
	}
	if pieces != nil {
		t.pieces = append(pieces, piece{literal: t.literal[begin:], match: -1})
	}
	return t
}

// reference reads "${name}" at the start of s and returns how long it is. What does not look like a
// reference is text.
func (c *compiler) reference(s string, at Position) (n int, p piece, ok bool) {
	if !strings.HasPrefix(s, "${") {
		return 0, p, false
	}
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return 0, p, false
	}
	name := strings.ToLower(s[2:end])
	if number, err := strconv.ParseUint(name, 10, 31); err == nil {
		if number > maxMatch {
			c.fail(at, "match-variable", "name", "${"+shorten(name)+"}", "most", strconv.Itoa(maxMatch))
		}
		return end + 1, piece{match: int(number)}, true
	}
	for _, level := range strings.Split(name, ".") {
		if level == "" || identifier(level) != len(level) {
			return 0, p, false
		}
	}
	c.variableName(name, at)
	return end + 1, piece{name: name, match: -1}, true
}

// variableName checks the name of a variable: the only name space is that of include (RFC 6609 section 3.4.2).
func (c *compiler) variableName(name string, at Position) {
	space, rest, found := strings.Cut(name, ".")
	switch {
	case !found && identifier(name) == len(name) && name != "":
	case found && space == "global" && c.has("include") && identifier(rest) == len(rest) && rest != "":
	default:
		c.fail(at, "variable-name", "name", shorten(name))
	}
}

// texts reads the strings of an argument, none of nil.
func (c *compiler) texts(a *Argument) (all texts) {
	if a == nil {
		return all
	}
	all.list, all.literal = make([]text, len(a.Strings)), make([]string, len(a.Strings))
	variables := false
	for i := range a.Strings {
		all.list[i] = c.text(a.Strings[i])
		all.literal[i] = all.list[i].literal
		variables = variables || all.list[i].pieces != nil
	}
	if variables {
		all.literal = nil
	}
	return all
}

// optional reads the string of a tag, the zero text where there is none.
func (c *compiler) optional(u *call, tag string) text {
	if !u.has(tag) {
		return text{Position: u.Position}
	}
	return c.text(u.tags[tag].Strings[0])
}

// constant reads a string that has no variables.
func (c *compiler) constant(s String) string {
	if c.has("encoded-character") && strings.Contains(s.Value, "${") {
		return c.encoded(s)
	}
	return s.Value
}

// encoded fills in "${hex: c3 a5}" and "${unicode: e5}" (RFC 5228 section 2.4.2.4). What is not
// formed like that is text.
func (c *compiler) encoded(s String) string {
	var b strings.Builder
	for rest := s.Value; rest != ""; {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		rest = rest[i:]
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			b.WriteString(rest)
			break
		}
		decoded, ok := c.decode(rest[2:end], s.Position)
		if !ok {
			b.WriteString("${")
			rest = rest[2:]
			continue
		}
		b.WriteString(decoded)
		rest = rest[end+1:]
	}
	return b.String()
}

func (c *compiler) decode(inside string, at Position) (string, bool) {
	form, list, found := strings.Cut(inside, ":")
	fields := strings.Fields(list)
	if !found || len(fields) == 0 {
		return "", false
	}
	var b strings.Builder
	for _, f := range fields {
		switch strings.ToLower(form) {
		case "hex":
			octet, err := hex.DecodeString(f)
			if err != nil || len(octet) != 1 {
				return "", false
			}
			b.WriteByte(octet[0])
		case "unicode":
			value, err := strconv.ParseUint(f, 16, 32)
			if err != nil {
				return "", false
			}
			if value > utf8.MaxRune || !utf8.ValidRune(rune(value)) {
				c.fail(at, "unicode-value", "value", f)
				return "", true
			}
			b.WriteRune(rune(value))
		default:
			return "", false
		}
	}
	return b.String(), true
}

// fill returns a text with its variables.
func (m *machine) fill(t *text) (string, error) {
	if t.pieces == nil {
		return t.literal, nil
	}
	var b strings.Builder
	for i := range t.pieces {
		p := &t.pieces[i]
		b.WriteString(p.literal)
		switch {
		case p.match >= 0:
			b.WriteString(m.matched(p.match))
		case p.name != "":
			b.WriteString(m.variable(p.name))
		}
		if b.Len() > m.limits.Value {
			return cutText(b.String(), m.limits.Value), m.spend(b.Len() / 64)
		}
	}
	return b.String(), m.spend(1 + b.Len()/64)
}

// fillAll returns texts with their variables, not to be changed.
func (m *machine) fillAll(all texts) ([]string, error) {
	if all.literal != nil || all.list == nil {
		return all.literal, nil
	}
	out := make([]string, len(all.list))
	for i := range all.list {
		s, err := m.fill(&all.list[i])
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

// cutText shortens s to n octets without splitting a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
