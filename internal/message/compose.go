package message

import (
	"bytes"
	"crypto/rand"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message/address"
)

// maxColumns is the length of a line that is not to be exceeded where it can be helped (RFC 5322
// section 2.1.1).
const maxColumns = 78

// Header writes the header of a message: fields folded at white space, text beyond ASCII in
// encoded-words (RFC 2047). Control characters in what it is given become spaces, so that no value
// can make a field of its own. The zero Header is empty and ready.
type Header struct {
	// UTF8 lets text beyond ASCII stand as it is (RFC 6532).
	UTF8 bool

	buf    []byte
	column int
}

// Bytes returns the fields written so far, without the empty line that ends a header.
func (h *Header) Bytes() []byte { return h.buf }

// AddText adds an unstructured field, such as Subject.
func (h *Header) AddText(name, text string) {
	h.begin(name)
	text = oneLine(text)
	if h.UTF8 && !strings.Contains(text, "=?") || !needsEncoding(text) {
		h.words(text)
	} else {
		h.encoded(text)
	}
	h.end()
}

// AddStructured adds a field whose value is in its final form and may be folded at its spaces.
func (h *Header) AddStructured(name, value string) {
	h.begin(name)
	h.words(oneLine(value))
	h.end()
}

// AddDate adds a date field.
func (h *Header) AddDate(name string, t time.Time) { h.AddStructured(name, FormatDate(t)) }

// AddMessageIDs adds a field of message identifiers, which are given without angle brackets.
// Without any, it adds nothing.
func (h *Header) AddMessageIDs(name string, ids ...string) {
	if len(ids) > 0 {
		h.AddStructured(name, "<"+strings.Join(ids, "> <")+">")
	}
}

// AddAddresses adds an address field. Without addresses, it adds nothing.
func (h *Header) AddAddresses(name string, list []Address) {
	if len(list) == 0 {
		return
	}
	h.begin(name)
	h.addresses(list, "")
	h.end()
}

// addresses adds a list of addresses with commas between them, and something after the last.
func (h *Header) addresses(list []Address, after string) {
	for i, a := range list {
		comma := after
		if i < len(list)-1 {
			comma = ","
		}
		email := oneLine(a.Email)
		if a.Name == "" {
			h.word(email + comma)
			continue
		}
		h.phrase(oneLine(a.Name))
		h.word("<" + email + ">" + comma)
	}
}

// Group is a group of addresses with a name (RFC 5322 section 3.4); without one, it is no group.
type Group struct {
	Name      string
	Addresses []Address
}

// AddGroups adds an address field with groups. Without any, it adds nothing.
func (h *Header) AddGroups(name string, groups []Group) {
	if len(groups) == 0 {
		return
	}
	h.begin(name)
	for i, g := range groups {
		comma := ""
		if i < len(groups)-1 {
			comma = ","
		}
		if g.Name == "" {
			h.addresses(g.Addresses, comma)
			continue
		}
		h.phrase(oneLine(g.Name))
		h.buf = append(h.buf, ':')
		h.column++
		h.addresses(g.Addresses, "")
		h.buf = append(append(h.buf, ';'), comma...)
		h.column += 1 + len(comma)
	}
	h.end()
}

// AddParams adds a field such as Content-Type with parameters, given as name, value, name, value.
// Values beyond ASCII are written by RFC 2231.
func (h *Header) AddParams(name, value string, params ...string) {
	h.begin(name)
	for i := 0; i+1 < len(params); i += 2 {
		value += ";"
		h.words(value)
		value = h.param(params[i], oneLine(params[i+1]))
	}
	h.words(value)
	h.end()
}

func (h *Header) begin(name string) {
	h.buf = append(append(h.buf, name...), ':')
	h.column = len(name) + 1
}

func (h *Header) end() {
	h.buf = append(h.buf, "\r\n"...)
}

// words adds text, which may be folded at its spaces. Runs of spaces stay as they are.
func (h *Header) words(text string) {
	for text != "" {
		n := len(text) - len(strings.TrimLeft(text, " "))
		if word := strings.IndexByte(text[n:], ' '); word >= 0 {
			n += word
		} else {
			n = len(text)
		}
		h.piece(text[:n])
		text = text[n:]
	}
}

// piece adds a word with the spaces before it, on a new line where it does not fit. Its first
// space is the one that a folded line begins with.
func (h *Header) piece(word string) {
	word = strings.TrimPrefix(word, " ")
	width := 1 + utf8.RuneCountInString(word)
	if h.column+width > maxColumns && h.column > 1 && strings.Trim(word, " ") != "" {
		h.buf = append(h.buf, "\r\n"...)
		h.column = 0
	}
	h.buf = append(append(h.buf, ' '), word...)
	h.column += width
}

