package imapd

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// section is one item of FETCH that has text of the message: BODY[...], BINARY[...],
// BINARY.SIZE[...] and the forms of IMAP4rev1 (RFC822, RFC822.HEADER, RFC822.TEXT).
type section struct {
	what   sectionWhat
	path   []int
	fields [][]byte // names of HEADER.FIELDS and HEADER.FIELDS.NOT
	set    *message.FieldSet
	// overview tells that the fields are those of a message's overview: its header need not be read.
	overview bool
	peek     bool // does not set \Seen
	// partial asks for the octets from offset to offset+count only.
	partial       bool
	offset, count uint32
	label         []byte // the name in the response
}

type sectionWhat uint8

const (
	sectionBody sectionWhat = iota
	sectionHeader
	sectionFields
	sectionFieldsNot
	sectionText
	sectionMIME
	sectionBinary
	sectionBinarySize
)

// Bounds on what one FETCH can ask for.
const (
	maxSections = 64
	maxPath     = 100 // numbers in a part specifier
	maxFields   = 256
)

// fetch reads FETCH with the modifiers of RFC 7162 sections 3.1.4 and 3.2.6 and of RFC 9394.
func (p *parser) fetch(uid bool) any {
	c := &fetchCommand{uid: uid, set: p.sequenceSet()}
	p.sp()
	if p.peek() == '(' {
		p.list(func() { p.fetchItem(c) })
	} else if !p.fetchMacro(c) {
		p.fetchItem(c)
	}
	if p.accept(' ') {
		p.list(func() { p.fetchModifier(c) })
	}
	switch {
	case p.err == nil && c.items == 0 && len(c.sections) == 0:
		p.fail("want items")
	case c.vanished && (!uid || c.changedSince == nil): // RFC 7162 section 3.2.6
		p.fail("VANISHED without UID FETCH or CHANGEDSINCE")
	}
	if uid {
		c.items |= fetchUID
	}
	if c.changedSince != nil {
		c.items |= fetchModSeq
	}
	return c
}

// fetchMacro reads ALL, FAST or FULL (RFC 9051 section 6.4.5).
func (p *parser) fetchMacro(c *fetchCommand) bool {
	i := 0
	for i < len(p.b) && classes[p.b[i]]&isAtom != 0 && p.b[i] != '[' {
		i++
	}
	const fast = fetchFlags | fetchInternalDate | fetchSize
	switch upper(p.b[:min(i, 16)]) {
	case "FAST":
		c.items = fast
	case "ALL":
		c.items = fast | fetchEnvelope
	case "FULL":
		c.items = fast | fetchEnvelope | fetchBody
	default:
		return false
	}
	p.b = p.b[i:]
	return true
}

func (p *parser) fetchModifier(c *fetchCommand) {
	switch name := p.word(); name {
	case "CHANGEDSINCE":
		p.sp()
		since := store.ModSeq(p.number64())
		if since == 0 || c.changedSince != nil {
			p.fail("CHANGEDSINCE")
		}
		c.changedSince = &since
	case "VANISHED":
		c.vanished = true
	case "PARTIAL": // RFC 9394 section 3.3
		p.sp()
		if c.partial != nil || !c.uid {
			p.fail("PARTIAL twice or without UID FETCH")
		}
		c.partial = p.resultRange()
	default:
		p.fail("FETCH modifier %q", name)
	}
}

var fetchNames = map[string]fetchItems{
	"FLAGS":         fetchFlags,
	"UID":           fetchUID,
	"MODSEQ":        fetchModSeq,
	"INTERNALDATE":  fetchInternalDate,
	"RFC822.SIZE":   fetchSize,
	"ENVELOPE":      fetchEnvelope,
	"BODY":          fetchBody,
	"BODYSTRUCTURE": fetchBodyStructure,
	"EMAILID":       fetchEmailID,
	"THREADID":      fetchThreadID,
	"SAVEDATE":      fetchSaveDate,
	"PREVIEW":       fetchPreview,
}

func (p *parser) fetchItem(c *fetchCommand) {
	i := 0
	for i < len(p.b) && classes[p.b[i]]&isAtom != 0 && p.b[i] != '[' {
		i++
	}
	name := upper(p.b[:i])
	p.b = p.b[i:]
	if bit, ok := fetchNames[name]; ok && p.peek() != '[' {
		c.items |= bit
		if bit == fetchPreview && len(p.b) > 1 && p.b[0] == ' ' && p.b[1] == '(' {
			p.sp()
			p.previewModifier()
		}
		return
	}
	s := p.sectionItem(name)
	if p.err != nil {
		return
	}
	if len(c.sections) == maxSections {
		p.tooMany(maxSections)
		return
	}
	c.sections = append(c.sections, s)
}

// previewModifier reads "(LAZY)" (RFC 8970 section 4.1). Previews are made when a message comes,
// so that lazy or not is the same.
func (p *parser) previewModifier() {
	p.list(func() {
		if p.word() != "LAZY" {
			p.fail("PREVIEW modifier")
		}
	})
}

