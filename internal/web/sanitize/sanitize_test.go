package sanitize

import (
	"bytes"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// testOptions take parts and pictures from addresses of ours.
func testOptions() Options {
	return Options{
		Scope:  "m1",
		Inline: func(id string) string { return "/part/" + string(appendPath(nil, id)) },
		Remote: func(address string) string { return "/image/" + string(appendPath(nil, address)) },
		Hint:   func(host string) string { return "to " + host },
	}
}

// TestHTML shows what becomes of what people write.
func TestHTML(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"text", `a < b & c`, `a &lt; b &amp; c`},
		{"unclosed", `<div><b>x`, `<div><b>x</b></div>`},
		{"stray ends", `</div></body></html>x</p>`, `x`},
		{"paragraphs", `<p>a<p>b`, `<p>a<p>b</p>`},
		{"list", `<ul><li>a<li>b</ul>`, `<ul><li>a</li><li>b</li></ul>`},
		{"table", `<table><tr><td>a<td>b<tr><td>c</table>d`, `<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d`},
		{"no way out of a cell", `<div><table><tr><td></div></span>x</td></tr></table>y</div>`, `<div><table><tr><td>x</td></tr></table>y</div>`},
		{"crossed", `<b><i>x</b></i>`, `<b><i>x</b></i>`},
		{"names", `<p id=top class="a b&quot;c">x`, `<p id="m1-top" class="m1-a">x</p>`},
		{"colours", `<font color=FF0000 size=2>x</font><td bgcolor="#fff">`, `<font size="2" style="color:#ff0000">x</font><td bgcolor="#ffffff"></td>`},
		{"style", `<p style="color:red;background:url(http://x/);margin:-5px 0;position:fixed;font-family:'Open Sans',Arial;width:100px">x`,
			`<p style="color:red;background-image:url(&#34;/image/http://x/&#34;);font-family:'Open Sans',Arial,sans-serif;width:100px">x</p>`},
		{"fonts that may not be there", `<font face=Calibri style="font-family:'Segoe UI'">x`, `<font face="Calibri,sans-serif" style="font-family:'Segoe UI',sans-serif">x</font>`},
		{"too wide for a telephone", `<table width=600><tr><td style="width:300px">x<td style="min-width:400px">y`,
			`<table width="600" data-wide="600"><tr><td style="width:300px">x</td><td style="min-width:400px" data-wide="480">y</td></tr></table>`},
		{"background keeps its colour", `<p style="background:#fff url('http://x/') no-repeat">x`, `<p style="background-color:#ffffff;background-image:url(&#34;/image/http://x/&#34;);background-repeat:no-repeat">x</p>`},
		{"background of the message", `<p style="background: url(cid:logo@x) center / cover">x`, `<p style="background-image:url(&#34;/part/logo@x&#34;);background-position:center;background-size:cover">x</p>`},
		{"background as an attribute", `<table background="http://x/y.png"><td background=javascript:x><p background="http://x/z.png">x`, `<table style="background-image:url(&#34;/image/http://x/y.png&#34;)"><td><p>x</p></td></table>`},
		{"background that is no address", `<p style="background:url(data:image/svg+xml,x);background-image:url(h\74tp://x/)">x`, `<p>x</p>`},
		{"link", `<a href="https://example.org/a?b=1&amp;c=2">x</a>`, `<a href="https://example.org/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer">x</a>`},
		{"disguised", `<a href="https://evil.example/">https://bank.example/login</a>`,
			`<a href="https://evil.example/" target="_blank" rel="noopener noreferrer">https://bank.example/login</a><span class="host-hint" style="` + hintStyle + `">to evil.example</span>`},
		{"same site", `<a href="https://click.example.com/x">www.example.com</a>`, `<a href="https://click.example.com/x" target="_blank" rel="noopener noreferrer">www.example.com</a>`},
		{"user in link", `<a href="https://bank.example@evil.example/x">go</a>`, `<a href="https://evil.example/x" target="_blank" rel="noopener noreferrer">go</a>`},
		{"script link", `<a href=" java&#10;script:alert(1)">x</a>`, `<a>x</a>`},
		{"fragment", `<a href="#end">x</a><a name=end>y</a>`, `<a href="#m1-end">x</a><a name="m1-end">y</a>`},
		{"inline", `<img src="cid:logo@x" alt=Logo>`, `<img src="/part/logo@x" alt="Logo">`},
		{"remote", `<img src="http://pics.example/a.png" width=50 height=20>`, `<img loading="lazy" src="/image/http://pics.example/a.png" alt="" width="50" height="20">`},
		{"tracker", `x<img src="http://pics.example/a.png" width=1 height=1>y`, `xy`},
		{"svg and its content", `a<svg><style><img src=x onerror=alert(1)></style><p>b</p></svg>c`, `ac`},
		{"unknown", `<o:p>a</o:p><blink>b</blink>`, `ab`},
		{"form", `<form action=/x><input name=a><button>Send</button></form>`, `Send`},
		{"comment", `a<!-- <b> --><!--[if mso]>x<![endif]-->c`, `ac`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := HTML([]byte(c.in), testOptions())
			if want := `<div id="m1">` + c.out + `</div>`; string(r.HTML) != want {
				t.Errorf("%s\ngave %s\nwant %s", c.in, r.HTML, want)
			}
		})
	}
}

