package message

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseDate(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Sat, 21 Nov 2026 14:32:05 +0100", "2026-11-21T14:32:05+01:00"},
		{"21 Nov 2026 14:32 -0330", "2026-11-21T14:32:00-03:30"},
		{"Sat, 21 Nov 26 14:32:05 GMT", "2026-11-21T14:32:05Z"},
		{"Mon, 1 Jan 70 0:0:0 UT", "1970-01-01T00:00:00Z"},
		{"Mon, 1 Jan 126 00:00:00 Z", "2026-01-01T00:00:00Z"},
		{"Sat, 21 Nov 2026 14:32:05 EDT", "2026-11-21T14:32:05-04:00"},
		{"Sat (day), 21 (x (y)) Nov 2026 14:32:05 (z) PST (w)", "2026-11-21T14:32:05-08:00"},
		{"Sat Nov 21 14:32:05 2026", "2026-11-21T14:32:05Z"},
		{"Sat Nov 21 14:32:05 CET 2026", "2026-11-21T14:32:05+01:00"},
		{"21-Nov-2026 14:32:05 +0100", "2026-11-21T14:32:05+01:00"},
		{"2026-11-21T14:32:05Z", "2026-11-21T14:32:05Z"},
		{"2026-11-21 14:32:05.123 +01:00", "2026-11-21T14:32:05+01:00"},
		{"November 21, 2026 2:32 PM", "2026-11-21T14:32:00Z"},
		{"29 Feb 2028 00:00:00 +0000", "2028-02-29T00:00:00Z"},
		{"30 Jun 2026 23:59:60 +0000", "2026-07-01T00:00:00Z"},
		{"21 Nov 2026", "2026-11-21T00:00:00Z"},
		{"", ""}, {"yesterday", ""}, {"29 Feb 2026 00:00:00 +0000", ""}, {"32 Nov 2026 00:00:00", ""},
		{"21 Nov 2026 25:00:00", ""}, {"21 Nov", ""}, {"Nov 2026", ""}, {"21 Nov 99999 1:1:1", ""}, {"(", ""}, {"1:2:3:4:5", ""},
	}
	for _, test := range tests {
		got, ok := ParseDate(test.in)
		if ok != (test.want != "") || ok && got.Format(time.RFC3339) != test.want {
			t.Errorf("%q: %v %v, want %s", test.in, got, ok, test.want)
		}
	}
}

// What is written can be read.
func TestDateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.IntRange(-14*60, 14*60).Draw(t, "zone") * 60
		want := inZone(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), zone)
		got, ok := ParseDate(FormatDate(want))
		if !ok || !got.Equal(want) || FormatDate(got) != FormatDate(want) {
			t.Fatalf("%s: got %s", FormatDate(want), FormatDate(got))
		}
	})
}

