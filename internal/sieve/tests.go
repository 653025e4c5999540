package sieve

import (
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

// testKind is a test that scripts can use.
type testKind struct {
	signature
	build func(c *compiler, u *call) condition
}

var (
	indexTags = []tag{
		{name: "index", extension: "index", value: kindNumber}, {name: "last", extension: "index"},
	}
	partTags = []tag{
		{name: "all", group: "part"}, {name: "localpart", group: "part"}, {name: "domain", group: "part"},
		{name: "user", group: "part", extension: "subaddress"}, {name: "detail", group: "part", extension: "subaddress"},
	}
	zoneTags = []tag{
		{name: "zone", group: "zone", value: kindString}, {name: "originalzone", group: "zone"},
	}
	two = []kind{kindStrings, kindStrings}
)

// tests are all tests by name, but for those that hold others.
var tests = map[string]testKind{
	"true":  {build: func(*compiler, *call) condition { return constantTest(true) }},
	"false": {build: func(*compiler, *call) condition { return constantTest(false) }},
	"header": {signature{tags: slices.Concat(matchTags, indexTags), arguments: two}, func(c *compiler, u *call) condition {
		return &headerTest{c.index(u), c.texts(u.args[0]), c.matcher(u, u.args[1])}
	}},
	"address": {signature{tags: slices.Concat(matchTags, indexTags, partTags), arguments: two}, func(c *compiler, u *call) condition {
		return &addressTest{c.index(u), partOf(u), c.texts(u.args[0]), c.matcher(u, u.args[1])}
	}},
	"envelope": {signature{extensions: []string{"envelope"}, tags: slices.Concat(matchTags, partTags), arguments: two}, func(c *compiler, u *call) condition {
		c.envelopeParts(u.args[0])
		return &envelopeTest{partOf(u), c.texts(u.args[0]), c.matcher(u, u.args[1])}
	}},
	"exists": {signature{arguments: []kind{kindStrings}}, func(c *compiler, u *call) condition {
		return &existsTest{c.texts(u.args[0])}
	}},
	"size": {signature{tags: []tag{{name: "over", group: "size", value: kindNumber}, {name: "under", group: "size", value: kindNumber}}}, buildSize},
	"string": {signature{extensions: []string{"variables"}, tags: matchTags, arguments: two}, func(c *compiler, u *call) condition {
		return &stringTest{c.texts(u.args[0]), c.matcher(u, u.args[1])}
	}},
	"hasflag": {signature{extensions: []string{"imap4flags"}, tags: matchTags, arguments: two, optional: 1}, func(c *compiler, u *call) condition {
		return &hasFlagTest{c.flagVariables(u.args[0]), c.matcher(u, u.args[1])}
	}},
	"body": {signature{extensions: []string{"body"}, arguments: []kind{kindStrings}, tags: slices.Concat(matchTags, []tag{
		{name: "raw", group: "transform"}, {name: "text", group: "transform"}, {name: "content", group: "transform", value: kindStrings},
	})}, buildBody},
	"date": {signature{extensions: []string{"date"}, tags: slices.Concat(matchTags, indexTags, zoneTags), arguments: []kind{kindString, kindString, kindStrings}}, func(c *compiler, u *call) condition {
		c.part(u.args[1])
		return &dateTest{c.index(u), c.zone(u), u.has("originalzone"), c.text(u.args[0].Strings[0]), c.text(u.args[1].Strings[0]), c.matcher(u, u.args[2])}
	}},
	"currentdate": {signature{extensions: []string{"date"}, tags: slices.Concat(matchTags, zoneTags[:1]), arguments: two}, func(c *compiler, u *call) condition {
		c.part(u.args[0])
		return &currentDateTest{c.zone(u), c.texts(u.args[0]), c.matcher(u, u.args[1])}
	}},
	"environment": {signature{extensions: []string{"environment"}, tags: matchTags, arguments: []kind{kindString, kindStrings}}, func(c *compiler, u *call) condition {
		return &environmentTest{c.text(u.args[0].Strings[0]), c.matcher(u, u.args[1])}
	}},
	"mailboxexists": {signature{extensions: []string{"mailbox"}, arguments: []kind{kindStrings}}, func(c *compiler, u *call) condition {
		return &mailboxTest{c.texts(u.args[0])}
	}},
	"specialuse_exists": {signature{extensions: []string{"special-use"}, arguments: two, optional: 1}, func(c *compiler, u *call) condition {
		return &specialUseTest{c.texts(u.args[0]), c.texts(u.args[1])}
	}},
	"duplicate": {signature{extensions: []string{"duplicate"}, tags: []tag{
		{name: "handle", value: kindString}, {name: "header", group: "id", value: kindString},
		{name: "uniqueid", group: "id", value: kindString}, {name: "seconds", value: kindNumber}, {name: "last"},
	}}, buildDuplicate},
}

type constantTest bool

func (t constantTest) holds(*machine) (bool, error) { return bool(t), nil }

type notTest struct{ of condition }

func (t *notTest) holds(m *machine) (bool, error) {
	if err := m.spend(1); err != nil {
		return false, err
	}
	ok, err := t.of.holds(m)
	return !ok, err
}

// listTest is allof or anyof. What comes behind the answer is not looked at.
type listTest struct {
	all bool
	of  []condition
}

func (t *listTest) holds(m *machine) (bool, error) {
	for _, one := range t.of {
		if err := m.spend(1); err != nil {
			return false, err
		}
		if ok, err := one.holds(m); err != nil || ok != t.all {
			return ok, err
		}
	}
	return t.all, nil
}

// index is :index and :last (RFC 5260 section 6): one of the fields that are named, counted from 1
// through all names; 0 means all.
type index struct {
	number uint64
	last   bool
}

func (c *compiler) index(u *call) (x index) {
	x.last = u.has("last")
	if a := u.tags["index"]; a != nil {
		if x.number = a.Number; x.number == 0 {
			c.fail(a.Position, "index-zero")
		}
	} else if x.last {
		c.fail(u.Position, "last-alone")
	}
	return x
}

// pick returns the fields that an index means.
func pick[T any](list []T, x index) []T {
	n := uint64(len(list))
	switch {
	case x.number == 0:
		return list
	case x.number > n:
		return nil
	case x.last:
		return list[n-x.number : n-x.number+1]
	}
	return list[x.number-1 : x.number]
}

// headerTest is header (RFC 5228 section 5.7).
type headerTest struct {
	index index
	names texts
	match matcher
}

func (t *headerTest) holds(m *machine) (bool, error) {
	names, err := m.fillAll(t.names)
	if err != nil {
		return false, err
	}
	if len(names) == 1 {
		return m.match(&t.match, pick(m.env.Header(names[0]), t.index))
	}
	var values []string
	for _, name := range names {
		values = append(values, m.env.Header(name)...)
	}
	return m.match(&t.match, pick(values, t.index))
}

// existsTest is exists (RFC 5228 section 5.5): all fields must be there.
type existsTest struct{ names texts }

func (t *existsTest) holds(m *machine) (bool, error) {
	names, err := m.fillAll(t.names)
	for _, name := range names {
		if len(m.env.Header(name)) == 0 {
			return false, err
		}
	}
	return err == nil, err
}

// addressTest is address (RFC 5228 section 5.1).
type addressTest struct {
	index index
	part  string
	names texts
	match matcher
}

func (t *addressTest) holds(m *machine) (bool, error) {
	names, err := m.fillAll(t.names)
	if err != nil {
		return false, err
	}
	var fields [][]message.Address
	for _, name := range names {
		fields = append(fields, m.env.Addresses(name)...)
	}
	var values []string
	for _, field := range pick(fields, t.index) {
		for _, a := range field {
			if v, ok := addressPart(a.Email, t.part); ok {
				values = append(values, v)
			}
		}
	}
	return m.match(&t.match, values)
}

func partOf(u *call) string {
	for _, t := range partTags {
		if u.has(t.name) {
			return t.name
		}
	}
	return "all"
}

// addressPart returns a part of an address (RFC 5228 section 2.7.4, RFC 5233 section 4).
func addressPart(address, part string) (string, bool) {
	at := strings.LastIndexByte(address, '@')
	local, domain := address, ""
	if at >= 0 {
		local, domain = address[:at], address[at+1:]
	}
	user, detail, found := strings.Cut(local, "+")
	switch part {
	case "localpart":
		return local, true
	case "domain":
		return domain, true
	case "user":
		return user, true
	case "detail":
		return detail, found
	}
	return address, true
}

// envelopeTest is envelope (RFC 5228 section 5.4).
type envelopeTest struct {
	part  string
	names texts
	match matcher
}

func (c *compiler) envelopeParts(a *Argument) {
	for _, s := range a.Strings {
		switch name := strings.ToLower(s.Value); {
		case name == "from" || name == "to", c.has("variables") && strings.Contains(name, "${"):
		default:
			c.fail(s.Position, "envelope-part", "found", shorten(s.Value))
		}
	}
}

func (t *envelopeTest) holds(m *machine) (bool, error) {
	names, err := m.fillAll(t.names)
	if err != nil {
		return false, err
	}
	var values []string
	for _, name := range names {
		for _, a := range m.env.Envelope(strings.ToLower(name)) {
			if v, ok := addressPart(a, t.part); ok {
				values = append(values, v)
			}
		}
	}
	return m.match(&t.match, values)
}

// sizeTest is size (RFC 5228 section 5.9).
type sizeTest struct {
	over  bool
	limit int64
}

func buildSize(c *compiler, u *call) condition {
	for _, name := range []string{"over", "under"} {
		if a := u.tags[name]; a != nil {
			return &sizeTest{name == "over", int64(a.Number)}
		}
	}
	c.fail(u.Position, "size-tag")
	return nil
}

func (t *sizeTest) holds(m *machine) (bool, error) {
	if t.over {
		return m.env.Size() > t.limit, nil
	}
	return m.env.Size() < t.limit, nil
}

// stringTest is string (RFC 5229 section 5). For :count, empty strings do not count.
type stringTest struct {
	source texts
	match  matcher
}

func (t *stringTest) holds(m *machine) (bool, error) {
	values, err := m.fillAll(t.source)
	if err != nil {
		return false, err
	}
	if t.match.kind == matchCount {
		values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
	}
	return m.match(&t.match, values)
}

// hasFlagTest is hasflag (RFC 5232 section 4).
type hasFlagTest struct {
	variables []string // none: the internal one
	match     matcher
}

func (t *hasFlagTest) holds(m *machine) (bool, error) {
	flags := m.flags
	if len(t.variables) > 0 {
		flags = nil
		for _, name := range t.variables {
			flags = append(flags, splitFlags([]string{m.variable(name)})...)
		}
	}
	keys, err := m.fillAll(t.match.keys)
	if err != nil {
		return false, err
	}
	match := t.match
	if match.kind != matchCount && match.kind != matchRegex { // a key may name several
		match.keys.literal, match.folded = strings.Fields(strings.Join(keys, " ")), nil
	}
	return m.match(&match, flags)
}

// bodyTest is body (RFC 5173).
type bodyTest struct {
	kind  BodyKind
	types texts
	match matcher
}

func buildBody(c *compiler, u *call) condition {
	t := &bodyTest{match: c.matcher(u, u.args[0])}
	t.match.silent = true
	switch {
	case u.has("raw"):
		t.kind = BodyRaw
	case u.has("content"):
		t.kind, t.types = BodyContent, c.texts(u.tags["content"])
	}
	return t
}

func (t *bodyTest) holds(m *machine) (bool, error) {
	types, err := m.fillAll(t.types)
	if err != nil {
		return false, err
	}
	values, err := m.env.Body(t.kind, types)
	if err != nil {
		return false, err
	}
	return m.match(&t.match, values)
}

// environmentTest is environment (RFC 5183). An item that is not known matches nothing.
type environmentTest struct {
	name  text
	match matcher
}

func (t *environmentTest) holds(m *machine) (bool, error) {
	name, err := m.fill(&t.name)
	if err != nil {
		return false, err
	}
	value, ok := m.env.Environment(strings.ToLower(name))
	if !ok {
		return false, nil
	}
	return m.match(&t.match, []string{value})
}

// mailboxTest is mailboxexists (RFC 5490 section 3.1).
type mailboxTest struct{ names texts }

func (t *mailboxTest) holds(m *machine) (bool, error) {
	names, err := m.fillAll(t.names)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if ok, err := m.env.MailboxExists(name); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// specialUseTest is specialuse_exists (RFC 8579 section 3).
type specialUseTest struct{ mailbox, uses texts }

func (t *specialUseTest) holds(m *machine) (bool, error) {
	mailbox := ""
	if len(t.mailbox.list) > 0 {
		var err error
		if mailbox, err = m.fill(&t.mailbox.list[0]); err != nil {
			return false, err
		}
	}
	uses, err := m.fillAll(t.uses)
	if err != nil {
		return false, err
	}
	for _, use := range uses {
		if ok, err := m.env.SpecialUse(mailbox, use); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// duplicateTest is duplicate (RFC 7352).
type duplicateTest struct {
	handle, header, id text
	byHeader, byID     bool
	keep               time.Duration
	last               bool
}

func buildDuplicate(c *compiler, u *call) condition {
	t := &duplicateTest{
		handle: c.optional(u, "handle"), header: c.optional(u, "header"), id: c.optional(u, "uniqueid"),
		byHeader: u.has("header"), byID: u.has("uniqueid"), keep: 7 * 24 * time.Hour, last: u.has("last"),
	}
	if a := u.tags["seconds"]; a != nil {
		t.keep = seconds(a.Number, MaxDuplicate)
	}
	return t
}

// seconds is a span of a script, within a bound.
func seconds(n uint64, most time.Duration) time.Duration {
	return time.Duration(min(n, uint64(most/time.Second))) * time.Second
}

func (t *duplicateTest) holds(m *machine) (bool, error) {
	handle, err := m.fill(&t.handle)
	if err != nil {
		return false, err
	}
	id, err := t.unique(m)
	if id == "" || t.keep == 0 || err != nil { // RFC 7352 sections 3.1 and 3.3
		return false, err
	}
	known, err := m.env.Duplicate(handle, id)
	if err != nil {
		return false, err
	}
	seen := slices.ContainsFunc(m.result.Tracked, func(x Tracked) bool { return x.Handle == handle && x.ID == id })
	if (!known || t.last) && !seen { // with :last, each one that comes counts anew
		m.result.Tracked = append(m.result.Tracked, Tracked{handle, id, t.keep})
	}
	return known, nil
}

func (t *duplicateTest) unique(m *machine) (string, error) {
	if t.byID {
		return m.fill(&t.id)
	}
	name := "Message-ID"
	if t.byHeader {
		var err error
		if name, err = m.fill(&t.header); err != nil {
			return "", err
		}
	}
	if values := m.env.Header(name); len(values) > 0 {
		return values[0], nil
	}
	return "", nil
}

// dateOf reads the date of a field: behind the last semicolon where there is one, as in Received
// (RFC 5260 section 4).
func dateOf(value string) (time.Time, bool) {
	if i := strings.LastIndexByte(value, ';'); i >= 0 {
		value = value[i+1:]
	}
	return message.ParseDate(value)
}
