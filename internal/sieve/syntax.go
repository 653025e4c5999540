package sieve

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Tree is a script as it is written: its commands, not yet checked for what they mean.
type Tree []Command

// Command is a command with what follows it (RFC 5228 section 8.2).
type Command struct {
	Position
	Name  string // in lower case
	Args  []Argument
	Tests []Test
	List  bool      // the tests stand in parentheses
	Block []Command // nil: none; empty: {}
}

// Test is a test with what follows it.
type Test struct {
	Position
	Name  string // in lower case
	Args  []Argument
	Tests []Test
	List  bool // the tests stand in parentheses
}

// ArgumentKind is what an argument is.
type ArgumentKind uint8

// The kinds of arguments.
const (
	ArgumentTag ArgumentKind = iota + 1
	ArgumentNumber
	ArgumentString
	ArgumentList // of strings
)

// Argument is one argument of a command or test.
type Argument struct {
	Position
	Kind    ArgumentKind
	Tag     string // in lower case, without its colon
	Number  uint64
	Strings []String // one of ArgumentString
}

// String is a string and where it stands.
type String struct {
	Position
	Value string
}

// parser reads commands by recursive descent, one token ahead.
type parser struct {
	lexer
	token  token
	behind Position // the token before
	limits *Limits
	depth  int
	count  int // commands and tests
}

// ParseTree reads a script without checking what its commands mean. The error is an Errors with the
// first place that cannot be read.
func ParseTree(text string, limits Limits) (Tree, error) {
	limits = limits.withDefaults()
	tree, err := parse(text, &limits)
	if err != nil {
		return nil, Errors{err}
	}
	return tree, nil
}

func parse(text string, limits *Limits) (Tree, *Error) {
	start := Position{1, 1}
	if len(text) > limits.Script {
		return nil, failAt(start, "script-long", "most", strconv.Itoa(limits.Script))
	}
	p := &parser{lexer: lexer{rest: text, at: start, most: limits.String}, limits: limits}
	if i := strings.IndexByte(text, 0); i >= 0 || !utf8.ValidString(text) {
		if i < 0 {
			i = invalidUTF8(text)
		}
		p.advance(i)
		return nil, failAt(p.at, "octets")
	}
	p.rest = strings.TrimPrefix(p.rest, "\ufeff") // editors put it there
	if err := p.advanceToken(); err != nil {
		return nil, err
	}
	commands, err := p.commands()
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenEnd {
		return nil, failAt(p.token.Position, "command-expected", "found", p.token.shown())
	}
	return commands, nil
}

// invalidUTF8 returns where a text stops being UTF-8.
func invalidUTF8(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
	}
	return 0
}

func (p *parser) advanceToken() (err *Error) {
	p.behind = p.at
	p.token, err = p.next()
	return err
}

func (p *parser) is(mark string) bool { return p.token.kind == tokenMark && p.token.text == mark }

// enter goes a level deeper and counts what is there.
func (p *parser) enter(at Position) *Error {
	if p.depth++; p.depth > p.limits.Depth {
		return failAt(at, "deep", "most", strconv.Itoa(p.limits.Depth))
	}
	if p.count++; p.count > p.limits.Nodes {
		return failAt(at, "many", "most", strconv.Itoa(p.limits.Nodes))
	}
	return nil
}

