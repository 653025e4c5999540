package imapd

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// sighted is a message, with texts that a reader finds in it and such that are not there.
type sighted struct {
	name, raw  string
	has, lacks []string // keys of SEARCH: "BODY word"
}

// inCharset writes a message whose subject, body, and attachment's name are in a charset.
func inCharset(t *testing.T, charset, word string) string {
	t.Helper()
	encoded := encode(t, charset, word)
	percent := ""
	for _, c := range encoded {
		percent += fmt.Sprintf("%%%02X", c)
	}
	b64 := base64.StdEncoding.EncodeToString(encoded)
	return fmt.Sprintf("Subject: =?%[1]s?B?%[2]s?=\r\nFrom: =?%[1]s?b?%[2]s?= <bo@example.net>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"+
		"--b\r\nContent-Type: text/plain; charset=%[1]s\r\nContent-Transfer-Encoding: base64\r\n\r\n%[2]s\r\n"+
		"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename*=%[1]s''%[3]s\r\n\r\n%%PDF\r\n--b--\r\n", charset, b64, percent)
}

// encode writes a word in a charset, by means of its own where the reader has its own.
func encode(t *testing.T, charset, word string) (encoded []byte) {
	t.Helper()
	var enc encoding.Encoding
	var err error
	switch charset {
	case "utf-7":
		for _, c := range utf16.Encode([]rune(word)) {
			encoded = append(encoded, byte(c>>8), byte(c))
		}
		return []byte("+" + base64.RawStdEncoding.EncodeToString(encoded) + "-")
	case "iso-2022-kr":
		if encoded, err = korean.EUCKR.NewEncoder().Bytes([]byte(word)); err != nil {
			t.Fatal(err)
		}
		for i := range encoded {
			encoded[i] &= 0x7f
		}
		return []byte("\x1b$)C\x0e" + string(encoded) + "\x0f")
	case "hz-gb-2312":
		enc = simplifiedchinese.HZGB2312
	case "utf-16": // with its mark, which makes it little-endian
		enc = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	default:
		if enc, err = htmlindex.Get(charset); err != nil {
			enc, err = ianaindex.MIME.Encoding(charset)
		}
		if err != nil {
			t.Fatalf("%s: %v", charset, err)
		}
	}
	if encoded, err = enc.NewEncoder().Bytes([]byte(word)); err != nil {
		t.Fatalf("%s: %v", charset, err)
	}
	return encoded
}

func html(body string) string {
	return "Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><head><title>Pageturner</title><style>.hero{color:red}</style></head><body>" + body + "</body></html>\r\n"
}

func plainText(text string) string {
	return "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n"
}