// TestFold folds what other messages said, and leaves open what was answered below.
func TestFold(t *testing.T) {
	o := testOptions()
	o.Quoted = func(int) string { return "quote" }
	const closed, open, end = `<details class="quoted"><summary>quote</summary>`, `<details class="quoted" open><summary>quote</summary>`, `</details>`
	for _, c := range []struct{ in, out string }{
		{`a<blockquote type=cite>b<blockquote type=cite>c</blockquote></blockquote> `,
			`a` + closed + `<blockquote>b<blockquote>c</blockquote></blockquote>` + end + ` `},
		{`<div class=gmail_quote>b</div><p>c`, open + `<div class="m1-gmail_quote">b</div>` + end + `<p>c</p>`},
		{`<b><blockquote type=cite>b</b></blockquote>c<blockquote type=cite>d`, `<b>` + open + `<blockquote>b</b></blockquote>` + end + `c` + closed + `<blockquote>d</blockquote>` + end},
		{`<table><tr><td>a<blockquote type=cite>b</td></tr></table>`, `<table><tr><td>a` + closed + `<blockquote>b</blockquote>` + end + `</td></tr></table>`},
		{` <blockquote type=cite>all</blockquote>`, ` ` + open + `<blockquote>all</blockquote>` + end},
		{`<div>a<div> <div style="border:none; border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">From: b</div></div><p>c</p></div>`,
			`<div>a` + closed + `<div><div style="border:none;border-top:solid #e1e1e1 1pt;padding:3pt 0cm 0cm 0cm">From: b</div></div><p>c</p>` + end + `</div>`},
		{`a<div id=appendonsend></div><hr><div id=divRplyFwdMsg>From: b</div>c`, `a` + closed + `<div id="m1-appendonsend"></div><hr><div id="m1-divRplyFwdMsg">From: b</div>c` + end},
		{`<div>a<div id=appendonsend></div>b</div>Footer`, `<div>a` + open + `<div id="m1-appendonsend"></div>b` + end + `</div>Footer`},
		{`<blockquote>b</blockquote>`, `<blockquote>b</blockquote>`},
	} {
		if got := string(HTML([]byte(c.in), o).HTML); got != `<div id="m1">`+c.out+`</div>` {
			t.Errorf("%s\ngave %s\nwant %s", c.in, got, c.out)
		}
	}
}

