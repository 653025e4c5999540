package message

import (
	"bytes"
	"strings"

	"github.com/postiljon/postiljon/internal/message/address"
)

// ParseAddressList reads the value of an address field (RFC 5322 section 3.4), folded or not, as
// tolerantly as readers must: obsolete routes, names without quotes, addresses without brackets or
// domain, stray separators. Groups are dissolved. What cannot be an address is left out. At most
// 1000 addresses are returned.
func ParseAddressList(value string) []Address {
	s := Scanner{limits: Limits{}.withDefaults()}
	raw := appendUnfolded(nil, []byte(value))
	s.mailboxes = s.parseMailboxes(nil, raw)
	return s.addresses(s.mailboxes)
}

// DisplayName reads a phrase as the name of a mailbox or a group (RFC 5322 section 3.2.5): without quotes, escapes and comments, decoded.
func DisplayName(phrase string) string {
	s := Scanner{limits: Limits{}.withDefaults()}
	r := addressReader{b: appendUnfolded(nil, []byte(phrase)), s: &s, mixed: true}
	return DecodeHeader(string(r.phrase(0, len(r.b))))
}

// mailbox is one member of an address list as it was written, quotes and escapes taken away.
type mailbox struct {
	kind                       mailboxKind
	name, route, local, domain []byte // name is still encoded; nil is absent
}

type mailboxKind uint8

const (
	mailboxAddress  mailboxKind = iota
	mailboxGroup                // a group begins, name is its name
	mailboxGroupEnd             // it ends
)

// addressReader reads one address list from left to right.
type addressReader struct {
	b       []byte
	i       int
	s       *Scanner
	list    []mailbox
	count   int // of addresses
	inGroup bool

	// The mailbox that is being read.
	start   int    // where its phrase begins
	quoted  []byte // the content of the last quoted-string
	comment []byte // the content of the last comment
	words   int    // atoms and quoted-strings so far
	mixed   bool   // the phrase holds quotes, comments or escapes: it must be put together
	word    int    // where the last word begins
}

// parseMailboxes appends the members of an unfolded address list to list, up to the limit.
func (s *Scanner) parseMailboxes(list []mailbox, value []byte) []mailbox {
	r := addressReader{b: value, s: s, list: list}
	for r.i < len(r.b) && r.count < s.limits.Addresses {
		r.mailbox()
	}
	s.degraded = s.degraded || r.i < len(r.b)
	if r.inGroup {
		r.list = append(r.list, mailbox{kind: mailboxGroupEnd})
	}
	return r.list
}

// mailbox reads up to the next separator.
func (r *addressReader) mailbox() {
	r.skipSpace()
	r.start, r.word = r.i, r.i
	r.quoted, r.comment, r.words, r.mixed = nil, nil, 0, false
	for r.i < len(r.b) {
		switch r.b[r.i] {
		case ',':
			r.bare(r.i)
			r.i++
			return
		case ';':
			r.bare(r.i)
			r.i++
			if r.inGroup {
				r.inGroup = false
				r.list = append(r.list, mailbox{kind: mailboxGroupEnd})
			}
			return
		case ':':
			if !r.inGroup && r.words > 0 {
				r.list = append(r.list, mailbox{kind: mailboxGroup, name: r.phrase(r.start, r.i)})
				r.inGroup = true
				r.i++
				return
			}
			r.i++
		case '<':
			r.angle()
			return
		case '@':
			if r.words > 0 {
				r.addrSpec()
				return
			}
			r.i++
		default:
			r.takeWord()
		}
	}
	r.bare(r.i)
}