// sights are what a search must find and must not, told by what a person sees: nothing here is made
// with what the search itself uses.
func sights(t *testing.T) (all []sighted) {
	for _, in := range []struct{ charset, word string }{
		{"utf-8", "Räksmörgås日本"}, {"utf8", "Åäö"}, {"iso-8859-1", "Räksmörgås"}, {"iso-8859-2", "Příliš"}, {"iso-8859-3", "Ĥoro"}, {"iso-8859-4", "Šķēle"},
		{"iso-8859-5", "Привет"}, {"iso-8859-6", "سلام"}, {"iso-8859-7", "Καλημέρα"}, {"iso-8859-8", "שלום"}, {"iso-8859-9", "Ağaç"}, {"iso-8859-10", "Þorláks"},
		{"iso-8859-13", "Rīga-Ä"}, {"iso-8859-14", "Ŵyr"}, {"iso-8859-15", "Œuvre€"}, {"iso-8859-16", "Țară"},
		{"windows-874", "สวัสดี"}, {"tis-620", "ขอบคุณ"}, {"windows-1250", "Žluťoučký"}, {"windows-1251", "Здравствуй"}, {"windows-1252", "naïve€Å"}, {"windows-1253", "Αθήνα"},
		{"windows-1254", "İstanbulğ"}, {"windows-1255", "שבת"}, {"windows-1256", "مرحبا"}, {"windows-1257", "Šiauliai"}, {"windows-1258", "Đàlat"},
		{"koi8-r", "Москва"}, {"koi8-u", "Київ"}, {"ibm437", "Öland"}, {"ibm850", "Ærø"}, {"ibm852", "Łódź"}, {"ibm866", "Новости"}, {"macintosh", "Ångström"}, {"x-mac-cyrillic", "Почта"},
		{"iso-2022-jp", "日本語テスト"}, {"shift_jis", "表示ソート"}, {"windows-31j", "髙橋"}, {"euc-jp", "東京都"}, {"gb2312", "您好世界"}, {"gbk", "简体中文"}, {"gb18030", "中文邮件"}, {"hz-gb-2312", "邮件测试"},
		{"big5", "許功蓋"}, {"big5-hkscs", "香港郵件"}, {"euc-kr", "한국어"}, {"ks_c_5601-1987", "안녕"}, {"iso-2022-kr", "메일"}, {"utf-16", "Smörgås"}, {"utf-16le", "Smörgås"}, {"utf-16be", "Åäö𝄞"}, {"utf-7", "Brännö𝄞"},
	} {
		charset, word := in.charset, in.word
		all = append(all, sighted{name: charset, raw: inCharset(t, charset, word),
			has:   []string{"SUBJECT " + word, "BODY " + word, "FROM " + word, "TEXT " + strings.ToUpper(word)},
			lacks: []string{"BODY " + word + "x", "SUBJECT q" + word}})
	}
	return append(all,
		sighted{"Swedish letters are letters", plainText("Åke köpte en näsa på Öland, Ångermanland."),
			[]string{"BODY åke", "BODY ÅKE", "BODY A\u030ake", "BODY näsa", "BODY öland", "BODY \u212bnger", "BODY NÄSA"},
			[]string{"BODY ake", "BODY nasa", "BODY nåsa", "BODY oland", "BODY køpte", "BODY pa o"}},
		sighted{"other accents are not", plainText("Crème brûlée à la façon de Zoë, Señor Núñez; Łódź"),
			[]string{"BODY creme", "BODY brulee", "BODY FACON", "BODY zoe", "BODY senor", "BODY nunez", "BODY CRE\u0300ME"},
			[]string{"BODY zoö", "BODY crome"}},
		sighted{"wide, narrow and compatible forms", plainText("ＰＯＳＴ ｶﾞｲﾄﾞ ﬁnd ①②③ ㎏ Ⅳ"),
			[]string{"BODY post", "BODY ガイド", "BODY find", "BODY 123", "BODY kg", "BODY iv"}, []string{"BODY カイト"}},
		sighted{"case beyond ASCII", plainText("Straße ΣΊΣΥΦΟΣ ΠΡΌΣ Ǆep ПРИВЕТ"),
			[]string{"BODY STRASSE", "BODY strasse", "BODY σίσυφος", "BODY πρός", "BODY ǆep", "BODY привет"}, []string{"BODY strase"}},
		sighted{"what is not seen", plainText("post\u00adbox zero\u200bwidth no\u00a0break \u2066left\u2069"),
			[]string{"BODY postbox", "BODY zerowidth", `BODY "no break"`}, []string{"BODY nobreak"}},
		sighted{"HTML: words across tags, entities, spaces", html("<p>r<b>&auml;</b>k&shy;sm&#246;r</p><p>one</p>two<br>three &amp;lt; a&nbsp;b &#x1F4EE; <i>it</i>alic<td>cell</td><td>next</td>"),
			[]string{"BODY räksmör", "BODY italic", `BODY "a b"`, "BODY &lt;", "BODY 📮", "BODY cell"},
			[]string{"BODY &auml;", "BODY <b>", "BODY onetwo", "BODY twothree", "BODY #246", "BODY cellnext"}},
		sighted{"HTML: what is not shown", html("<script>var secret=1</script><style>p{hidden:1}</style><!-- comment --><p>shown</p><noscript></noscript>"),
			[]string{"BODY shown"}, []string{"BODY secret", "BODY hidden", "BODY comment", "BODY hero", "BODY script"}},
		sighted{"HTML: broken", html("<p>un<closed <b>bold<p>after &unknown; &#xD800; <a href='x>y'>link</a>"),
			[]string{"BODY after", "BODY link", "BODY bold"}, []string{"BODY href"}},
		sighted{"subject in many words", "Subject: =?utf-8?q?R=C3=A4k?=\r\n =?iso-8859-1?q?sm=F6rg?= =?utf-8?b?w6Vz?= plain\r\n\tfolded\r\n\r\nx\r\n",
			[]string{"SUBJECT räksmörgås", `SUBJECT "plain folded"`, `SUBJECT "gås plain"`}, []string{"SUBJECT utf-8", "SUBJECT =?"}},
		sighted{"names of attachments", "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf;\r\n name*0*=utf-8''r%C3%A4k;\r\n name*1*=ning;\r\n name*2=.pdf\r\n\r\nQ\r\n" +
			"--b\r\nContent-Type: image/png; name=\"=?utf-8?q?Sommar=C3=B6.png?=\"\r\n\r\nQ\r\n--b\r\nContent-Disposition: attachment; filename=\"quoted \\\"name\\\".txt\"\r\nContent-Type: application/zip\r\n\r\nhiddenbytes\r\n--b--\r\n",
			[]string{"BODY räkning.pdf", "BODY sommarö", `BODY {16}` + "\r\n" + `quoted "name".tx`}, []string{"BODY hiddenbytes", "BODY %C3"}},
		sighted{"a message inside", "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?inn=C3=A4rst?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nr=E4v\r\n",
			[]string{"BODY innärst", "BODY räv", "TEXT outer"}, []string{"SUBJECT innärst", "BODY outer"}},
		sighted{"soft line ends", "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nsm=C3=\r\n=B6r=\r\ng=C3=A5s=20=\r\n\r\nnext=\r\n",
			[]string{"BODY smörgås"}, []string{"BODY =c3", "BODY smor"}},
		sighted{"base64 in odd lines", "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nc\r\n23\r\nDtnJ\r\nn!w6VzIGjDpHI=\r\n",
			[]string{`BODY "smörgås här"`}, []string{"BODY w6Vz"}},
		sighted{"a charset that is not known, and one that lies", "Subject: x\r\nContent-Type: text/plain; charset=x-klingon\r\n\r\nplain ascii r\xc3\xa4v\r\n", []string{"BODY ascii"}, []string{"BODY klingon"}},
		sighted{"long text", plainText(strings.Repeat("fyll", 9000) + "nål" + strings.Repeat("a\u0308", 20000) + "slut"), []string{"BODY llnålä", "BODY ääslut", "BODY fyllfyll"}, []string{"BODY fyllnal", "BODY aaaa"}},
	)
}

