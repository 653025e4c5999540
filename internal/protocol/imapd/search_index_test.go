package imapd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// withIndex is a second server over the same store that searches with an index.
func (w *world) withIndex() (*world, *index.Index) {
	o := w.server.options
	o.Index = index.New(index.Options{Store: w.store})
	server, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { server.Close(w.t.Context()) })
	fast := *w
	fast.server = server
	fast.addr = fast.listen(ListenerOptions{Name: "imap"})
	return &fast, o.Index
}

var searchWords = []string{"subject", "meeting", "Räksmörgås", "CAFÉ", "ab", "abcab", "bcabc", "日本語", "hej", "<p>x</p>", "&aring;land", "=?utf-8?q?=C3=85sa?=", "sm=F6r",
	"e\u0301te", "ＷＩＤＥ", "Straße", "strasse", "Malmö", "MALMO\u0308", "malmo", "Ａ\u030Asa", "x\u00ADyz"}

// drawMail draws a message of few words, so that searches find some.
func drawMail(t *rapid.T) []byte {
	word := func() string { return rapid.SampledFrom(searchWords).Draw(t, "word") }
	kind := rapid.SampledFrom([]string{"text/plain; charset=utf-8", "text/html; charset=utf-8", "text/plain; charset=iso-8859-1", "application/pdf; name=" + `"abc.pdf"`}).Draw(t, "type")
	encoding := rapid.SampledFrom([]string{"8bit", "quoted-printable"}).Draw(t, "encoding")
	address := func() string {
		return word() + rapid.SampledFrom([]string{" <bo@example.net>", " <From.Bo@West.example>", "", "@example.net"}).Draw(t, "address")
	}
	head := fmt.Sprintf("Subject: %s %s %s\r\nFrom: %s\r\nX-Word: %s\r\n", word(), word(), word(), address(), word())
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"To", "Cc", "Bcc", "Subject", "FROM"}), 0, 2).Draw(t, "fields") {
		head += name + ": " + address() + "\r\n"
	}
	part := fmt.Sprintf("Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s%s %s\r\n", kind, encoding, word(), word(), word())
	if rapid.Bool().Draw(t, "nested") {
		return []byte("Subject: " + word() + "\r\nContent-Type: message/rfc822\r\n\r\n" + head + part)
	}
	return []byte(head + part)
}

// drawSearch draws a search program.
func drawSearch(t *rapid.T, depth int) string {
	word := func() string {
		all := append(slices.Clone(searchWords), "åland", "åsa", "smör", "nothing", "bo@example.net", "@west.example", "from", "ete", "wide", "STRASSE", "malmö", "xyz", "x-word", "", "a")
		text := rapid.SampledFrom(all).Draw(t, "word")
		for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "more") {
			text += " " + rapid.SampledFrom(searchWords).Draw(t, "next")
		}
		w := []rune(text)
		from := rapid.IntRange(0, len(w)).Draw(t, "from")
		text = string(w[from:rapid.IntRange(from, len(w)).Draw(t, "to")])
		return fmt.Sprintf("{%d+}\r\n%s", len(text), text)
	}
	kind := rapid.IntRange(0, 12).Draw(t, "key")
	if depth == 0 && kind > 8 {
		kind -= 8
	}
	switch kind {
	case 0, 1:
		return "TEXT " + word()
	case 2, 3:
		return "BODY " + word()
	case 4:
		return "SUBJECT " + word()
	case 5:
		return rapid.SampledFrom([]string{"FROM ", "TO ", "CC ", "HEADER From ", "HEADER Subject "}).Draw(t, "field") + word()
	case 6:
		return "HEADER X-Word " + word()
	case 7:
		return "SEEN"
	case 8:
		return fmt.Sprintf("%d:*", rapid.IntRange(1, 9).Draw(t, "number"))
	case 9, 10:
		return "NOT " + drawSearch(t, depth-1)
	case 11:
		return "OR " + drawSearch(t, depth-1) + " " + drawSearch(t, depth-1)
	}
	return "(" + drawSearch(t, depth-1) + " " + drawSearch(t, depth-1) + ")"
}

