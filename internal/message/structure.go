package message

import (
	"bytes"
	"strings"
)

// field is one header field that is kept: its unfolded value in Scanner.values.
type field struct {
	id fieldID
	span
}

// top returns the innermost open entity.
func (s *Scanner) top() *entity { return &s.entities[s.stack[len(s.stack)-1]] }

// headerLine takes a line of a header, or its head where it is long.
func (s *Scanner) headerLine(line []byte) {
	e := s.top()
	if isLineEnd(line) {
		// A lone CR may be all of the line, at the end of the message.
		s.endHeader(s.offset+int64(len(line)), s.lines+int64(bytes.Count(line, []byte{'\n'})))
		return
	}
	s.reading = true
	if first := s.offset == e.HeaderStart; !first && (line[0] == ' ' || line[0] == '\t') {
		s.sink = s.fieldSink
		s.follow(line)
		return
	}
	if name, value, ok := cutField(line); ok {
		s.beginField(e, identify(name))
		s.sink = s.fieldSink
		s.follow(value)
		return
	}
	s.fieldSink = sinkNone
	if e.sawField || isEnvelopeLine(line) && s.offset == e.HeaderStart {
		// Junk in a header, mostly a field whose folding was lost, is passed over.
		s.headerEight = s.headerEight || hasEightBit(line)
		return
	}
	// A message without a header of its own, or a part without the empty line: this is the body.
	s.endHeader(s.offset, s.lines)
	s.judge(line)
}

// isLineEnd tells whether a line is empty.
func isLineEnd(line []byte) bool {
	return line[0] == '\n' || (line[0] == '\r' && (len(line) == 1 || line[1] == '\n'))
}

// isEnvelopeLine tells whether a line is the "From " line of an mbox file.
func isEnvelopeLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// cutField parts a line into field name and value (RFC 5322 section 2.2). White space before the
// colon is obsolete syntax (section 4.5).
func cutField(line []byte) (name, value []byte, ok bool) {
	i := 0
	for i < len(line) && line[i] > ' ' && line[i] < 0x7f && line[i] != ':' {
		i++
	}
	name = line[:i]
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	if len(name) == 0 || i == len(line) || line[i] != ':' {
		return nil, nil, false
	}
	return name, line[i+1:], true
}

// beginField decides whether a field is kept. Of a field that may come once the first counts.
func (s *Scanner) beginField(e *entity, id fieldID) {
	s.fieldSink = sinkNone
	if id == fieldUnknown {
		return
	}
	e.sawField = true
	if id < firstContentField && !e.isRoot {
		return
	}
	if !id.mayRepeat() {
		for _, f := range s.fields[e.fields.start:] {
			if f.id == id {
				return
			}
		}
	}
	if len(s.fields)-e.fields.start >= maxFields {
		s.degraded = true
		return
	}
	s.fields = append(s.fields, field{id, span{len(s.values), len(s.values)}})
	s.fieldSink = sinkField
}

// maxFields bounds the fields kept of one header. Only To, Cc and Bcc may be kept more than once.
const maxFields = 100

// keepValue adds to the value of the last field, unfolding it (RFC 5322 section 2.2.3): line ends
// go, the white space after them stays. NUL octets go too, for IMAP cannot carry them.
func (s *Scanner) keepValue(b []byte) {
	e := s.top()
	for len(b) > 0 {
		room := min(s.limits.HeaderBytes-e.kept, s.limits.TotalHeaderBytes-len(s.values))
		if room <= 0 {
			s.degraded = s.degraded || len(bytes.Trim(b, "\r\n\x00")) > 0
			break
		}
		n, before := min(room, len(b)), len(s.values)
		s.values = appendUnfolded(s.values, b[:n])
		e.kept += len(s.values) - before
		b = b[n:]
	}
	s.fields[len(s.fields)-1].end = len(s.values)
}

// appendUnfolded appends b without CR, LF and NUL.
func appendUnfolded(dst, b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	start := 0
	for i, c := range b {
		if c == '\r' || c == '\n' || c == 0 {
			dst = append(dst, b[start:i]...)
			start = i + 1
		}
	}
	return append(dst, b[start:]...)
}

// value returns the first field of an entity with an id, without white space around it.
func (s *Scanner) value(e *entity, id fieldID) (value []byte, ok bool) {
	for _, f := range s.fields[e.fields.start:e.fields.end] {
		if f.id == id {
			return s.trimmed(f), true
		}
	}
	return nil, false
}

func (s *Scanner) trimmed(f field) []byte {
	return trimWSP(s.values[f.start:f.end])
}