func TestDecodeHeader(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"},
		{" folded\r\n text ", "folded text"},
		{"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
		{"=?utf-8?q?a?=  x =?utf-8?q?b?=", "a  x b"},
		{"(=?iso-8859-1?q?=E5?=)", "(å)"},
		{"=?utf-8?q?a_b=20c?=", "a b c"},
		{"=?utf-8?b?w6U?=", "å"},
		{"=?utf-8?b?w6U=?=", "å"},
		{"=?utf-8?b?w6 U=*?=", "å"},
		{"=?utf-8?q?=C3?= =?utf-8?q?=A5?=", "å"},
		{"=?utf-8?q?=C3=28?=", "\uFFFD("},
		{"=?us-ascii?q?=E5?=", "å"},
		{"=?windows-1252?q?=80?=", "€"},
		{"=?iso-8859-2?q?=F8?=", "ř"},
		{"=?utf-8?q?what??=", "what?"},
		{"=?utf-8?q??=", ""},
		{"=?utf-8?q?line=0D=0Abreak=00?=", "linebreak"},
		{"=?", "=?"}, {"=?x", "=?x"}, {"=?x?q?", "=?x?q?"}, {"=??q?x?=", "=??q?x?="},
		{"r\xe4ka", "räka"}, {"räka", "räka"}, {"\x80", "€"},
	}
	for _, test := range tests {
		if got := DecodeHeader(test.in); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestBaseSubject(t *testing.T) {
	tests := []struct {
		in, want string
		reply    bool
	}{
		{"Lunch", "Lunch", false},
		{"Re: Lunch", "Lunch", true},
		{"RE:  re : Fwd: FW:  Lunch  ", "Lunch", true},
		{"[list] Re: Lunch", "Lunch", true},
		{"Re: [list] Lunch", "Lunch", true},
		{"Re[2]: Lunch", "Lunch", true},
		{"[list]", "[list]", false},
		{"[a] [b] Lunch", "Lunch", false},
		{"[fwd: Re: Lunch]", "Lunch", true},
		{"Lunch (fwd) (FWD)", "Lunch", true},
		{"Sv: VS: Lunch", "Lunch", true},
		{"Regarding lunch", "Regarding lunch", false},
		{"Re:", "", true}, {"", "", false}, {"[", "[", false}, {"[x", "[x", false}, {"Re", "Re", false},
	}
	for _, test := range tests {
		if got, reply := BaseSubject(test.in); got != test.want || reply != test.reply {
			t.Errorf("%q: got %q %v, want %q %v", test.in, got, reply, test.want, test.reply)
		}
	}
}

func TestParseAddressList(t *testing.T) {
	tests := []struct {
		in   string
		want []Address
	}{
		{"", nil},
		{" , ;, ", nil},
		{"<>", nil},
		{"a@b", []Address{{"", "a@b"}}},
		{"A B <a@b>", []Address{{"A B", "a@b"}}},
		{"\"A, B\" <a@b>, c@d", []Address{{"A, B", "a@b"}, {"", "c@d"}}},
		{"=?utf-8?q?=C3=85sa?= <a@b>", []Address{{"Åsa", "a@b"}}},
		{"a@b (Comment (nested))", []Address{{"Comment (nested)", "a@b"}}},
		{"<@x,@y:a@b>", []Address{{"", "a@b"}}},
		{"\"a b\"@c", []Address{{"", "\"a b\"@c"}}},
		{"g: a@b, c@d; e@f", []Address{{"", "a@b"}, {"", "c@d"}, {"", "e@f"}}},
		{"g: a@b", []Address{{"", "a@b"}}},
		{"a@b; c@d", []Address{{"", "a@b"}, {"", "c@d"}}},
		{"Anna <a@b", []Address{{"Anna", "a@b"}}},
		{"Anna <<a@b>>, c@d", []Address{{"Anna", "a@b"}, {"", "c@d"}}},
		{"Anna Berg", []Address{{"", "Anna Berg"}}},
		{"a@b <c@d>", []Address{{"a@b", "c@d"}}},
		{"J. R. \"Bob\" Dobbs <bob@x>", []Address{{"J. R. Bob Dobbs", "bob@x"}}},
		{"\xc5sa <\xe5@b>", []Address{{"Åsa", "å@b"}}},
		{"åsa@räka.example", []Address{{"", "åsa@räka.example"}}},
		{"a@b\r\n (folded)", []Address{{"folded", "a@b"}}},
		{"<a@b@c>", []Address{{"", "\"a@b\"@c"}}},
		{"@@@", nil},
		{"a@[192.0.2.1]", []Address{{"", "a@[192.0.2.1]"}}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, ParseAddressList(test.in)); diff != "" {
			t.Errorf("%q: %s", test.in, diff)
		}
	}
}

const someHeader = "Received: a\r\n\tb\r\nFrom: x@y\r\nFROM : z\r\njunk\r\nTo: a,\r\n b\r\n\r\nBody: not a field\r\n"

func TestHeaderFields(t *testing.T) {
	var names, raw []string
	for f := range HeaderFields([]byte(someHeader)) {
		names, raw = append(names, string(f.Name)), append(raw, string(f.Raw))
	}
	if got := strings.Join(names, ","); got != "Received,From,FROM,,To" {
		t.Errorf("names %s", got)
	}
	if header, _, _ := strings.Cut(someHeader, "\r\n\r\n"); strings.Join(raw, "") != header+"\r\n" {
		t.Errorf("raw %q", raw)
	}
	if text, ok := DecodedField([]byte(someHeader), "to"); !ok || text != "a, b" {
		t.Errorf("To is %q, %v", text, ok)
	}
	if got := slices.Collect(DecodedFields([]byte(someHeader), "from")); !slices.Equal(got, []string{"x@y", "z"}) {
		t.Errorf("From is %q", got)
	}
	if _, ok := DecodedField([]byte(someHeader), "Body"); ok {
		t.Error("found a field in the body")
	}
}

func TestFilterFields(t *testing.T) {
	tests := []struct {
		header string
		names  []string
		not    bool
		want   string
	}{
		{someHeader, []string{"from", "TO"}, false, "From: x@y\r\nFROM : z\r\nTo: a,\r\n b\r\n\r\n"},
		{someHeader, []string{"from", "To"}, true, "Received: a\r\n\tb\r\njunk\r\n\r\n"},
		{someHeader, nil, false, "\r\n"},
		{someHeader, []string{"x", ""}, false, "\r\n"},
		{"From: a", []string{"From"}, false, "From: a\r\n\r\n"},
		{"From: a\nTo: b\n\nx", []string{"To"}, false, "To: b\n\r\n"},
		{"", []string{"To"}, true, "\r\n"},
	}
	for _, test := range tests {
		if got := FilterFields(nil, []byte(test.header), NewFieldSet(test.names...), test.not); string(got) != test.want {
			t.Errorf("%q of %q, not %v: got %q, want %q", test.names, test.header, test.not, got, test.want)
		}
	}
}

func TestDecodeBody(t *testing.T) {
	tests := []struct{ encoding, charset, in, want string }{
		{"7bit", "", "text", "text"},
		{"x-uuencode", "utf-8", "begin", "begin"},
		{"base64", "utf-8", "w6XD\r\npMO2", "åäö"},
		{"base64", "utf-8", "w6U=w6Q=", "åä"},
		{"base64", "utf-8", "w6!U\x00", "å"},
		{"base64", "utf-8", "=====", ""},
		{"BASE64", "utf-8", "YQ", "a"},
		{"quoted-printable", "utf-8", "=C3=A5=\r\n=e4 \t\r\nx=\n y", "å\uFFFD\r\nx y"},
		{"quoted-printable", "iso-8859-1", "=E5=zz= \r\n=", "å=zz"},
		{"quoted-printable", "utf-8", "a=3", "a=3"},
		{"quoted-printable", "utf-8", "a =\r\n b", "a  b"},
		{"8bit", "utf-8", "a\xffb", "a\uFFFDb"},
		{"8bit", "us-ascii", "å\xe5\x80", "åå€"},
		{"8bit", "", "å\xe5", "åå"},
		{"8bit", "no-such-charset", "\xe5", "å"},
		{"8bit", "iso-8859-15", "\xa4", "€"},
		{"7bit", "iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本"},
		{"8bit", "utf-16be", "\x00a\x00\xe5", "aå"},
		{"8bit", "utf-16", "\xfe\xff\x00a\x00\xe5", "aå"},
		{"8bit", "UTF-16", "\xff\xfea\x00\xe5\x00", "aå"},
		{"8bit", "utf-16", "a\x00\xe5\x00", "aå"},
		{"8bit", "shift_jis", "\x93\xfa\x96\x7b", "日本"},
	}
	for _, test := range tests {
		for _, r := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in))} {
			got, err := io.ReadAll(DecodeBody(r, test.encoding, test.charset))
			if err != nil || string(got) != test.want {
				t.Errorf("%s %s %q: got %q, %v, want %q", test.encoding, test.charset, test.in, got, err, test.want)
			}
		}
	}
	if _, err := io.ReadAll(DecodeBody(iotest.ErrReader(io.ErrClosedPipe), "base64", "utf-8")); err != io.ErrClosedPipe {
		t.Errorf("read error: %v", err)
	}
}

