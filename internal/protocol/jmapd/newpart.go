package jmapd

import (
	"encoding/json"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// newPart is a part of an email that is written.
type newPart struct {
	at          string // the path of the property that it was given as
	partID      string // whose value is in bodyValues
	blobID      string
	kind        string // media type
	charset     string // of a blob
	name        string
	disposition string
	cid         string
	language    []string
	location    string
	params      []string // of the media type, beside charset and name
	fields      []newField
	named       map[string]bool
	parts       []*newPart // of a multipart
}

// walk calls fn for a part and all in it.
func (n *newPart) walk(fn func(*newPart) *methodError) *methodError {
	if n == nil {
		return nil
	}
	if e := fn(n); e != nil {
		return e
	}
	for _, sub := range n.parts {
		if e := sub.walk(fn); e != nil {
			return e
		}
	}
	return nil
}

func (n *newPart) isMultipart() bool { return strings.HasPrefix(n.kind, "multipart/") }

// readBody reads what is in an email: bodyStructure, or the texts and attachments of which one is made.
func (e *newEmail) readBody(raw map[string]json.RawMessage) *methodError {
	bad := e.readValues(raw["bodyValues"])
	given := func(name string) bool { v, ok := raw[name]; return ok && string(v) != "null" }
	if given("bodyStructure") {
		return bad.and(e.readStructure(raw["bodyStructure"], given))
	}
	text, wrong := e.readText("textBody", "text/plain", raw["textBody"])
	bad = bad.and(wrong)
	html, wrong := e.readText("htmlBody", "text/html", raw["htmlBody"])
	bad = bad.and(wrong)
	attachments, wrong := e.readParts("attachments", raw["attachments"], maxNewDepth)
	if bad = bad.and(wrong); bad != nil {
		return bad
	}
	e.root = structure(text, html, attachments)
	return nil
}

// readStructure reads bodyStructure, which says all, and the rest of the header fields.
func (e *newEmail) readStructure(raw json.RawMessage, given func(name string) bool) (bad *methodError) {
	for _, name := range []string{"textBody", "htmlBody", "attachments"} {
		if given(name) {
			bad = bad.and(badProperty(name, "it excludes bodyStructure"))
		}
	}
	root, wrong := e.readPart("bodyStructure", raw, maxNewDepth)
	if bad = bad.and(wrong); wrong != nil {
		return bad
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // it was read
	for _, property := range slices.Sorted(maps.Keys(members)) {
		if h, ok := parseHeaderProperty(property); ok && e.named[strings.ToLower(h.name)] {
			bad = bad.and(badProperty("bodyStructure/"+property, "the email has this header field, too"))
		}
	}
	e.root = root
	return bad
}

// readValues reads bodyValues.
func (e *newEmail) readValues(raw json.RawMessage) *methodError {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var values map[string]map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return badProperty("bodyValues", "not an object of values")
	}
	var bad *methodError
	for _, id := range slices.Sorted(maps.Keys(values)) {
		for _, name := range slices.Sorted(maps.Keys(values[id])) {
			var text string
			switch value := values[id][name]; {
			case name == "value" && unmarshal(value, &text) == nil:
				e.values[id] = text
			case (name == "isEncodingProblem" || name == "isTruncated") && string(value) == "false":
			default:
				bad = bad.and(badProperty("bodyValues/"+id+"/"+name, "it cannot be set so"))
			}
		}
		if _, given := values[id]["value"]; !given {
			bad = bad.and(badProperty("bodyValues/"+id+"/value", "it is missing"))
		}
	}
	return bad
}

// readText reads textBody or htmlBody, which have one part (RFC 8621 section 4.6).
func (e *newEmail) readText(name, kind string, raw json.RawMessage) (*newPart, *methodError) {
	list, bad := e.readParts(name, raw, maxNewDepth)
	if bad != nil || len(raw) == 0 || string(raw) == "null" {
		return nil, bad
	}
	if len(list) != 1 {
		return nil, badProperty(name, "it has one part")
	}
	one := list[0]
	if one.kind == "" {
		one.kind = kind
	}
	if one.kind != kind {
		return nil, badProperty(name+"/0/type", "it is "+kind)
	}
	return one, nil
}

func (e *newEmail) readParts(at string, raw json.RawMessage, depth int) (list []*newPart, bad *methodError) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var given []json.RawMessage
	if json.Unmarshal(raw, &given) != nil {
		return nil, badProperty(at, "not a list of parts")
	}
	if len(given) > maxNewParts {
		return nil, badProperty(at, "too many parts")
	}
	for i, one := range given {
		part, wrong := e.readPart(at+"/"+strconv.Itoa(i), one, depth)
		list, bad = append(list, part), bad.and(wrong)
	}
	return list, bad
}