// TestText shows what becomes of plain text.
func TestText(t *testing.T) {
	link := func(to, text string) string {
		return `<a href="` + to + `" target="_blank" rel="noopener noreferrer">` + text + `</a>`
	}
	for _, c := range []struct {
		name, in, out string
		flowed, delSp bool
	}{
		{"escaped", "<b> & \x00x", "<div>&lt;b&gt; &amp; x</div>", false, false},
		{"lines", "a\r\nb\n", "<div>a\nb</div>", false, false},
		{"links", "See https://example.org/a_(b)?c=1, or (www.example.org).", "<div>See " + link("https://example.org/a_(b)?c=1", "https://example.org/a_(b)?c=1") + ", or (" + link("https://www.example.org/", "www.example.org") + ").</div>", false, false},
		{"addresses", "<anna@example.org>, x@y, @z", "<div>&lt;" + link("mailto:anna@example.org", "anna@example.org") + "&gt;, x@y, @z</div>", false, false},
		{"no other scheme", "javascript://x.example/%0aalert(1) file:///etc", "<div>javascript://x.example/%0aalert(1) file:///etc</div>", false, false},
		{"nothing but a quote", "> b\n", `<details class="quoted" open><summary>1</summary><blockquote><div>b</div></blockquote></details>`, false, false},
		{"quote at the end", "a\n> b\n>> c\n", `<div>a</div><details class="quoted"><summary>2</summary><blockquote><div>b</div><blockquote><div>c</div></blockquote></blockquote></details>`, false, false},
		{"quote that is answered", "> b\na", `<details class="quoted" open><summary>1</summary><blockquote><div>b</div></blockquote></details><div>a</div>`, false, false},
		{"signature", "a\n-- \nAnna", `<div>a</div><div class="signature"><div>-- ` + "\n" + `Anna</div></div>`, false, false},
		{"flowed", "a \nb\n c\n> d \n> e\n-- \nx", `<div>a b` + "\n" + `c</div><details class="quoted"><summary>1</summary><blockquote><div>d e</div></blockquote></details><div class="signature"><div>-- ` + "\n" + `x</div></div>`, true, false},
		{"flowed without spaces", "ab \ncd", `<div>abcd</div>`, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := TextOptions{Options: testOptions(), Flowed: c.flowed, DelSp: c.delSp}
			o.Quoted = func(lines int) string { return strconv.Itoa(lines) }
			if got := string(Text([]byte(c.in), o).HTML); got != `<div id="m1" class="plain">`+c.out+`</div>` {
				t.Errorf("gave %s\nwant %s", got, c.out)
			}
		})
	}
}

// TestPlace leaves room for pictures that are not shown.
func TestPlace(t *testing.T) {
	o := testOptions()
	o.Remote = nil
	for in, out := range map[string]string{
		`<img class=a src=http://pics.example/a.png width=180 height=120px align=left alt="A <pot>" style="display:block;border:1px solid red">`: `<span class="m1-a" align="left" data-remote="pics.example" style="display:inline-block;overflow:hidden;vertical-align:middle;width:180px;height:120px;float:left;display:block;border:1px solid red">A &lt;pot&gt;</span>`,
		`<img src=//pics.example/ width=100% onerror=x>`: `<span data-remote="pics.example" style="display:inline-block;overflow:hidden;vertical-align:middle;width:100%"></span>`,
	} {
		if got := string(HTML([]byte(in), o).HTML); got != `<div id="m1">`+out+`</div>` {
			t.Errorf("%s\ngave %s\nwant %s", in, got, out)
		}
	}
}

