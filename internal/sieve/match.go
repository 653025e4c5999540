package sieve

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// How a value is compared with a key (RFC 5228 section 2.7.1, RFC 5231, draft-ietf-sieve-regex).
const (
	matchIs       = "is"
	matchContains = "contains"
	matchMatches  = "matches"
	matchRegex    = "regex"
	matchCount    = "count"
	matchValue    = "value"
)

// The comparators (RFC 4790 section 9). The default is casemap.
const (
	octet   = "i;octet"
	casemap = "i;ascii-casemap"
	numeric = "i;ascii-numeric"
)

// matchTags are the tags of every test that compares.
var matchTags = []tag{
	{name: matchIs, group: "match"}, {name: matchContains, group: "match"}, {name: matchMatches, group: "match"},
	{name: matchRegex, group: "match", extension: "regex"},
	{name: matchCount, group: "match", extension: "relational", value: kindString},
	{name: matchValue, group: "match", extension: "relational", value: kindString},
	{name: "comparator", value: kindString},
}

// matcher compares values with keys.
type matcher struct {
	Position
	kind       string
	comparator string
	relation   string // of :count and :value
	keys       texts
	folded     []string // of literal keys of :contains
	regexes    []*regex // of literal keys of :regex
	silent     bool     // sets no match variables (RFC 5173 section 6)
}

// matcher reads the tags and keys of a comparing test.
func (c *compiler) matcher(u *call, keys *Argument) matcher {
	mt := matcher{Position: u.Position, kind: matchIs, comparator: casemap, keys: c.texts(keys)}
	for _, kind := range []string{matchIs, matchContains, matchMatches, matchRegex, matchCount, matchValue} {
		if u.has(kind) {
			mt.kind = kind
		}
	}
	if mt.kind == matchCount || mt.kind == matchValue {
		mt.relation = c.relation(u.tags[mt.kind].Strings[0])
	}
	if u.has("comparator") {
		mt.comparator = c.comparator(u.tags["comparator"].Strings[0])
	}
	if mt.comparator == numeric && (mt.kind == matchContains || mt.kind == matchMatches || mt.kind == matchRegex) {
		c.fail(u.Position, "comparator-match", "tag", ":"+mt.kind)
	}
	c.prepare(&mt)
	return mt
}

// prepare makes ready what does not change from run to run.
func (c *compiler) prepare(mt *matcher) {
	if mt.kind == matchContains && mt.comparator == casemap && mt.keys.literal != nil {
		mt.folded = foldAll(mt.keys.literal)
	}
	if mt.kind != matchRegex {
		return
	}
	for i, key := range mt.keys.literal {
		re, wrong := compileRegex(key, mt.comparator, mt.keys.list[i].Position)
		if wrong != nil {
			c.fail(wrong.Position, wrong.Code, wrong.Pairs...)
			return
		}
		mt.regexes = append(mt.regexes, re)
	}
}

func (c *compiler) relation(s String) string {
	relation := strings.ToLower(c.constant(s))
	switch relation {
	case "gt", "ge", "lt", "le", "eq", "ne":
	default:
		c.fail(s.Position, "relation-unknown", "found", shorten(relation))
	}
	return relation
}

func (c *compiler) comparator(s String) string {
	name := strings.ToLower(c.constant(s))
	switch name {
	case octet, casemap:
	case numeric:
		c.need(s.Position, numeric, "comparator-"+numeric)
	default:
		c.fail(s.Position, "comparator-unknown", "found", shorten(name))
	}
	return name
}

// The bounds of regular expressions. RE2 works in linear time, so they bound memory alone.
const (
	maxRegex        = 1000 // octets
	maxRegexProgram = 5000 // instructions
)

// regex is a regular expression and how many instructions it has: what an octet can cost at worst.
type regex struct {
	*regexp.Regexp
	instructions int
}