// commands reads commands up to the end of the script or of a block.
func (p *parser) commands() ([]Command, *Error) {
	list := []Command{}
	for p.token.kind == tokenIdentifier {
		c, err := p.command()
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func (p *parser) command() (c Command, err *Error) {
	c.Position, c.Name = p.token.Position, p.token.text
	if err = p.enter(c.Position); err != nil {
		return c, err
	}
	defer func() { p.depth-- }()
	if err = p.advanceToken(); err != nil {
		return c, err
	}
	if c.Args, err = p.arguments(); err != nil {
		return c, err
	}
	if c.Tests, c.List, err = p.tests(); err != nil {
		return c, err
	}
	switch {
	case p.is(";"):
		return c, p.advanceToken()
	case p.is("{"):
		return c, p.block(&c)
	}
	return c, failAt(p.behind, "command-end", "command", shorten(c.Name), "found", p.token.shown())
}

func (p *parser) block(c *Command) (err *Error) {
	open := p.token.Position
	if err = p.advanceToken(); err != nil {
		return err
	}
	if c.Block, err = p.commands(); err != nil {
		return err
	}
	if p.is("}") {
		return p.advanceToken()
	}
	if p.token.kind == tokenEnd {
		return failAt(open, "block-open")
	}
	return failAt(p.token.Position, "command-expected", "found", p.token.shown())
}

func (p *parser) arguments() (list []Argument, err *Error) {
	for {
		a := Argument{Position: p.token.Position}
		switch {
		case p.token.kind == tokenTag:
			a.Kind, a.Tag = ArgumentTag, p.token.text
		case p.token.kind == tokenNumber:
			a.Kind, a.Number = ArgumentNumber, p.token.number
		case p.token.kind == tokenString:
			a.Kind, a.Strings = ArgumentString, []String{{p.token.Position, p.token.text}}
		case p.is("["):
			a.Kind = ArgumentList
			if a.Strings, err = p.list(); err != nil {
				return nil, err
			}
		default:
			return list, nil
		}
		if len(list) >= p.limits.Items {
			return nil, failAt(a.Position, "many-items", "most", strconv.Itoa(p.limits.Items))
		}
		list = append(list, a)
		if err = p.advanceToken(); err != nil {
			return nil, err
		}
	}
}

// list reads strings in brackets and stays at the closing one. Our own scripts may have empty lists;
// the standard has none, yet writers of scripts make them.
func (p *parser) list() (list []String, err *Error) {
	for {
		if err = p.advanceToken(); err != nil {
			return nil, err
		}
		if p.is("]") && len(list) == 0 {
			return list, nil
		}
		if p.token.kind != tokenString {
			return nil, failAt(p.token.Position, "list-string", "found", p.token.shown())
		}
		if len(list) >= p.limits.Items {
			return nil, failAt(p.token.Position, "many-items", "most", strconv.Itoa(p.limits.Items))
		}
		list = append(list, String{p.token.Position, p.token.text})
		if err = p.advanceToken(); err != nil {
			return nil, err
		}
		switch {
		case p.is("]"):
			return list, nil
		case !p.is(","):
			return nil, failAt(p.token.Position, "list-comma", "found", p.token.shown())
		}
	}
}

// tests reads a test, or several in parentheses, or none.
func (p *parser) tests() (list []Test, inList bool, err *Error) {
	switch {
	case p.token.kind == tokenIdentifier:
		t, err := p.test()
		return []Test{t}, false, err
	case !p.is("("):
		return nil, false, nil
	}
	for {
		if err = p.advanceToken(); err != nil {
			return nil, false, err
		}
		if p.token.kind != tokenIdentifier {
			return nil, false, failAt(p.token.Position, "test-expected", "found", p.token.shown())
		}
		t, err := p.test()
		if err != nil {
			return nil, false, err
		}
		list = append(list, t)
		switch {
		case p.is(")"):
			return list, true, p.advanceToken()
		case !p.is(","):
			return nil, false, failAt(p.token.Position, "test-comma", "found", p.token.shown())
		}
	}
}

func (p *parser) test() (t Test, err *Error) {
	t.Position, t.Name = p.token.Position, p.token.text
	if err = p.enter(t.Position); err != nil {
		return t, err
	}
	defer func() { p.depth-- }()
	if err = p.advanceToken(); err != nil {
		return t, err
	}
	if t.Args, err = p.arguments(); err != nil {
		return t, err
	}
	t.Tests, t.List, err = p.tests()
	return t, err
}
