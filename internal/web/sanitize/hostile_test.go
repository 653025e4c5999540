package sanitize

import (
	"bytes"
	_ "embed"
	"strings"
	"testing"
)

//go:embed testdata/hostile.txt
var hostileTable string

// hostile are the messages of testdata/hostile.txt.
func hostile() (list []string) {
	r := strings.NewReplacer("␊", "\n", "␍", "\r", "␉", "\t", "␌", "\f", "␀", "\x00",
		"{L}", "http://listener.example", "{H}", "listener.example", "{J}", "parent.pwned=1")
	for line := range strings.SplitSeq(hostileTable, "\n") {
		if line != "" && !strings.HasPrefix(line, "# ") {
			list = append(list, r.Replace(line))
		}
	}
	return list
}

// sanitizings are the ways in which a message can be shown.
func sanitizings() map[string]Options {
	shown, hidden, dark := testOptions(), testOptions(), testOptions()
	hidden.Remote, dark.Dark = nil, true
	dark.Quoted = func(int) string { return "quote" }
	return map[string]Options{"pictures": shown, "no pictures": hidden, "dark": dark}
}

// TestHostile looks at what becomes of each message with eyes of its own.
func TestHostile(t *testing.T) {
	list := hostile()
	if len(list) < 200 {
		t.Fatalf("only %d messages", len(list))
	}
	for name, o := range sanitizings() {
		for _, in := range append(list, strings.Join(list, "\n")) {
			r := HTML([]byte(in), o)
			for _, why := range danger(r.HTML, r.Style) {
				t.Errorf("%s: %.300q: %s", name, in, why)
			}
		}
	}
}

// stable are options under which what was sanitised can be sanitised again: addresses stay as they are.
func stable() Options {
	return Options{Scope: "m1", Inline: func(id string) string { return "cid:" + string(appendPath(nil, id)) }, Remote: func(address string) string { return address }}
}

// TestTwice sanitises again what was sanitised, which must change nothing.
func TestTwice(t *testing.T) {
	for _, in := range hostile() {
		again(t, []byte(in))
	}
}

func again(t *testing.T, in []byte) {
	once := HTML(in, stable())
	inner := bytes.TrimSuffix(once.HTML[bytes.IndexByte(once.HTML, '>')+1:], []byte("</div>"))
	twice := HTML(inner, stable())
	if got := bytes.TrimSuffix(twice.HTML[bytes.IndexByte(twice.HTML, '>')+1:], []byte("</div>")); !once.Plain && !bytes.Equal(inner, got) {
		t.Errorf("%q\nbecame %s\nthen   %s", in, inner, got)
	}
}

func FuzzHTML(f *testing.F) {
	for _, in := range hostile() {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for name, o := range sanitizings() {
			r := HTML(in, o)
			for _, why := range danger(r.HTML, r.Style) {
				t.Errorf("%s: %s: %s", name, why, r.HTML)
			}
		}
		again(t, in)
	})
}

func FuzzText(f *testing.F) {
	for _, in := range hostile() {
		f.Add([]byte(in), true)
	}
	f.Add([]byte("> a\n>> b \n> c\n\nwww.example.org, (https://example.org/a_(b)) <x@y.example>.\n-- \nAnna"), true)
	f.Fuzz(func(t *testing.T, in []byte, flowed bool) {
		o := TextOptions{Options: testOptions(), Flowed: flowed, DelSp: len(in)%2 == 0}
		o.Quoted = func(int) string { return "quoted" }
		r := Text(in, o)
		for _, why := range danger(r.HTML, r.Style) {
			t.Errorf("%s: %s", why, r.HTML)
		}
	})
}

// FuzzSheet looks for style sheets that reach out of their message.
func FuzzSheet(f *testing.F) {
	for _, in := range hostile() {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if strings.Contains(strings.ToLower(in), "</style") {
			return
		}
		r := HTML([]byte("<style>"+in+"</style><p style='"+strings.ReplaceAll(in, "'", "")+"'>x"), testOptions())
		for _, why := range danger(r.HTML, r.Style) {
			t.Errorf("%s: %s", why, r.Style)
		}
	})
}
