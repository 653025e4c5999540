package imapd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/message"
)

// FuzzBodyStructure holds that ENVELOPE, BODYSTRUCTURE and BODY of any message are what the grammar of
// RFC 9051 section 9 says, as a strict client reads it, and have a body for each part.
func FuzzBodyStructure(f *testing.F) {
	files, err := filepath.Glob("testdata/messages/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no messages", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")))
	}
	for _, hostile := range []string{
		"", "\r\n", "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\n----\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\nno part at all",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\r\n--b--",
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQo=",
		"Content-Type: text/\"; name=\"a\\\"b\\\\c\r\n\t\xff\x00\"; charset*0*=utf-8''%22%0d%0a; charset*1=)\r\n\r\nx",
		"From: \"a\\\"\r\nTo: a:b,c;,<@x,@y:z@w>, (\x00) \"\xe5\"@[1.2.3.4]\r\nSubject: {5}\r\nCc: ;;;\r\n\r\n",
		"Content-Disposition: attachment; filename=\"\r\n {3+}\"; size=\"(\r\nContent-Language: sv, (x) , nb;\r\nContent-Location: \"\\\r\nContent-MD5: NIL\r\nContent-ID: <\"\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n--a--\r\n",
	} {
		f.Add([]byte(hostile))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := message.Summarize(raw)
		r := &strictReader{b: s.Envelope}
		if r.envelope(); r.end() != nil {
			t.Fatalf("ENVELOPE: %v\n%q", r.err, s.Envelope)
		}
		for name, value := range map[string][]byte{"BODYSTRUCTURE": s.BodyStructure, "BODY": message.AppendBody(nil, s.BodyStructure)} {
			r := &strictReader{b: value, extended: name == "BODYSTRUCTURE"}
			if r.body(); r.end() != nil {
				t.Fatalf("%s: %v\n%q", name, r.err, value)
			}
			if r.bodies != len(s.Parts) {
				t.Fatalf("%s has %d bodies of %d parts\n%q", name, r.bodies, len(s.Parts), value)
			}
		}
	})
}

// strictReader reads parts of FETCH responses by the grammar, and nothing more lenient.
type strictReader struct {
	b        []byte
	err      error
	extended bool // extension data must be there, else it must not
	bodies   int
	depth    int
}

func (r *strictReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at %.40q: %s", r.b, fmt.Sprintf(format, args...))
	}
	r.b = nil
}

func (r *strictReader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("more than one value")
	}
	return r.err
}

func (r *strictReader) is(text string) bool { return strings.HasPrefix(string(r.b), text) }

func (r *strictReader) want(text string) {
	if !r.is(text) {
		r.fail("want %q", text)
		return
	}
	r.b = r.b[len(text):]
}

func (r *strictReader) accept(text string) bool {
	if !r.is(text) {
		return false
	}
	r.want(text)
	return true
}

func (r *strictReader) number() (n uint64) {
	i := 0
	for i < len(r.b) && r.b[i] >= '0' && r.b[i] <= '9' {
		i++
	}
	n, err := strconv.ParseUint(string(r.b[:i]), 10, 63)
	if err != nil {
		r.fail("want a number")
		return 0
	}
	r.b = r.b[i:]
	return n
}

// string reads a quoted string of seven bits or a literal without NUL.
func (r *strictReader) string() string {
	if r.accept("{") {
		n := r.number()
		if r.want("}\r\n"); r.err != nil || n > uint64(len(r.b)) {
			r.fail("literal")
			return ""
		}
		text := string(r.b[:n])
		if r.b = r.b[n:]; strings.Contains(text, "\x00") {
			r.fail("NUL in a literal")
		}
		return text
	}
	r.want(`"`)
	var text []byte
	for len(r.b) > 0 {
		c := r.b[0]
		r.b = r.b[1:]
		switch {
		case c == '"':
			return string(text)
		case c == '\\':
			if !r.is(`"`) && !r.is(`\`) {
				r.fail("escape")
				return ""
			}
			c = r.b[0]
			r.b = r.b[1:]
		case c == 0 || c == '\r' || c == '\n' || c > 0x7f:
			r.fail("%q in a quoted string", c)
			return ""
		}
		text = append(text, c)
	}
	r.fail("quoted string without end")
	return ""
}

func (r *strictReader) nstring() {
	if !r.accept("NIL") {
		r.string()
	}
}

func (r *strictReader) sp() { r.want(" ") }

func (r *strictReader) envelope() {
	r.want("(")
	r.nstring()
	r.sp()
	r.nstring()
	for range 6 {
		r.sp()
		r.addresses()
	}
	r.sp()
	r.nstring()
	r.sp()
	r.nstring()
	r.want(")")
}

func (r *strictReader) addresses() {
	if r.accept("NIL") {
		return
	}
	r.want("(")
	for n := 0; !r.accept(")"); n++ {
		r.want("(")
		for i := range 4 {
			if i > 0 {
				r.sp()
			}
			r.nstring()
		}
		if r.want(")"); r.err != nil {
			return
		}
	}
}

func (r *strictReader) body() {
	if r.depth++; r.depth > 200 {
		r.fail("nested too deeply")
		return
	}
	defer func() { r.depth-- }()
	r.bodies++
	r.want("(")
	if r.is("(") {
		r.multipart()
	} else {
		r.onePart()
	}
	r.want(")")
}

func (r *strictReader) multipart() {
	for r.is("(") {
		r.body()
	}
	r.sp()
	r.string()
	if r.extended {
		r.sp()
		r.params()
		r.extension()
	}
}

func (r *strictReader) onePart() {
	kind := strings.ToLower(r.string())
	r.sp()
	subtype := strings.ToLower(r.string())
	r.sp()
	r.params()
	r.sp()
	r.nstring() // id
	r.sp()
	r.nstring() // description
	r.sp()
	r.string() // encoding
	r.sp()
	r.number()
	switch {
	case kind == "message" && (subtype == "rfc822" || subtype == "global"):
		r.sp()
		r.envelope()
		r.sp()
		r.body()
		r.sp()
		r.number()
	case kind == "text":
		r.sp()
		r.number()
	}
	if r.extended {
		r.sp()
		r.nstring() // MD5
		r.extension()
	}
}

func (r *strictReader) params() {
	if r.accept("NIL") {
		return
	}
	r.want("(")
	for {
		r.string()
		r.sp()
		r.string()
		if r.err != nil || r.accept(")") {
			return
		}
		r.sp()
	}
}

// extension reads disposition, language and location.
func (r *strictReader) extension() {
	r.sp()
	if !r.accept("NIL") {
		r.want("(")
		r.string()
		r.sp()
		r.params()
		r.want(")")
	}
	r.sp()
	if r.accept("(") {
		for {
			r.string()
			if r.err != nil || r.accept(")") {
				break
			}
			r.sp()
		}
	} else {
		r.nstring()
	}
	r.sp()
	r.nstring()
}