// key writes a key of SEARCH with its text as a literal if it is no atom or quoted string.
func key(k string) string {
	name, text, _ := strings.Cut(k, " ")
	if strings.HasPrefix(text, `"`) {
		text = strings.Trim(text, `"`)
	} else if strings.HasPrefix(text, "{") {
		return k
	}
	return fmt.Sprintf("%s {%d+}\r\n%s", name, len(text), text)
}

// TestSearchWhatIsSeen holds searches against what a person sees, with an index that is up to date, one
// that is made anew, none, and after messages moved and went.
func TestSearchWhatIsSeen(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	fast, words := w.withIndex()
	all := sights(t)
	clients := map[string]*wire{"read": w.plainClient(), "not indexed": fast.plainClient()}
	for _, s := range all {
		w.put("INBOX", []byte(s.raw), clock, store.Flags{})
	}
	look := func(when, mailbox string, skip int) {
		t.Helper()
		for kind, c := range clients {
			c.ok("SELECT " + mailbox)
			for i, s := range all {
				if i%3 == skip {
					continue
				}
				for _, k := range s.has {
					if have := c.do("UID SEARCH ALL " + key(k)); !names(have, i+1) {
						t.Errorf("%s, %s: %s is not found in %q: %q", when, kind, k, s.name, have)
					}
				}
				for _, k := range s.lacks {
					if have := c.do("UID SEARCH ALL " + key(k)); names(have, i+1) {
						t.Errorf("%s, %s: %s is found in %q: %q", when, kind, k, s.name, have)
					}
				}
			}
		}
	}
	look("delivered", "INBOX", -1)
	clients["indexed"] = fast.plainClient()
	delete(clients, "not indexed")
	if err := words.Update(t.Context(), w.account, nil); err != nil {
		t.Fatal(err)
	}
	look("indexed", "INBOX", -1)
	ghosts := uid.Set{}
	for i := range all {
		if i%3 == 1 {
			ghosts = ghosts.Add(uid.UID(i + 1))
		}
	}
	if _, _, err := w.store.Expunge(t.Context(), w.account, store.InboxID, ghosts, false); err != nil {
		t.Fatal(err)
	}
	if err := words.Rebuild(t.Context(), w.account, nil); err != nil {
		t.Fatal(err)
	}
	look("a third deleted, index made anew", "INBOX", 1)
	for kind, c := range clients {
		c.ok("SELECT INBOX")
		for i, s := range all {
			for _, k := range s.has {
				if i%3 == 1 && names(c.do("UID SEARCH ALL "+key(k)), i+1) {
					t.Errorf("%s: a ghost of %q is found by %s", kind, s.name, k)
				}
			}
		}
	}
}

// names reports whether an answer to SEARCH names a number.
func names(answer []string, n int) bool {
	for _, line := range answer {
		if rest, ok := strings.CutPrefix(line, "* SEARCH"); ok {
			return slices.Contains(strings.Fields(rest), fmt.Sprint(n))
		}
	}
	return false
}
