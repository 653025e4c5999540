package imapd

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store/uid"
)

// FuzzParse holds that no command crashes the parser, that it leaves its input alone, and that what
// it accepts is of a command that has a handler.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a NOOP", `a LOGIN "us\"er" {3+}` + "\r\nabc", "a SELECT INBOX (QRESYNC (1 2 1:3 (1,2 3,4)))",
		`a LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a" b%) RETURN (CHILDREN STATUS (MESSAGES))`,
		`a APPEND x (\Seen k) " 7-Feb-2026 22:00:00 +0100" {5}`, "a APPEND x UTF8 (~{5+}",
		"a SORT RETURN (PARTIAL -1:-5 UPDATE) (REVERSE DATE SUBJECT) UTF-8 YOUNGER 5", "a UID THREAD REFERENCES UTF-8 OR 1 $",
		`a ESEARCH IN (selected mailboxes (INBOX x) subtree-one y) RETURN (COUNT) ALL`, `a CANCELUPDATE "b" "c"`, "a UID FETCH 1:* UID (PARTIAL 1:2)",
		`a ID ("name" NIL)`, `a GETMETADATA (DEPTH 1) x (/private/a /shared)`, "a SETMETADATA x (/private/a ~{1+}\r\n\x00 /shared/b NIL)", "a SETQUOTA x (STORAGE 5)", "a UID REPLACE * x {5+}", "a COMPRESS DEFLATE", "a NOTIFY SET STATUS (selected (MessageNew (UID BODY[]) MessageExpunge)) (subtree (a b) NONE)", "a ENABLE CONDSTORE X", "a AUTHENTICATE PLAIN =", "a CREATE x (USE (\\Sent))",
		"a UID STORE 1:* (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Deleted)", "a UID MOVE $ Trash", "a STATUS x (SIZE)",
		"a SETACL x bob +lrs", `a SETACL "Other Users/a/x" "-anyone" ""`, "a LISTRIGHTS x y", "a DELETEACL x y", "a MYRIGHTS x", `a LIST "" * RETURN (MYRIGHTS)`,
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, utf8 bool) {
		before := bytes.Clone(b)
		c, err := parseCommand(b, utf8)
		if !bytes.Equal(b, before) {
			t.Fatal("the parser changed its input")
		}
		if err == nil {
			if _, ok := handlers[c.name]; !ok {
				t.Fatalf("no handler for %q", c.name)
			}
		}
	})
}

// FuzzFetch holds that the label of a section, which the response repeats, asks for the section.
func FuzzFetch(f *testing.F) {
	for _, s := range []string{"FULL", "(FLAGS BODY[])", `BODY.PEEK[1.2.HEADER.FIELDS.NOT (a "b")]<0.10>`,
		"(BINARY[1] BINARY.SIZE[2] BINARY.PEEK[]<1.2>)", "(RFC822 RFC822.TEXT PREVIEW (LAZY)) (CHANGEDSINCE 4)", "BODY[TEXT]<4.5>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, items string) {
		c, err := parseCommand([]byte("a FETCH 1 "+items), true)
		if err != nil {
			return
		}
		for _, sec := range c.args.(*fetchCommand).sections {
			label := string(sec.label)
			if i := strings.LastIndexByte(label, '<'); i > 0 && sec.partial {
				label = label[:i]
			}
			again, err := parseCommand([]byte("a FETCH 1 "+label), true)
			if err != nil {
				t.Fatalf("%q gives label %q: %v", items, sec.label, err)
			}
			if got := again.args.(*fetchCommand).sections[0]; string(got.label) != label || got.what != sec.what {
				t.Fatalf("%q gives label %q, which gives %q", items, label, got.label)
			}
		}
	})
}

// FuzzSearch holds that no search program crashes the parser and that what it accepts is bounded.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{"ALL", "RETURN (MIN SAVE) CHARSET utf-8 OR (SEEN NOT DELETED) HEADER a b", "1:*,5 $ UID 3",
		`SENTSINCE 1-Feb-2026 MODSEQ "/flags/\\Seen" all 5`, "CHARSET iso-8859-1 SUBJECT {1+}\r\n\xe5", "KEYWORD x UNKEYWORD y LARGER 5",
		"UIDAFTER 3 UIDBEFORE 9 SAVEDSINCE 1-Feb-2026"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCommand(append([]byte("a SEARCH "), b...), true)
		if err != nil {
			return
		}
		if n := c.args.(*searchCommand).key.count(0); n > 2*maxSearchKeys {
			t.Fatalf("%d keys", n)
		}
	})
}

