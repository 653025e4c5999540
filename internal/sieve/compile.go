package sieve

import (
	"slices"
	"strconv"
	"strings"
)

// step is a command that was checked.
type step interface{ run(m *machine) error }

// condition is a test that was checked.
type condition interface {
	holds(m *machine) (bool, error)
}

// compiler checks a tree and makes steps of it. It goes on behind what is wrong, up to maxErrors.
type compiler struct {
	reading *reading
	limits  *Limits
	script  *Script
	errors  Errors
	begun   bool // a command other than require was there
}

const maxErrors = 20

func (c *compiler) fail(at Position, code string, pairs ...string) {
	if len(c.errors) < maxErrors {
		c.errors = append(c.errors, failAt(at, code, pairs...))
	}
}

// has tells whether an extension was required; "" needs no require.
func (c *compiler) has(extension string) bool {
	return extension == "" || c.script.extensions[extension]
}

// need notes an extension that is used and was not required.
func (c *compiler) need(at Position, what string, extension string) {
	if !c.has(extension) {
		c.fail(at, "require-missing", "what", what, "extension", extension)
	}
}

// kind is what an argument must be.
type kind uint8

const (
	kindNone kind = iota
	kindNumber
	kindString
	kindStrings // a list, or one string
)

var kindCodes = map[kind]string{kindNumber: "want-number", kindString: "want-string", kindStrings: "want-strings"}

func (k kind) fits(a *Argument) bool {
	switch k {
	case kindNumber:
		return a.Kind == ArgumentNumber
	case kindString:
		return a.Kind == ArgumentString
	}
	return a.Kind == ArgumentString || a.Kind == ArgumentList
}

// tag is a tag that a command or test knows. Of those in one group only one may stand.
type tag struct {
	name, extension, group string
	value                  kind
}

// signature is what a command or test takes.
type signature struct {
	extensions []string // one of which must be required; none: it is always there
	tags       []tag
	arguments  []kind // positional ones
	optional   int    // how many of the first may be left out
}

// call is a use of a command or test whose arguments fit its signature.
type call struct {
	Position
	name string
	tags map[string]*Argument // by name; the value of the tag, or the tag itself if it takes none
	args []*Argument          // positional; nil where an optional one was left out
}

func (u *call) has(tag string) bool { return u.tags[tag] != nil }

// call checks arguments; it is nil where they do not fit.
func (c *compiler) call(at Position, name string, args []Argument, s *signature) *call {
	before := len(c.errors)
	if len(s.extensions) > 0 && !slices.ContainsFunc(s.extensions, c.has) {
		c.fail(at, "require-missing", "what", name, "extension", s.extensions[0])
	}
	u := &call{Position: at, name: name, tags: map[string]*Argument{}}
	groups := map[string]string{}
	for i := 0; i < len(args); i++ {
		a := &args[i]
		if a.Kind != ArgumentTag {
			u.args = append(u.args, a)
			continue
		}
		n := slices.IndexFunc(s.tags, func(t tag) bool { return t.name == a.Tag })
		switch {
		case n < 0:
			c.fail(a.Position, "tag-unknown", "tag", ":"+shorten(a.Tag), "command", name)
			continue
		case len(u.args) > 0:
			c.fail(a.Position, "tag-late", "tag", ":"+a.Tag)
		case u.has(a.Tag):
			c.fail(a.Position, "tag-twice", "tag", ":"+a.Tag)
		}
		t := &s.tags[n]
		c.need(a.Position, ":"+a.Tag, t.extension)
		if t.group != "" {
			if other := groups[t.group]; other != "" && other != a.Tag {
				c.fail(a.Position, "tags-exclude", "tag", ":"+a.Tag, "other", ":"+other)
			}
			groups[t.group] = a.Tag
		}
		u.tags[a.Tag] = a
		if t.value != kindNone {
			if i++; i == len(args) || !t.value.fits(&args[i]) {
				c.fail(a.Position, kindCodes[t.value], "after", ":"+a.Tag)
				return nil
			}
			u.tags[a.Tag] = &args[i]
		}
	}
	c.positional(u, s)
	if len(c.errors) > before {
		return nil
	}
	return u
}

// positional checks the arguments that have no tag.
func (c *compiler) positional(u *call, s *signature) {
	switch most, least := len(s.arguments), len(s.arguments)-s.optional; {
	case len(u.args) > most:
		c.fail(u.args[most].Position, "arguments-many", "command", u.name, "count", strconv.Itoa(most))
		return
	case len(u.args) < least:
		c.fail(u.Position, "arguments-few", "command", u.name, "count", strconv.Itoa(least))
		return
	}
	missing := len(s.arguments) - len(u.args)
	u.args = append(make([]*Argument, missing), u.args...)
	for i, a := range u.args {
		if a != nil && !s.arguments[i].fits(a) {
			c.fail(a.Position, kindCodes[s.arguments[i]], "after", u.name)
		}
	}
}

