package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sameTime compares times with their zone, not with how it is held.
var sameTime = cmp.Comparer(func(a, b time.Time) bool {
	return a.Equal(b) && a.Format(time.RFC3339) == b.Format(time.RFC3339)
})

// seeds are the messages of the golden test.
func seeds(t *testing.T) [][]byte {
	_, files := readArchive(t)
	var list [][]byte
	for _, f := range files {
		if !strings.HasSuffix(f.name, ".golden") {
			list = append(list, messageOf(t, f))
		}
	}
	return list
}

// drawMessage makes messages of pieces that matter to the parser, in any order.
func drawMessage(t *rapid.T) []byte {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		"\r\n", "\n", "\r", " ", "\t", "\r\n\r\n", "--b", "--bc", "--b--", "--bc--", "--", "text", "a:b", ":", "\x00", "\xe5", "å",
		"Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: multipart/alternative; boundary=\"bc\"\r\n",
		"Content-Type: message/rfc822\r\n", "Content-Type: text/html\r\n\r\n", "Content-Type: text/plain; name*0=a;\r\n name*1*=%20\r\n",
		"Content-Transfer-Encoding: quoted-printable\r\n", "Content-Disposition: attachment; filename=\"x y\"\r\n",
		"From: A <a@b>, \"c\r\n d\" <e@f>\r\n", "To: g: x@y, <z@\r\n", "Subject: =?utf-8?q?=C3=A5?=\r\n", "References: <a@b>\r\n\t<c@d>\r\n",
		"Date: Sat, 21 Nov 2026 14:32:05 +0100\r\n", strings.Repeat("long line ", 60), strings.Repeat("X", headLimit-1), "From x\r\n",
	}), 0, 40).Draw(t, "pieces")
	return []byte(strings.Join(pieces, ""))
}

// However a message is cut into pieces, the summary is the same.
func TestSplitIndependence(t *testing.T) {
	whole := NewScanner(Limits{})
	cut := NewScanner(Limits{})
	rapid.Check(t, func(t *rapid.T) {
		message := drawMessage(t)
		whole.Reset()
		whole.feed(message)
		cut.Reset()
		for rest := message; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 90)).Draw(t, "n")
			if _, err := cut.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if diff := cmp.Diff(whole.Finish(), cut.Finish(), sameTime); diff != "" {
			t.Fatalf("%q in one piece and in several: %s", message, diff)
		}
	})
}

func TestByteByByte(t *testing.T) {
	for _, message := range append(seeds(t), []byte(sample)) {
		got, err := SummarizeReader(iotest.OneByteReader(bytes.NewReader(message)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Summarize(message), got, sameTime); diff != "" {
			t.Errorf("%q: %s", message, diff)
		}
	}
}

func TestSummarizeReaderError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := SummarizeReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// Parts lie within each other in order, and sections put together give the message.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := drawMessage(t)
		if err := checkSummary(message, Summarize(message)); err != nil {
			t.Fatalf("%q: %v", message, err)
		}
	})
}

func checkSummary(message []byte, s *Summary) error {
	if err := checkOverview(message[:s.HeaderSize], s.Overview); err != nil {
		return err
	}
	if s.Size != int64(len(message)) || s.Parts[0].End != s.Size || s.Parts[0].BodyStart != s.HeaderSize || s.Parts[0].Parent != -1 {
		return fmt.Errorf("root %+v of %d octets", s.Parts[0], len(message))
	}
	for i, p := range s.Parts {
		if p.HeaderStart > p.BodyStart || p.BodyStart > p.End || p.Lines != int64(bytes.Count(message[p.BodyStart:p.End], []byte{'\n'})) {
			return fmt.Errorf("part %d: %+v", i, p)
		}
		if i == 0 {
			continue
		}
		parent := s.Parts[p.Parent]
		if p.HeaderStart < parent.BodyStart || p.End > parent.End || p.Parent >= i || !parent.IsMultipart() && !parent.IsMessage() {
			return fmt.Errorf("part %d: %+v outside of %+v", i, p, parent)
		}
		if previous := s.Parts[i-1]; previous.Parent == p.Parent && p.HeaderStart < previous.End {
			return fmt.Errorf("part %d overlaps the one before", i)
		}
		if parent.IsMessage() && (p.HeaderStart != parent.BodyStart || p.End != parent.End) {
			return fmt.Errorf("part %d does not fill its message", i)
		}
	}
	_, split, _ := s.Section(nil, SectionHeader)
	from, to, ok := s.Section(nil, SectionText)
	if !ok || from != split || to != s.Size {
		return fmt.Errorf("header ends at %d, text is %d to %d", split, from, to)
	}
	if utf8.RuneCountInString(s.Preview) > previewLength {
		return fmt.Errorf("preview of %d characters", utf8.RuneCountInString(s.Preview))
	}
	for _, text := range []string{s.Subject, s.Preview, s.MessageID} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("invalid UTF-8 %q", text)
		}
	}
	if s.BareLF != (bytes.Count(message, []byte("\n")) != bytes.Count(message, []byte("\r\n"))) ||
		s.BareCR != (bytes.Count(message, []byte("\r")) != bytes.Count(message, []byte("\r\n"))) {
		return fmt.Errorf("bare LF %v, bare CR %v", s.BareLF, s.BareCR)
	}
	return checkWire(s)
}

