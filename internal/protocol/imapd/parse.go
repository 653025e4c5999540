package imapd

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/protocol/imapd/mutf7"
)

// parser reads one command that has arrived whole: its lines, and its literals in the place where
// they were sent. It keeps the first error and reads nothing more after it, so that productions
// read like the grammar of RFC 9051 section 9. Strings and byte slices that it hands out are parts
// of the command's buffer unless said otherwise.
type parser struct {
	b    []byte // what is not read yet
	err  error
	utf8 bool // mailbox names are UTF-8, not modified UTF-7 (RFC 9051 section 5.1, RFC 6855 section 3)
}

// errSyntax is wrapped by every error of the parser that is answered with BAD.
var errSyntax = errors.New("imapd: syntax")

// The other reasons not to accept a command that is well formed.
var (
	errName    = errors.New("imapd: mailbox name is not valid")
	errCharset = errors.New("imapd: charset is not known")
	errUnknown = errors.New("imapd: no such command")
)

// tooManyError is that a command has more of something than it can have: it is well formed, and
// answered with NO.
type tooManyError int

func (e tooManyError) Error() string {
	return fmt.Sprintf("imapd: more than %d in one command", int(e))
}

// tooMany ends parsing because there is more of something than limit.
func (p *parser) tooMany(limit int) { p.failAs(tooManyError(limit)) }

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s", errSyntax, fmt.Sprintf(format, args...))
	}
	p.b = nil
}

// failAs ends parsing with one of the errors above.
func (p *parser) failAs(err error) {
	if p.err == nil {
		p.err = err
	}
	p.b = nil
}

// peek returns the next octet, 0 at the end.
func (p *parser) peek() byte {
	if len(p.b) == 0 {
		return 0
	}
	return p.b[0]
}

// accept reads the octet c if it is next.
func (p *parser) accept(c byte) bool {
	if len(p.b) == 0 || p.b[0] != c {
		return false
	}
	p.b = p.b[1:]
	return true
}

// expect reads the octet c.
func (p *parser) expect(c byte) {
	if !p.accept(c) {
		p.fail("want %q", c)
	}
}

func (p *parser) sp() { p.expect(' ') }

// end checks that the command is over.
func (p *parser) end() {
	if p.err == nil && len(p.b) > 0 {
		p.fail("more than the command takes")
	}
}

// The character classes of RFC 9051 section 9, one bit each.
const (
	isAtom    = 1 << iota // ATOM-CHAR
	isAString             // ASTRING-CHAR: ATOM-CHAR / "]"
	isList                // list-char: ATOM-CHAR / list-wildcards / "]"
	isTag                 // ASTRING-CHAR without "+"
	isDigit
)

var classes = makeClasses()

func makeClasses() (table [256]uint8) {
	for c := 0x21; c < 0x7f; c++ {
		switch c {
		case '(', ')', '{', '"', '\\':
		case '%', '*':
			table[c] = isList
		case ']':
			table[c] = isAString | isList | isTag
		case '+':
			table[c] = isAtom | isAString | isList
		default:
			table[c] = isAtom | isAString | isList | isTag
		}
	}
	for c := '0'; c <= '9'; c++ {
		table[c] |= isDigit
	}
	return table
}

// run reads the octets of a class, none if the next is not of it.
func (p *parser) run(class uint8) []byte {
	i := 0
	for i < len(p.b) && classes[p.b[i]]&class != 0 {
		i++
	}
	s := p.b[:i]
	p.b = p.b[i:]
	return s
}

// atom reads 1*ATOM-CHAR.
func (p *parser) atom() []byte {
	s := p.run(isAtom)
	if len(s) == 0 {
		p.fail("want an atom")
	}
	return s
}

// word reads an atom of the kind that names things in the grammar, in upper case.
func (p *parser) word() string { return upper(p.atom()) }

// upper copies s in upper case.
func upper(s []byte) string {
	var buf [32]byte
	b := append(buf[:0], s...)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 0x20
		}
	}
	return string(b)
}