// takeWord passes over one word of a phrase, a comment or a stray octet, and the space after it.
func (r *addressReader) takeWord() {
	switch c := r.b[r.i]; c {
	case '(':
		n := commentLen(r.b[r.i:])
		r.comment = commentText(r.b[r.i : r.i+n])
		r.mixed = true
		r.i += n
	case '"':
		n, _ := quotedLen(r.b[r.i:])
		r.word = r.i
		r.quoted = r.b[r.i+1 : r.i+n]
		r.words++
		r.mixed = true
		r.i = min(r.i+n+1, len(r.b))
	default:
		if r.i == r.start || isSpace(r.b[r.i-1]) || r.b[r.i-1] == ')' || r.b[r.i-1] == '"' {
			r.word = r.i
		}
		r.words++
		r.mixed = r.mixed || c == '\\'
		r.i++
		for r.i < len(r.b) && !isSpace(r.b[r.i]) && strings.IndexByte(`()<>@,;:"`, r.b[r.i]) < 0 {
			r.mixed = r.mixed || r.b[r.i] == '\\'
			r.i++
		}
	}
	r.skipSpace()
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func (r *addressReader) skipSpace() {
	for r.i < len(r.b) && isSpace(r.b[r.i]) {
		r.i++
	}
}

// commentText returns what is within the parentheses of a comment.
func commentText(b []byte) []byte {
	return bytes.TrimSuffix(b[1:], []byte{')'})
}

// bare ends a mailbox that has neither brackets nor "@": a lone local part, if anything.
func (r *addressReader) bare(end int) {
	if r.words > 0 {
		r.add(mailbox{name: r.comment, local: r.phrase(r.start, end)})
	}
}

func (r *addressReader) add(m mailbox) {
	r.list = append(r.list, m)
	r.count++
}

// phrase returns the display name b[start:end] without quotes and comments.
func (r *addressReader) phrase(start, end int) []byte {
	raw := trimWSP(r.b[start:end])
	if !r.mixed {
		return raw
	}
	if n, escaped := 0, false; len(raw) > 1 && raw[0] == '"' {
		if n, escaped = quotedLen(raw); n == len(raw)-1 && !escaped {
			return raw[1:n]
		}
	}
	from := len(r.s.scratch)
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case '"':
			n, _ := quotedLen(raw[i:])
			r.s.unescaped(raw[i+1 : i+n])
			i += n + 1
		case '(':
			i += commentLen(raw[i:])
		default:
			if c == '\\' && i+1 < len(raw) {
				i++
			}
			r.s.scratch = append(r.s.scratch, raw[i])
			i++
		}
	}
	return trimWSP(r.s.scratch[from:])
}

// addrSpec reads on at the "@" of an address without brackets. Words before its local part are
// taken for a name: "Anna Berg anna@example.org".
func (r *addressReader) addrSpec() {
	name := trimWSP(r.b[r.start:r.word])
	m := mailbox{local: r.phrase(r.word, r.i)}
	at := r.i
	r.i++
	m.domain = r.domain()
	for r.i < len(r.b) {
		switch c := r.b[r.i]; c {
		case ',', ';':
			r.endSpec(m, name)
			if c == ',' {
				r.i++ // a semicolon is for the caller: it may end a group
			}
			return
		case '<':
			// The address was but a name: "anna@example.org <anna@example.org>".
			r.mixed = r.mixed || bytes.IndexByte(r.b[at:r.i], '"') >= 0
			r.angle()
			return
		case '(', '"':
			r.takeWord()
		default:
			r.i++
		}
	}
	r.endSpec(m, name)
}

func (r *addressReader) endSpec(m mailbox, name []byte) {
	if len(name) > 0 {
		m.name = r.phrase(r.start, r.start+len(name))
	}
	if len(m.name) == 0 {
		m.name = r.comment
	}
	r.add(m)
}

// domain reads a domain or domain-literal after "@", without the white space and comments that are
// obsolete in it (RFC 5322 section 4.4).
func (r *addressReader) domain() []byte {
	r.skipSpace()
	start := r.i
	literal := r.i < len(r.b) && r.b[r.i] == '['
	for r.i < len(r.b) {
		c := r.b[r.i]
		if literal && c == ']' {
			r.i++
			break
		}
		if !literal && (isSpace(c) || strings.IndexByte(`()<>,;:"`, c) >= 0) || literal && strings.IndexByte("<>,", c) >= 0 {
			break
		}
		r.i++
	}
	return r.b[start:r.i]
}

// angle reads on at "<" (angle-addr), and passes over what follows it.
func (r *addressReader) angle() {
	name := r.phrase(r.start, r.i)
	for r.i < len(r.b) && (r.b[r.i] == '<' || isSpace(r.b[r.i])) {
		r.i++
	}
	inner, closed := r.untilAngleEnd()
	if closed {
		r.i++
	}
	r.skipToSeparator()
	m := r.splitSpec(inner)
	if m.name = name; len(name) == 0 {
		m.name = r.comment
	}
	if len(m.local) > 0 || len(m.domain) > 0 || len(m.name) > 0 {
		r.add(m)
	}
	if r.i < len(r.b) && r.b[r.i] == ',' {
		r.i++
	}
}