// TestFixed sets what is drawn with letters in those of one width.
func TestFixed(t *testing.T) {
	for in, out := range map[string]string{
		"Hi\n\nCoffee     2   89,00\nMilk       1   25,50\n\nBo":                           `<div>Hi` + "\n\n" + `</div><div class="fixed">Coffee     2   89,00` + "\n" + `Milk       1   25,50</div><div>` + "\n" + `Bo</div>`,
		"Here:\nCoffee     2    89,00\nTea       10   125,50\n  Total       214,50\nYours": `<div>Here:</div><div class="fixed">Coffee     2    89,00` + "\n" + `Tea       10   125,50` + "\n" + `  Total       214,50</div><div>Yours</div>`,
		"x   y   z\nx   y   z\n    set in\n    by four":                                    `<div class="fixed">x   y   z` + "\nx   y   z</div><div>    set in\n    by four</div>",
		"A\tB\tC\n1\t2\t3": `<div class="fixed">A` + "\tB\tC\n1\t2\t3</div>",
		"+---+---+\n| a | b |\n\na | b\n--|--\n1 | 2":    `<div class="fixed">+---+---+` + "\n" + `| a | b |` + "\n\n" + `a | b` + "\n--|--\n" + `1 | 2</div>`,
		"Mends it.\n\ndiff --git a/x b/x\n-a\n\n+b":      `<div>Mends it.` + "\n\n" + `</div><div class="fixed">diff --git a/x b/x` + "\n-a\n\n" + `+b</div>`,
		"--- x\n+++ x\n@@ -1 +1,2 @@\n-日本\nI would not.": `<div class="fixed">--- x` + "\n+++ x\n@@ -1 +1,2 @@\n-日本" + `</div><div>I would not.</div>`,
		"> ┌─┐\n> └─┘":                                   `<blockquote><div class="fixed">┌─┐` + "\n" + `└─┘</div></blockquote>`,
		"src\n├── a.go\n└── b.go":                        `<div>src</div><div class="fixed">├── a.go` + "\n" + `└── b.go</div>`,
		" /\\_/\\\n( o.o )\n > ^ <":                      `<div class="fixed"> /\_/\` + "\n( o.o )\n &gt; ^ &lt;</div>",
		"a\n\n\nx   y   z\nx   y   z\n\n\nb":             `<div>a` + "\n\n\n" + `</div><div class="fixed">x   y   z` + "\nx   y   z</div><div>\n\nb</div>",
	} {
		if got := string(Text([]byte(in), TextOptions{Options: testOptions()}).HTML); got != `<div id="m1" class="plain">`+out+`</div>` {
			t.Errorf("%q\ngave %q\nwant %q", in, got, out)
		}
	}
}

//go:embed testdata/letters.txt
var letters string

// TestLetters leaves what people and programs write as it is: nothing of it was drawn.
func TestLetters(t *testing.T) {
	for letter := range strings.SplitSeq(letters, "\n=== ") {
		name, text, _ := strings.Cut(letter, "\n")
		if out := Text([]byte(text), TextOptions{Options: testOptions()}).HTML; bytes.Contains(out, []byte(`class="fixed"`)) {
			t.Errorf("%s: in letters of one width: %s", name, out)
		}
	}
}

// TestFixedKeepsText finds each line of any text in what is shown, in order, in whatever letters.
func TestFixedKeepsText(t *testing.T) {
	pieces := []string{"a", "Word", "   ", "\t", "  ", " ", "|", "+", "--", "@@ -1 +1 @@", "┌─", "│", "日本", "🙂", "/\\", "( . )", "diff --git a b", "<b>&", "https://example.org/a,b", "a@example.org", ""}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6), func(p []string) string { return strings.Join(p, "") }), 1, 20).Draw(t, "lines")
		list = append(list, "end")
		page, err := html.Parse(bytes.NewReader(Text([]byte(strings.Join(list, "\n")), TextOptions{Options: testOptions()}).HTML))
		if err != nil {
			t.Fatal(err)
		}
		if got := linesOf(page); !slices.Equal(got, list) {
			t.Fatalf("shown %q, written %q", got, list)
		}
	})
}

// linesOf are the lines that a browser shows of the elements that have no other ones in them.
func linesOf(n *html.Node) (list []string) {
	inner := false
	for c := range n.ChildNodes() {
		list = append(list, linesOf(c)...)
		inner = inner || c.Data == "div" || c.Data == "body"
	}
	if n.Data != "div" || inner {
		return list
	}
	var text strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			text.WriteString(c.Data)
		}
	}
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") // the last break of an element is none
}

// BenchmarkText shows a long letter, and a long table.
func BenchmarkText(b *testing.B) {
	for name, one := range map[string]string{
		"letter": "Hello there, this is a line of a letter as people write them, of some length.\n\n",
		"table":  "Coffee     2   89,00   and what else there is to say\nMilk       1   25,50   and so on and so forth\n",
	} {
		in := []byte(strings.Repeat(one, maxPlain/len(one)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				Text(in, TextOptions{Options: testOptions()})
			}
		})
	}
}

// TestGround tells the page where light text stood on a picture that is not shown.
func TestGround(t *testing.T) {
	o := testOptions()
	o.Remote = nil
	for in, out := range map[string]string{
		`<table background=http://x/a.png><td><font color=white>x`:                         `<table data-behind="1"><td><font style="color:#ffffff">x</font></td></table>`,
		`<td style="background:url(http://x/a.png) center;color:#eee">x`:                   `<td style="color:#eeeeee" data-behind="1">x</td>`,
		`<td background=http://x/a.png><p style="color:#333">x</td><b style=color:#fff>`:   `<td data-behind="0"><p style="color:#333333">x</p></td><b style="color:#ffffff"></b>`,
		`<td background=http://x/a.png>x <a href=//x/ style="color:#fff;background:#00f">`: `<td data-behind="0">x <a href="https://x/" target="_blank" rel="noopener noreferrer" style="color:#ffffff;background-color:#0000ff"></a></td>`,
		`<td bgcolor=#000 background=http://x/a.png><i style=color:#fff>x`:                 `<td bgcolor="#000000"><i style="color:#ffffff">x</i></td>`,
		`<b><td background=http://x/a.png></b><i style=color:#fff>x`:                       `<b><td data-behind="1"><i style="color:#ffffff">x</i></td></b>`,
	} {
		if got := string(HTML([]byte(in), o).HTML); got != `<div id="m1">`+out+`</div>` {
			t.Errorf("%s\ngave %s\nwant %s", in, got, out)
		}
	}
	if got := string(HTML([]byte(`<body background=http://x/a.png><p style=color:#fff>x`), o).HTML); !strings.HasPrefix(got, `<div id="m1" data-behind="1">`) {
		t.Errorf("body: %s", got)
	}
	o.Dark = true
	if got := string(HTML([]byte(`<td background=http://x/a.png><p style=color:#fff>x`), o).HTML); strings.Contains(got, "behind") {
		t.Errorf("dark: %s", got)
	}
}