// checkOverview holds that fields of an overview are those of the header, whichever are asked for.
func checkOverview(header, overview []byte) error {
	if overview == nil {
		if all := FilterFields(nil, header, overviewNames, false); len(header) <= maxRawHeader && len(all) <= maxOverview {
			return fmt.Errorf("no overview of %d octets, although %d would do", len(header), len(all))
		}
		return nil
	}
	for _, names := range [][]string{{"subject"}, {"FROM", "To", "Cc", "X-TUID"}, {"References", "content-type"}} {
		set := NewFieldSet(names...)
		want, got := FilterFields(nil, header, set, false), FilterFields(nil, overview, set, false)
		if !set.InOverview() || !bytes.Equal(want, got) || len(overview) > maxOverview {
			return fmt.Errorf("%q of the header, %q of its overview", want, got)
		}
	}
	return nil
}

// checkWire reads ENVELOPE, BODYSTRUCTURE and BODY as a strict client would.
func checkWire(s *Summary) error {
	envelope, err := readWire(s.Envelope)
	if err != nil || len(envelope.list) != 10 {
		return fmt.Errorf("envelope %q: %v", s.Envelope, err)
	}
	structure, err := readWire(s.BodyStructure)
	if err != nil {
		return fmt.Errorf("bodystructure %q: %v", s.BodyStructure, err)
	}
	if next, err := checkBody(s.Parts, 0, structure, true); err != nil || next != len(s.Parts) {
		return fmt.Errorf("bodystructure %q: %d of %d parts, %v", s.BodyStructure, next, len(s.Parts), err)
	}
	plain, err := readWire(Body(s.BodyStructure))
	if err != nil {
		return fmt.Errorf("body %q: %v", Body(s.BodyStructure), err)
	}
	if next, err := checkBody(s.Parts, 0, plain, false); err != nil || next != len(s.Parts) {
		return fmt.Errorf("body %q: %d of %d parts, %v", Body(s.BodyStructure), next, len(s.Parts), err)
	}
	return nil
}

