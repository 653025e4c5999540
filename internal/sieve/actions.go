package sieve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message/address"
)

// actionKind is a command that scripts can use.
type actionKind struct {
	signature
	build func(c *compiler, u *call) step
}

var flagsTag = tag{name: "flags", extension: "imap4flags", value: kindStrings}

// setTags are the modifiers of set in the order in which they apply; their groups are the
// precedences of RFC 5229 section 4.1.
var setTags = []tag{
	{name: "lower", group: "40"}, {name: "upper", group: "40"}, {name: "lowerfirst", group: "30"}, {name: "upperfirst", group: "30"},
	{name: "quotewildcard", group: "20"}, {name: "quoteregex", group: "20", extension: "regex"}, {name: "length", group: "10"},
}

// actions are all commands by name, but for require and if.
var actions = map[string]actionKind{
	"keep": {signature{tags: []tag{flagsTag}}, func(c *compiler, u *call) step {
		return &keepAction{u.Position, u.has("flags"), c.texts(u.tags["flags"])}
	}},
	"discard": {build: func(_ *compiler, u *call) step { return &discardAction{u.Position} }},
	"stop":    {build: func(*compiler, *call) step { return endAction{errStop} }},
	"fileinto": {signature{extensions: []string{"fileinto"}, arguments: []kind{kindString}, tags: []tag{
		flagsTag, {name: "copy", extension: "copy"}, {name: "create", extension: "mailbox"},
		{name: "specialuse", extension: "special-use", value: kindString},
	}}, buildFileInto},
	"redirect": {signature{arguments: []kind{kindString}, tags: []tag{{name: "copy", extension: "copy"}}}, buildRedirect},
	"reject": {signature{extensions: []string{"reject"}, arguments: []kind{kindString}}, func(c *compiler, u *call) step {
		return &rejectAction{u.Position, c.text(u.args[0].Strings[0]), false}
	}},
	"ereject": {signature{extensions: []string{"ereject"}, arguments: []kind{kindString}}, func(c *compiler, u *call) step {
		return &rejectAction{u.Position, c.text(u.args[0].Strings[0]), true}
	}},
	"vacation": {signature{extensions: []string{"vacation"}, arguments: []kind{kindString}, tags: []tag{
		{name: "days", group: "span", value: kindNumber},
		{name: "seconds", group: "span", extension: "vacation-seconds", value: kindNumber},
		{name: "subject", value: kindString}, {name: "from", value: kindString}, {name: "addresses", value: kindStrings},
		{name: "mime"}, {name: "handle", value: kindString},
	}}, buildVacation},
	"setflag":    flagCommand(setFlags),
	"addflag":    flagCommand(addFlags),
	"removeflag": flagCommand(removeFlags),
	"set":        {signature{extensions: []string{"variables"}, arguments: []kind{kindString, kindString}, tags: setTags}, buildSet},
	"include": {signature{extensions: []string{"include"}, arguments: []kind{kindString}, tags: []tag{
		{name: "personal", group: "place"}, {name: "global", group: "place"}, {name: "once"}, {name: "optional"},
	}}, buildInclude},
	"return": {signature{extensions: []string{"include"}}, func(*compiler, *call) step { return endAction{errReturn} }},
	"global": {signature{extensions: []string{"include"}, arguments: []kind{kindStrings}}, buildGlobal},
}

// endAction is stop or return.
type endAction struct{ err error }

func (a endAction) run(*machine) error { return a.err }

// keepAction is keep. A second one replaces the first: the message is kept once.
type keepAction struct {
	Position
	own   bool // flags are given
	flags texts
}

func (a *keepAction) run(m *machine) error {
	if err := m.notRejected(a.Position); err != nil {
		return err
	}
	flags, err := m.flagsFor(a.own, a.flags)
	if err != nil {
		return err
	}
	m.kept = true
	m.result.Actions = slices.DeleteFunc(m.result.Actions, func(x Action) bool { _, keep := x.(Keep); return keep })
	return m.act(a.Position, Keep{Where: m.where(a.Position), Flags: flags})
}

type discardAction struct{ Position }

func (a *discardAction) run(m *machine) error {
	m.kept = true
	return m.act(a.Position, Discard{m.where(a.Position)})
}