// number64 reads number64 of RFC 9051 (a 63-bit number), and mod-sequence-valzer of RFC 7162.
func (p *parser) number64() uint64 {
	s := p.run(isDigit)
	n, err := strconv.ParseUint(string(s), 10, 63)
	if err != nil {
		p.fail("want a number")
	}
	return n
}

// number reads a 32-bit number.
func (p *parser) number() uint32 {
	n := p.number64()
	if n > 1<<32-1 {
		p.fail("number beyond 32 bits")
		return 0
	}
	return uint32(n)
}

// nzNumber reads a 32-bit number above zero.
func (p *parser) nzNumber() uint32 {
	n := p.number()
	if n == 0 {
		p.fail("number must not be zero")
	}
	return n
}

// astring reads atom characters, a quoted string or a literal.
func (p *parser) astring() []byte {
	if classes[p.peek()]&isAString != 0 {
		return p.run(isAString)
	}
	return p.string()
}

// string reads a quoted string or a literal.
func (p *parser) string() []byte {
	switch p.peek() {
	case '"':
		return p.quoted()
	case '{':
		return p.literal()
	}
	p.fail("want a string")
	return nil
}

// quoted reads a quoted string; only one with escapes is copied.
func (p *parser) quoted() []byte {
	p.expect('"')
	var out []byte
	start := 0
	for i := 0; i < len(p.b); i++ {
		switch p.b[i] {
		case '"':
			s := p.b[start:i]
			if out != nil {
				s = append(out, s...)
			}
			p.b = p.b[i+1:]
			if !utf8.Valid(s) {
				p.fail("quoted string is not UTF-8")
			}
			return s
		case '\\':
			out = append(out, p.b[start:i]...)
			i++
			start = i // the escaped octet stands for itself
			if i == len(p.b) || p.b[i] != '"' && p.b[i] != '\\' {
				p.fail("escape in a quoted string")
				return nil
			}
		case 0, '\r', '\n':
			p.fail("control character in a quoted string")
			return nil
		}
	}
	p.fail("quoted string without end")
	return nil
}

// literal reads "{n}" or "{n+}", CRLF and n octets.
func (p *parser) literal() []byte {
	size, rest, ok := cutLiteralHead(p.b)
	if !ok || uint64(len(rest)) < size {
		p.fail("literal")
		return nil
	}
	s := rest[:size]
	p.b = rest[size:]
	for _, c := range s {
		if c == 0 {
			p.fail("NUL in a literal")
		}
	}
	return s
}

// cutLiteralHead reads "{n}" or "{n+}" and CRLF from the start of b.
func cutLiteralHead(b []byte) (size uint64, rest []byte, ok bool) {
	i := 1
	for i < len(b) && classes[b[i]]&isDigit != 0 {
		i++
	}
	if i == 1 || i > 19 || b[0] != '{' {
		return 0, nil, false
	}
	size, err := strconv.ParseUint(string(b[1:i]), 10, 63)
	if err != nil {
		return 0, nil, false
	}
	b = b[i:]
	if len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if len(b) < 3 || b[0] != '}' || b[1] != '\r' || b[2] != '\n' {
		return 0, nil, false
	}
	return size, b[3:], true
}

// nstring reads a string or NIL; ok is false for NIL.
func (p *parser) nstring() (s []byte, ok bool) {
	if c := p.peek(); c == '"' || c == '{' {
		return p.string(), true
	}
	if p.word() != "NIL" {
		p.fail("want a string or NIL")
	}
	return nil, false
}

// mailbox reads a mailbox name and returns it in UTF-8. INBOX is known in any case (RFC 9051
// section 5.1), also as the parent of others.
func (p *parser) mailbox() string {
	s := p.astring()
	if p.err != nil {
		return ""
	}
	return p.mailboxName(string(s))
}

// mailboxName turns a name as the client writes it into UTF-8.
func (p *parser) mailboxName(s string) string {
	if !p.utf8 {
		name, err := mutf7.Decode(s)
		if err != nil {
			p.failAs(errName)
			return ""
		}
		s = name
	}
	if !utf8.ValidString(s) {
		p.failAs(errName)
		return ""
	}
	return canonicalInbox(s)
}