func trimWSP(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// endHeader learns from the header of the innermost entity what its body is.
func (s *Scanner) endHeader(bodyStart, linesBefore int64) {
	e := s.top()
	s.inHeader, s.heading = false, false
	e.BodyStart, e.linesBefore = bodyStart, linesBefore
	e.fields.end = len(s.fields)
	if e.opaque {
		e.Type, e.Subtype, e.Encoding = "application", "octet-stream", "7bit"
		return
	}
	s.readContentType(e)
	s.readDisposition(e)
	e.Encoding = "7bit"
	if value, ok := s.value(e, fieldEncoding); ok {
		if token, _ := cutToken(value); len(token) > 0 {
			e.Encoding = s.internLower(token)
		}
	}
	if value, ok := s.value(e, fieldContentID); ok {
		e.ContentID = s.str(firstMessageID(value))
	}
	switch {
	case e.IsMultipart():
		s.enterMultipart(e)
	case e.IsMessage():
		s.enterMessage(e)
	case e.Type == "text":
		s.considerCapture(e)
	}
}

// readContentType reads Content-Type (RFC 2045 section 5.1). What is missing or malformed is
// text/plain, and message/rfc822 in a digest (RFC 2046 section 5.1.5).
func (s *Scanner) readContentType(e *entity) {
	e.Type, e.Subtype = "text", "plain"
	if e.Parent >= 0 && s.entities[e.Parent].IsMultipart() && s.entities[e.Parent].Subtype == "digest" {
		e.Type, e.Subtype = "message", "rfc822"
	}
	value, ok := s.value(e, fieldContentType)
	if !ok {
		return
	}
	mediaType, rest := cutToken(value)
	if len(rest) > 0 && rest[0] == '/' && len(mediaType) > 0 {
		var subtype []byte
		if subtype, rest = cutToken(rest[1:]); len(subtype) > 0 {
			e.Type, e.Subtype = s.internLower(mediaType), s.internLower(subtype)
		}
	}
	e.typeParams = s.readParams(rest)
	if charset, ok := s.param(e.typeParams, "charset"); ok {
		e.Charset = s.internLower(charset)
	}
	e.Name = s.decodedParam(e.typeParams, "name")
}

// readDisposition reads Content-Disposition (RFC 2183).
func (s *Scanner) readDisposition(e *entity) {
	value, ok := s.value(e, fieldDisposition)
	if !ok {
		return
	}
	token, rest := cutToken(value)
	if len(token) == 0 {
		return
	}
	e.Disposition = s.internLower(token)
	e.dispositionParams = s.readParams(rest)
	e.Filename = s.decodedParam(e.dispositionParams, "filename")
}

// enterMultipart awaits the boundary of a multipart. Without one, it will close as a leaf.
func (s *Scanner) enterMultipart(e *entity) {
	if len(s.stack) >= s.limits.Depth {
		e.opaque, s.degraded = true, true
		return
	}
	boundary, _ := s.param(e.typeParams, "boundary")
	boundary = bytes.TrimRight(boundary, " \t")
	if len(boundary) > 0 && len(boundary) <= headLimit-2 {
		e.Boundary = s.str(boundary)
		s.boundaries = append(s.boundaries, openBoundary{s.stack[len(s.stack)-1], e.Boundary})
	}
	s.considerCapture(e)
}

// enterMessage begins the message within a message/rfc822 part. One that is encoded against
// RFC 2046 section 5.2.1 cannot be entered by offset and counts as a file.
func (s *Scanner) enterMessage(e *entity) {
	encoded := e.Encoding != "7bit" && e.Encoding != "8bit" && e.Encoding != "binary"
	tooMuch := len(s.stack) >= s.limits.Depth || len(s.entities) >= s.limits.Parts-1
	if encoded || tooMuch {
		s.degraded = s.degraded || tooMuch
		e.Type, e.Subtype = "application", "octet-stream"
		return
	}
	s.open(s.stack[len(s.stack)-1], e.BodyStart)
}

// considerCapture takes an entity as the text for the preview: the first text, but of alternatives
// the plain one. The preamble of a multipart serves until its first part comes.
func (s *Scanner) considerCapture(e *entity) {
	html := e.Type == "text" && e.Subtype == "html"
	plain := e.Type == "text" && e.Subtype == "plain" || e.IsMultipart()
	if !html && !plain || e.Disposition == "attachment" {
		return
	}
	if held := s.capture.part; held >= 0 {
		parent := s.entities[held].Parent
		better := s.capture.html && plain && parent >= 0 && parent == e.Parent && s.entities[parent].Subtype == "alternative"
		if !better {
			return
		}
	}
	s.capture = capture{part: s.stack[len(s.stack)-1], html: html, buf: s.capture.buf[:0]}
}

// str keeps b as a string of the Summary. All of them share a few blocks of memory.
func (s *Scanner) str(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s.text.Cap() == 0 {
		s.text.Grow(512)
	}
	start := s.text.Len()
	s.text.Write(b)
	return s.text.String()[start:]
}

// internLower returns b in lower case as a string of the Summary.
func (s *Scanner) internLower(b []byte) string {
	var room [40]byte
	if len(b) > len(room) {
		return strings.ToLower(string(b))
	}
	text := room[:len(b)]
	for i, c := range b {
		text[i] = lower(c)
	}
	return intern(text)
}
