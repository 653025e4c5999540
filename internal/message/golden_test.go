package message

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is found into the golden files")

const goldenFile = "testdata/summaries.txtar"

// archived is one file of the archive, which begins with a line "-- name --".
type archived struct{ name, text string }

func readArchive(t *testing.T) (comment string, files []archived) {
	t.Helper()
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutSuffix(line, " --\n"); ok && strings.HasPrefix(line, "-- ") {
			files = append(files, archived{name: name[len("-- "):]})
		} else if len(files) == 0 {
			comment += line
		} else {
			files[len(files)-1].text += line
		}
	}
	return comment, files
}

// TestGolden compares the summaries of hand-written messages with those that were reviewed.
func TestGolden(t *testing.T) {
	comment, files := readArchive(t)
	golden := map[string]string{}
	for _, f := range files {
		golden[f.name] = f.text
	}
	out := comment
	for _, f := range files {
		name := strings.TrimSuffix(f.name, path.Ext(f.name)) + ".golden"
		if name == f.name {
			continue
		}
		got := describe(messageOf(t, f))
		if diff := cmp.Diff(golden[name], got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", f.name, diff)
		}
		out += "-- " + f.name + " --\n" + f.text + "-- " + name + " --\n" + got
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// messageOf makes octets of a message in the archive, by the rules at its beginning.
func messageOf(t *testing.T, f archived) []byte {
	t.Helper()
	text := strings.ReplaceAll(f.text, "\\\n", "")
	if path.Ext(f.name) != ".lf" {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	var b []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b = append(b, text[i])
			continue
		}
		i++
		switch text[i] {
		case 'r':
			b = append(b, '\r')
		case 'n':
			b = append(b, '\n')
		case 'x':
			c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			b = append(b, byte(c))
			i += 2
		default:
			b = append(b, '\\', text[i])
		}
	}
	return b
}

// describe writes a summary for people to review.
func describe(message []byte) string {
	s := Summarize(message)
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%s: %s\n", name, fmt.Sprintf(format, args...))
	}
	var flags []string
	for _, f := range []struct {
		set  bool
		name string
	}{
		{s.EightBit, "8bit"}, {s.HeaderEightBit, "8bit-header"}, {s.BareLF, "bare-lf"}, {s.BareCR, "bare-cr"},
		{s.NUL, "nul"}, {s.HasAttachment, "attachment"}, {s.Degraded, "degraded"},
	} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	line("size", "%d header %d line %d %v", s.Size, s.HeaderSize, s.MaxLine, flags)
	line("envelope", "%s", printable(s.Envelope))
	line("bodystructure", "%s", printable(s.BodyStructure))
	if s.Subject != "" {
		line("subject", "%q base %q", s.Subject, s.BaseSubject())
	}
	for i, list := range [][]Address{s.From, s.Sender, s.ReplyTo, s.To, s.Cc, s.Bcc} {
		if len(list) > 0 {
			line([]string{"from", "sender", "reply-to", "to", "cc", "bcc"}[i], "%q", list)
		}
	}
	if !s.Date.IsZero() {
		line("date", "%s", FormatDate(s.Date))
	}
	if s.MessageID != "" || s.InReplyTo != nil || s.References != nil {
		line("ids", "%q in reply to %q references %q", s.MessageID, s.InReplyTo, s.References)
	}
	if s.Preview != "" {
		line("preview", "%q", s.Preview)
	}
	for i, p := range s.Parts {
		line(fmt.Sprint("part ", i), "in %d: %s/%s %s %d-%d-%d lines %d charset %q boundary %q name %q filename %q disposition %q id %q body %q",
			p.Parent, p.Type, p.Subtype, p.Encoding, p.HeaderStart, p.BodyStart, p.End, p.Lines,
			p.Charset, p.Boundary, p.Name, p.Filename, p.Disposition, p.ContentID, abridged(message[p.BodyStart:p.End]))
	}
	return b.String()
}

func printable(b []byte) string {
	quoted := strconv.Quote(string(b))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func abridged(b []byte) string {
	if len(b) > 40 {
		return string(bytes.Join([][]byte{b[:20], b[len(b)-15:]}, []byte("..")))
	}
	return string(b)
}