// canonicalInbox writes the first level of a name as "INBOX" if it is that in any case.
func canonicalInbox(name string) string {
	if len(name) < 5 || len(name) > 5 && name[5] != '/' {
		return name
	}
	for i := range 5 {
		if name[i]&^0x20 != "INBOX"[i] {
			return name
		}
	}
	return "INBOX" + name[5:]
}

// list reads "(" [item *(SP item)] ")".
func (p *parser) list(item func()) {
	p.expect('(')
	if p.accept(')') {
		return
	}
	for p.err == nil {
		item()
		if p.accept(')') {
			return
		}
		p.sp()
	}
}

// flagList reads a parenthesized list of flags.
func (p *parser) flagList() (f flagNames) {
	p.list(func() { p.flag(&f) })
	return f
}

// flag reads one flag: a system flag or a keyword.
func (p *parser) flag(f *flagNames) {
	if p.accept('\\') {
		name := p.word()
		bit, ok := systemFlags[name]
		if !ok && p.err == nil {
			p.fail("no system flag %q", name)
			return
		}
		f.system = f.system.With(bit)
		return
	}
	f.keywords = append(f.keywords, string(p.atom()))
}

// months in the order of the calendar, as dates name them.
var months = [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// monthOf returns the number of a month's name in any case, 0 if there is none.
func monthOf(s []byte) time.Month {
	if len(s) != 3 {
		return 0
	}
	for i, m := range months {
		if s[0]&^0x20 == m[0] && s[1]|0x20 == m[1] && s[2]|0x20 == m[2] {
			return time.Month(i + 1)
		}
	}
	return 0
}

// digits reads between lo and hi digits.
func (p *parser) digits(lo, hi int) int {
	n, i := 0, 0
	for i < hi && i < len(p.b) && classes[p.b[i]]&isDigit != 0 {
		n = n*10 + int(p.b[i]-'0')
		i++
	}
	if i < lo {
		p.fail("want %d digits", lo)
		return 0
	}
	p.b = p.b[i:]
	return n
}

// dayMonthYear reads `day "-" month "-" year`; the caller has read a leading space of the day.
func (p *parser) dayMonthYear(loc *time.Location) time.Time {
	day := p.digits(1, 2)
	p.expect('-')
	var month time.Month
	if len(p.b) >= 3 {
		month = monthOf(p.b[:3])
		p.b = p.b[3:]
	}
	p.expect('-')
	year := p.digits(4, 4)
	t := time.Date(year, month, day, 0, 0, 0, 0, loc)
	if p.err == nil && (month == 0 || t.Day() != day || t.Month() != month) {
		p.fail("no such date")
	}
	return t
}

// date reads a date of SEARCH, as midnight UTC of that day.
func (p *parser) date() time.Time {
	quoted := p.accept('"')
	t := p.dayMonthYear(time.UTC)
	if quoted {
		p.expect('"')
	}
	return t
}

// dateTime reads a date-time of APPEND: `" 7-Feb-2026 22:00:00 +0100"`.
func (p *parser) dateTime() time.Time {
	p.expect('"')
	p.accept(' ')
	day := p.dayMonthYear(time.UTC)
	p.sp()
	hour := p.digits(2, 2)
	p.expect(':')
	minute := p.digits(2, 2)
	p.expect(':')
	second := p.digits(2, 2)
	p.sp()
	sign := 1
	if p.accept('-') {
		sign = -1
	} else {
		p.expect('+')
	}
	zone := p.digits(4, 4)
	p.expect('"')
	if hour > 23 || minute > 59 || second > 60 || zone%100 > 59 || zone > 2359 {
		p.fail("no such time")
	}
	offset := sign * (zone/100*3600 + zone%100*60)
	y, m, d := day.Date()
	return time.Date(y, m, d, hour, minute, second, 0, time.FixedZone("", offset))
}
