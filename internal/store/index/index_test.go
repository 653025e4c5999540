package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestFold(t *testing.T) {
	for _, tt := range []struct{ a, b string }{
		{"RÄKSMÖRGÅS", "räksmörgås"},
		{"Åsa", "A\u030asa"}, // composed or not
		{"Åsa", "\u212bsa"},  // the sign of the ångström
		{"Café", "cafe"},     // an accent is none of the letter
		{"crème", "cre\u0300me"},
		{"Ｐｏｓｔ", "post"}, // wide
		{"ﬁnd", "find"},  // ligature
		{"Straße", "STRASSE"},
		{"ΣΊΣΥΦΟΣ", "σίσυφος"}, // final sigma
		{"Ёлка", "елка"},
		{"soft\u00adhyphen", "softhyphen"},
		{"a\u00a0b", "a b"},
		{"a\u0327\u030a", "å"}, // a mark between
		{"が", "か\u3099"}, {"ｶﾞ", "ガ"},
	} {
		if a, b := Fold(nil, []byte(tt.a)), Fold(nil, []byte(tt.b)); string(a) != string(b) {
			t.Errorf("%q is %q, %q is %q", tt.a, a, tt.b, b)
		}
	}
	for _, tt := range []struct{ a, b string }{
		{"å", "a"}, {"ä", "a"}, {"ö", "o"}, {"å", "ä"}, {"ø", "o"}, {"й", "и"}, {"か", "が"},
	} {
		if NewNeedle(tt.a).In([]byte(tt.b)) {
			t.Errorf("%q is found in %q", tt.a, tt.b)
		}
	}
}

// TestFoldLatin holds the table of Latin letters against what makes it: such letters with a joiner,
// which is not seen, behind each letter of their decomposition.
func TestFoldLatin(t *testing.T) {
	for r := rune(0x80); r < lastLatin; r++ {
		var apart strings.Builder
		for _, part := range norm.NFKD.String(string(r)) {
			apart.WriteRune(part)
			apart.WriteRune(0x2060)
		}
		if got, want := Fold(nil, []byte(string(r)+"\u030a")), Fold(nil, []byte(apart.String()+"\u030a")); !bytes.Equal(got, want) {
			t.Errorf("%q folds to %q, apart to %q", r, got, want)
		}
	}
}

// TestFormat fails when messages come to say something else than when indexes were made: then
// formatVersion must change, or searches miss what the new reading finds.
func TestFormat(t *testing.T) {
	const raw = "From: =?utf-8?q?=C3=85sa?= \"B. C\" <Asa@Example.net>\r\nTo: list: a@b, c@d;\r\nSubject: =?iso-8859-1?q?R=E4ka?= x\r\n folded\r\n" +
		"X-Latin: caf\xe9\r\nno field\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n" +
		"Content-Type: text/html; charset=windows-1252\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"<head><title>t</title></head><p>Sm=E5&nbsp;&lt;gr<b>i</b>sar<p hidden>unseen</p><img alt=3D'Bild'><br>slut\r\n--b\r\n" +
		"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\nContent-Type: application/pdf; name*=utf-8''r%C3%A4k.pdf\r\n\r\nX\r\n--b\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw4XDpCDvvLE=\r\n--b--\r\n"
	s, err := message.ViewSummary(message.Summarize([]byte(raw)).AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	var texts Texts
	var have []string
	if _, err := texts.Message(&s, strings.NewReader(raw), 2, func(f Field, text []byte) bool {
		have = append(have, fmt.Sprintf("%d %s", f, text))
		return false
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"0 räka x folded", "1 åsa b. c", "1 asa@example.net", "2 a@b", "2 c@d",
		`1 from: åsa "b. c" <asa@example.net>`, "2 to: list: a@b, c@d;", "0 subject: räka x folded", "4 x-latin: cafe", "4 : no field",
		"4 content-type: multipart/mixed; boundary=b",
		"4 content-type: text/html; charset=windows-1252", "4 content-transfer-encoding: quoted-printable", "5 små <grisar\nbild\nslut",
		"4 content-type: message/rfc822", "5 subject: inside", "5 content-type: application/pdf; name*=utf-8''r%c3%a4k.pdf", "5 räk.pdf",
		"4 content-type: text/plain; charset=utf-8", "4 content-transfer-encoding: base64", "5 åä q",
	}
	if !slices.Equal(have, want) {
		t.Errorf("have %q", have)
	}
}

// TestPieces holds that it does not matter where a stream is cut.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.StringOfN(rapid.RuneFrom([]rune("aAoå é\u030a\u0308\u0301\u00adии\u0306世")), 1, 40, -1).Draw(t, "unit")
		text := strings.Repeat(unit+strings.Repeat("x", rapid.IntRange(0, 3).Draw(t, "gap")), 1+3*pieceSize/2/(len(unit)+1))
		var texts Texts
		overlap := rapid.IntRange(0, 5).Draw(t, "overlap")
		var have []byte
		_, err := texts.stream(strings.NewReader(text), overlap, func(piece []byte) bool {
			if have == nil {
				have = append(have, piece...)
			} else {
				if n := min(overlap, len(have)); !bytes.HasPrefix(piece, have[len(have)-n:]) {
					t.Fatal("pieces do not overlap")
				}
				have = append(have, piece[min(overlap, len(have)):]...)
			}
			return false
		})
		if err != nil || !bytes.Equal(have, Fold(nil, []byte(text))) {
			t.Fatalf("cut text folds to something else: %v", err)
		}
	})
}

