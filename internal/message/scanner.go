package message

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Limits bound what a Scanner keeps in memory. A zero field means its default. None of them makes
// a scan fail: what goes beyond is left out, and Summary.Degraded says so.
type Limits struct {
	// HeaderBytes is how much of the fields of one header is kept, in octets; default 64 KiB.
	// Only fields that the Summary needs count, so a long trace costs nothing.
	HeaderBytes int
	// TotalHeaderBytes is the same for all headers of a message together; default 1 MiB.
	TotalHeaderBytes int
	// Parts is how many parts are told apart, at least 2; default 1000. The last one takes the rest
	// of the message as an opaque leaf.
	Parts int
	// Depth is how deep multiparts and messages may nest; default 100. What is deeper is an opaque leaf.
	Depth int
	// Addresses is how many addresses of one field are kept; default 1000.
	Addresses int
	// References is how many message identifiers of one field are kept; default 100. Of a longer
	// References field the first and the last ones stay.
	References int
	// PreviewBytes is how much of a text part is kept for the preview, before decoding; default 32 KiB.
	PreviewBytes int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, least, byDefault int) {
		if *v == 0 {
			*v = byDefault
		}
		*v = max(*v, least)
	}
	set(&l.HeaderBytes, 0, 64<<10)
	set(&l.TotalHeaderBytes, 0, 1<<20)
	set(&l.Parts, 2, 1000)
	set(&l.Depth, 1, 100)
	set(&l.Addresses, 1, 1000)
	set(&l.References, 2, 100)
	set(&l.PreviewBytes, 0, 32<<10)
	return l
}

// Summarize reads a whole message in memory with the default limits.
func Summarize(b []byte) *Summary {
	s := NewScanner(Limits{})
	s.feed(b)
	return s.Finish()
}

// SummarizeReader reads a whole message from r with the default limits. Its error is that of r.
func SummarizeReader(r io.Reader) (*Summary, error) {
	s := NewScanner(Limits{})
	if _, err := io.CopyBuffer(s, struct{ io.Reader }{r}, make([]byte, 32<<10)); err != nil {
		return nil, fmt.Errorf("message: summarize: %w", err)
	}
	return s.Finish(), nil
}

// Scanner reads a message that is written to it in pieces of any size, as SMTP delivers it, and
// makes a Summary of it. It never holds the message, only what Limits allow. It may be used again
// after Reset, which spares allocations, but not by two goroutines at once.
type Scanner struct {
	limits Limits

	// The line that is being read. It is judged by its first octets, at most headLimit, so that the
	// outcome does not depend on how the message was cut into pieces.
	offset int64  // where the line begins
	head   []byte // its first octets, while it is incomplete
	held   int64  // how much of it came so far
	judged bool   // whether it was judged already: the rest only follows its sink
	last   byte   // the octet before what comes next
	sink   sink   // where the rest of the line goes
	lines  int64  // line ends so far
	eol    int64  // length of the line end before the line

	// The structure.
	entities   []entity       // depth first
	stack      []int          // the entities that are open, outermost first
	boundaries []openBoundary // those that may come, outermost first
	inHeader   bool           // the innermost entity is in its header
	openNext   bool           // the line is a boundary: a part begins after it
	reading    bool           // the line belongs to a header
	fieldSink  sink           // where the current header field goes, with its continuation lines
	heading    bool           // the message's own header goes on, and is not too long to be kept

	// What is kept.
	header      []byte // of the message itself, as it stands there; maybe with the line behind it
	values      []byte // of header fields, unfolded
	fields      []field
	params      []param
	text        strings.Builder // the strings of the Summary
	capture     capture
	returns     int64 // CR octets
	lineEnds    int64 // CRLF pairs
	eightBit    bool
	headerEight bool
	bareLF      bool
	nul         bool
	degraded    bool
	maxLine     int64

	// Room for the work of Finish, kept for the next message.
	mailboxes []mailbox
	scratch   []byte
	rendered  []byte
}

// headLimit is how much of a line is looked at to judge it: enough for "--", a boundary, and any
// field name. RFC 2046 allows boundaries of 70 octets.
const headLimit = 512

type sink uint8

const (
	sinkNone    sink = iota
	sinkField        // a header field that is kept
	sinkCapture      // the text for the preview
)

// entity is a Part in the making.
type entity struct {
	Part
	isRoot      bool  // the root of a message: its fields make an envelope
	opaque      bool  // not entered because of a limit
	children    int   // direct parts so far
	linesBefore int64 // line ends before the body
	// Ranges in Scanner.fields and Scanner.params.
	fields, typeParams, dispositionParams span
	kept                                  int  // octets of values kept of this header
	sawField                              bool // a field that only an author writes came
}

type span struct{ start, end int }

type openBoundary struct {
	entity int
	text   string
}

// capture is the beginning of the text part that the preview is made of.
type capture struct {
	part int // its entity, -1 while there is none
	html bool
	buf  []byte
}

