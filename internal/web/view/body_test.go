package view

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestShown shows the parts that a reader is shown, in their charset.
func TestShown(t *testing.T) {
	w := newWorld(t)
	const alternative = "From: a@example.org\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; format=flowed\n\nplain \ntext\n--b\nContent-Type: text/html\n\n<b>html</b>\n--b--\n"
	const inside = "From: a@example.org\nContent-Type: multipart/mixed; boundary=o\n\n--o\n\nouter\n--o\nContent-Type: message/rfc822\n\n" + alternative + "--o--\n"
	const pictures = "From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n--b\nContent-Type: image/png; name=\"a\\\"><script>.png\"\n\nx\n--b\n\nlast\n--b--\n"
	for _, c := range []struct{ name, text, query, want, not string }{
		{"html", alternative, "", "<b>html</b>", "plain text"},
		{"plain text on request", alternative, "?as=text", "plain text", "html</b>"},
		{"one part", alternative, "?part=2", "plain text", "html</b>"},
		{"message inside", inside, "?part=3", "<b>html</b>", "outer"},
		{"not the one inside", inside, "", "outer", "<b>html</b>"},
		{"pictures between texts", pictures, "", `/part/3/a___script_.png" alt="a&#34;&gt;&lt;script&gt;.png"`, "<script>.png"},
		{"charset", "Content-Type: text/html; charset=koi8-r\n\n<p>\xf0\xd2\xc9\xd7\xc5\xd4</p>\n", "", "<p>Привет</p>", "\uFFFD"},
		{"charset in the document", "Content-Type: text/html\n\n<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>\n", "", "<p>Привет</p>", "\uFFFD"},
		{"charset that hides tags", "Content-Type: text/html; charset=utf-7\n\n+ADw-script+AD4-alert(1)+ADw-/script+AD4-+AOU-r\n", "", "år", "alert"},
		{"shifting charset", "Content-Type: text/html; charset=iso-2022-jp\n\n\x1b$B<script>\x1b(B<img src=x onerror=alert(1)>\n", "", "m1", "onerror"},
		{"unknown kind of text", "Content-Type: text/x-strange\n\n<b>x</b>\n", "?part=1", "&lt;b&gt;x", "<b>x"},
		{"without text", "Content-Type: application/pdf\n\nx\n", "", "<body", "m1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.get(w.put(c.text) + "/body" + c.query)
			_, page, _ := strings.Cut(a.Body.String(), "</style>")
			if a.Code != http.StatusOK || !strings.Contains(page, c.want) || strings.Contains(page, c.not) {
				t.Errorf("%d %s", a.Code, page)
			}
		})
	}
}

// TestTooMuch answers with the text alone what would keep a browser busy, and says so.
func TestTooMuch(t *testing.T) {
	w := newWorld(t)
	at := w.put("Content-Type: text/html\n\n<p>hello</p>" + strings.Repeat("<div>", 100_000) + "\n")
	a := w.get(at+"/body?lang=nb", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(z)
	if err != nil || !strings.Contains(string(page), "Her er teksten") || !strings.Contains(string(page), `data-plain="1"`) || !strings.Contains(string(page), "hello") || len(page) > 10_000 {
		t.Errorf("%v %.5000s", err, page)
	}
}

func BenchmarkBody(b *testing.B) {
	row := `<table width="600" style="max-width:600px;background-color:#ffffff"><tr><td style="padding:20px 30px;font-family:Arial;color:#333333"><a href="https://example.org/a?b=%d"><img src="https://example.org/%d.jpg" width="240"></a><p>Text</p></td></tr></table>` + "\r\n"
	var text strings.Builder
	text.WriteString("From: a@example.org\nContent-Type: text/html\n\n")
	for i := 0; text.Len() < 100<<10; i++ {
		fmt.Fprintf(&text, row, i, i)
	}
	w := newWorld(b)
	at := w.put(text.String())
	for b.Loop() {
		if a := w.get(at + "/body"); a.Code != http.StatusOK {
			b.Fatal(a.Code)
		}
	}
}