// checkBody compares one body of BODYSTRUCTURE, or BODY where it is not extended, with the part.
func checkBody(parts []Part, i int, v wire, extended bool) (next int, err error) {
	if i >= len(parts) {
		return i, errors.New("more bodies than parts")
	}
	p := &parts[i]
	fields := v.list
	if len(fields) > 0 && fields[0].isList {
		n := 0
		for next = i + 1; n < len(fields) && fields[n].isList && !p.IsMessage() && p.IsMultipart(); n++ {
			if next, err = checkBody(parts, next, fields[n], extended); err != nil {
				return next, err
			}
		}
		if n == len(fields) || fields[n].text != p.Subtype || len(fields) != n+1+4*btoi(extended) {
			return next, fmt.Errorf("part %d: multipart of %d fields", i, len(fields))
		}
		return next, nil
	}
	want, next := 7, i+1
	switch {
	case p.IsMessage():
		want = 10
	case p.Type == "text":
		want = 8
	}
	if len(fields) != want+4*btoi(extended) || fields[0].text != p.Type || fields[1].text != p.Subtype || fields[6].text != strconv.FormatInt(p.Size(), 10) {
		return next, fmt.Errorf("part %d: %d fields for %s/%s", i, len(fields), p.Type, p.Subtype)
	}
	if p.IsMessage() {
		if next, err = checkBody(parts, next, fields[8], extended); err != nil {
			return next, err
		}
	}
	if want > 7 && fields[want-1].text != strconv.FormatInt(p.Lines, 10) {
		return next, fmt.Errorf("part %d: lines %s", i, fields[want-1].text)
	}
	return next, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wire is a value as IMAP sends it: a list, or a string, number or NIL.
type wire struct {
	isList bool
	list   []wire
	text   string
}

// readWire reads one value that must take all of b, by the letter of RFC 9051 section 9.
func readWire(b []byte) (wire, error) {
	v, rest, err := readWireValue(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("left over %q", rest)
	}
	return v, err
}

func readWireValue(b []byte) (v wire, rest []byte, err error) {
	if len(b) == 0 {
		return v, nil, io.ErrUnexpectedEOF
	}
	switch {
	case b[0] == '(':
		return readWireList(b[1:])
	case b[0] == '"':
		var text []byte
		for i := 1; i < len(b); i++ {
			switch c := b[i]; {
			case c == '"':
				return wire{text: string(text)}, b[i+1:], nil
			case c == '\\' && i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\'):
				i++
			case c == '\\' || c >= 0x80 || c == '\r' || c == '\n' || c == 0:
				return v, nil, fmt.Errorf("octet %q in quotes", c)
			}
			text = append(text, b[i])
		}
		return v, nil, io.ErrUnexpectedEOF
	case b[0] == '{':
		digits, after, ok := bytes.Cut(b[1:], []byte("}\r\n"))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || n > len(after) || bytes.IndexByte(after[:n], 0) >= 0 {
			return v, nil, fmt.Errorf("literal %q", b)
		}
		return wire{text: string(after[:n])}, after[n:], nil
	case bytes.HasPrefix(b, []byte("NIL")):
		return wire{text: "NIL"}, b[3:], nil
	}
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	if n == 0 {
		return v, nil, fmt.Errorf("unexpected %q", b)
	}
	return wire{text: string(b[:n])}, b[n:], nil
}

// readWireList reads a list; only lists may follow each other without a space.
func readWireList(b []byte) (v wire, rest []byte, err error) {
	v.isList = true
	for {
		var item wire
		if item, b, err = readWireValue(b); err != nil {
			return v, nil, err
		}
		v.list = append(v.list, item)
		switch {
		case len(b) == 0:
			return v, nil, io.ErrUnexpectedEOF
		case b[0] == ')':
			return v, b[1:], nil
		case b[0] == ' ':
			b = b[1:]
		case b[0] == '(' && item.isList:
		default:
			return v, nil, fmt.Errorf("no space before %q", b)
		}
	}
}

// What is stored can be read back, as a whole and piece by piece.
func TestEncodingRoundTrip(t *testing.T) {
	messages := append(seeds(t), []byte(sample))
	rapid.Check(t, func(t *rapid.T) {
		message := rapid.SampledFrom(messages).Draw(t, "seed")
		if rapid.Bool().Draw(t, "drawn") {
			message = drawMessage(t)
		}
		want := Summarize(message)
		stored := want.AppendBinary([]byte("before"))[len("before"):]
		got, err := ParseSummary(stored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameTime, cmp.Transformer("nil", func(b []byte) string { return string(b) })); diff != "" {
			t.Fatal(diff)
		}
		checkView(t, want, stored)
		if cut := rapid.IntRange(0, len(stored)-1).Draw(t, "cut"); cut < len(stored) {
			if _, err := ParseSummary(stored[:cut]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut to %d of %d octets: %v", cut, len(stored), err)
			}
		}
	})
}

func checkView(t *rapid.T, want *Summary, stored []byte) {
	v, err := ViewSummary(stored)
	if err != nil {
		t.Fatal(err)
	}
	if v.Size() != want.Size || v.HeaderSize() != want.HeaderSize || !v.Date().Equal(want.Date) ||
		string(v.Envelope()) != string(want.Envelope) || string(v.BodyStructure()) != string(want.BodyStructure) ||
		string(v.Preview()) != want.Preview || string(v.Subject()) != want.Subject || string(v.MessageID()) != want.MessageID ||
		v.HasAttachment() != want.HasAttachment || v.NUL() != want.NUL || v.EightBit() != want.EightBit || v.HeaderEightBit() != want.HeaderEightBit {
		t.Fatalf("view %+v of %+v", v, want)
	}
	inReplyTo, references := v.References()
	for _, diff := range []string{
		cmp.Diff(want.To, v.Addresses(FieldTo)), cmp.Diff(want.From, v.Addresses(FieldFrom)), cmp.Diff(want.Bcc, v.Addresses(FieldBcc)),
		cmp.Diff(want.InReplyTo, inReplyTo), cmp.Diff(want.References, references),
	} {
		if diff != "" {
			t.Fatal(diff)
		}
	}
	for _, path := range [][]int{nil, {1}, {2}, {1, 1}, {2, 1}, {2, 2}} {
		for _, spec := range []SectionSpec{SectionBody, SectionHeader, SectionText, SectionMIME} {
			from, to, ok := want.Section(path, spec)
			gotFrom, gotTo, gotOK := v.Section(path, spec)
			if ok != gotOK || ok && (from != gotFrom || to != gotTo) {
				t.Fatalf("section %v %v: %d %d %v", path, spec, gotFrom, gotTo, gotOK)
			}
		}
	}
}

func TestViewDoesNotAllocate(t *testing.T) {
	stored := Summarize([]byte(sample)).AppendBinary(nil)
	octets := 0
	allocs := testing.AllocsPerRun(100, func() {
		v, err := ViewSummary(stored)
		if err != nil {
			t.Fatal(err)
		}
		octets += len(v.Envelope()) + len(v.BodyStructure()) + len(v.Preview()) + len(v.Subject())
		if _, _, ok := v.Section(nil, SectionText); !ok || v.Date().IsZero() {
			t.Fatal("no text")
		}
	})
	if allocs != 0 || octets == 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// What an older version stored is read, without an overview.
func TestParseSummaryOfVersion1(t *testing.T) {
	want := Summarize([]byte(sample))
	want.Overview = nil
	b := want.AppendBinary(nil)
	v, err := ViewSummary(b)
	if err != nil {
		t.Fatal(err)
	}
	at := len(b) - 1 // of the length of the overview
	for _, block := range v.blocks {
		at -= len(block)
	}
	old := append([]byte{1}, slices.Delete(b, at, at+1)[1:]...)
	got, err := ParseSummary(old)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameTime); diff != "" {
		t.Error(diff)
	}
}

// A header that is longer than anybody asks for has no overview.
func TestOverviewIsBounded(t *testing.T) {
	to := "To: " + strings.Repeat("a@demo.test,\r\n ", 400) + "b@demo.test\r\n"
	trace := "X-Trace: " + strings.Repeat("x", maxRawHeader) + "\r\n"
	for name, header := range map[string]string{"many recipients": to, "long": trace} {
		text := []byte("From: a@demo.test\r\n" + header + "\r\nText\r\n")
		s := Summarize(text)
		if s.Overview != nil || len(s.From) != 1 {
			t.Errorf("%s: overview %q", name, s.Overview)
		}
		if err := checkSummary(text, s); err != nil {
			t.Error(name, err)
		}
	}
}

// What could send a reader astray is refused.
func TestParseSummaryCorrupt(t *testing.T) {
	whole := func(change func(*Summary)) []byte {
		s := Summarize([]byte(sample))
		change(s)
		return s.AppendBinary(nil)
	}
	good := whole(func(*Summary) {})
	if _, err := ParseSummary(good); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":            nil,
		"version":          append([]byte{encodingVersion + 1}, good[1:]...),
		"trailing octets":  append(bytes.Clone(good), 0),
		"no parts":         whole(func(s *Summary) { s.Parts = nil }),
		"own parent":       whole(func(s *Summary) { s.Parts[1].Parent = 1 }),
		"later parent":     whole(func(s *Summary) { s.Parts[1].Parent = 2 }),
		"two roots":        whole(func(s *Summary) { s.Parts[1].Parent = -1 }),
		"root in a part":   whole(func(s *Summary) { s.Parts[0].Parent = 0 }),
		"negative size":    whole(func(s *Summary) { s.Parts[1].End = s.Parts[1].BodyStart - 1 }),
		"far beyond range": whole(func(s *Summary) { s.Size = 1 << 60 }),
		"impossible date":  whole(func(s *Summary) { s.Date = time.Unix(1<<50, 0) }),
	} {
		if _, err := ParseSummary(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