// NewScanner returns a Scanner that is ready for a message.
func NewScanner(limits Limits) *Scanner {
	// Room for a message of the usual shape, so that most never need more.
	s := &Scanner{
		limits:   limits.withDefaults(),
		entities: make([]entity, 0, 4), stack: make([]int, 0, 4), boundaries: make([]openBoundary, 0, 2),
		header: make([]byte, 0, 2<<10), values: make([]byte, 0, 1<<10), fields: make([]field, 0, 24), params: make([]param, 0, 8),
		mailboxes: make([]mailbox, 0, 4), scratch: make([]byte, 0, 256), rendered: make([]byte, 0, 2<<10),
	}
	s.Reset()
	return s
}

// Reset forgets the message, finished or not, and makes s ready for the next. Summaries made
// before stay valid.
func (s *Scanner) Reset() {
	clear(s.entities) // lets the strings go
	*s = Scanner{
		limits: s.limits,
		head:   s.head[:0], entities: s.entities[:0], stack: s.stack[:0], boundaries: s.boundaries[:0],
		header: emptied(s.header), values: emptied(s.values), fields: emptied(s.fields), params: emptied(s.params),
		capture:   capture{part: -1, buf: emptied(s.capture.buf)},
		mailboxes: emptied(s.mailboxes), scratch: emptied(s.scratch), rendered: emptied(s.rendered),
	}
	s.heading = true
	s.open(-1, 0)
}

// emptied returns the room of a list for the next message, unless a large message made it so big
// that keeping it would be waste.
func emptied[T any](list []T) []T {
	if cap(list) > 64<<10 {
		return nil
	}
	return list[:0]
}

// Write takes the next piece of the message. It never fails and keeps no reference to p.
func (s *Scanner) Write(p []byte) (int, error) {
	s.feed(p)
	return len(p), nil
}

func (s *Scanner) feed(p []byte) {
	s.noteOctets(p)
	if s.held > 0 {
		p = s.resumeLine(p)
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.holdLine(p)
			return
		}
		s.wholeLine(p[:i+1])
		p = p[i+1:]
	}
}

// Finish ends the message and returns what was found. Before the next message, call Reset.
func (s *Scanner) Finish() *Summary {
	if s.held > 0 {
		if !s.judged {
			s.judge(s.head)
		}
		s.endLine(s.held, 0)
	}
	s.closeDownTo(0, s.offset, 0)
	return s.summary()
}

// noteOctets looks for octets that are worth telling, wherever they are.
func (s *Scanner) noteOctets(p []byte) {
	s.eightBit = s.eightBit || hasEightBit(p)
	s.nul = s.nul || bytes.IndexByte(p, 0) >= 0
	s.returns += int64(bytes.Count(p, crOctet))
}

var crOctet = []byte{'\r'}

// hasEightBit tells whether an octet of b is above 127.
func hasEightBit(b []byte) bool {
	for ; len(b) >= 32; b = b[32:] {
		if (binary.LittleEndian.Uint64(b)|binary.LittleEndian.Uint64(b[8:])|
			binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]))&0x8080808080808080 != 0 {
			return true
		}
	}
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// wholeLine takes a line that came in one piece, with its line feed.
func (s *Scanner) wholeLine(line []byte) {
	if s.heading {
		s.keepHeader(line)
	}
	if len(line) <= headLimit {
		s.judge(line)
	} else {
		s.judge(line[:headLimit])
		s.follow(line[headLimit:])
	}
	eol := int64(1)
	if len(line) > 1 && line[len(line)-2] == '\r' {
		eol = 2
	}
	s.endLine(int64(len(line)), eol)
}

// holdLine takes a piece of a line, maybe its last.
func (s *Scanner) holdLine(p []byte) {
	if s.heading {
		s.keepHeader(p)
	}
	s.held += int64(len(p))
	s.last = p[len(p)-1]
	if !s.judged {
		n := min(len(p), headLimit-len(s.head))
		s.head = append(s.head, p[:n]...)
		p = p[n:]
		if len(s.head) < headLimit {
			return
		}
		s.judge(s.head)
		s.judged = true
	}
	s.follow(p)
}

// resumeLine goes on with a line of which pieces came before, and returns what follows it.
func (s *Scanner) resumeLine(p []byte) []byte {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		if len(p) > 0 {
			s.holdLine(p)
		}
		return nil
	}
	eol := int64(1)
	if before := s.last; (i > 0 && p[i-1] == '\r') || (i == 0 && before == '\r') {
		eol = 2
	}
	s.holdLine(p[:i+1])
	if !s.judged {
		s.judge(s.head)
	}
	s.endLine(s.held, eol)
	return p[i+1:]
}

// judge decides what a line is, by its head, which is the whole line where that is short enough.
func (s *Scanner) judge(head []byte) {
	s.sink, s.reading = sinkNone, false
	if len(s.boundaries) > 0 && len(head) > 2 && head[0] == '-' && head[1] == '-' && s.boundaryLine(head[2:]) {
		return
	}
	if s.inHeader {
		s.headerLine(head)
		return
	}
	if s.capture.part >= 0 && s.capture.part == s.stack[len(s.stack)-1] {
		s.sink = sinkCapture
		s.follow(head)
	}
}

