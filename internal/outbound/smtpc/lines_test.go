package smtpc

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// unstuff is what a strict receiver makes of DATA: it knows only CRLF as the
// end of a line.
func unstuff(t interface{ Fatalf(string, ...any) }, wire string) string {
	body, ok := strings.CutSuffix("\r\n"+wire, "\r\n.\r\n")
	if !ok {
		t.Fatalf("no end in %q", wire)
	}
	body += "\r\n"
	if strings.Contains(body, "\r\n.\r\n") {
		t.Fatalf("the end comes early in %q", wire)
	}
	body = strings.ReplaceAll(body, "\r\n..", "\r\n.")
	body = strings.TrimPrefix(body, "\r\n")
	bare := strings.ReplaceAll(body, "\r\n", "")
	if strings.ContainsAny(bare, "\r\n") {
		t.Fatalf("bare CR or LF in %q", wire)
	}
	return body
}

// plain is the same content with all line ends made CRLF.
func plain(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

func TestLinesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.StringOfN(rapid.SampledFrom([]rune("ab.\r\n")), 0, 60, -1).Draw(t, "content")
		for _, dots := range []bool{true, false} {
			l := lines{dots: dots}
			var wire []byte
			for rest := content; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
				wire = l.append(wire, []byte(rest[:n]))
				rest = rest[n:]
			}
			wire = l.end(wire)
			got := string(wire)
			if dots {
				got = unstuff(t, got+".\r\n")
			}
			if want := plain(content); got != want {
				t.Fatalf("%q became %q instead of %q", content, got, want)
			}
		}
	})
}

func BenchmarkLines(b *testing.B) {
	content := bytes.Repeat([]byte("A line of a message as it is usually written, of 70 octets or so.....\r\n"), 900)
	dst := make([]byte, 0, len(content)+100)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		l := lines{dots: true}
		dst = l.append(dst[:0], content)
	}
}