// sectionItem reads what follows the name of an item with message text, and makes its label.
func (p *parser) sectionItem(name string) *section {
	s := &section{label: []byte(name)}
	switch name {
	case "RFC822":
		return s
	case "RFC822.HEADER":
		s.what, s.peek = sectionHeader, true
		return s
	case "RFC822.TEXT":
		s.what = sectionText
		return s
	case "BODY.PEEK", "BINARY.PEEK":
		s.peek = true
		s.label = s.label[:len(name)-len(".PEEK")]
	case "BODY", "BINARY":
	case "BINARY.SIZE":
		s.peek = true
	default:
		p.fail("FETCH item %q", name)
		return s
	}
	p.expect('[')
	switch name {
	case "BODY", "BODY.PEEK":
		p.sectionSpec(s)
	case "BINARY.SIZE":
		s.what = sectionBinarySize
		p.partNumbers(s)
	default:
		s.what = sectionBinary
		p.partNumbers(s)
	}
	p.expect(']')
	s.makeLabel()
	if s.what != sectionBinarySize {
		p.partialRange(s)
	}
	return s
}

// partNumbers reads a section-part: numbers with dots between, none at all for the whole message.
// It reads the dot that follows them if text does.
func (p *parser) partNumbers(s *section) (dot bool) {
	for p.err == nil && classes[p.peek()]&isDigit != 0 {
		n := p.nzNumber()
		if len(s.path) == maxPath || n > 1<<30 {
			p.fail("part number")
		}
		s.path = append(s.path, int(n))
		if dot = p.accept('.'); !dot {
			return false
		}
	}
	return dot
}

// sectionSpec reads section-spec of RFC 9051 section 9.
func (p *parser) sectionSpec(s *section) {
	dot := p.partNumbers(s)
	if p.peek() == ']' {
		if dot {
			p.fail("section")
		}
		return
	}
	if len(s.path) > 0 && !dot {
		p.fail("section")
	}
	i := 0
	for i < len(p.b) && classes[p.b[i]]&isAtom != 0 && p.b[i] != ']' {
		i++
	}
	name := upper(p.b[:i])
	p.b = p.b[i:]
	switch name {
	case "HEADER":
		s.what = sectionHeader
	case "TEXT":
		s.what = sectionText
	case "MIME":
		s.what = sectionMIME
		if len(s.path) == 0 {
			p.fail("MIME without a part")
		}
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		s.what = sectionFields
		if name == "HEADER.FIELDS.NOT" {
			s.what = sectionFieldsNot
		}
		p.sp()
		p.fieldNames(s)
	default:
		p.fail("section %q", name)
	}
}

func (p *parser) fieldNames(s *section) {
	p.list(func() {
		name := p.astring()
		if len(s.fields) == maxFields || len(name) == 0 || !isFieldName(name) {
			p.fail("header field name")
		}
		s.fields = append(s.fields, bytes.Clone(name))
	})
	if len(s.fields) == 0 {
		p.fail("want header field names")
	}
	names := make([]string, len(s.fields))
	for i, name := range s.fields {
		names[i] = string(name)
	}
	s.set = message.NewFieldSet(names...)
	s.overview = s.what == sectionFields && len(s.path) == 0 && s.set.InOverview()
}

// isFieldName reports whether s is ftext of RFC 5322 section 3.6.8.
func isFieldName(s []byte) bool {
	return !slices.ContainsFunc(s, func(c byte) bool { return c <= ' ' || c >= 0x7f || c == ':' })
}

// partialRange reads "<" offset "." count ">".
func (p *parser) partialRange(s *section) {
	if !p.accept('<') {
		return
	}
	s.partial = true
	s.offset = p.number()
	p.expect('.')
	s.count = p.nzNumber()
	p.expect('>')
	s.label = append(s.label, '<')
	s.label = strconv.AppendUint(s.label, uint64(s.offset), 10)
	s.label = append(s.label, '>')
}

// makeLabel writes the name of the item as the response has it: without PEEK, in canonical form.
func (s *section) makeLabel() {
	b := append(s.label, '[')
	for i, n := range s.path {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	if name := sectionNames[s.what]; name != "" {
		if len(s.path) > 0 {
			b = append(b, '.')
		}
		b = append(b, name...)
	}
	if s.fields != nil {
		b = append(b, " ("...)
		for i, name := range s.fields {
			if i > 0 {
				b = append(b, ' ')
			}
			b = appendAString(b, name)
		}
		b = append(b, ')')
	}
	s.label = append(b, ']')
}

var sectionNames = [...]string{
	sectionHeader:     "HEADER",
	sectionFields:     "HEADER.FIELDS",
	sectionFieldsNot:  "HEADER.FIELDS.NOT",
	sectionText:       "TEXT",
	sectionMIME:       "MIME",
	sectionBinarySize: "",
}