// TestSheet shows what becomes of style sheets.
func TestSheet(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{`p { color: red }`, "#m1 p{color:red}\n"},
		{`body { margin:0 } html body.x > .y, #z a:hover { width: 50% !important; }`, "#m1{margin:0}\n#m1.m1-x>.m1-y,#m1 #m1-z a:hover{width:50%!important}\n"},
		{`@import "x"; @font-face { font-family: a; src: url(x) } b { color: #0f0 }`, "#m1 b{color:#00ff00}\n"},
		{`@media (max-width: 600px) { .c { display: block } @import url(x); }`, "@media (max-width: 600px){\n#m1 .m1-c{display:block}\n}\n"},
		{`@media (prefers-color-scheme: dark) { p { color: white } }`, ""},
		{`input[value^=a] { background: url(//x/a) } * { z-index: 9 }`, ""},
		{`<!-- p { color: red } -->`, "#m1 p{color:red}\n"},
		{`body + p { color: red } a::before { content: "x" } p { color: re\64 }`, ""},
		{`p { color: red; ; x; : y; color: } } q { top: 0 } i { color: blue`, "#m1 p{color:red}\n#m1 i{color:blue}\n"},
	} {
		r := HTML([]byte("<style>"+c.in+"</style>"), testOptions())
		if string(r.Style) != c.out {
			t.Errorf("%s\ngave %q\nwant %q", c.in, r.Style, c.out)
		}
	}
}