// untilAngleEnd returns what is between the angle brackets. Where the second one is missing, the
// address ends at the next comma.
func (r *addressReader) untilAngleEnd() (inner []byte, closed bool) {
	start, comma := r.i, -1
	limit := min(len(r.b), start+maxAngle)
	for r.i < limit {
		switch r.b[r.i] {
		case '>':
			return r.b[start:r.i], true
		case '"':
			n, _ := quotedLen(r.b[r.i:limit])
			r.i += n
		case ',':
			if comma < 0 {
				comma = r.i
			}
		}
		r.i = min(r.i+1, limit)
	}
	if comma >= 0 {
		r.i = comma
	}
	return r.b[start:r.i], false
}

// maxAngle is how far the end of an address is looked for; a route may be 512 octets.
const maxAngle = 1024

// skipToSeparator passes over comments and junk after an angle-addr.
func (r *addressReader) skipToSeparator() {
	for r.i < len(r.b) && r.b[r.i] != ',' && r.b[r.i] != ';' {
		if c := r.b[r.i]; c == '(' || c == '"' {
			r.takeWord()
		} else {
			r.i++
		}
	}
}

// splitSpec takes apart what stood in angle brackets: an obsolete route, local part and domain.
func (r *addressReader) splitSpec(b []byte) (m mailbox) {
	b = trimWSP(b)
	if len(b) > 0 && b[0] == '@' {
		if i := bytes.IndexByte(b, ':'); i > 0 {
			m.route, b = b[:i], trimWSP(b[i+1:])
		}
	}
	at := bytes.LastIndexByte(b, '@')
	if at < 0 {
		m.local = r.unquotedLocal(b)
		return m
	}
	m.local, m.domain = r.unquotedLocal(trimWSP(b[:at])), trimWSP(b[at+1:])
	if i := bytes.IndexByte(m.domain, '('); i >= 0 {
		m.domain = trimWSP(m.domain[:i])
	}
	return m
}

func (r *addressReader) unquotedLocal(b []byte) []byte {
	if len(b) == 0 || b[0] != '"' {
		return b
	}
	if n, escaped := quotedLen(b); n == len(b)-1 {
		if escaped {
			return r.s.unescaped(b[1:n])
		}
		return b[1:n]
	}
	return b
}

// addresses decodes mailboxes for the Summary; groups are dissolved.
func (s *Scanner) addresses(mailboxes []mailbox) []Address {
	n := 0
	for i := range mailboxes {
		if mailboxes[i].kind == mailboxAddress {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	list := make([]Address, 0, n)
	for i := range mailboxes {
		if m := &mailboxes[i]; m.kind == mailboxAddress {
			list = append(list, Address{Name: strings.TrimSpace(s.decoded(m.name)), Email: s.email(m)})
		}
	}
	return list
}

// email returns local@domain, or what there is of it.
func (s *Scanner) email(m *mailbox) string {
	if !plainLocal(m.local) && len(m.domain) > 0 {
		a := address.Address{Local: string(appendGuessed(nil, m.local)), Domain: string(appendGuessed(nil, m.domain))}
		return a.String()
	}
	start := len(s.scratch)
	s.scratch = append(s.scratch, m.local...)
	if len(m.domain) > 0 {
		s.scratch = append(append(s.scratch, '@'), m.domain...)
	}
	text := s.decodedEmail(s.scratch[start:])
	s.scratch = s.scratch[:start]
	return text
}

// decodedEmail makes valid UTF-8 of an address; there are no encoded-words in addresses.
func (s *Scanner) decodedEmail(raw []byte) string {
	if isPlainText(raw) {
		return s.str(raw)
	}
	return s.str(appendGuessed(nil, raw))
}

// plainLocal tells whether a local part needs no quotes, for certain.
func plainLocal(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for _, c := range b {
		if !isLetter(c) && !isDigit(c) && c != '-' && c != '_' && c != '+' && c != '=' && c != '.' {
			return false
		}
	}
	return b[0] != '.' && b[len(b)-1] != '.'
}
