package jmapd

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
)

// newField is a field of a header that is written.
type newField struct {
	name  string
	write func(h *message.Header)
}

// writers read values in each of the forms of RFC 8621 section 4.1.2 and say how they are written; false means that a
// value has not that form.
var writers = map[string]func(name string, raw json.RawMessage) (func(h *message.Header), bool){
	"asRaw":              writeRaw,
	"asText":             writeText,
	"asAddresses":        writeAddresses,
	"asGroupedAddresses": writeGroups,
	"asMessageIds":       writeMessageIDs,
	"asDate":             writeDate,
	"asURLs":             writeURLs,
}

// addHeaderProperty reads a property that stands for a field of the header: of the email, or of a part.
func (e *newEmail) addHeaderProperty(property string, raw json.RawMessage, ofPart bool) *methodError {
	fields, bad := headerFields(property, raw, ofPart)
	if bad != nil {
		return bad
	}
	name := strings.ToLower(fields.name)
	if e.named[name] {
		return badProperty(property, "another property is the same header field")
	}
	if len(fields.list) > 0 {
		e.named[name] = true
	}
	e.fields = append(e.fields, fields.list...)
	return nil
}

// someFields are those that one property stands for.
type someFields struct {
	name string
	list []newField
}

// headerFields reads a property such as subject or header:X-Y:asText:all. Fields of parts alone begin with Content-, and
// how a part is encoded is the server's affair (RFC 8621 section 4.6).
func headerFields(property string, raw json.RawMessage, ofPart bool) (f someFields, bad *methodError) {
	full, short := headerProperties[property]
	if !short || ofPart {
		full = property
	}
	h, form, ok := splitHeaderProperty(full)
	if !ok {
		return f, badProperty(property, "unknown property")
	}
	f.name = h.name
	lower := strings.ToLower(h.name)
	switch {
	case lower == "content-transfer-encoding":
		return f, badProperty(property, "the server chooses how parts are encoded")
	case !ofPart && strings.HasPrefix(lower, "content-"):
		return f, badProperty(property, "it belongs to a part")
	case lower == "mime-version" || !ofPart && (lower == "received" || lower == "return-path"):
		return f, badProperty(property, "the server writes it")
	}
	values := []json.RawMessage{raw}
	if h.all {
		if json.Unmarshal(raw, &values) != nil {
			return f, badProperty(property, "not a list")
		}
	}
	for _, value := range values {
		if string(value) == "null" {
			continue
		}
		write, ok := writers[form](fieldName(h.name), value)
		if !ok {
			return f, badProperty(property, "it has not this form")
		}
		f.list = append(f.list, newField{fieldName(h.name), write})
	}
	return f, nil
}

// fieldName writes names as people are used to them.
func fieldName(name string) string {
	for _, usual := range []string{"Message-ID", "MIME-Version", "Content-ID"} {
		if strings.EqualFold(name, usual) {
			return usual
		}
	}
	return name
}

func writeText(name string, raw json.RawMessage) (func(h *message.Header), bool) {
	var text string
	if unmarshal(raw, &text) != nil {
		return nil, false
	}
	return func(h *message.Header) { h.AddText(name, text) }, true
}

// writeRaw takes a value as it stands; a line of it may be folded, but nothing in it can begin a field.
func writeRaw(name string, raw json.RawMessage) (func(h *message.Header), bool) {
	var text string
	if unmarshal(raw, &text) != nil {
		return nil, false
	}
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")[1:] {
		if line == "" || line[0] != ' ' && line[0] != '\t' {
			return nil, false
		}
	}
	unfolded := strings.NewReplacer("\r\n", "", "\n", "").Replace(text)
	for i := 0; i < len(unfolded); i++ {
		if c := unfolded[i]; c >= utf8.RuneSelf || c < ' ' && c != '\t' || c == 0x7f {
			return nil, false
		}
	}
	return func(h *message.Header) { h.AddStructured(name, strings.TrimSpace(unfolded)) }, !longWord(unfolded)
}

