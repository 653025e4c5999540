package peer

import (
	"errors"
	"strconv"
	"strings"
)

// errSyntaxIMAP answers BAD.
var errSyntaxIMAP = errors.New("peer: malformed command")

// token is one argument of an IMAP command: an atom or string, or a list.
type token struct {
	text   string
	quoted bool
	list   []token
	isList bool
}

// imapCommand is a command with its arguments.
type imapCommand struct {
	tag, verb string // the verb in capitals, "UID FETCH" being one
	line      string // verb and arguments as said, for scripts, literals left out
	args      []token
}

// arg returns the text of an argument, "" where there is none.
func (c *imapCommand) arg(i int) string {
	if i >= len(c.args) {
		return ""
	}
	return c.args[i].text
}

// readCommand reads a command with its literals (RFC 9051 section 2.2.1).
func (c *conn) readCommand() (*imapCommand, error) {
	line, err := c.line(false)
	if err != nil {
		return nil, err
	}
	tag, rest, _ := strings.Cut(line, " ")
	cmd := &imapCommand{tag: tag, line: rest}
	c.tag = tag
	p := imapParser{c: c, s: rest}
	cmd.args, err = p.list(false)
	if err != nil {
		return cmd, err
	}
	if len(cmd.args) == 0 {
		return cmd, errSyntaxIMAP
	}
	cmd.verb, cmd.args = strings.ToUpper(cmd.args[0].text), cmd.args[1:]
	if cmd.verb == "UID" && len(cmd.args) > 0 {
		cmd.verb, cmd.args = "UID "+strings.ToUpper(cmd.args[0].text), cmd.args[1:]
	}
	return cmd, nil
}

// imapParser reads arguments and, where a literal is announced, its octets.
type imapParser struct {
	c     *conn
	s     string
	depth int
}

func (p *imapParser) list(inner bool) (out []token, err error) {
	if p.depth++; p.depth > 20 {
		return nil, errSyntaxIMAP
	}
	defer func() { p.depth-- }()
	for {
		p.s = strings.TrimLeft(p.s, " ")
		if p.s == "" {
			if inner {
				return nil, errSyntaxIMAP
			}
			return out, nil
		}
		if p.s[0] == ')' {
			if !inner {
				return nil, errSyntaxIMAP
			}
			p.s = p.s[1:]
			return out, nil
		}
		t, err := p.token()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
}

func (p *imapParser) token() (token, error) {
	switch p.s[0] {
	case '(':
		p.s = p.s[1:]
		list, err := p.list(true)
		return token{list: list, isList: true}, err
	case '"':
		return p.quoted()
	case '{':
		return p.literal()
	}
	end, depth := 0, 0
	for ; end < len(p.s); end++ { // BODY[HEADER.FIELDS (From To)] is one
		switch ch := p.s[end]; {
		case ch == '[':
			depth++
		case ch == ']':
			depth--
		}
		if depth <= 0 && strings.ContainsRune(" ()", rune(p.s[end])) {
			break
		}
	}
	t := token{text: p.s[:end]}
	p.s = p.s[end:]
	return t, nil
}

func (p *imapParser) quoted() (token, error) {
	var b strings.Builder
	for i := 1; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
			if i == len(p.s) {
				return token{}, errSyntaxIMAP
			}
		case '"':
			p.s = p.s[i+1:]
			return token{text: b.String(), quoted: true}, nil
		}
		b.WriteByte(p.s[i])
	}
	return token{}, errSyntaxIMAP
}

func (p *imapParser) literal() (token, error) {
	size, rest, ok := strings.Cut(p.s[1:], "}")
	if !ok || rest != "" {
		return token{}, errSyntaxIMAP
	}
	number, atOnce := strings.CutSuffix(size, "+")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return token{}, errSyntaxIMAP
	}
	if !atOnce {
		p.c.send("+ Ready for literal data")
	}
	octets, err := p.c.octets(n)
	if err != nil {
		return token{}, err
	}
	if p.s, err = p.c.line(true); err != nil {
		return token{}, err
	}
	return token{text: string(octets), quoted: true}, nil
}

// numbers reads a sequence set; last is what "*" stands for.
func numbers(set string, last uint32) (func(uint32) bool, error) {
	type span struct{ lo, hi uint32 }
	var spans []span
	one := func(s string) (uint32, error) {
		if s == "*" {
			return last, nil
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == 0 {
			return 0, errSyntaxIMAP
		}
		return uint32(n), nil
	}
	for _, part := range strings.Split(set, ",") {
		a, b, isRange := strings.Cut(part, ":")
		if !isRange {
			b = a
		}
		lo, err := one(a)
		if err != nil {
			return nil, err
		}
		hi, err := one(b)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{min(lo, hi), max(lo, hi)})
	}
	return func(n uint32) bool {
		for _, s := range spans {
			if n >= s.lo && n <= s.hi {
				return true
			}
		}
		return false
	}, nil
}
