package jmapd

import (
	"net/textproto"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/message"
)

// headerProperty is a property such as "header:List-Id:asText:all" (RFC 8621 section 4.1.3).
type headerProperty struct {
	name string // of the field
	form func(value []byte) any
	all  bool
}

// forms are those of RFC 8621 section 4.1.2.
var forms = map[string]func(value []byte) any{
	"asRaw":              asRaw,
	"asText":             asText,
	"asAddresses":        asAddresses,
	"asGroupedAddresses": asGroupedAddresses,
	"asMessageIds":       asMessageIDs,
	"asDate":             asDate,
	"asURLs":             asURLs,
}

// formsOf are the forms that fields which are defined in RFC 5322 and RFC 2369 can be told in; others can be in any.
var formsOf = func() map[string][]string {
	m := map[string][]string{}
	for form, names := range map[string]string{
		"asText":       "Subject Comments Keywords",
		"asAddresses":  "From Sender Reply-To To Cc Bcc Resent-From Resent-Sender Resent-Reply-To Resent-To Resent-Cc Resent-Bcc",
		"asMessageIds": "Message-Id In-Reply-To References Resent-Message-Id",
		"asDate":       "Date Resent-Date",
		"asURLs":       "List-Help List-Unsubscribe List-Subscribe List-Post List-Owner List-Archive",
		"asRaw":        "Return-Path Received",
	} {
		for _, name := range strings.Fields(names) {
			m[name] = []string{form, "asRaw"}
			if form == "asAddresses" {
				m[name] = append(m[name], "asGroupedAddresses")
			}
		}
	}
	return m
}()

// parseHeaderProperty reads the name of such a property.
func parseHeaderProperty(property string) (h headerProperty, ok bool) {
	h, _, ok = splitHeaderProperty(property)
	return h, ok
}

// splitHeaderProperty also returns the name of its form.
func splitHeaderProperty(property string) (h headerProperty, form string, ok bool) {
	parts := strings.Split(property, ":")
	if len(parts) < 2 || parts[0] != "header" || !isFieldName(parts[1]) {
		return h, "", false
	}
	h.name, parts = parts[1], parts[2:]
	form = "asRaw"
	if len(parts) > 0 && strings.HasPrefix(parts[0], "as") {
		form, parts = parts[0], parts[1:]
	}
	if len(parts) > 0 && parts[0] == "all" {
		h.all, parts = true, parts[1:]
	}
	allowed, known := formsOf[textproto.CanonicalMIMEHeaderKey(h.name)]
	h.form = forms[form]
	return h, form, len(parts) == 0 && h.form != nil && (!known || slices.Contains(allowed, form))
}

// isFieldName holds a name to RFC 5322 section 3.6.8.
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })
}

// value is the property of a header: that of the last field with the name, or a list of all.
func (h *headerProperty) value(header []byte) any {
	list := []any{}
	for f := range message.HeaderFields(header) {
		if len(f.Name) > 0 && strings.EqualFold(string(f.Name), h.name) {
			list = append(list, h.form(f.Value()))
		}
	}
	if h.all {
		return list
	}
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// asRaw leaves out what cannot be told: octets that are no UTF-8, and NUL (RFC 8621 section 4.1.2.1).
func asRaw(value []byte) any {
	text := strings.ReplaceAll(strings.TrimRight(string(value), "\r\n"), "\x00", "")
	return strings.ToValidUTF8(text, "\uFFFD")
}

func asText(value []byte) any { return norm.NFC.String(message.DecodeHeader(string(value))) }

func asAddresses(value []byte) any { return addresses(message.ParseAddressList(string(value))) }

// addresses are EmailAddress objects (RFC 8621 section 4.1.2.3).
func addresses(list []message.Address) []object {
	out := []object{}
	for _, a := range list {
		name := any(nil)
		if a.Name != "" {
			name = a.Name
		}
		out = append(out, object{"name": name, "email": a.Email})
	}
	return out
}

// asGroupedAddresses keeps groups apart (RFC 8621 section 4.1.2.4); what is in none has null for a name.
func asGroupedAddresses(value []byte) any {
	out := []object{}
	add := func(name any, list string) {
		if found := message.ParseAddressList(list); len(found) > 0 || name != nil {
			out = append(out, object{"name": name, "addresses": addresses(found)})
		}
	}
	rest := string(message.Unfold(value))
	for rest != "" {
		colon := outside(rest, ':')
		if colon < 0 {
			add(nil, rest)
			break
		}
		start := 0 // of the group's name: behind the last comma before the colon
		for at := outside(rest[:colon], ','); at >= 0; at = outside(rest[start:colon], ',') {
			start += at + 1
		}
		add(nil, rest[:start])
		name := message.DisplayName(rest[start:colon])
		rest = rest[colon+1:]
		end := outside(rest, ';')
		if end < 0 {
			end = len(rest)
		}
		add(name, rest[:end])
		rest = rest[min(end+1, len(rest)):]
	}
	return out
}

// outside finds a character that stands in no quoted string, comment, or angle brackets.
func outside(s string, wanted byte) int {
	depth, quoted, angle := 0, false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == wanted && !angle:
			return i
		}
	}
	return -1
}

// asMessageIDs is null where there is anything else than identifiers (RFC 8621 section 4.1.2.5).
func asMessageIDs(value []byte) any { return bracketed(value, " \t") }

// asURLs is a list of URLs in angle brackets (RFC 8621 section 4.1.2.7, RFC 2369 section 2).
func asURLs(value []byte) any { return bracketed(value, " \t,") }

func bracketed(value []byte, between string) any {
	rest := strings.Trim(withoutComments(string(message.Unfold(value))), between)
	list := []string{}
	for rest != "" {
		end := strings.IndexByte(rest, '>')
		if rest[0] != '<' || end < 2 {
			return nil
		}
		list = append(list, strings.ToValidUTF8(rest[1:end], "\uFFFD"))
		rest = strings.TrimLeft(rest[end+1:], between)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// withoutComments takes comments out that stand outside of angle brackets.
func withoutComments(s string) string {
	var b strings.Builder
	depth, angle := 0, false
	for _, r := range s {
		switch {
		case r == '(' && !angle:
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth == 0:
			angle = r == '<' || angle && r != '>'
			b.WriteRune(r)
		}
	}
	return b.String()
}

func asDate(value []byte) any {
	if t, ok := message.ParseDate(string(message.Unfold(value))); ok {
		return t.Format(time.RFC3339)
	}
	return nil
}

// allFields are all fields of a header as they stand there (RFC 8621 section 4.1.3: headers).
func allFields(header []byte) []object {
	list := []object{}
	for f := range message.HeaderFields(header) {
		if len(f.Name) > 0 {
			list = append(list, object{"name": strings.ToValidUTF8(string(f.Name), "\uFFFD"), "value": asRaw(f.Value())})
		}
	}
	return list
}