func (h *Header) word(word string) { h.piece(" " + word) }

// phrase adds a display name: as atoms, in quotes, or in encoded-words.
func (h *Header) phrase(name string) {
	switch {
	case needsEncoding(name) && (!h.UTF8 || strings.Contains(name, "=?")):
		h.encoded(name)
	case isPhrase(name):
		h.words(name)
	default:
		h.word(quote(name))
	}
}

// isPhrase tells whether name is a sequence of atoms.
func isPhrase(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c < utf8.RuneSelf && !isLetter(c) && !isDigit(c) && c != '-' && c != '_' && c != '\'' &&
			(c != ' ' || i == 0 || i == len(name)-1 || name[i+1] == ' ') {
			return false
		}
	}
	return true
}

func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(text); i++ {
		if text[i] == '"' || text[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	b.WriteByte('"')
	return b.String()
}

// needsEncoding tells whether text cannot stand in a header as it is.
func needsEncoding(text string) bool {
	if strings.Contains(text, "=?") || strings.Trim(text, " ") != text {
		return true
	}
	word := 0
	for i := 0; i < len(text); i++ {
		if word++; text[i] == ' ' {
			word = 0
		}
		if text[i] >= utf8.RuneSelf || word > 900 { // RFC 5322 section 2.1.1: 998 octets a line
			return true
		}
	}
	return false
}

// oneLine makes valid UTF-8 of text, its control characters spaces.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.IndexFunc(text, isControl) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, text)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// encoded adds text in encoded-words of at most 75 characters each (RFC 2047 section 2), of whole
// characters, in the shorter of the two encodings.
func (h *Header) encoded(text string) {
	const start, end = "=?utf-8?", "?="
	room := 75 - len(start) - len("q?") - len(end)
	useQ := lenQ(text) <= (len(text)+2)/3*4
	for text != "" {
		n := 0
		for used := 0; n < len(text); {
			_, size := utf8.DecodeRuneInString(text[n:])
			if useQ {
				used += lenQ(text[n : n+size])
			} else {
				used = (n + size + 2) / 3 * 4
			}
			if used > room {
				break
			}
			n += size
		}
		if useQ {
			h.word(start + "q?" + encodeQ(text[:n]) + end)
		} else {
			h.word(start + "b?" + encodeBase64(text[:n]) + end)
		}
		text = text[n:]
	}
}

// isQPlain tells which octets may stand for themselves in "Q" even in a phrase (RFC 2047 section 5).
func isQPlain(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

func lenQ(text string) int {
	n := 0
	for i := 0; i < len(text); i++ {
		if n++; !isQPlain(text[i]) && text[i] != ' ' {
			n += 2
		}
	}
	return n
}

func encodeQ(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ' ':
			b.WriteByte('_')
		case isQPlain(c):
			b.WriteByte(c)
		default:
			b.Write([]byte{'=', hexUpper[c>>4], hexUpper[c&15]})
		}
	}
	return b.String()
}

// param writes one parameter: a token, a quoted-string, or extended values (RFC 2231).
func (h *Header) param(name, value string) string {
	if needs := !isASCIIText(value); !needs || h.UTF8 {
		if needs || len(value) > maxColumns-len(name)-5 || value == "" || strings.IndexFunc(value, isNoToken) >= 0 {
			return " " + name + "=" + quote(value)
		}
		return " " + name + "=" + value
	}
	encoded := "utf-8''" + string(appendPercent(nil, []byte(value)))
	if len(name)+len(encoded) <= maxColumns-4 {
		return " " + name + "*=" + encoded
	}
	var b strings.Builder
	for i := 0; encoded != ""; i++ {
		n := min(len(encoded), maxColumns-len(name)-10)
		// Not within a percent-encoded octet.
		if j := strings.LastIndexByte(encoded[:n], '%'); n < len(encoded) && j > n-3 {
			n = j
		}
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(" " + name + "*" + strconv.Itoa(i) + "*=" + encoded[:n])
		encoded = encoded[n:]
	}
	return b.String()
}

func isASCIIText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isNoToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || bytes.IndexByte(tspecials, byte(r)) >= 0
}

// FormatDate writes a date as RFC 5322 section 3.3 wants it.
func FormatDate(t time.Time) string { return t.Format("Mon, 2 Jan 2006 15:04:05 -0700") }

// NewMessageID returns a message identifier that has never been, without angle brackets. Domain
// is that of the host that makes it.
func NewMessageID(domain string) string {
	return rand.Text() + "@" + address.NormalizeDomain(oneLine(domain))
}

// NewBoundary returns a boundary that occurs in no body: 130 random bits after "=_", which neither
// quoted-printable nor base64 can contain (RFC 2045 section 6.7).
func NewBoundary() string { return "=_" + rand.Text() }