// readPart reads an EmailBodyPart.
func (e *newEmail) readPart(at string, raw json.RawMessage, depth int) (*newPart, *methodError) {
	var members map[string]json.RawMessage
	if unmarshal(raw, &members) != nil {
		return nil, badProperty(at, "not a part")
	}
	if depth == 0 {
		return nil, badProperty(at, "too many parts in each other")
	}
	n := &newPart{at: at, named: map[string]bool{}}
	var bad *methodError
	for _, name := range slices.Sorted(maps.Keys(members)) {
		bad = bad.and(e.readPartProperty(n, name, members[name], depth))
	}
	if bad != nil {
		return nil, bad
	}
	return n, n.check(members)
}

func (e *newEmail) readPartProperty(n *newPart, name string, raw json.RawMessage, depth int) (bad *methodError) {
	path := n.at + "/" + name
	if to, valid := n.textProperty(name); to != nil {
		if json.Unmarshal(raw, to) != nil || len(*to) > maxPartText {
			return badProperty(path, "not a text")
		}
		if *to != "" && !valid(*to) {
			return badProperty(path, "it cannot be written so")
		}
		n.kind = strings.ToLower(n.kind)
		return nil
	}
	switch name {
	case "language":
		if json.Unmarshal(raw, &n.language) != nil || slices.ContainsFunc(n.language, func(l string) bool { return !isToken(l) || l == "" }) {
			bad = badProperty(path, "not a list of languages")
		}
	case "size": // is what it is
		var size *int64
		if json.Unmarshal(raw, &size) != nil {
			bad = badProperty(path, "not a number")
		}
	case "subParts":
		n.parts, bad = e.readParts(path, raw, depth-1)
	default:
		bad = n.addField(name, raw)
	}
	return bad
}

// textProperty is where a property that is a text is kept, and what it is held to; nil for others.
func (n *newPart) textProperty(name string) (to *string, valid func(string) bool) {
	anything := func(string) bool { return true }
	switch name {
	case "partId":
		return &n.partID, anything
	case "blobId":
		return &n.blobID, anything
	case "type":
		return &n.kind, isMediaType
	case "charset":
		return &n.charset, isToken
	case "name":
		return &n.name, anything
	case "disposition":
		return &n.disposition, isToken
	case "cid":
		return &n.cid, isMessageID
	case "location":
		return &n.location, isMessageID
	}
	return nil, nil
}

// maxPartText bounds a property of a part, in octets.
const maxPartText = 4096

// addField reads a property header:* of a part.
func (n *newPart) addField(property string, raw json.RawMessage) *methodError {
	fields, bad := headerFields(property, raw, true)
	if bad != nil {
		return badProperty(n.at+"/"+property, bad.Description)
	}
	name := strings.ToLower(fields.name)
	if n.named[name] {
		return badProperty(n.at+"/"+property, "another property is the same header field")
	}
	n.named[name] = true
	n.fields = append(n.fields, fields.list...)
	return nil
}

// check holds a part to RFC 8621 section 4.6.
func (n *newPart) check(members map[string]json.RawMessage) *methodError {
	given := func(name string) bool { v, ok := members[name]; return ok && string(v) != "null" }
	for name, field := range map[string]string{
		"type": "content-type", "charset": "content-type", "name": "content-disposition", "disposition": "content-disposition",
		"cid": "content-id", "language": "content-language", "location": "content-location",
	} {
		if given(name) && n.named[field] {
			return badProperty(n.at+"/"+name, "another property is the same header field")
		}
	}
	if n.kind == "" && len(n.parts) > 0 {
		n.kind = "multipart/mixed"
	}
	switch {
	case n.isMultipart():
		if n.partID != "" || n.blobID != "" {
			return badProperty(n.at, "a multipart has parts and no content of its own")
		}
		if len(n.parts) == 0 {
			return badProperty(n.at+"/subParts", "a multipart has parts")
		}
		if n.named["content-type"] {
			return badProperty(n.at+"/type", "the server chooses the boundary")
		}
	case len(n.parts) > 0:
		return badProperty(n.at+"/subParts", "only a multipart has parts")
	case n.partID != "" && n.blobID != "":
		return badProperty(n.at+"/blobId", "a part has partId or blobId")
	case n.partID == "" && n.blobID == "":
		return badProperty(n.at+"/partId", "a part has partId or blobId")
	case n.partID != "" && given("charset"):
		return badProperty(n.at+"/charset", "it follows from the value")
	case n.partID != "" && given("size"):
		return badProperty(n.at+"/size", "it follows from the value")
	case n.named["content-type"]:
		return n.takeType()
	}
	return nil
}