func (k *searchKey) count(depth int) int {
	if depth > maxSearchDepth+2 {
		return 1 << 30
	}
	n := 1
	for i := range k.keys {
		n += k.keys[i].count(depth + 1)
	}
	return n
}

// FuzzSequenceSet compares sets with a plain reading of them.
func FuzzSequenceSet(f *testing.F) {
	for _, s := range []string{"1", "*", "1:*", "4,2:3,*:7", "$", "9:5", "1,,2", "0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := parser{b: []byte(text)}
		s := p.sequenceSet()
		if p.end(); p.err != nil || s.saved {
			return
		}
		const last = 40
		var want uid.Set
		for _, r := range s.ranges {
			from, to := r.resolve(last)
			for n := from; n <= to && n <= last; n++ {
				want = want.Union(uid.Of(uid.UID(n)))
			}
		}
		x := uid.NewIndex([]uid.Chunk{uid.NewChunk(0, uid.Set{{First: 1, Last: last}})})
		m := selectedOf(x)
		if got := m.uids(s); got.String() != want.String() {
			t.Fatalf("%q is %v, want %v", text, got, want)
		}
		if got, _ := m.numbers(s); got.String() != want.String() {
			t.Fatalf("%q is %v by number, want %v", text, got, want)
		}
	})
}

// TestSplit holds that split cuts a set after so many messages, whatever the gaps.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) uid.Set {
			return uid.Of(rapid.SliceOfN(rapid.Map(rapid.IntRange(1, 60), func(n int) uid.UID { return uid.UID(n) }), 1, 40).Draw(t, name)...)
		}
		m := selectedOf(uid.NewIndex([]uid.Chunk{uid.NewChunk(0, draw("mailbox"))}))
		set, n := draw("set"), rapid.IntRange(1, 10).Draw(t, "n")
		want := m.view.UIDs.Intersect(set)
		var got uid.Set
		for rest := set; !rest.Empty(); {
			var head uid.Set
			before := rest.String()
			head, rest = m.split(rest, n)
			if found := m.view.UIDs.Intersect(head).Len(); found > n || found < n && !rest.Empty() {
				t.Fatalf("%s gives %v with %d messages, want %d", before, head, found, n)
			}
			got = got.Union(head)
		}
		if m.view.UIDs.Intersect(got).String() != want.String() {
			t.Fatalf("%v is not %v", got, want)
		}
	})
}

// TestLine reads lines in pieces of any size.
func TestLine(t *testing.T) {
	text := "a1 NOOP\r\n" + strings.Repeat("x", 9000) + "\r\n\nlast\r\n"
	in := input{src: &readConn{r: iotest.OneByteReader(strings.NewReader(text))}, pools: &pools{}}
	for _, want := range []string{"a1 NOOP", strings.Repeat("x", 9000), "", "last"} {
		got, err := in.line(10000)
		if err != nil || string(got) != want {
			t.Fatalf("have %.20q, %v, want %.20q", got, err, want)
		}
	}
	in = input{src: &readConn{r: strings.NewReader(text)}, pools: &pools{}}
	if got, err := in.line(100); err != nil || string(got) != "a1 NOOP" {
		t.Fatalf("have %q, %v", got, err)
	}
	if _, err := in.line(100); err != errLineTooLong {
		t.Fatalf("a line too long: %v", err)
	}
}

// TestMatchName compares patterns with names.
func TestMatchName(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b/c", true}, {"%", "a", true}, {"%", "a/b", false}, {"a/%", "a/b", true}, {"a/%", "a/b/c", false},
		{"a*c", "a/b/c", true}, {"%/%", "a/b", true}, {"%b", "ab", true}, {"%b%", "abc", true}, {"*%", "a/b", true},
		{"%*", "a/b", true}, {"a%b*c%d", "axb/y/cd", true}, {"a%b*c%d", "a/b/y/cd", false}, {"inbox", "INBOX", true},
		{"InBox/x", "INBOX/x", true}, {"inbox/X", "INBOX/x", false}, {"i*", "INBOX", true}, {"sent", "Sent", false},
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"*%*%*%*%*%*%*%*x", strings.Repeat("a", 300), false},
	} {
		if got := matchName(c.pattern, c.name); got != c.want {
			t.Errorf("matchName(%q, %q) = %t", c.pattern, c.name, got)
		}
	}
}
