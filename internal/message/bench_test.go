package message

import (
	"fmt"
	"strings"
	"testing"
)

const sample = "Received: from mx.example.net (mx.example.net [192.0.2.7]) by mail.example.org with ESMTPS id 4711\r\n" +
	"\tfor <bo@example.org>; Sat, 21 Nov 2026 14:32:06 +0100\r\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from:to:subject;\r\n\tbh=abc; b=def\r\n" +
	"From: =?utf-8?Q?Anna_Sj=C3=B6berg?= <anna@example.net>\r\nTo: Bo Ek <bo@example.org>, \"Ek, Eva\" <eva@example.org>\r\n" +
	"Subject: =?utf-8?B?TcO2dGU=?= =?utf-8?Q?_p=C3=A5_fredag?=\r\nDate: Sat, 21 Nov 2026 14:32:05 +0100\r\n" +
	"Message-ID: <1234@example.net>\r\nIn-Reply-To: <1@example.org>\r\nReferences: <0@example.org>\r\n <1@example.org>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/alternative; boundary=\"=_b1\"\r\n\r\n" +
	"--=_b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Hej!\r\n\r\nVi ses p=C3=A5 fredag.\r\n--=_b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hej!</p>\r\n--=_b1--\r\n"

// benchMessage makes a multipart/alternative message of about size octets.
func benchMessage(size int) []byte {
	header, rest, _ := strings.Cut(sample, "\r\n\r\n")
	plain, html, _ := strings.Cut(rest, "--=_b1\r\nContent-Type: text/html")
	var b strings.Builder
	b.WriteString(header + "\r\n\r\n" + plain)
	line := "Lunch i parken om v=C3=A4dret h=C3=A5ller, annars p=C3=A5 kontoret som f=C3=B6rra.\r\n"
	for b.Len() < size/2 {
		b.WriteString(line)
	}
	b.WriteString("--=_b1\r\nContent-Type: text/html" + strings.TrimSuffix(html, "--=_b1--\r\n"))
	for b.Len() < size-10 {
		b.WriteString("<p>Lunch i parken om v&auml;dret h&aring;ller, annars p&aring; kontoret.</p>\r\n")
	}
	b.WriteString("--=_b1--\r\n")
	return []byte(b.String())
}

func BenchmarkSummarize(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		message := benchMessage(size)
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				Summarize(message)
			}
		})
		b.Run(fmt.Sprintf("%dKiB/reused", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			s := NewScanner(Limits{})
			for b.Loop() {
				s.Reset()
				if _, err := s.Write(message); err != nil {
					b.Fatal(err)
				}
				s.Finish()
			}
		})
	}
}

func BenchmarkAppendBinary(b *testing.B) {
	s := Summarize(benchMessage(4 << 10))
	buf := s.AppendBinary(nil)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		b.ReportMetric(float64(len(buf)), "octets")
		for b.Loop() {
			buf = s.AppendBinary(buf[:0])
		}
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v, err := ViewSummary(buf)
			if err != nil || len(v.Envelope()) == 0 {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseSummary(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFilterFields(b *testing.B) {
	header, _, _ := strings.Cut(sample, "\r\n\r\n")
	set := NewFieldSet("From", "To", "Cc", "Subject", "Date", "Message-ID", "References", "Content-Type")
	raw := []byte(header + "\r\n\r\n")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = FilterFields(dst[:0], raw, set, false)
	}
}

func BenchmarkBody(b *testing.B) {
	s := Summarize(benchMessage(4 << 10))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = AppendBody(dst[:0], s.BodyStructure)
	}
}
