package account

import (
	"bytes"
	"fmt"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

// writeCards writes contacts as vCards (RFC 6350).
func writeCards(list []store.Contact) []byte {
	var b bytes.Buffer
	line := func(name, value string) {
		text := name + ":" + escaper.Replace(value)
		for first := true; len(text) > 0; first = false { // section 3.2: lines have at most 75 octets
			n := min(len(text), 73)
			for n < len(text) && !utf8.RuneStart(text[n]) {
				n--
			}
			if !first {
				b.WriteString(" ")
			}
			b.WriteString(text[:n] + "\r\n")
			text = text[n:]
		}
	}
	for i := range list {
		c := &list[i]
		line("BEGIN", "VCARD")
		line("VERSION", "4.0")
		name := c.Name
		if name == "" && len(c.Addresses) > 0 {
			name = c.Addresses[0]
		}
		line("FN", name) // section 6.2.1: there must be one
		for _, a := range c.Addresses {
			line("EMAIL", a)
		}
		if c.Note != "" {
			line("NOTE", c.Note)
		}
		line("REV", c.Changed.UTC().Format("20060102T150405Z"))
		line("END", "VCARD")
	}
	return b.Bytes()
}

// escaper and unescaper write values (section 3.4).
var (
	escaper   = strings.NewReplacer(`\`, `\\`, "\r\n", `\n`, "\n", `\n`, ",", `\,`, ";", `\;`)
	unescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\:`, ":")
)

// maxCards is how many vCards one file may have.
const maxCards = store.MaxContacts

// readCards reads vCards of any version that is in use: 2.1, 3.0 (RFC 2426) and 4.0. Of each the name, the addresses and
// the note are taken. Those without name and address are skipped.
func readCards(text []byte) (list []store.Contact, skipped int) {
	var c *store.Contact
	var structured string // N, for cards without FN
	for _, line := range unfold(text) {
		name, params, value := property(line)
		switch {
		case name == "BEGIN" && strings.EqualFold(value, "VCARD"):
			c, structured = &store.Contact{}, ""
		case c == nil:
		case name == "END":
			if c.Name == "" {
				c.Name = structured
			}
			if tidy(c) && len(list) < maxCards {
				list = append(list, *c)
			} else {
				skipped++
			}
			c = nil
		case name == "FN":
			c.Name = decoded(params, value)
		case name == "N":
			structured = ordered(decoded(params, value))
		case name == "EMAIL":
			c.Addresses = append(c.Addresses, strings.TrimSpace(strings.TrimPrefix(decoded(params, value), "mailto:")))
		case name == "NOTE":
			c.Note = strings.TrimSpace(c.Note + "\n" + decoded(params, value))
		}
	}
	return list, skipped
}

// unfold joins lines that were folded, and soft line breaks of quoted-printable in version 2.1.
func unfold(text []byte) (lines []string) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	soft := false
	for raw := range strings.SplitSeq(string(text), "\n") {
		raw = strings.TrimRight(raw, "\r")
		switch {
		case len(lines) > 0 && soft:
			lines[len(lines)-1] = strings.TrimSuffix(lines[len(lines)-1], "=") + strings.TrimLeft(raw, " \t")
		case len(lines) > 0 && (strings.HasPrefix(raw, " ") || strings.HasPrefix(raw, "\t")):
			lines[len(lines)-1] += raw[1:]
		default:
			lines = append(lines, raw)
		}
		last := lines[len(lines)-1]
		head, _, _ := strings.Cut(last, ":")
		soft = strings.HasSuffix(last, "=") && strings.Contains(strings.ToUpper(head), "QUOTED-PRINTABLE")
	}
	return lines
}

// property parts a line: "item1.EMAIL;TYPE=home:anna@example.org".
func property(line string) (name, params, value string) {
	quoted := false
	at := strings.IndexFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ':' && !quoted
	})
	if at < 0 {
		return "", "", ""
	}
	name, params, _ = strings.Cut(line[:at], ";")
	if _, after, grouped := strings.Cut(name, "."); grouped {
		name = after
	}
	return strings.ToUpper(name), strings.ToUpper(params), line[at+1:]
}

// decoded is a value without its encoding and escapes.
func decoded(params, value string) string {
	if strings.Contains(params, "QUOTED-PRINTABLE") {
		if raw, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(value))); err == nil {
			value = string(raw)
		}
	}
	if !utf8.ValidString(value) { // of old telephones
		value = latin1(value)
	}
	return strings.TrimSpace(unescaper.Replace(value))
}

func latin1(text string) string {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

// ordered is a structured name as it is spoken: given names before the family's.
func ordered(value string) string {
	parts := strings.Split(value, ";")
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", parts[1], parts[2], parts[0])), " ")
}

// tidy brings a contact into a form that can be kept; false if nothing is left of it.
func tidy(c *store.Contact) bool {
	clean := func(text string, most int) string {
		text = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\n' {
				return -1
			}
			return r
		}, text)
		if runes := []rune(text); len(runes) > most {
			text = string(runes[:most])
		}
		return strings.TrimSpace(text)
	}
	c.Name, c.Note = clean(strings.ReplaceAll(c.Name, "\n", " "), store.MaxContactName), clean(c.Note, store.MaxContactNote)
	c.Addresses = slices.DeleteFunc(c.Addresses, func(text string) bool {
		a, err := address.Parse(text, address.Options{UTF8: true, LongLocal: true})
		return err != nil || a.Domain == ""
	})
	slices.Sort(c.Addresses)
	c.Addresses = slices.Compact(c.Addresses)
	if len(c.Addresses) > store.MaxContactAddresses {
		c.Addresses = c.Addresses[:store.MaxContactAddresses]
	}
	return c.Name != "" || len(c.Addresses) > 0
}