// world is a store with an account and its index.
type world struct {
	t       testing.TB
	store   *store.Store
	account store.AccountID
	index   *Index
	text    map[store.EmailID]string
}

func newWorld(t testing.TB) *world {
	return worldOf(t, storetest.Open(t), "alice@example.org")
}

func worldOf(t testing.TB, s *store.Store, address string) *world {
	return &world{t: t, store: s, account: storetest.Account(t, s, address).ID,
		index: New(Options{Store: s, Least: 1, Delay: time.Millisecond, Log: slog.New(slog.DiscardHandler)}), text: map[store.EmailID]string{}}
}

func (w *world) append(messages ...string) {
	w.t.Helper()
	list := make([]store.NewEmail, len(messages))
	for i, m := range messages {
		list[i] = storetest.Email(w.t, w.store, m)
	}
	done, err := w.store.Append(w.t.Context(), w.account, store.InboxID, list)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.store.Placements(w.t.Context(), w.account, store.InboxID, uid.Of(done.UIDs...), func(p *store.Placement) error {
		w.text[p.Email] = messages[p.UID-done.UIDs[0]]
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) update() {
	w.t.Helper()
	b := newBuilder(w.store)
	for more := true; more; {
		var err error
		if more, err = w.index.update(context.Background(), w.account, b, 1); err != nil {
			w.t.Fatal(err)
		}
	}
}

// scan is the plain search: it reads everything.
func (w *world) scan(f Fields, n Needle) map[store.EmailID]bool {
	found := map[store.EmailID]bool{}
	err := w.store.Emails(w.t.Context(), w.account, 0, 1<<62, func(e *store.Email) error {
		var texts Texts
		ok, err := texts.Message(&e.Summary, strings.NewReader(w.text[e.ID]), max(n.Len()-1, 0), func(at Field, text []byte) bool {
			return f&(1<<at) != 0 && n.InFolded(text)
		})
		if ok {
			found[e.ID] = true
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// find asks the index and reads what it lets through.
func (w *world) find(f Fields, n Needle) (found map[store.EmailID]bool, looked int) {
	m, err := w.index.Find(w.t.Context(), w.account, f, n)
	if err != nil {
		w.t.Fatal(err)
	}
	found = map[store.EmailID]bool{}
	plain := w.scan(f, n)
	err = w.store.Emails(w.t.Context(), w.account, 0, 1<<62, func(e *store.Email) error {
		if m != nil {
			for _, first := range []store.EmailID{e.ID, e.ID - min(e.ID, 17), e.ID - min(e.ID, 63)} {
				if at := e.ID - first; m.May(first)>>at&1 == 1 != m.MayHave(e.ID) || m.Must(first)>>at&1 == 1 != m.MustHave(e.ID) {
					w.t.Errorf("email %d: not the same for 64 emails from %d", e.ID, first)
				}
			}
		}
		switch {
		case m != nil && m.MustHave(e.ID):
			found[e.ID] = true
			if !m.MayHave(e.ID) {
				w.t.Errorf("email %d must have %q and may not", e.ID, n.folded)
			}
		case m == nil || m.MayHave(e.ID):
			looked++
			if plain[e.ID] {
				found[e.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found, looked
}

// drawMessage draws mail of all kinds, odd and broken ones among them.
func drawMessage(t *rapid.T) string {
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"Räksmörgås", "meeting", "CAFÉ", "Åsa", "ab", "abc", "bcd", "cab", "日本語", "ß",
		"\xff\xfe", "x\u00adyz", "&Aring;sa", "<b>bo</b>ld", "=?utf-8?q?=C3=85sa?=", "=C3=A4", "aGVq", "\x00"}), 0, 12).Draw(t, "words")
	text := strings.Join(words, rapid.SampledFrom([]string{" ", "", "\r\n"}).Draw(t, "between"))
	line := strings.ReplaceAll(text, "\r\n", "")
	kind := rapid.SampledFrom([]string{"text/plain", "text/plain; charset=iso-8859-1", "text/plain; charset=utf-16", "text/html", "application/pdf; name=\"" + line + ".pdf\"", "junk"}).Draw(t, "type")
	encoding := rapid.SampledFrom([]string{"7bit", "8bit", "quoted-printable", "base64", "x-none"}).Draw(t, "encoding")
	part := "Content-Type: " + kind + "\r\nContent-Transfer-Encoding: " + encoding + "\r\n"
	head := "From: " + line + " <bo@example.net>\r\nSubject: " + line + "\r\nX-Odd: " + line + "\r\n"
	switch rapid.IntRange(0, 3).Draw(t, "shape") {
	case 0:
		return head + part + "\r\n" + text
	case 1:
		return head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part + "\r\n" + text + "\r\n--b\r\n" + part + "X-Part: " + line + "\r\n\r\nend\r\n--b--\r\n"
	case 2:
		return "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n" + head + part + "\r\n" + text
	}
	return text
}

func drawNeedle(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"smörg", "SMORG", "cafe", "abcd", "bcdca", "bca", "åsa", "本語", "ss", "xyz", "bold", "pdf", "x-odd: ", "content-type", "<b>", "aring", "hej", "", "a", "zzz", "\ufffd"}),
		rapid.StringOfN(rapid.RuneFrom([]rune("abcdå é")), 0, 6, -1),
	).Draw(t, "needle")
}

// TestExact holds that narrowing by the index finds what reading everything finds, whatever was
// delivered, deleted, indexed, merged and swept in between.
func TestExact(t *testing.T) {
	s, n := storetest.Open(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := worldOf(t, s, fmt.Sprintf("alice%d@example.org", n))
		w.index.leaf, w.index.big, w.index.part = 8, 24, 100
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "append", "update", "update", "update", "expunge", "sweep", "damage"}).Draw(rt, "step") {
			case "append":
				w.append(rapid.SliceOfN(rapid.Custom(drawMessage), 1, 8).Draw(rt, "messages")...)
			case "update":
				w.update()
			case "expunge":
				first := uid.UID(rapid.IntRange(1, 20).Draw(rt, "first"))
				if _, _, err := w.store.Expunge(t.Context(), w.account, store.InboxID, uid.Set{{First: first, Last: first + 5}}, false); err != nil {
					rt.Fatal(err)
				}
			case "sweep":
				if err := w.index.sweep(t.Context(), w.account); err != nil {
					rt.Fatal(err)
				}
			case "damage":
				if err := w.store.DropPostings(t.Context(), w.account); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for range 8 {
			n := NewNeedle(drawNeedle(rt))
			f := Fields(rapid.IntRange(1, int(Everywhere)).Draw(rt, "fields"))
			plain := w.scan(f, n)
			found, _ := w.find(f, n)
			if fmt.Sprint(found) != fmt.Sprint(plain) {
				rt.Fatalf("with the index %v, without %v", found, plain)
			}
		}
		if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found > 0 {
			rt.Fatalf("verify: %v %v", r.Problems, err)
		}
	})
}

// TestBigRuns holds that a large account has few runs, and that what a merge left behind which came
// to no end is dropped by the next.
func TestBigRuns(t *testing.T) {
	w := newWorld(t)
	w.index.leaf, w.index.big, w.index.part = 16, 128, 1000
	run, err := w.store.BeginPostings(t.Context(), w.account)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.AddPostings(t.Context(), w.account, run, []store.PostingBlock{{Key: 7, Data: []byte("left behind")}}); err != nil {
		t.Fatal(err)
	}
	for i := range 150 {
		w.append(fmt.Sprintf("From: Bo Ek <bo.ek@sender.example>\r\nTo: list@west.example\r\nSubject: [the-list] number of the year: %d\r\n\r\nThe text of message %d.\r\n", i, i), "Subject: x\r\n\r\nAnother.\r\n")
		w.update()
	}
	state, err := w.index.state(t.Context(), w.account)
	if err != nil || len(state.Runs) > 16 || state.Runs[0].End-state.Runs[0].First < 100 || state.Runs[0].ID == 0 {
		t.Errorf("%d runs, %+v: %v", len(state.Runs), state.Runs, err)
	}
	w.agree("number 17", "17", "another", "message", "subject", "149", "nothing")
	if b, err := w.store.SomePostingBlocks(t.Context(), w.account, run, 0, 1000); err != nil || len(b) > 0 {
		t.Errorf("%d blocks of a merge that came to no end are there: %v", len(b), err)
	}
	if err := w.store.AddPostings(t.Context(), w.account, state.Runs[0].ID, nil); !errors.Is(err, store.ErrPostingsChanged) {
		t.Errorf("blocks were added to a run that is in the index: %v", err)
	}
	if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found != 0 || r.Emails != 300 {
		t.Errorf("verify looked at %d emails and found %v: %v", r.Emails, r.Problems, err)
	}
}

// TestNarrows holds that the index does what it is there for.
func TestNarrows(t *testing.T) {
	w := newWorld(t)
	for i := range 300 {
		w.append(fmt.Sprintf("Subject: number %d\r\n\r\nThe text of message %d, with much in common.\r\n", i, i))
		if i%50 == 0 {
			w.update()
		}
	}
	w.append("Subject: needle\r\n\r\nA xylophone.\r\n")
	w.update()
	for _, tt := range []struct {
		text  string
		where Fields
		most  int
	}{
		{"common", Everywhere, 1}, {"MESS", In(Body), 1}, {"subject", Everywhere, 1}, {"ommo", In(Body), 300}, {"number", In(Subject), 1}, {"umber", In(Subject), 300},
		{"subject", In(Subject), 301}, {"bo.ek@sender.example", In(From), 1}, {"bo ek", In(From), 1}, {"@sender.ex", In(From), 1}, {"sender.example", Everywhere, 1},
		{"list@west", In(To), 1}, {"list@west", In(From), 0}, {"list@west", In(Copies), 0},
		{"xylophone", Everywhere, 1}, {"lopho", In(Body), 1}, {"xylophone", In(Subject), 0}, {"kaleidoscope", Everywhere, 0}, {"year: 299", In(Subject), 1},
		{"of the yea", In(Subject), 1}, {"number of the year", Everywhere, 1}, {"the-list] nu", In(Subject), 1}, {"list] number of the year", In(Subject), 301}, {"of th", In(Body), 0},
	} {
		if _, looked := w.find(tt.where, NewNeedle(tt.text)); looked > tt.most {
			t.Errorf("%q: %d messages looked at", tt.text, looked)
		}
	}
	state, err := w.index.state(t.Context(), w.account)
	if err != nil || len(state.Runs) > 12 || state.Next != state.End {
		t.Errorf("%d runs up to %d of %d: %v", len(state.Runs), state.Next, state.End, err)
	}
}

// TestVerifyWords has a word say something that is not so.
func TestVerifyWords(t *testing.T) {
	w := newWorld(t)
	for i := range 8 {
		w.append(fmt.Sprintf("Subject: x\r\n\r\nletter %s\r\n", []string{"walnut", "hazel"}[i%2]))
	}
	w.update()
	check := func(problems int64) {
		t.Helper()
		if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found != problems {
			t.Errorf("verify found %d problems, want %d: %v %v", r.Found, problems, r.Problems, err)
		}
	}
	check(0)
	state, err := w.index.state(t.Context(), w.account)
	if err != nil || len(state.Runs) != 1 {
		t.Fatal(state.Runs, err)
	}
	lie := blockWriter{}
	changed := false
	err = w.store.PostingBlocks(t.Context(), w.account, state.Runs[0].ID, func(b store.PostingBlock) error {
		for e := readBlock(b); e.next(); {
			set := newSpan(0, 64)
			if err := e.emails(set); err != nil {
				return err
			}
			if e.gram == gramAt(Body|ofWords, []byte("wal")) && string(e.suffix) == "nut" {
				set.add(1)
				changed = true
			}
			lie.add(e.gram, e.suffix, set.appendTo(nil))
		}
		return nil
	})
	lie.flush()
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	old := state.Runs[0].ID
	state.Runs[0].ID = 0
	if err := w.store.ReplacePostings(t.Context(), w.account, format, []uint64{old}, state.Next, state.Runs[0], lie.blocks); err != nil {
		t.Fatal(err)
	}
	check(1)
	if err := w.index.Rebuild(t.Context(), w.account, nil); err != nil {
		t.Fatal(err)
	}
	check(0)
}

// TestMany goes beyond one batch and one run, and deletes most of it.
func TestMany(t *testing.T) {
	w := newWorld(t)
	const n = 5000
	for i := 0; i < n; i += 1000 {
		list := make([]string, 1000)
		for j := range list {
			list[j] = fmt.Sprintf("Subject: x%dx\r\n\r\ny%dy z%dz\r\n", i+j, (i+j)%7, (i+j)%1000)
		}
		w.append(list...)
	}
	w.update()
	state, err := w.index.state(t.Context(), w.account)
	if err != nil || len(state.Runs) != 2 || state.Next != state.End {
		t.Errorf("%d runs up to %d of %d: %v", len(state.Runs), state.Next, state.End, err)
	}
	w.agree("x4321x", "y3y", "z999z", "x99", "nothing")
	if _, _, err := w.store.Expunge(t.Context(), w.account, store.InboxID, uid.Set{{First: 100, Last: 4500}}, false); err != nil {
		t.Fatal(err)
	}
	w.agree("x4321x", "y3y", "z999z", "x99", "nothing")
	if err := w.index.sweep(t.Context(), w.account); err != nil {
		t.Fatal(err)
	}
	w.agree("x4321x", "y3y", "z999z", "x99", "nothing", "y", "y3", "z5", "subject")
	m, err := w.index.Find(t.Context(), w.account, Everywhere, NewNeedle("y3y"))
	if err != nil || m.Count() > n/7 || len(may(m)) != m.Count() {
		t.Errorf("%d emails are left: %v", m.Count(), err)
	}
	for _, e := range may(m) {
		if e >= 100 && e <= 4096 {
			t.Fatalf("email %d was deleted", e)
		}
	}
}

// may returns the emails before Next that may have a text.
func may(m *Matches) (list []store.EmailID) {
	for e := store.EmailID(1); e < m.Next; e++ {
		if m.May(e)&1 != 0 {
			list = append(list, e)
		}
	}
	return list
}

// agree compares searches with and without the index.
func (w *world) agree(needles ...string) {
	w.t.Helper()
	for _, text := range needles {
		n := NewNeedle(text)
		plain := w.scan(Everywhere, n)
		if found, _ := w.find(Everywhere, n); fmt.Sprint(found) != fmt.Sprint(plain) {
			w.t.Errorf("%q: with the index %v, without %v", text, found, plain)
		}
	}
}

// TestLongHTML holds that nothing is missed behind what the reading of HTML gives up at.
func TestLongHTML(t *testing.T) {
	w := newWorld(t)
	w.append("Subject: x\r\nContent-Type: text/html\r\n\r\n<p>before <img src='data:" + strings.Repeat("QUJD", 400_000) + "'>be<b>h</b>ind needle")
	w.update()
	for _, text := range []string{"before", "needle"} {
		n := NewNeedle(text)
		found, _ := w.find(In(Body), n)
		if len(found) != 1 {
			t.Errorf("%q is not found", text)
		}
	}
}

// TestAlways holds that a message with too much in it, or none that can be read, is looked at.
func TestAlways(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	b.WriteString("Subject: all\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	for r := rune(0x4e00); r < 0x9f00; r++ {
		b.WriteRune(r)
		b.WriteRune(r + 0x100)
		b.WriteRune(r*7%0x5000 + 0x4e00)
	}
	w.append("Subject: a\r\n\r\nfirst\r\n", b.String(), "Subject: c\r\n\r\nthird\r\n")
	w.update()
	state, err := w.index.state(t.Context(), w.account)
	if err != nil || len(state.Runs) != 1 {
		t.Fatalf("%+v, %v", state, err)
	}
	plain := w.scan(In(Body), NewNeedle("\u4e00\u4f00"))
	if found, _ := w.find(In(Body), NewNeedle("\u4e00\u4f00")); len(plain) != 1 || len(found) != 1 {
		t.Errorf("found %v, %v", found, plain)
	}
	if _, looked := w.find(In(Body), NewNeedle("third")); looked > 2 {
		t.Errorf("%d looked at", looked)
	}
}

// TestWorker holds that the worker indexes what comes, makes anew what is damaged, and ends.
func TestWorker(t *testing.T) {
	w := newWorld(t)
	w.append("Subject: before\r\n\r\nstart\r\n")
	w.index.Start()
	w.append("Subject: after\r\n\r\nstart\r\n")
	w.reached()
	w.index.work.damaged(w.account)
	w.append("Subject: later\r\n\r\nstart\r\n")
	w.reached()
	if err := w.index.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.append("Subject: closed\r\n\r\nstart\r\n") // harmless
	if found, _ := w.find(In(Body), NewNeedle("start")); len(found) != 4 {
		t.Errorf("found %v", found)
	}
}

// TestOtherFormat finds an index that another version of the program left: it is not asked, and made anew by itself
// after the start, while searches go on.
func TestOtherFormat(t *testing.T) {
	w := newWorld(t)
	w.append("Subject: one\r\n\r\nan old text\r\n", "Subject: two\r\n\r\nan old text\r\n", "Subject: three\r\n\r\nanother\r\n")
	state, err := w.index.state(t.Context(), w.account)
	if err != nil {
		t.Fatal(err)
	}
	run := store.PostingRun{First: 1, End: state.End, Emails: 3}
	if err := w.store.ReplacePostings(t.Context(), w.account, format+1, nil, state.End, run, []store.PostingBlock{{Key: 7, Data: []byte("otherwise")}}); err != nil {
		t.Fatal(err)
	}
	if m, err := w.index.Find(t.Context(), w.account, Everywhere, NewNeedle("old text")); m != nil || err != nil {
		t.Errorf("postings of another format tell %v, %v", m, err)
	}
	w.index.Start()
	w.reached()
	w.agree("old text", "another", "three", "otherwise")
	if err := w.index.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found != 0 || r.Emails != 3 {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

// TestSearchEndsRest holds that the worker goes on once somebody waits for it, however busy the service is.
func TestSearchEndsRest(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.append(slices.Repeat([]string{"Subject: x\r\n\r\nmany of these\r\n"}, 100)...)
	}
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() { // mail never ceases to come
		for ctx.Err() == nil {
			w.index.work.changes.Add(busyChanges)
			sleep(ctx, time.Millisecond)
		}
	})
	rested := make(chan bool)
	others.Go(func() {
		w.index.rest(ctx, time.Hour, 0)
		rested <- ctx.Err() == nil
	})
	if m, err := w.index.Find(t.Context(), w.account, Everywhere, NewNeedle("many")); m != nil || err != nil {
		t.Errorf("an index that was never made tells %v, %v", m, err)
	}
	if !<-rested {
		t.Error("the worker rests although somebody searches what it left")
	}
	stop()
	others.Wait()
}

// TestReadAtOnce holds that what was acknowledged is found at once, while the worker indexes, merges
// and sweeps, and while the index is made anew.
func TestReadAtOnce(t *testing.T) {
	w := newWorld(t)
	w.index.Least = 3
	w.index.Start()
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() {
		for ctx.Err() == nil {
			if err := w.index.Rebuild(ctx, w.account, nil); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if err := w.index.sweep(ctx, w.account); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			sleep(ctx, 3*time.Millisecond)
		}
	})
	n := NewNeedle("common")
	for i := range 60 {
		w.append(fmt.Sprintf("Subject: %d\r\n\r\nwhat is common\r\n", i), fmt.Sprintf("Subject: %d\r\n\r\nand what is not\r\n", i))
		m, err := w.index.Find(t.Context(), w.account, In(Body), n)
		if err != nil {
			t.Fatal(err)
		}
		for e, text := range w.text {
			if m != nil && strings.Contains(text, "is common") && !m.MayHave(e) {
				t.Fatalf("email %d is missed", e)
			}
		}
	}
	stop()
	others.Wait()
	if err := w.index.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.update()
	w.agree("common", "what is not")
	if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found != 0 || r.Emails != 120 {
		t.Errorf("%+v, %v", r, err)
	}
}

// reached waits until everything is indexed.
func (w *world) reached() {
	w.t.Helper()
	for range 5000 {
		if s, err := w.index.state(w.t.Context(), w.account); err != nil {
			w.t.Fatal(err)
		} else if s.Next == s.End && s.Format == format {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatal("the index is not up to date")
}

func FuzzTexts(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?q?=C3=85?=\r\n\r\ntext"))
	f.Add([]byte("Content-Type: text/html; charset=utf-16\r\n\r\n<p>&Aring;\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := message.Summarize(raw).AppendBinary(nil)
		s, err := message.ViewSummary(b)
		if err != nil {
			t.Fatal(err)
		}
		var texts Texts
		if _, err := texts.Message(&s, io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw))), 2, func(Field, []byte) bool { return false }); err != nil {
			t.Fatal(err)
		}
	})
}