// longWord reports text that cannot be folded into lines of 998 octets (RFC 5322 section 2.1.1).
func longWord(text string) bool {
	for word := range strings.FieldsSeq(text) {
		if len(word) > 900 {
			return true
		}
	}
	return false
}

// emailAddress is an EmailAddress object (RFC 8621 section 4.1.2.3).
type emailAddress struct {
	Name  *string `json:"name"`
	Email string  `json:"email"`
}

func readAddresses(raw json.RawMessage) (list []message.Address, ok bool) {
	var given []emailAddress
	if unmarshal(raw, &given) != nil {
		return nil, false
	}
	return toAddresses(given)
}

// toAddresses takes addresses that can be written so that they are read as the same ones again. In a draft an address can be
// unfinished.
func toAddresses(given []emailAddress) (list []message.Address, ok bool) {
	for _, one := range given {
		a := message.Address{Email: strings.TrimSpace(one.Email)}
		if one.Name != nil {
			a.Name = *one.Name
		}
		if !writable(&a.Email) {
			return nil, false
		}
		list = append(list, a)
	}
	return list, true
}

// writable reports an address that is one, or that has at least nothing in it that would make something else of it. A domain
// beyond ASCII is written in the form that every server reads.
func writable(email *string) bool {
	if *email == "" || len(*email) > 900 {
		return false
	}
	if a, err := address.Parse(*email, address.Options{UTF8: true, LongLocal: true}); err == nil {
		if !isASCII(a.Domain) {
			*email = address.Address{Local: a.Local, Domain: a.ASCIIDomain()}.String()
		}
		return true
	}
	return !strings.ContainsFunc(*email, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`,;:<>()[]"\`, r) })
}

func writeAddresses(name string, raw json.RawMessage) (func(h *message.Header), bool) {
	list, ok := readAddresses(raw)
	return func(h *message.Header) { h.AddAddresses(name, list) }, ok
}

func writeGroups(name string, raw json.RawMessage) (func(h *message.Header), bool) {
	var given []struct {
		Name      *string        `json:"name"`
		Addresses []emailAddress `json:"addresses"`
	}
	if unmarshal(raw, &given) != nil {
		return nil, false
	}
	var groups []message.Group
	for _, g := range given {
		list, ok := toAddresses(g.Addresses)
		if !ok {
			return nil, false
		}
		group := message.Group{Addresses: list}
		if g.Name != nil {
			group.Name = *g.Name
		}
		if group.Name != "" || len(list) > 0 {
			groups = append(groups, group)
		}
	}
	return func(h *message.Header) { h.AddGroups(name, groups) }, true
}

func writeMessageIDs(name string, raw json.RawMessage) (func(h *message.Header), bool) {
	var ids []string
	if unmarshal(raw, &ids) != nil {
		return nil, false
	}
	for _, id := range ids {
		if !isMessageID(id) {
			return nil, false
		}
	}
	return func(h *message.Header) { h.AddMessageIDs(name, ids...) }, true
}

func isMessageID(id string) bool {
	return id != "" && len(id) < 900 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' })
}

func writeDate(name string, raw json.RawMessage) (func(h *message.Header), bool) {
	var t time.Time
	if unmarshal(raw, &t) != nil {
		return nil, false
	}
	return func(h *message.Header) { h.AddDate(name, t) }, true
}

func writeURLs(name string, raw json.RawMessage) (func(h *message.Header), bool) {
	var urls []string
	if unmarshal(raw, &urls) != nil || len(urls) == 0 {
		return nil, false
	}
	for _, u := range urls {
		if !isMessageID(u) { // the same characters
			return nil, false
		}
	}
	return func(h *message.Header) { h.AddStructured(name, "<"+strings.Join(urls, ">, <")+">") }, true
}