// fileIntoAction is fileinto.
type fileIntoAction struct {
	Position
	mailbox, use text
	byUse        bool
	own          bool // flags are given
	flags        texts
	create, copy bool
}

func buildFileInto(c *compiler, u *call) step {
	return &fileIntoAction{
		Position: u.Position, mailbox: c.text(u.args[0].Strings[0]), use: c.optional(u, "specialuse"), byUse: u.has("specialuse"),
		own: u.has("flags"), flags: c.texts(u.tags["flags"]), create: u.has("create"), copy: u.has("copy"),
	}
}

func (a *fileIntoAction) run(m *machine) error {
	if err := m.notRejected(a.Position); err != nil {
		return err
	}
	into := FileInto{Where: m.where(a.Position), Create: a.create, Copy: a.copy}
	var err error
	if into.Mailbox, err = m.fill(&a.mailbox); err != nil {
		return err
	}
	if into.SpecialUse, err = m.fill(&a.use); err != nil {
		return err
	}
	if into.Flags, err = m.flagsFor(a.own, a.flags); err != nil {
		return err
	}
	if strings.TrimSpace(into.Mailbox) == "" {
		return m.failAt(a.Position, "mailbox-empty")
	}
	m.kept = m.kept || !a.copy
	return m.act(a.Position, into)
}

// redirectAction is redirect.
type redirectAction struct {
	Position
	to   text
	copy bool
}

func buildRedirect(c *compiler, u *call) step {
	a := &redirectAction{u.Position, c.text(u.args[0].Strings[0]), u.has("copy")}
	if a.to.pieces == nil && !validAddress(a.to.literal) {
		c.fail(u.args[0].Position, "address-wrong", "address", shorten(a.to.literal))
	}
	return a
}

// validAddress tells whether mail can be sent to an address.
func validAddress(text string) bool {
	a, err := address.Parse(text, address.Options{UTF8: true, LongLocal: true})
	return err == nil && a.Domain != ""
}

func (a *redirectAction) run(m *machine) error {
	if err := m.notRejected(a.Position); err != nil {
		return err
	}
	to, err := m.fill(&a.to)
	if err != nil {
		return err
	}
	if !validAddress(to) {
		return m.failAt(a.Position, "address-wrong", "address", shorten(to))
	}
	m.kept = m.kept || !a.copy
	count := 0
	for _, x := range m.result.Actions {
		if r, ok := x.(Redirect); ok {
			if strings.EqualFold(r.Address, to) {
				return nil
			}
			count++
		}
	}
	if count >= m.limits.Redirects {
		return m.failAt(a.Position, "redirects-many", "most", strconv.Itoa(m.limits.Redirects))
	}
	return m.act(a.Position, Redirect{m.where(a.Position), to, a.copy})
}

// rejectAction is reject or ereject. It goes with no other action but discard (RFC 5429 section 2.4).
type rejectAction struct {
	Position
	reason text
	early  bool
}

func (a *rejectAction) run(m *machine) error {
	for _, x := range m.result.Actions {
		if _, discard := x.(Discard); !discard {
			return m.failAt(a.Position, "reject-alone")
		}
	}
	reason, err := m.fill(&a.reason)
	if err != nil {
		return err
	}
	m.kept = true
	return m.act(a.Position, Reject{m.where(a.Position), reason, a.early})
}

// notRejected keeps other actions from following a reject.
func (m *machine) notRejected(at Position) error {
	for _, x := range m.result.Actions {
		if _, rejected := x.(Reject); rejected {
			return m.failAt(at, "reject-alone")
		}
	}
	return nil
}

// vacationAction is vacation.
type vacationAction struct {
	Position
	every                         time.Duration
	subject, from, handle, reason text
	addresses                     texts
	mime                          bool
	key                           string // without a handle
}

func buildVacation(c *compiler, u *call) step {
	a := &vacationAction{
		Position: u.Position, every: 7 * 24 * time.Hour, subject: c.optional(u, "subject"), from: c.optional(u, "from"),
		handle: c.optional(u, "handle"), reason: c.text(u.args[0].Strings[0]), addresses: c.texts(u.tags["addresses"]), mime: u.has("mime"),
	}
	if !u.has("handle") { // RFC 5230 section 4.2: variables make no other answer
		a.key = fmt.Sprintf("%q %q %t %q", a.subject.literal, a.from.literal, a.mime, a.reason.literal)
	}
	if v := u.tags["days"]; v != nil {
		a.every = seconds(min(v.Number, 1<<20)*86400, MaxVacation)
	}
	if v := u.tags["seconds"]; v != nil {
		a.every = seconds(v.Number, MaxVacation)
	}
	a.every = max(a.every, MinVacation)
	return a
}

