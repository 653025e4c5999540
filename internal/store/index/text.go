package index

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message"
)

// Field is where in a message a text stands.
type Field uint8

const (
	Subject Field = iota
	From
	To
	Copies // Cc and Bcc
	Header // every other field of a header, that of the message or of a part
	Body   // what a reader sees: texts, messages inside with their headers, names of attachments
	fields
)

// FieldOf returns where the field of a header with this name is kept.
func FieldOf(name string) Field {
	switch {
	case strings.EqualFold(name, "subject"):
		return Subject
	case strings.EqualFold(name, "from"):
		return From
	case strings.EqualFold(name, "to"):
		return To
	case strings.EqualFold(name, "cc"), strings.EqualFold(name, "bcc"):
		return Copies
	}
	return Header
}

// MaxHeader is how much of a header is searched, in octets.
const MaxHeader = 4 << 20

// Texts goes through the folded texts of messages. Both the search that reads messages and the
// index use it, so that they agree on what a message says. The zero value is ready; it keeps
// buffers and is for one goroutine.
type Texts struct {
	line, piece, window []byte
	body                message.BodyDecoder
}

// Summary visits what the summary tells of the subject, and of the addresses each name and each
// address, decoded better than the fields of the header by themselves. It ends and returns true as soon as visit does.
func (t *Texts) Summary(s *message.SummaryView, visit func(f Field, text []byte) bool) bool {
	if t.one(Subject, s.Subject(), visit) {
		return true
	}
	for _, list := range [...]struct {
		is message.AddressField
		in Field
	}{{message.FieldFrom, From}, {message.FieldTo, To}, {message.FieldCc, Copies}, {message.FieldBcc, Copies}} {
		for _, a := range s.Addresses(list.is) {
			if t.one(list.in, []byte(a.Name), visit) || t.one(list.in, []byte(a.Email), visit) {
				return true
			}
		}
	}
	return false
}

func (t *Texts) one(f Field, text []byte, visit func(Field, []byte) bool) bool {
	t.line = Fold(t.line[:0], text)
	return len(t.line) > 0 && visit(f, t.line)
}

// Header visits the fields of a header, as "name: value"; value is the end of line. It ends and
// returns true as soon as visit does.
func (t *Texts) Header(header []byte, visit func(name string, line, value []byte) bool) bool {
	for f := range message.HeaderFields(header) {
		name, value := string(f.Name), f.Value()
		if name == "" {
			value = f.Raw
		}
		t.line = append(Fold(t.line[:0], f.Name), ": "...)
		from := len(t.line)
		t.line = Fold(t.line, []byte(message.DecodeHeader(string(value))))
		if visit(name, t.line, t.line[from:]) {
			return true
		}
	}
	return false
}

// Body visits the texts of a message behind its header: what is said of Body, and with Header the
// fields of its parts (RFC 9051 section 6.4.4: TEXT looks at MIME header fields, too). Long texts
// come in pieces, each with the last overlap octets of the one before. It ends and returns true as
// soon as visit does.
func (t *Texts) Body(body io.ReaderAt, parts []message.Part, overlap int, visit func(f Field, text []byte) bool) (stopped bool, err error) {
	for i := range parts {
		if i > 0 {
			f := Header
			if parts[parts[i].Parent].IsMessage() {
				f = Body
			}
			if stopped, err := t.partHeader(body, &parts[i], f, visit); stopped || err != nil {
				return stopped, err
			}
		}
		p := &parts[i]
		if t.one(Body, []byte(p.Filename), visit) || t.one(Body, []byte(p.Name), visit) {
			return true, nil
		}
		if p.Type != "text" {
			continue
		}
		if stopped, err := t.part(body, p, overlap, visit); stopped || err != nil {
			return stopped, err
		}
	}
	return false, nil
}

func (t *Texts) partHeader(body io.ReaderAt, p *message.Part, f Field, visit func(Field, []byte) bool) (bool, error) {
	header := make([]byte, min(p.BodyStart-p.HeaderStart, MaxHeader))
	n, err := body.ReadAt(header, p.HeaderStart)
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("index: read header of part: %w", err)
	}
	return t.Header(header[:n], func(_ string, line, _ []byte) bool { return visit(f, line) }), nil
}

