package imapd

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestCasemap(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"Hello, World 1", "HELLO, WORLD 1"},
		{"åÅ", "A\u030aA\u030a"},
		{"straße", "STRAßE"}, // the simple mapping of RFC 5051 leaves it alone
		{"ǆ", "D\u017a"[:1] + "z\u030c"},
		{"ﬁ", "fi"},
		{"가", "가"}, // no decomposition in the table
		{"ς σ", "Σ Σ"},
		{"\xff", "\ufffd"},
	} {
		if got := string(appendCasemap(nil, []byte(c.text))); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

// TestSortKeysCompareLikeCriteria holds the octet keys against a comparison of one criterion after
// the other.
func TestSortKeysCompareLikeCriteria(t *testing.T) {
	text := rapid.StringMatching(`[ab\x{0}\x{ff}Z]{0,4}`)
	rapid.Check(t, func(rt *rapid.T) {
		type values struct {
			n int64
			s string
		}
		draw := func(name string) values {
			return values{rapid.Int64().Draw(rt, name), text.Draw(rt, name)}
		}
		a, b := draw("a"), draw("b")
		textFirst, reverse := rapid.Bool().Draw(rt, "text first"), rapid.Bool().Draw(rt, "reverse")
		encode := func(v values) []byte {
			if textFirst {
				k := appendSortText(nil, []byte(v.s))
				if reverse {
					for i := range k {
						k[i] = ^k[i]
					}
				}
				return appendSortNumber(k, v.n)
			}
			return appendSortText(appendSortNumber(nil, v.n), []byte(v.s))
		}
		byText := bytes.Compare(appendCasemap(nil, []byte(a.s)), appendCasemap(nil, []byte(b.s)))
		byNumber := 0
		if a.n != b.n {
			byNumber = 1
			if a.n < b.n {
				byNumber = -1
			}
		}
		want := byNumber
		if textFirst {
			if want = byText; reverse {
				want = -byText
			}
			if want == 0 {
				want = byNumber
			}
		} else if want == 0 {
			want = byText
		}
		x, y := newSortRow(1, encode(a)), newSortRow(1, encode(b))
		if got := x.compare(&y); got != want {
			rt.Fatalf("%v and %v: %d, want %d", a, b, got, want)
		}
	})
}

func TestFirstAddress(t *testing.T) {
	for _, c := range []struct{ header, mailbox, display string }{
		{"To: a@x.example", "a", "a@x.example"},
		{"To: =?utf-8?q?=C3=85sa?= <a@x.example>, b@x.example", "a", "Åsa"},
		{"To: \"Quoted \\\"Q\\\"\" <a@x.example>", "a", `Quoted "Q"`},
		{"To: Friends: a@x.example, b@x.example;", "Friends", "Friends"},
		{"To: undisclosed-recipients:;", "undisclosed-recipients", "undisclosed-recipients"},
		{"Cc: a@x.example", "", ""},
		{"From: \xe5 <f@x.example>\r\nReply-To: r@x.example\r\nTo: a@x.example", "a", "a@x.example"},
	} {
		view, err := message.ViewSummary(summaryOf("Subject: (\"NIL\")\r\n" + c.header + "\r\n\r\n").AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		a := firstAddress(&store.Email{Summary: view}, envelopeTo)
		if string(a.mailbox) != c.mailbox || string(a.display()) != c.display {
			t.Errorf("%s: %q and %q", c.header, a.mailbox, a.display())
		}
	}
}

// TestFollowedResultsStayTrue lets one client change a mailbox at random while another follows
// searches. What it makes of the updates must be what a new search finds.
func TestFollowedResultsStayTrue(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	searches := []string{
		"SEARCH RETURN (UPDATE ALL) FLAGGED",
		"UID SEARCH RETURN (UPDATE ALL) OR SEEN SUBJECT b",
		"UID SORT RETURN (UPDATE ALL) (SUBJECT REVERSE SIZE) UTF-8 UNSEEN",
		"SORT RETURN (UPDATE ALL) (REVERSE SUBJECT) UTF-8 NOT DELETED",
		"UID SEARCH RETURN (UPDATE ALL) UID 3:*",
	}
	box := 0
	rapid.Check(t, func(rt *rapid.T) {
		box++
		name := "Box" + strconv.Itoa(box)
		follower, other := w.plainClient(), w.plainClient()
		defer follower.conn.Close()
		defer other.conn.Close()
		other.ok("CREATE " + name)
		follower.ok("SELECT " + name)
		other.ok("SELECT " + name)
		results := map[string]*followed{}
		for _, search := range searches {
			tag := fmt.Sprintf("t%d", follower.tag+1)
			follower.ok(search)
			results[tag] = &followed{uid: strings.HasPrefix(search, "UID"), sorted: strings.Contains(search, "SORT")}
		}
		exists := 0
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			client := rapid.SampledFrom([]*wire{follower, other, other}).Draw(rt, "client")
			n := rapid.IntRange(1, 5).Draw(rt, "message")
			lines := client.do(rapid.SampledFrom([]string{
				fmt.Sprintf("APPEND %s (\\Flagged) {%d+}\r\nSubject: b%s\r\n\r\n", name, 15+n, strings.Repeat("x", n)),
				"APPEND " + name + " {14+}\r\nSubject: a\r\n\r\n",
				fmt.Sprintf("UID STORE %d +FLAGS.SILENT (\\Deleted \\Flagged)", n),
				fmt.Sprintf("UID STORE %d:%d FLAGS.SILENT (\\Seen)", n, n+2),
				fmt.Sprintf("UID STORE %d:%d -FLAGS.SILENT (\\Seen \\Flagged)", n, n+1),
				"EXPUNGE",
				"NOOP",
			}).Draw(rt, "what"))
			if client == follower {
				follow(rt, results, &exists, lines)
			}
		}
		follow(rt, results, &exists, follower.do("NOOP"))
		tags := slices.Sorted(func(yield func(string) bool) {
			for tag := range results {
				if !yield(tag) {
					return
				}
			}
		})
		for i, tag := range tags {
			line := follower.ok(strings.Replace(searches[i], "UPDATE ", "", 1))[0]
			_, all, _ := strings.Cut(line, " ALL ")
			if want := expand(all); !slices.Equal(results[tag].list, want) {
				rt.Fatalf("%s: following %v, finding %v", searches[i], results[tag].list, want)
			}
		}
	})
}

// followed is a list of results as a client keeps it.
type followed struct {
	uid, sorted bool
	list        []int
}

var (
	updateLine = regexp.MustCompile(`^\* ESEARCH \(TAG "(\w+)"\)( UID)?((?: (?:ADDTO|REMOVEFROM) \([^)]*\))+)$`)
	updateItem = regexp.MustCompile(`(ADDTO|REMOVEFROM) \(([^)]*)\)`)
)

func follow(rt *rapid.T, results map[string]*followed, exists *int, lines []string) {
	for _, line := range lines {
		if m := existsLine.FindStringSubmatch(line); m != nil {
			*exists = int(parse(m[1]))
		}
		if m := expungeLine.FindStringSubmatch(line); m != nil {
			*exists--
			for _, r := range results {
				r.expunged(rt, int(parse(m[1])))
			}
		}
		if strings.HasPrefix(line, "* ESEARCH") {
			m := updateLine.FindStringSubmatch(line)
			if m == nil {
				rt.Fatalf("what is %s", line)
			}
			r := results[m[1]]
			for _, item := range updateItem.FindAllStringSubmatch(m[3], -1) {
				words := strings.Fields(item[2])
				for i := 0; i < len(words); i += 2 {
					r.update(rt, line, item[1] == "ADDTO", int(parse(words[i])), expand(words[i+1]), *exists)
				}
			}
		}
	}
}

// expunged moves message numbers down. That of the message itself must have been removed before.
func (r *followed) expunged(rt *rapid.T, n int) {
	if r.uid {
		return
	}
	for i := range r.list {
		if r.list[i] == n {
			rt.Fatalf("message %d is expunged and still among the results %v", n, r.list)
		}
		if r.list[i] > n {
			r.list[i]--
		}
	}
}

func (r *followed) update(rt *rapid.T, line string, add bool, at int, numbers []int, exists int) {
	if (at == 0) == r.sorted {
		rt.Fatalf("%s: place", line)
	}
	for _, n := range numbers {
		if !r.uid && n > exists {
			rt.Fatalf("%s: of %d messages", line, exists)
		}
		i := slices.Index(r.list, n)
		switch {
		case add != (i < 0), !add && r.sorted && i != at-1, add && r.sorted && at > len(r.list)+1:
			rt.Fatalf("%s: among %v", line, r.list)
		case !add:
			r.list = slices.Delete(r.list, i, i+1)
		case r.sorted:
			r.list = slices.Insert(r.list, at-1, n)
			at++
		default:
			r.list = append(r.list, n)
			slices.Sort(r.list)
		}
	}
}

// expand lists the numbers of a set in its order.
func expand(set string) (list []int) {
	if set == "" {
		return nil
	}
	for _, r := range strings.Split(set, ",") {
		first, last, ok := strings.Cut(r, ":")
		if !ok {
			last = first
		}
		for n := parse(first); n <= parse(last); n++ {
			list = append(list, int(n))
		}
	}
	return list
}

// TestProgress tells how far a search is (RFC 9585) and ends it when the client is gone.
func TestProgress(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true, timeouts: Timeouts{Progress: time.Nanosecond}})
	w.fill("INBOX", 2*searchStep)
	c := w.plainClient()
	c.ok("SELECT INBOX")
	lines := c.ok("SORT (SUBJECT) UTF-8 HEADER X-None \"\"")
	want := regexp.MustCompile(`^\* OK \[INPROGRESS \("t\d+" (\d+) 4000\)\] `)
	for i, done := range []string{"1000", "2000"} {
		if m := want.FindStringSubmatch(lines[i]); m == nil || m[1] != done {
			t.Fatalf("%q", lines)
		}
	}
	lines = c.ok("SORT (SUBJECT) UTF-8 ALL") // at the end nothing is told any more (RFC 9585 section 4)
	if m := want.FindStringSubmatch(lines[0]); m == nil || m[1] != "3000" || len(lines) != 3 {
		t.Fatalf("%q", lines[:2])
	}
	c.send("a] SORT (FROM) UTF-8 ALL\r\n") // a tag that would end the response code
	if line := c.line(); line != "* OK [INPROGRESS (NIL 3000 4000)] Still working" {
		t.Fatal(line)
	}
	c.line()
	c.line()

	here, there := net.Pipe()
	s := &session{server: w.server, nc: here, ctx: t.Context()}
	s.in.src, s.in.pools = here, &w.server.pools
	p := s.progress("a")
	go func() {
		there.Read(make([]byte, 4096))
		there.Close()
	}()
	for p.add(1) == nil {
		s.releaseOut()
	}
	if s.err == nil {
		t.Error("the client is gone, and the session does not know")
	}
}

func TestCut(t *testing.T) {
	set := uid.Set{{First: 3, Last: 5}, {First: 9, Last: 9}, {First: 20, Last: 22}}
	for start := range 8 {
		for end := start; end < 8; end++ {
			var want uid.Set
			i := 0
			for u := range set.All() {
				if start <= i && i < end {
					want = want.Add(u)
				}
				i++
			}
			if got := cut(set, start, end); got.String() != want.String() {
				t.Errorf("%d to %d: %v, want %v", start, end, got, want)
			}
		}
	}
}
