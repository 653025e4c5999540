package smtpd

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// refUnstuff reads all of a DATA stream at once: the content, how much of the stream it took with its
// end, and whether a CR or LF in it stands alone.
func refUnstuff(stream []byte) (content []byte, used int, bare, ended bool) {
	text := append([]byte("\r\n"), stream...)
	i := bytes.Index(text, []byte("\r\n.\r\n"))
	if i < 0 {
		return nil, 0, false, false
	}
	content = bytes.ReplaceAll(text[:i+2], []byte("\r\n."), []byte("\r\n"))[2:]
	return content, i + len("\r\n.\r\n") - 2, refBare(text[:i+2]), true
}

// refBare reports whether a CR or LF stands alone.
func refBare(text []byte) bool {
	rest := bytes.ReplaceAll(text, []byte("\r\n"), nil)
	// Taking CRLF out can join a CR and an LF that stood alone, which still are there.
	return bytes.ContainsAny(rest, "\r\n")
}

// unstuffInParts feeds a stream to unstuff as reads of the given sizes would.
func unstuffInParts(stream []byte, sizes []byte) (content []byte, used int, l lines, ended bool) {
	l.limit = 1 << 20
	var buf []byte // what was read and not used
	for i := 0; ; i++ {
		n, took, end := l.unstuff(buf)
		content = append(content, buf[:n]...)
		used += took
		buf = buf[took:]
		if end || len(stream) == 0 {
			return content, used, l, end
		}
		size := 1
		if len(sizes) > 0 {
			size += int(sizes[i%len(sizes)] % 16)
		}
		size = min(size, len(stream))
		buf = append(bytes.Clone(buf), stream[:size]...)
		stream = stream[size:]
	}
}

func sameAsReference(t interface {
	Helper()
	Fatalf(string, ...any)
}, stream, sizes []byte) {
	t.Helper()
	content, used, l, ended := unstuffInParts(stream, sizes)
	wantContent, wantUsed, wantBare, wantEnded := refUnstuff(stream)
	if ended != wantEnded {
		t.Fatalf("%q in parts of %v: ended %v, want %v", stream, sizes, ended, wantEnded)
	}
	if !ended {
		return
	}
	if used != wantUsed || l.bare != wantBare || !bytes.Equal(content, wantContent) {
		t.Fatalf("%q in parts of %v: %q, used %d, bare %v; want %q, used %d, bare %v",
			stream, sizes, content, used, l.bare, wantContent, wantUsed, wantBare)
	}
}

// pieces are what the streams of the property tests are made of.
var pieces = []string{"\r", "\n", ".", "\r\n", "\r\n.", "\r\n.\r\n", ".\r\n", "a", "MAIL FROM:<>"}

func drawStream(t *rapid.T) []byte {
	return []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "stream"), ""))
}

func TestUnstuffAsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sameAsReference(t, drawStream(t), rapid.SliceOf(rapid.Byte()).Draw(t, "sizes"))
	})
}

func FuzzUnstuff(f *testing.F) {
	f.Add([]byte("Subject: hej\r\n\r\n..dot\r\n.\r\nQUIT\r\n"), []byte{3, 0, 7})
	f.Add([]byte(".\r\n"), []byte{0})
	f.Add([]byte("a\n.\nb\r.\rc\r\n.\nd\n.\r\n.\re\r\r\n.\r\n"), []byte{1})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) { sameAsReference(t, stream, sizes) })
}

// TestCheckAsReference: the chunks of BDAT do not change what is found.
func TestCheckAsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawStream(t)
		l := lines{limit: 1 << 20}
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "size")
			l.check(rest[:n])
			rest = rest[n:]
		}
		l.finish()
		if want := refBare(text); l.bare != want {
			t.Fatalf("%q: bare %v, want %v", text, l.bare, want)
		}
	})
}

// TestLongLines: a line is measured the same in whatever parts it comes.
func TestLongLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 6).Draw(t, "lengths")
		var text []byte
		longest := 0
		for _, n := range lengths {
			text = append(append(text, strings.Repeat("x", n)...), "\r\n"...)
			longest = max(longest, n+2)
		}
		chunked, dotted := lines{limit: 10}, lines{limit: 10}
		for rest, buf := text, []byte(nil); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "size")
			chunked.check(rest[:n])
			buf = append(buf, rest[:n]...)
			_, used, _ := dotted.unstuff(buf)
			buf, rest = bytes.Clone(buf[used:]), rest[n:]
		}
		if want := longest > 10; chunked.tooLong != want || dotted.tooLong != want {
			t.Fatalf("%v: too long %v and %v, want %v", lengths, chunked.tooLong, dotted.tooLong, want)
		}
	})
}
