package message

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// repeated reads a text again and again until it gave a number of octets.
type repeated struct {
	text string
	left int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && r.left > 0 {
		k := copy(p[n:min(len(p), n+r.left)], r.text)
		n, r.left = n+k, r.left-k
	}
	if n == 0 {
		return 0, errEnd
	}
	return n, nil
}

var errEnd = fmt.Errorf("end")

// A message of any size and shape takes bounded memory and yields a legal answer.
func TestHostile(t *testing.T) {
	const size = 6 << 20
	nested := func(depth int) string {
		var b strings.Builder
		for i := range depth {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"b%dx\"\r\n\r\n--b%dx\r\n", i, i)
		}
		return b.String() + "\r\ndeep\r\n"
	}
	tests := []struct{ name, head, again string }{
		{"header without end", "Subject: x\r\n", "X-Long: " + strings.Repeat("y", 60) + "\r\n"},
		{"one endless field", "Subject: ", "many words "},
		{"endless To", "", "To: a@example.org, b@example.org\r\n"},
		{"endless commas", "To: ", ",<,\"("},
		{"endless references", "References: ", "<a@b>\r\n "},
		{"endless parameters", "Content-Type: text/plain", "; a*0=b; c=\"d"},
		{"endless encoded words", "Subject: ", "=?utf-8?q?"},
		{"endless comments", "From: ", "(("},
		{"many parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"},
		{"many empty parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n"},
		{"nested messages", "", "Content-Type: message/rfc822\r\n\r\n"},
		{"no line ends", "\r\n", "\x00\xff"},
		{"only line ends", "\r\n", "\n\r"},
		{"many open boundaries", nested(200), "--b\r\n--"},
		{"html without text", "Content-Type: text/html\r\n\r\n", "<div style='a:b'><!-- "},
		{"big headers of parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\nContent-ID: " + strings.Repeat("z", 60000) + "\r\n\r\n"},
	}
	chunk := make([]byte, 64<<10)
	for _, test := range tests {
		s := NewScanner(Limits{})
		s.feed([]byte(test.head))
		source := &repeated{test.again, size}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for {
			n, err := source.Read(chunk)
			if err != nil {
				break
			}
			s.feed(chunk[:n])
		}
		sum := s.Finish()
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%s: allocated %d octets", test.name, used)
		}
		if held := cap(s.values) + cap(s.scratch) + cap(s.rendered) + s.text.Cap() + len(sum.Envelope) + len(sum.BodyStructure); held > 16<<20 {
			t.Errorf("%s: holds %d octets", test.name, held)
		}
		if err := checkWire(sum); err != nil {
			t.Errorf("%s: %.200s", test.name, err)
		}
		if stored := sum.AppendBinary(nil); len(stored) > 8<<20 {
			t.Errorf("%s: stored form of %d octets", test.name, len(stored))
		}
	}
}

// Nesting of 1000 multiparts keeps its first levels; the rest is one opaque leaf.
func TestDeepNesting(t *testing.T) {
	const depth = 1000
	var b bytes.Buffer
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"=%d=\"\r\n\r\n--=%d=\r\n", i, i)
	}
	b.WriteString("\r\nthe bottom\r\n")
	for i := depth - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--=%d=--\r\n", i)
	}
	s := Summarize(b.Bytes())
	if err := checkSummary(b.Bytes(), s); err != nil {
		t.Fatal(err)
	}
	last := s.Parts[len(s.Parts)-1]
	if len(s.Parts) != 100 || !s.Degraded || last.Type != "application" || last.Subtype != "octet-stream" {
		t.Errorf("%d parts, degraded %v, last %+v", len(s.Parts), s.Degraded, last)
	}
	if !bytes.Contains(b.Bytes()[last.BodyStart:last.End], []byte("the bottom")) {
		t.Error("the leaf does not hold the rest")
	}
}

// The last part that a limit allows takes the rest of the message.
func TestPartLimit(t *testing.T) {
	message := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\npart\r\n", 20) + "--b--\r\n")
	s := NewScanner(Limits{Parts: 5})
	s.feed(message)
	sum := s.Finish()
	if err := checkSummary(message, sum); err != nil {
		t.Fatal(err)
	}
	last := sum.Parts[len(sum.Parts)-1]
	if len(sum.Parts) != 5 || !sum.Degraded || last.Subtype != "octet-stream" || last.End != sum.Size {
		t.Errorf("%d parts, last %+v", len(sum.Parts), last)
	}
}

func TestFieldLimits(t *testing.T) {
	message := []byte("To: " + strings.Repeat("a@example.org, ", 50) + "\r\nReferences: <first@x>" + strings.Repeat(" <mid@x>", 50) + " <last@x>\r\nSubject: " + strings.Repeat("s", 2000) + "\r\n\r\n")
	s := NewScanner(Limits{Addresses: 7, References: 3, HeaderBytes: 2000})
	s.feed(message)
	sum := s.Finish()
	if len(sum.To) != 7 || !sum.Degraded || len(sum.Subject) >= 2000 || len(sum.Subject) < 500 {
		t.Errorf("%d addresses, subject of %d, degraded %v", len(sum.To), len(sum.Subject), sum.Degraded)
	}
	if got := strings.Join(sum.References, " "); got != "first@x mid@x last@x" {
		t.Errorf("references %s", got)
	}
}

// A summary must stay valid when its scanner is used again.
func TestReuse(t *testing.T) {
	s := NewScanner(Limits{})
	s.feed([]byte(sample))
	first := s.Finish()
	want := describeSummary(first)
	for range 3 {
		s.Reset()
		s.feed([]byte("From: Zzz <zzz@zzz.example>\r\nContent-Type: text/zzz; charset=zzz; name=zzzzzzz\r\nSubject: zzzz =?utf-8?q?zzz?=\r\n\r\nzzzz"))
		s.Finish()
	}
	if got := describeSummary(first); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func describeSummary(s *Summary) string { return fmt.Sprintf("%+v", *s) }