// TestSearchWithIndex holds that searches find the same with an index, up to date or not, as
// without, while messages come, go and move.
func TestSearchWithIndex(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	fast, words := w.withIndex()
	plain, quick := w.plainClient(), fast.plainClient()
	ctx := t.Context()
	for _, c := range []*wire{plain, quick} {
		c.ok("ENABLE UTF8=ACCEPT")
	}
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"put", "put", "index", "rebuild", "expunge", "move"}).Draw(rt, "step") {
			case "put":
				for _, raw := range rapid.SliceOfN(rapid.Custom(drawMail), 1, 6).Draw(rt, "mail") {
					w.put("INBOX", raw, clock, store.FlagSeen)
				}
			case "index":
				if err := words.Update(ctx, w.account, nil); err != nil {
					rt.Fatal(err)
				}
			case "rebuild":
				if err := words.Rebuild(ctx, w.account, nil); err != nil {
					rt.Fatal(err)
				}
			case "expunge", "move":
				v, err := w.store.View(ctx, w.account, store.InboxID)
				if err != nil {
					rt.Fatal(err)
				}
				last := int(v.UIDs.Max())
				first := uid.UID(rapid.IntRange(max(1, last-20), last+1).Draw(rt, "first"))
				some := uid.Set{{First: first, Last: first + 2}}
				if rapid.Bool().Draw(rt, "many") {
					some = uid.Set{{First: 1, Last: first}}
				}
				if _, err := w.store.Move(ctx, w.account, store.InboxID, some, store.InboxID); err != nil {
					rt.Fatal(err)
				}
				if _, _, err := w.store.Expunge(ctx, w.account, store.InboxID, uid.Set{{First: 1, Last: first}}, false); err != nil {
					rt.Fatal(err)
				}
			}
		}
		plain.ok("SELECT INBOX")
		quick.ok("SELECT INBOX")
		for range 10 {
			search := "UID SEARCH " + drawSearch(rt, 3)
			if strings.HasSuffix(search, "}\r\n") {
				search += " ALL"
			}
			want, have := plain.do(search), quick.do(search)
			if !slices.Equal(want[:len(want)-1], have[:len(have)-1]) || len(want) != len(have) {
				rt.Fatalf("%q: with an index %q, without %q", search, have, want)
			}
			if !strings.HasPrefix(want[len(want)-1], "OK") {
				rt.Fatalf("%q: %q", search, want)
			}
		}
	})
}

// BenchmarkSearchWithIndex searches a full INBOX, with an index and without.
func BenchmarkSearchWithIndex(b *testing.B) {
	w := benchWorld(b)
	fast, words := w.withIndex()
	if err := words.Update(b.Context(), w.account, nil); err != nil {
		b.Fatal(err)
	}
	plain, quick := w.plainClient(), fast.plainClient()
	buf := make([]byte, 256<<10)
	for _, bench := range []struct{ name, command string }{
		{"TextAbsent", "SEARCH TEXT xylophone"},
		{"TextRare", "SEARCH TEXT \"number 7777\""},
		{"BodyCommon", "SEARCH BODY letter"},
		{"SubjectCommon", "SEARCH SUBJECT agenda"},
		{"FromCommon", "SEARCH FROM example.net"},
		{"Subject", "SEARCH OR SUBJECT 12345 FROM asa@nowhere"},
	} {
		for _, c := range []struct {
			name string
			wire *wire
		}{{"Index", quick}, {"Scan", plain}} {
			c.wire.drain("SELECT INBOX", buf)
			b.Run(bench.name+"/"+c.name, func(b *testing.B) {
				for b.Loop() {
					c.wire.drain(bench.command, buf)
				}
			})
		}
	}
}