// compileRegex reads an extended regular expression of POSIX.
func compileRegex(expression, comparator string, at Position) (*regex, *Error) {
	if len(expression) > maxRegex {
		return nil, failAt(at, "regex-large")
	}
	parsed, err := syntax.Parse(expression, syntax.POSIX)
	if err != nil {
		return nil, failAt(at, "regex-wrong", "reason", err.Error())
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxRegexProgram {
		return nil, failAt(at, "regex-large")
	}
	flags := "(?s)"
	if comparator != octet {
		flags = "(?si)"
	}
	re, err := regexp.Compile(flags + expression)
	if err != nil {
		return nil, failAt(at, "regex-wrong", "reason", err.Error())
	}
	re.Longest()
	return &regex{re, len(program.Inst)}, nil
}

// match tells whether one of the values matches one of the keys.
func (m *machine) match(mt *matcher, values []string) (bool, error) {
	keys, err := m.fillAll(mt.keys)
	if err != nil {
		return false, err
	}
	folded := mt.folded
	contains := mt.kind == matchContains && mt.comparator == casemap
	switch {
	case mt.kind == matchCount:
		values = []string{strconv.Itoa(len(values))}
	case contains && folded == nil:
		folded = foldAll(keys)
	}
	if contains {
		keys = folded
	}
	for _, v := range values {
		if contains { // once for all keys
			v = m.fold(v)
		}
		for i, k := range keys {
			if err := m.spend(1 + (len(v)+len(k))/64); err != nil {
				return false, err
			}
			if ok, err := m.compare(mt, v, k, i); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

// compare compares one value with the key at a place in the list. For :contains, both are folded.
func (m *machine) compare(mt *matcher, value, key string, at int) (bool, error) {
	switch mt.kind {
	case matchIs:
		return order(value, key, mt.comparator) == 0, nil
	case matchContains:
		return strings.Contains(value, key), nil
	case matchMatches:
		captures, ok, err := m.glob(value, key, mt.comparator)
		if ok && !mt.silent {
			m.setMatch(captures)
		}
		return ok, err
	case matchRegex:
		return m.regex(mt, value, key, at)
	case matchCount:
		return holds(mt.relation, orderNumbers(value, key)), nil // RFC 5231 section 5 wants numbers
	}
	return holds(mt.relation, order(value, key, mt.comparator)), nil
}

func (m *machine) regex(mt *matcher, value, key string, at int) (bool, error) {
	var re *regex
	if mt.regexes != nil {
		re = mt.regexes[at]
	} else {
		if err := m.spend(1000); err != nil {
			return false, err
		}
		var wrong *Error
		if re, wrong = compileRegex(key, mt.comparator, mt.Position); wrong != nil {
			return false, m.failAt(wrong.Position, wrong.Code, wrong.Pairs...)
		}
	}
	if err := m.spend(len(value) * re.instructions / 64); err != nil {
		return false, err
	}
	found := re.FindStringSubmatch(value)
	if found != nil && !mt.silent {
		m.setMatch(found)
	}
	return found != nil, nil
}

// holds tells what an order means for a relation (RFC 5231 section 4).
func holds(relation string, order int) bool {
	switch relation {
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	case "ne":
		return order != 0
	}
	return order == 0
}

// order compares two strings by a comparator.
func order(a, b, comparator string) int {
	switch comparator {
	case octet:
		return strings.Compare(a, b)
	case numeric:
		return orderNumbers(a, b)
	}
	for i := range min(len(a), len(b)) {
		if x, y := fold(a[i]), fold(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

// orderNumbers compares the digits at the start of two strings; without any, a string counts as
// more than every number, and two such are equal (RFC 4790 section 9.1.1).
func orderNumbers(a, b string) int {
	x, y := digits(a), digits(b)
	switch {
	case x == "" && y == "":
		return 0
	case x == "":
		return 1
	case y == "":
		return -1
	}
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return strings.Compare(x, y)
}

func digits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }

func fold(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// foldText puts the ASCII letters of a text in lower case (RFC 4790 section 9.2).
func foldText(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		b[i] = fold(c)
	}
	return string(b)
}

// fold is foldText, which is done once for each header field of a message.
func (m *machine) fold(s string) string {
	const mostOctets, mostTexts = 1000, 100
	if len(s) > mostOctets {
		return foldText(s)
	}
	folded, known := m.folded[s]
	if !known {
		folded = foldText(s)
		if m.folded == nil {
			m.folded = map[string]string{}
		}
		if len(m.folded) < mostTexts {
			m.folded[s] = folded
		}
	}
	return folded
}

func foldAll(list []string) []string {
	folded := make([]string, len(list))
	for i, s := range list {
		folded[i] = foldText(s)
	}
	return folded
}

// glob matches a value with a pattern of *, ? and \ (RFC 5228 section 2.7.1). It returns what the
// wildcards stand for, after the whole value; each * takes as little as it can (RFC 5229 section 3.2).
func (m *machine) glob(value, pattern, comparator string) (captures []string, ok bool, err error) {
	const perStep = 64
	g := globber{value: value, pattern: pattern, octets: comparator == octet, most: (m.limits.Steps - m.result.Steps) * perStep}
	ok = g.run()
	if err = m.spend(g.work/perStep + 1); err != nil || !ok {
		return nil, false, err
	}
	return append([]string{value}, g.captures...), true, nil
}

// globber goes through a value and a pattern. When it gets stuck, the last * takes one character more:
// going back to the one before could not help.
type globber struct {
	value, pattern string
	octets         bool
	captures       []string
	work, most     int // characters looked at; it gives up at most
}

func (g *globber) run() bool {
	v, p := 0, 0
	star := -1                      // where the last * is in the pattern
	from, upTo, captured := 0, 0, 0 // what it takes of the value, and how many captures come before
	for {
		if g.work++; g.work > g.most {
			return false
		}
		if p == len(g.pattern) && v == len(g.value) {
			return true
		}
		if p < len(g.pattern) && g.pattern[p] == '*' {
			star, from, upTo, captured = p, v, v, len(g.captures)
			if p++; p == len(g.pattern) { // it takes all the rest
				g.captures = append(g.captures, g.value[v:])
				return true
			}
			g.captures = append(g.captures, "")
			continue
		}
		if n, k := g.one(v, p); k > 0 {
			v, p = v+n, p+k
			continue
		}
		if star < 0 || upTo >= len(g.value) {
			return false
		}
		upTo += g.size(upTo)
		g.captures = append(g.captures[:captured], g.value[from:upTo])
		v, p = upTo, star+1
	}
}

// size is how many octets a character has.
func (g *globber) size(v int) int {
	if g.octets {
		return 1
	}
	_, n := utf8.DecodeRuneInString(g.value[v:])
	return n
}

// one matches one character of both and returns how far that goes; 0 where they differ.
func (g *globber) one(v, p int) (n, k int) {
	if v == len(g.value) || p == len(g.pattern) {
		return 0, 0
	}
	c := g.pattern[p]
	if c == '?' {
		n = g.size(v)
		g.captures = append(g.captures, g.value[v:v+n])
		return n, 1
	}
	k = 1
	if c == '\\' && p+1 < len(g.pattern) {
		c, k = g.pattern[p+1], 2
	}
	w := g.value[v]
	if !g.octets {
		c, w = fold(c), fold(w)
	}
	if c != w {
		return 0, 0
	}
	return 1, k
}