// TestDark keeps what can be read legible on a dark page.
func TestDark(t *testing.T) {
	o := testOptions()
	o.Dark = true
	r := HTML([]byte(`<table bgcolor=white><tr><td style="color:#333;background:#ffffff;border:1px solid #ddd">x</td></tr></table>`), o)
	for _, light := range []string{"#ffffff", "#333", "#ddd"} {
		if bytes.Contains(r.HTML, []byte(light)) {
			t.Errorf("%s stayed: %s", light, r.HTML)
		}
	}
}

// TestBombs answers with the text alone what would keep a browser busy.
func TestBombs(t *testing.T) {
	for name, in := range map[string]string{
		"deep":       strings.Repeat("<div>", 100_000) + "text",
		"deep links": strings.Repeat("<a href=https://example.org/><b>", 100_000) + "text",
		"large":      "text" + strings.Repeat("<p>x</p>\n", 20<<20/9),
		"entities":   "text" + strings.Repeat("&", 8<<20),
		"attributes": "text<p " + strings.Repeat("a=b ", 5_000_000) + ">",
	} {
		t.Run(name, func(t *testing.T) {
			r := HTML([]byte(in), testOptions())
			if !r.Plain && name != "attributes" || !bytes.Contains(r.HTML, []byte("text")) || len(r.HTML) > 4<<20 {
				t.Errorf("plain %v, %d octets", r.Plain, len(r.HTML))
			}
		})
	}
}

// TestLongText shows the beginning of a text that is too long, and says so.
func TestLongText(t *testing.T) {
	for name, in := range map[string]string{"octets": strings.Repeat("www.a.example ", 1<<20), "lines": strings.Repeat("\n", 100_000)} {
		if r := Text([]byte(in), TextOptions{Options: testOptions()}); !r.Cut || len(r.HTML) > 4<<20 {
			t.Errorf("%s: %v, %d octets", name, r.Cut, len(r.HTML))
		}
	}
	if r := Text([]byte("a\nb\n"), TextOptions{Options: testOptions()}); r.Cut {
		t.Error("a short one is cut")
	}
}

// newsletter is one of 100 KB, as shops send them.
func newsletter() []byte {
	var b bytes.Buffer
	b.WriteString(`<!DOCTYPE html><html><head><meta charset="utf-8"><title>News</title><style>body{margin:0;padding:0}@media only screen and (max-width:600px){.col{width:100%!important;display:block!important}}` +
		strings.Repeat(`.button a:hover{color:#fff!important;background-color:#1a73e8}`, 50) + `</style></head><body bgcolor="#f4f4f4" style="margin:0">`)
	row := `<table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;background-color:#ffffff"><tr>
<td class="col" valign="top" style="padding:20px 30px;font-family:'Open Sans',Helvetica,Arial,sans-serif;font-size:14px;line-height:22px;color:#333333">
<a href="https://click.example.org/track?u=8d7f6a5b&amp;id=4c3b2a19&amp;e=0a1b2c3d" style="text-decoration:none;color:#1a73e8"><img src="https://cdn.example.org/img/product-1.jpg" width="240" height="240" alt="A product" border="0" style="display:block;width:100%;max-width:240px"></a>
<h2 style="margin:0 0 10px;font-size:18px;color:#111">A product that everybody needs</h2><p style="margin:0">It is useful &amp; beautiful, and today it costs only <b>199&nbsp;kr</b> in our shop.</p></td></tr></table>
`
	for b.Len() < 100<<10 {
		b.WriteString(row)
	}
	return b.Bytes()
}

func BenchmarkNewsletter(b *testing.B) {
	in := newsletter()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if r := HTML(in, testOptions()); r.Plain || len(r.Remote) == 0 {
			b.Fatal("not shown")
		}
	}
}
