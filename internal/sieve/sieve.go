// Package sieve is the language for rules about mail (RFC 5228): it reads scripts, checks them, and
// runs them on a message. A run changes nothing: what the script wants is returned as a list of
// actions, each with the line that it comes from, so that a dry run is the same as a run.
//
// Text becomes tokens (lex.go), a tree (syntax.go), and checked commands and tests (compile.go,
// actions.go, tests.go), which run.go carries out. What they know of the message comes through Env.
//
// Extensions: fileinto, reject, ereject (RFC 5429), envelope, encoded-character, copy (RFC 3894),
// vacation (RFC 5230), vacation-seconds (RFC 6131), imap4flags (RFC 5232), relational (RFC 5231),
// regex (draft-ietf-sieve-regex), variables (RFC 5229), date and index (RFC 5260), mailbox
// (RFC 5490), special-use (RFC 8579), duplicate (RFC 7352), subaddress (RFC 5233), body (RFC 5173),
// include (RFC 6609, personal scripts), environment (RFC 5183), and the comparators i;octet,
// i;ascii-casemap and i;ascii-numeric (RFC 4790). There is no editheader: messages are kept as they
// came.
package sieve

import (
	"slices"
	"strings"
	"time"
)

// Limits bound what a script can cost. A zero field means its default.
type Limits struct {
	Script    int // octets of a script; default 64 KiB
	String    int // octets of a string as it is written; default 16 KiB
	Depth     int // how deep blocks and tests nest; default 32
	Nodes     int // commands and tests of a script; default 10,000
	Items     int // strings of a list, arguments of a command; default 1000
	Steps     int // work of a run, about what comparing 64 octets costs; default 2,000,000
	Actions   int // actions of a run; default 32
	Redirects int // of these, addresses the message goes to; default 10
	Value     int // octets of a variable, and of a string with variables filled in; default 16 KiB
	Variables int // variables of a run; default 1000
	Includes  int // scripts that one run is made of; default 16
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Script, 64 << 10}, {&l.String, 16 << 10}, {&l.Depth, 32}, {&l.Nodes, 10_000}, {&l.Items, 1000},
		{&l.Steps, 2_000_000}, {&l.Actions, 32}, {&l.Redirects, 10}, {&l.Value, 16 << 10}, {&l.Variables, 1000},
		{&l.Includes, 16},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// The spans that vacation and duplicate may have; what is beyond counts as the bound.
const (
	MinVacation  = 30 * time.Minute
	MaxVacation  = 90 * 24 * time.Hour
	MaxDuplicate = 30 * 24 * time.Hour
)

// Options say how a script is read.
type Options struct {
	Limits Limits
	// Include returns the personal script with a name (RFC 6609). Without it, scripts to be
	// included are taken to exist and are not looked at: so is a script checked by itself.
	Include func(name string) (text string, ok bool)
}

// Script is a script that was read and found right. It may be run many times, also at once.
type Script struct {
	commands   []step
	extensions map[string]bool
	includes   map[string]*Script // by name; shared by all scripts of one reading
	limits     Limits
}

// extensions are what a script can require. The comparators that need not be required may be.
var extensions = []string{
	"body", "comparator-i;ascii-casemap", "comparator-i;ascii-numeric", "comparator-i;octet", "copy", "date",
	"duplicate", "encoded-character", "envelope", "environment", "ereject", "fileinto", "imap4flags", "include",
	"index", "mailbox", "regex", "reject", "relational", "special-use", "subaddress", "vacation",
	"vacation-seconds", "variables",
}

// Extensions returns the names of what scripts can require, as ManageSieve lists them.
func Extensions() []string { return slices.Clone(extensions) }

// Parse reads a script and checks it. The error is an Errors: all that is wrong with what commands
// mean, or the first place that cannot be read.
func Parse(text string, o Options) (*Script, error) {
	r := &reading{options: o, scripts: map[string]*Script{}}
	r.options.Limits = o.Limits.withDefaults()
	s, errs := r.read(text)
	for o.Include != nil && len(r.wanted) > 0 && len(errs) == 0 {
		name := r.wanted[0]
		r.wanted = r.wanted[1:]
		errs = r.include(name)
	}
	if err := errs.orNil(); err != nil {
		return nil, err
	}
	return s, nil
}

// reading is one call of Parse: a script and those it includes.
type reading struct {
	options Options
	scripts map[string]*Script
	wanted  []string // to be included, not read yet
}

func (r *reading) read(text string) (*Script, Errors) {
	tree, err := parse(text, &r.options.Limits)
	if err != nil {
		return nil, Errors{err}
	}
	c := &compiler{
		reading: r, limits: &r.options.Limits,
		script: &Script{extensions: map[string]bool{}, includes: r.scripts, limits: r.options.Limits},
	}
	c.script.commands = c.commands(tree, 0)
	return c.script, c.errors
}

// include reads a script that another one includes. One that does not exist is found out when it is
// needed (RFC 6609 section 3.2).
func (r *reading) include(name string) Errors {
	if _, known := r.scripts[name]; known || len(r.scripts) >= r.options.Limits.Includes {
		return nil
	}
	text, ok := r.options.Include(name)
	if !ok {
		return nil
	}
	s, errs := r.read(text)
	if len(errs) > 0 {
		first := *errs[0]
		first.Code, first.Pairs = "included", []string{"name", shorten(name), "text", strings.TrimSpace(errs[0].Error())}
		return Errors{&first}
	}
	r.scripts[name] = s
	return nil
}