// commands checks the commands of a script or block.
func (c *compiler) commands(list []Command, depth int) []step {
	steps := make([]step, 0, len(list))
	for i := 0; i < len(list); i++ {
		x := &list[i]
		if x.Name == "require" {
			c.require(x, depth)
			continue
		}
		c.begun = true
		switch x.Name {
		case "if":
			end := i + 1
			for end < len(list) && (list[end].Name == "elsif" || list[end].Name == "else" && list[end-1].Name != "else") {
				end++
			}
			steps = append(steps, c.choice(list[i:end], depth))
			i = end - 1
		case "elsif", "else":
			c.fail(x.Position, "else-alone", "command", x.Name)
		default:
			if s := c.command(x); s != nil {
				steps = append(steps, s)
			}
		}
	}
	return steps
}

// require notes what a script needs (RFC 5228 section 3.2).
func (c *compiler) require(x *Command, depth int) {
	u := c.call(x.Position, x.Name, x.Args, &signature{arguments: []kind{kindStrings}})
	c.plain(x.Position, x.Name, x.Tests, x.Block)
	if c.begun || depth > 0 {
		c.fail(x.Position, "require-late")
	}
	if u == nil {
		return
	}
	for _, s := range u.args[0].Strings {
		if !slices.Contains(extensions, s.Value) {
			c.fail(s.Position, "extension-unknown", "extension", shorten(s.Value))
			continue
		}
		c.script.extensions[s.Value] = true
		if s.Value == "vacation-seconds" { // RFC 6131 section 2: it stands for vacation as well
			c.script.extensions["vacation"] = true
		}
	}
}

// plain checks that a command has neither tests nor a block.
func (c *compiler) plain(at Position, name string, tests []Test, block []Command) {
	if len(tests) > 0 {
		c.fail(tests[0].Position, "test-not-here", "command", name)
	}
	if block != nil {
		c.fail(at, "block-not-here", "command", name)
	}
}

// choice is if with its elsif and else (RFC 5228 section 3.1).
type choice struct{ branches []branch }

type branch struct {
	Position
	when  condition // nil: else
	shown string    // the condition as it is written
	steps []step
}

func (c *compiler) choice(chain []Command, depth int) step {
	s := &choice{}
	for i := range chain {
		x := &chain[i]
		b := branch{Position: x.Position}
		if len(x.Args) > 0 {
			c.fail(x.Args[0].Position, "arguments-many", "command", x.Name, "count", "0")
		}
		if x.Name == "else" {
			if len(x.Tests) > 0 {
				c.fail(x.Tests[0].Position, "test-not-here", "command", x.Name)
			}
			b.shown = "else"
		} else if one := c.one(x.Position, x.Name, x.Tests, x.List); one != nil {
			b.when, b.shown = one, shownCondition(&x.Tests[0])
		}
		if x.Block == nil {
			c.fail(x.Position, "block-missing", "command", x.Name)
		}
		b.steps = c.commands(x.Block, depth+1)
		s.branches = append(s.branches, b)
	}
	return s
}

// shownCondition is a test for people who ask why, cut where it is long.
func shownCondition(t *Test) string {
	text := t.String()
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// one checks the one test that a command takes.
func (c *compiler) one(at Position, name string, tests []Test, inList bool) condition {
	if len(tests) != 1 || inList {
		c.fail(at, "test-one", "command", name)
		return nil
	}
	return c.test(&tests[0])
}

// many checks the list of tests that allof and anyof take.
func (c *compiler) many(x *Test) []condition {
	if !x.List {
		c.fail(x.Position, "test-list", "command", x.Name)
		return nil
	}
	list := make([]condition, 0, len(x.Tests))
	for i := range x.Tests {
		if t := c.test(&x.Tests[i]); t != nil {
			list = append(list, t)
		}
	}
	return list
}

// command checks a command other than require and if.
func (c *compiler) command(x *Command) step {
	a, known := actions[x.Name]
	if !known {
		if _, isTest := tests[x.Name]; isTest {
			c.fail(x.Position, "test-as-command", "name", x.Name)
		} else {
			c.fail(x.Position, "command-unknown", "name", shorten(x.Name))
		}
		return nil
	}
	c.plain(x.Position, x.Name, x.Tests, x.Block)
	u := c.call(x.Position, x.Name, x.Args, &a.signature)
	if u == nil {
		return nil
	}
	return a.build(c, u)
}

// test checks a test.
func (c *compiler) test(x *Test) condition {
	switch x.Name { // those that hold others (RFC 5228 sections 5.2, 5.3 and 5.8)
	case "allof", "anyof", "not":
		if len(x.Args) > 0 {
			c.fail(x.Args[0].Position, "arguments-many", "command", x.Name, "count", "0")
		}
		if x.Name == "not" {
			return &notTest{c.one(x.Position, x.Name, x.Tests, x.List)}
		}
		return &listTest{all: x.Name == "allof", of: c.many(x)}
	}
	t, known := tests[x.Name]
	if !known {
		c.fail(x.Position, "test-unknown", "name", shorten(x.Name))
		return nil
	}
	if len(x.Tests) > 0 {
		c.fail(x.Tests[0].Position, "test-not-here", "command", x.Name)
	}
	u := c.call(x.Position, x.Name, x.Args, &t.signature)
	if u == nil {
		return nil
	}
	return t.build(c, u)
}