// Decoding does not depend on the pieces in which a body comes.
func TestDecodeTransferSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.SampledFrom([]string{"=", " ", "\t", "\r\n", "\n", "\r", "A", "C3", "=C3", "=\r\n", "YWJj", "Y", "åä"})).Draw(t, "pieces")
		body := strings.Join(pieces, "")
		kind := rapid.SampledFrom([]string{"base64", "quoted-printable"}).Draw(t, "kind")
		want, err := io.ReadAll(DecodeTransfer(strings.NewReader(body), kind))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(DecodeTransfer(iotest.HalfReader(iotest.OneByteReader(strings.NewReader(body))), kind))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q: got %q, %v, want %q", body, got, err, want)
		}
	})
}

func TestHTMLText(t *testing.T) {
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"<p>One</p><p>Two</p>", 100, "One\nTwo"},
		{"One<br>Two <b>b</b>old", 100, "One\nTwo bold"},
		{"<head><title>T</title></head>x", 100, "x"},
		{"<head><meta><style>x</style><body>seen</body>", 100, "seen"},
		{"a<script>b</script>c<style>d</style>e<!-- f -->g", 100, "aceg"},
		{"<div hidden>a</div>b<span style='DISPLAY : NONE'>c<span>d</span></span>e", 100, "be"},
		{"&lt;tag&gt; &aring;&nbsp;\u200b&#228;", 100, "<tag> å ä"},
		{"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", 100, "a b\nc"},
		{"<img alt='A picture'><img>", 100, "A picture"},
		{"abcdef", 3, "abc"},
		{"åäö", 3, "å"},
		{"", 10, ""}, {"<", 10, "<"}, {"<p", 10, ""}, {"</p></div>x", 10, "x"}, {"a\xff", 10, "a\uFFFD"},
	}
	for _, test := range tests {
		if got := HTMLText(strings.NewReader(test.in), test.limit); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestPreview(t *testing.T) {
	long := strings.Repeat("ö ", 400)
	tests := []struct{ in, want string }{
		{"Hej\r\n  \tdu   där\r\n", "Hej du där"},
		{"Svar\r\n\r\nOn Monday Anna wrote:\r\n> a\r\n> b\r\n", "Svar"},
		{"Text:\r\nmore\r\n> quoted\r\n", "Text: more"},
		{"Text\r\n-- \r\nAnna\r\n", "Text"},
		{"-- \r\nAnna\r\n", "Anna"},
		{"=====\r\nTitle\r\n-----\r\n", "Title"},
		{"> only\r\n>> quotes\r\n", "only quotes"},
		{">\r\n", ""},
		{long, strings.TrimSpace(strings.Repeat("ö ", 100))},
		{strings.Repeat("x", 300), strings.Repeat("x", 200)},
		{"> " + strings.Repeat("q\r\n> ", 2000) + "\r\nanswer\r\n", "answer"},
		{"a\u200b\u202eb\u00adc", "abc"},
	}
	for _, test := range tests {
		got := Summarize([]byte("Content-Type: text/plain; charset=utf-8\r\n\r\n" + test.in)).Preview
		if got != test.want || utf8.RuneCountInString(got) > previewLength {
			t.Errorf("%.60q: got %q", test.in, got)
		}
	}
}

func TestSection(t *testing.T) {
	_, files := readArchive(t)
	message := map[string][]byte{}
	for _, f := range files {
		message[f.name] = messageOf(t, f)
	}
	tests := []struct {
		name, section string
		want          string // its text, "-" for none
	}{
		{"plain.eml", "1", "Hello Bo.\r\n\r\n-- \r\nAnna\r\n"},
		{"plain.eml", "TEXT", "Hello Bo.\r\n\r\n-- \r\nAnna\r\n"},
		{"plain.eml", "2", "-"}, {"plain.eml", "1.1", "-"}, {"plain.eml", "0", "-"}, {"plain.eml", "1.HEADER", "-"}, {"plain.eml", "MIME", "-"},
		{"headers-only.eml", "HEADER", "From: anna@example.org\r\nSubject: No body\r\n"},
		{"headers-only.eml", "1.MIME", "From: anna@example.org\r\nSubject: No body\r\n"},
		{"headers-only.eml", "TEXT", ""},
		{"alternative.eml", "1.MIME", "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"},
		{"alternative.eml", "2", "<p>Vi ses</p>"}, {"alternative.eml", "3", "-"}, {"alternative.eml", "1.1", "-"},
		{"forwarded.eml", "1", "See below."},
		{"forwarded.eml", "2.HEADER", "From: b@example.org\r\nSubject: Inner\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n"},
		{"forwarded.eml", "2.MIME", "Content-Type: message/rfc822\r\n\r\n"},
		{"forwarded.eml", "2.1", "inner text"},
		{"forwarded.eml", "2.1.MIME", "Content-Type: text/plain\r\n\r\n"},
		{"forwarded.eml", "2.2", "Subject: Innermost\r\n\r\ndeep text"},
		{"forwarded.eml", "2.2.HEADER", "Subject: Innermost\r\n\r\n"},
		{"forwarded.eml", "2.2.TEXT", "deep text"},
		{"forwarded.eml", "2.2.1", "deep text"},
		{"forwarded.eml", "2.2.1.1", "-"}, {"forwarded.eml", "2.3", "-"}, {"forwarded.eml", "1.TEXT", "-"},
		{"root-message.eml", "1.HEADER", "Subject: Inner\r\nFrom: x@example.org\r\n\r\n"},
		{"root-message.eml", "1.1", "inner body\r\n"},
		{"root-message.eml", "1.1.1", "-"},
		{"digest.eml", "1.1", "one"},
		{"no-end.eml", "2.1", "two\r\n"},
	}
	specs := map[string]SectionSpec{"HEADER": SectionHeader, "TEXT": SectionText, "MIME": SectionMIME}
	for _, test := range tests {
		var path []int
		spec := SectionBody
		for word := range strings.SplitSeq(test.section, ".") {
			if s, ok := specs[word]; ok {
				spec = s
			} else {
				path = append(path, int(word[0]-'0'))
			}
		}
		from, to, ok := Summarize(message[test.name]).Section(path, spec)
		got := "-"
		if ok {
			got = string(message[test.name][from:to])
		}
		if got != test.want {
			t.Errorf("%s BODY[%s]: got %q, want %q", test.name, test.section, got, test.want)
		}
	}
	if from, to, ok := Summarize([]byte(sample)).Section(nil, SectionBody); !ok || from != 0 || int(to) != len(sample) {
		t.Errorf("BODY[]: %d %d %v", from, to, ok)
	}
}