// follow takes the rest of a line that was judged.
func (s *Scanner) follow(b []byte) {
	if s.reading && !s.headerEight {
		s.headerEight = hasEightBit(b)
	}
	switch s.sink {
	case sinkField:
		s.keepValue(b)
	case sinkCapture:
		room := s.limits.PreviewBytes - len(s.capture.buf)
		if s.capture.buf == nil {
			s.capture.buf = make([]byte, 0, min(room, 2<<10))
		}
		s.capture.buf = append(s.capture.buf, b[:min(room, len(b))]...)
	}
}

// endLine moves on to the next line. eol is the length of the line end, 0 at the end of the message.
func (s *Scanner) endLine(length, eol int64) {
	s.maxLine = max(s.maxLine, length-eol)
	s.offset += length
	s.eol = eol
	switch eol {
	case 2:
		s.lineEnds++
		s.lines++
	case 1:
		s.bareLF = true
		s.lines++
	}
	s.head, s.held, s.judged = s.head[:0], 0, false
	if s.openNext {
		s.openNext = false
		s.open(s.stack[len(s.stack)-1], s.offset)
	}
}

// boundaryLine tells whether a line, given without its leading "--", is a boundary that is awaited,
// and acts on it. By RFC 2046 section 5.1.1 a line is one that begins with it; where boundaries
// begin alike, the longest counts.
func (s *Scanner) boundaryLine(line []byte) bool {
	found := -1
	for i := range s.boundaries {
		text := s.boundaries[i].text
		if len(line) >= len(text) && string(line[:len(text)]) == text &&
			(found < 0 || len(text) >= len(s.boundaries[found].text)) {
			found = i
		}
	}
	if found < 0 {
		return false
	}
	b := s.boundaries[found]
	s.boundaries = s.boundaries[:found+1]
	depth := len(s.stack) - 1
	for s.stack[depth] != b.entity {
		depth--
	}
	s.closeDownTo(depth+1, s.offset, s.eol)
	if rest := line[len(b.text):]; len(rest) >= 2 && rest[0] == '-' && rest[1] == '-' {
		s.boundaries = s.boundaries[:found] // what follows is the epilogue
		return true
	}
	if s.capture.part == b.entity {
		s.dropCapture() // it was the preamble
	}
	s.openNext = true
	return true
}

// open begins an entity at an offset: the message itself, a part, or a message in a part.
func (s *Scanner) open(parent int, at int64) {
	index := len(s.entities)
	if index < cap(s.entities) {
		s.entities = s.entities[:index+1]
	} else {
		s.entities = append(s.entities, entity{})
	}
	e := &s.entities[index]
	*e = entity{fields: span{len(s.fields), len(s.fields)}, isRoot: true}
	e.HeaderStart, e.Parent = at, parent
	if parent >= 0 {
		s.entities[parent].children++
		e.isRoot = s.entities[parent].IsMessage()
	}
	s.stack = append(s.stack, index)
	s.inHeader = true
	if index == s.limits.Parts-1 {
		// The last part takes all that is left, unread.
		s.degraded = true
		s.boundaries = s.boundaries[:0]
		e.opaque = true
		s.endHeader(at, s.lines)
	}
}

// closeDownTo closes the entities from the top of the stack down to depth. at is where the line
// begins that ends them, and eol the length of the line end before it that is not theirs.
func (s *Scanner) closeDownTo(depth int, at, eol int64) {
	for len(s.stack) > depth {
		if s.inHeader {
			s.endHeader(at, s.lines) // may open the message inside a message/rfc822 part
			continue
		}
		index := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		e := &s.entities[index]
		e.End = at
		e.Lines = s.lines - e.linesBefore
		if at == e.BodyStart {
			eol = 0 // it ends the header of this entity, so it is within all others too
		}
		if eol > 0 {
			e.End -= eol
			e.Lines--
		}
		if e.IsMultipart() && e.children == 0 {
			e.becomeLeaf()
		}
		if s.capture.part == index && isBlank(s.capture.buf) {
			s.dropCapture() // a later text may say more
		}
	}
}

func (s *Scanner) dropCapture() {
	s.capture = capture{part: -1, buf: s.capture.buf[:0]}
}

// isBlank tells whether b is white space, or the marks of HTML that come to none.
func isBlank(b []byte) bool {
	return len(bytes.TrimSpace(b)) == 0
}

// becomeLeaf turns a multipart without parts into text, as a reader would want to see it, or into
// an opaque leaf.
func (e *entity) becomeLeaf() {
	e.Type, e.Subtype = "text", "plain"
	if e.opaque {
		e.Type, e.Subtype = "application", "octet-stream"
	}
	e.typeParams = span{}
	e.Boundary, e.Charset = "", ""
}