// takeType takes the type of a part with content apart that was given as a whole field: of a value the charset is the one that it is
// written in, whatever the field says.
func (n *newPart) takeType() *methodError {
	kind, params, ok := n.typeField()
	switch {
	case !ok:
		return nil // it is written as it is
	case strings.HasPrefix(kind, "multipart/"):
		return badProperty(n.at+"/header:Content-Type", "only what has parts is a multipart")
	case n.partID == "" || !strings.HasPrefix(kind, "text/"):
		return nil
	}
	delete(params, "charset")
	for _, name := range slices.Sorted(maps.Keys(params)) {
		n.params = append(n.params, name, params[name])
	}
	n.kind = kind
	delete(n.named, "content-type")
	n.fields = slices.DeleteFunc(n.fields, isType)
	return nil
}

func isType(f newField) bool { return strings.EqualFold(f.name, "Content-Type") }

func isMediaType(s string) bool {
	major, minor, ok := strings.Cut(s, "/")
	return ok && major != "" && minor != "" && isToken(major) && isToken(minor)
}

// isToken holds text to RFC 2045 section 5.1; it may be empty.
func isToken(s string) bool {
	return len(s) < 200 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?=`, r) })
}

// structure makes one part of texts and attachments: what the HTML shows within itself is related to it, the texts are
// alternatives, and all else is beside them.
func structure(text, html *newPart, attachments []*newPart) *newPart {
	var inline, beside []*newPart
	for _, a := range attachments {
		if a.kind == "" {
			a.kind = "application/octet-stream"
		}
		if html != nil && a.cid != "" && (a.disposition == "" || a.disposition == "inline") {
			a.disposition = "inline"
			inline = append(inline, a)
			continue
		}
		if a.disposition == "" {
			a.disposition = "attachment"
		}
		beside = append(beside, a)
	}
	body := html
	if len(inline) > 0 {
		body = &newPart{kind: "multipart/related", parts: append([]*newPart{html}, inline...)}
	}
	switch {
	case body == nil:
		body = text
	case text != nil:
		body = &newPart{kind: "multipart/alternative", parts: []*newPart{text, body}}
	}
	switch {
	case body == nil && len(beside) == 0:
		return &newPart{kind: "text/plain"}
	case body == nil:
		return &newPart{kind: "multipart/mixed", parts: beside}
	case len(beside) > 0:
		return &newPart{kind: "multipart/mixed", parts: append([]*newPart{body}, beside...)}
	}
	return body
}

// header writes the fields of a part. Type is that of its content as it is written.
func (n *newPart) header(h *message.Header, params []string, encoding string) {
	if !n.named["content-type"] {
		kind := n.kind
		if kind == "" {
			kind = "text/plain"
		}
		h.AddParams("Content-Type", kind, params...)
	}
	if encoding != "" && encoding != "7bit" {
		h.AddStructured("Content-Transfer-Encoding", encoding)
	}
	if n.disposition != "" || n.name != "" {
		disposition := n.disposition
		if disposition == "" {
			disposition = "inline"
		}
		var file []string
		if n.name != "" {
			file = []string{"filename", n.name}
		}
		h.AddParams("Content-Disposition", disposition, file...)
	}
	if n.cid != "" {
		h.AddStructured("Content-ID", "<"+n.cid+">")
	}
	if len(n.language) > 0 {
		h.AddStructured("Content-Language", strings.Join(n.language, ", "))
	}
	if n.location != "" {
		h.AddStructured("Content-Location", n.location)
	}
	for _, f := range n.fields {
		f.write(h)
	}
}

// typeParams are the parameters of the type: the charset of a text, and the name for programs that look for it there
// (RFC 2183 section 2.3 has it elsewhere).
func (n *newPart) typeParams(charset string) (params []string) {
	params = slices.Clone(n.params)
	if charset != "" {
		params = append(params, "charset", charset)
	}
	if n.name != "" {
		params = append(params, "name", n.name)
	}
	return params
}

// contentType is the type that a part was given as a whole field, if it was.
func (n *newPart) contentType() string {
	if n.kind == "" && n.named["content-type"] {
		if kind, _, ok := n.typeField(); ok {
			return kind
		}
	}
	return n.kind
}

// typeField reads the field that the type was given as.
func (n *newPart) typeField() (kind string, params map[string]string, ok bool) {
	h := message.Header{}
	for _, f := range n.fields {
		if isType(f) {
			f.write(&h)
		}
	}
	_, value, _ := strings.Cut(string(h.Bytes()), ":")
	kind, params, err := mime.ParseMediaType(strings.TrimSpace(value))
	return kind, params, err == nil && strings.Contains(kind, "/")
}