func (a *vacationAction) run(m *machine) error {
	if err := m.notRejected(a.Position); err != nil {
		return err
	}
	for _, x := range m.result.Actions {
		if _, second := x.(Vacation); second { // RFC 5230 section 4.7
			return m.failAt(a.Position, "vacation-twice")
		}
	}
	v := Vacation{Where: m.where(a.Position), Every: a.every, MIME: a.mime, Key: a.key}
	for _, field := range []struct {
		from *text
		to   *string
	}{{&a.subject, &v.Subject}, {&a.from, &v.Sender}, {&a.reason, &v.Reason}} {
		var err error
		if *field.to, err = m.fill(field.from); err != nil {
			return err
		}
	}
	handle, err := m.fill(&a.handle)
	if err != nil {
		return err
	}
	if a.key == "" {
		v.Key = "handle " + handle
	}
	if v.Addresses, err = m.fillAll(a.addresses); err != nil {
		return err
	}
	return m.act(a.Position, v)
}

// setAction is set (RFC 5229 section 4).
type setAction struct {
	Position
	name      string
	value     text
	modifiers []string // in the order in which they apply
}

func buildSet(c *compiler, u *call) step {
	a := &setAction{Position: u.Position, name: strings.ToLower(c.constant(u.args[0].Strings[0])), value: c.text(u.args[1].Strings[0])}
	c.variableName(a.name, u.args[0].Position)
	for _, t := range setTags {
		if u.has(t.name) {
			a.modifiers = append(a.modifiers, t.name)
		}
	}
	return a
}

func (a *setAction) run(m *machine) error {
	value, err := m.fill(&a.value)
	if err != nil {
		return err
	}
	for _, modifier := range a.modifiers {
		value = modify(value, modifier)
	}
	return m.setVariable(a.Position, a.name, value)
}

