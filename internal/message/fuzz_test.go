package message

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func FuzzSummarize(f *testing.F) {
	archive, err := os.ReadFile(goldenFile)
	if err != nil {
		f.Fatal(err)
	}
	for _, message := range bytes.SplitAfter(archive, []byte("\n-- "))[:30] {
		f.Add(message)
	}
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, message []byte) {
		s := Summarize(message)
		if err := checkSummary(message, s); err != nil {
			t.Fatal(err)
		}
		half := NewScanner(Limits{})
		half.feed(message[:len(message)/2])
		half.feed(message[len(message)/2:])
		if diff := cmp.Diff(s, half.Finish(), sameTime); diff != "" {
			t.Fatal(diff)
		}
		got, err := ParseSummary(s.AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got, sameTime); diff != "" {
			t.Fatal(diff)
		}
		tight := NewScanner(Limits{HeaderBytes: 30, TotalHeaderBytes: 60, Parts: 3, Depth: 2, Addresses: 1, References: 2, PreviewBytes: 10})
		tight.feed(message)
		if err := checkSummary(message, tight.Finish()); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseAddressList(f *testing.F) {
	for _, seed := range []string{"a@b", "A B <a@b>, g: c@d;", `"x\"y" <@r:a@b> (c)`, "<a,<b,\"(", "=?utf-8?q?=C3=A5?= <å@ö>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, a := range ParseAddressList(value) {
			if !utf8.ValidString(a.Name) || !utf8.ValidString(a.Email) || strings.ContainsAny(a.Name+a.Email, "\r\n\x00") {
				t.Fatalf("%q: %q", value, a)
			}
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	for _, seed := range []string{"x", "=?utf-8?q?=C3?= =?utf-8?q?=A5?=", "=?iso-2022-jp?b?GyRC?=", "=?a*b?B?====?= \xe5\r\n x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if text := DecodeHeader(value); !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00\x1b") {
			t.Fatalf("%q: %q", value, text)
		}
	})
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{"Sat, 21 Nov 2026 14:32:05 +0100", "(x) 1 Jan 70 1:2 EST", "2026-11-21T14:32:05Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		date, ok := ParseDate(text)
		if !ok {
			return
		}
		// A store keeps what comes of it.
		s := Summary{Date: date, Parts: make([]Part, 1)}
		s.Parts[0].Parent = -1
		got, err := ParseSummary(s.AppendBinary(nil))
		if err != nil || !got.Date.Equal(date) && !date.IsZero() || got.Date.Format(time.RFC3339) != date.Format(time.RFC3339) {
			t.Fatalf("%q: %v stored as %v, %v", text, date, got, err)
		}
	})
}

func FuzzParseSummary(f *testing.F) {
	f.Add(Summarize([]byte(sample)).AppendBinary(nil))
	f.Add((&Summary{Parts: []Part{{Parent: -1}}}).AppendBinary(nil))
	f.Add([]byte{encodingVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ViewSummary(b)
		if err != nil {
			return
		}
		v.Section([]int{1, 2}, SectionText)
		v.Addresses(FieldCc)
		v.References()
		Body(v.BodyStructure())
		s, err := v.Summary()
		if err != nil {
			return
		}
		again, err := ParseSummary(s.AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again, sameTime); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzReadDSN(f *testing.F) {
	var b bytes.Buffer
	report := sampleDSN()
	if _, err := report.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822;\\x{E5}@b\r\n"))
	f.Fuzz(func(t *testing.T, message []byte) {
		report, err := ReadDSN(message)
		if err != nil {
			return
		}
		for _, r := range report.Recipients {
			if !utf8.ValidString(r.Final) || !utf8.ValidString(r.Diagnostic) {
				t.Fatalf("%q", r)
			}
		}
	})
}

func FuzzHTMLText(f *testing.F) {
	f.Add("<p style='display:none'>a<b hidden>b</p><img alt=x>&amp;", 20)
	f.Fuzz(func(t *testing.T, document string, limit int) {
		text := HTMLText(strings.NewReader(document), limit)
		if !utf8.ValidString(text) || len(text) > max(limit, 0) {
			t.Fatalf("%q", text)
		}
	})
}