// Of HTML the text is searched that a reader sees. Where the source is so long that its text may
// not be whole, the source is searched as well, so that nothing is missed.
const (
	maxHTMLSource = 320 << 10
	maxHTMLText   = 2 << 20
)

// part visits a text part.
func (t *Texts) part(body io.ReaderAt, p *message.Part, overlap int, visit func(Field, []byte) bool) (stopped bool, err error) {
	see := func(text []byte) bool { return visit(Body, text) }
	open := func() *failing {
		section := io.NewSectionReader(body, p.BodyStart, p.Size())
		return &failing{r: t.body.Reset(section, p.Encoding, p.Charset)}
	}
	if p.Subtype == "html" {
		source := open()
		text := message.HTMLText(source, maxHTMLText)
		if source.err != nil {
			return false, fmt.Errorf("index: read text: %w", source.err)
		}
		stopped, err = t.stream(strings.NewReader(text), overlap, see)
		if stopped || err != nil || p.Size() <= maxHTMLSource {
			return stopped, err
		}
	}
	return t.stream(open(), overlap, see)
}

// failing remembers an error of reading that is not the end.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// pieceSize is how much text is looked at at once.
const pieceSize = 32 << 10

// stream visits a text piece by piece.
func (t *Texts) stream(r io.Reader, overlap int, visit func([]byte) bool) (stopped bool, err error) {
	if t.piece == nil {
		t.piece = make([]byte, pieceSize)
	}
	t.window = t.window[:0]
	held := 0 // octets at the start of piece that wait for what follows them
	for {
		n, err := io.ReadFull(r, t.piece[held:])
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return false, fmt.Errorf("index: read text: %w", err)
		}
		text := t.piece[:held+n]
		whole := len(text)
		if !last {
			whole = boundary(text)
		}
		t.window = Fold(t.window, text[:whole])
		if visit(t.window) {
			return true, nil
		}
		if last {
			return false, nil
		}
		held = copy(t.piece, text[whole:])
		keep := min(len(t.window), overlap)
		t.window = append(t.window[:0], t.window[len(t.window)-keep:]...)
	}
}

// maxMarks is how far from the end of a piece its last letter is looked for, in octets.
const maxMarks = 64

// boundary returns where b can be cut without parting a letter from its marks: before its last
// letter.
func boundary(b []byte) int {
	for i := len(b) - 1; i > 0 && i >= len(b)-maxMarks; i-- {
		if !utf8.RuneStart(b[i]) {
			continue
		}
		if r, _ := utf8.DecodeRune(b[i:]); b[i] < utf8.RuneSelf || utf8.FullRune(b[i:]) && !isMark(r) && !isUnseen(r) {
			return i
		}
	}
	return len(b)
}

// Message visits all that a message says, its header included.
func (t *Texts) Message(s *message.SummaryView, body io.ReaderAt, overlap int, visit func(f Field, text []byte) bool) (stopped bool, err error) {
	return t.message(s, body, overlap, func(f Field, text []byte, _ form) bool { return visit(f, text) })
}

// form tells more of a text that is visited.
type form struct {
	whole bool // it is an address, a name or a subject, from end to end
	name  int  // it is a field, whose name takes so many octets before the value
}

// message visits what Message does, and tells more.
func (t *Texts) message(s *message.SummaryView, body io.ReaderAt, overlap int, visit func(Field, []byte, form) bool) (stopped bool, err error) {
	if t.Summary(s, func(f Field, text []byte) bool { return visit(f, text, form{whole: true}) }) {
		return true, nil
	}
	header := make([]byte, min(s.HeaderSize(), MaxHeader))
	n, err := body.ReadAt(header, 0)
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("index: read header: %w", err)
	}
	if t.Header(header[:n], func(name string, line, value []byte) bool {
		return visit(FieldOf(name), line, form{name: len(line) - len(value)})
	}) {
		return true, nil
	}
	parts, err := s.Parts()
	if err != nil {
		return false, fmt.Errorf("index: read parts: %w", err)
	}
	return t.Body(body, parts, overlap, func(f Field, text []byte) bool { return visit(f, text, form{}) })
}