// modify applies a modifier. Those of case change ASCII letters alone (RFC 5229 section 4.1.3).
func modify(value, modifier string) string {
	first := min(1, len(value))
	switch modifier {
	case "lower":
		return foldText(value)
	case "upper":
		return capitals(value)
	case "lowerfirst":
		return foldText(value[:first]) + value[first:]
	case "upperfirst":
		return capitals(value[:first]) + value[first:]
	case "quotewildcard":
		return escape(value, `*?\`)
	case "quoteregex":
		return escape(value, `\.+*?()|[]{}^$`)
	}
	return strconv.Itoa(utf8.RuneCountInString(value)) // length
}

func capitals(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// escape puts a backslash before some characters.
func escape(value, special string) string {
	var b strings.Builder
	for _, r := range value {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// includeAction is include (RFC 6609 section 3.2). Scripts of the service there are none.
type includeAction struct {
	Position
	name                   string
	once, optional, global bool
}

func buildInclude(c *compiler, u *call) step {
	name := c.constant(u.args[0].Strings[0])
	if !u.has("global") {
		c.reading.wanted = append(c.reading.wanted, name)
	}
	return &includeAction{u.Position, name, u.has("once"), u.has("optional"), u.has("global")}
}

func (a *includeAction) run(m *machine) error {
	var s *Script
	if !a.global {
		s = m.scripts[a.name]
	}
	switch {
	case s == nil && a.optional, a.once && m.once[a.name]:
		return nil
	case s == nil:
		return m.failAt(a.Position, "include-missing", "name", shorten(a.name))
	case len(m.frames) >= m.limits.Includes || slices.ContainsFunc(m.frames, func(f *frame) bool { return f.name == a.name }):
		return m.failAt(a.Position, "include-circle", "name", shorten(a.name))
	}
	if m.once == nil {
		m.once = map[string]bool{}
	}
	m.once[a.name] = true
	return m.runScript(s, a.name)
}

// globalAction is global (RFC 6609 section 3.4.1).
type globalAction struct {
	Position
	names []string
}

func buildGlobal(c *compiler, u *call) step {
	c.need(u.Position, "global", "variables")
	a := &globalAction{Position: u.Position}
	for _, s := range u.args[0].Strings {
		name := strings.ToLower(s.Value)
		if identifier(name) != len(name) || name == "" {
			c.fail(s.Position, "variable-name", "name", shorten(name))
		}
		a.names = append(a.names, name)
	}
	return a
}

func (a *globalAction) run(m *machine) error {
	f := m.frame()
	if f.shared == nil {
		f.shared = map[string]bool{}
	}
	for _, name := range a.names {
		if _, own := f.vars[name]; own {
			return m.failAt(a.Position, "global-late", "name", shorten(name))
		}
		f.shared[name] = true
	}
	return nil
}

// flagAction is setflag, addflag or removeflag (RFC 5232 section 3).
type flagAction struct {
	Position
	variable string // "" is the internal one
	flags    texts
	change   func(old, flags []string) []string
}

func flagCommand(change func(old, flags []string) []string) actionKind {
	return actionKind{signature{extensions: []string{"imap4flags"}, arguments: []kind{kindString, kindStrings}, optional: 1}, func(c *compiler, u *call) step {
		a := &flagAction{Position: u.Position, flags: c.texts(u.args[1]), change: change}
		if names := c.flagVariables(u.args[0]); len(names) > 0 {
			a.variable = names[0]
		}
		return a
	}}
}

// flagVariables reads the names of variables that hold flags.
func (c *compiler) flagVariables(a *Argument) (names []string) {
	if a == nil {
		return nil
	}
	c.need(a.Position, "flag-variable", "variables")
	for _, s := range a.Strings {
		name := strings.ToLower(c.constant(s))
		c.variableName(name, s.Position)
		names = append(names, name)
	}
	return names
}

func (a *flagAction) run(m *machine) error {
	list, err := m.fillAll(a.flags)
	if err != nil {
		return err
	}
	flags := splitFlags(list)
	if a.variable == "" {
		m.flags = a.change(m.flags, flags)
		return nil
	}
	old := splitFlags([]string{m.variable(a.variable)})
	return m.setVariable(a.Position, a.variable, strings.Join(a.change(old, flags), " "))
}

// maxFlags is how many flags a message can get.
const maxFlags = 100

func setFlags(_, flags []string) []string { return addFlags(nil, flags) }

func addFlags(old, flags []string) []string {
	old = slices.Clone(old)
	for _, f := range flags {
		if !hasFlag(old, f) && len(old) < maxFlags {
			old = append(old, f)
		}
	}
	return old
}

func removeFlags(old, flags []string) []string {
	return slices.DeleteFunc(slices.Clone(old), func(f string) bool { return hasFlag(flags, f) })
}

func hasFlag(list []string, flag string) bool {
	return slices.ContainsFunc(list, func(f string) bool { return strings.EqualFold(f, flag) })
}

// splitFlags reads flags: each string holds any number of them (RFC 5232 section 2). What cannot be a
// flag is left out.
func splitFlags(list []string) (flags []string) {
	for _, s := range list {
		for _, f := range strings.Fields(s) {
			if validFlag(f) {
				flags = append(flags, f)
			}
		}
	}
	return flags
}

// validFlag tells whether a flag is one of the system or a keyword (RFC 9051 section 9).
func validFlag(f string) bool {
	if rest, system := strings.CutPrefix(f, `\`); system {
		return slices.ContainsFunc([]string{"Seen", "Answered", "Flagged", "Deleted", "Draft"}, func(s string) bool { return strings.EqualFold(s, rest) })
	}
	return !strings.ContainsFunc(f, func(r rune) bool {
		return r > unicode.MaxASCII || r <= ' ' || r == 0x7f || strings.ContainsRune(`(){%*"\]`, r)
	})
}

// flagsFor are the flags of a keep or fileinto: those given, or the internal variable (RFC 5232 section 2.1).
func (m *machine) flagsFor(own bool, given texts) ([]string, error) {
	if !own {
		return m.flags, nil
	}
	list, err := m.fillAll(given)
	return addFlags(nil, splitFlags(list)), err
}
