package imapd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
)

// flagged is a message as a client knows it.
type flagged struct {
	uid   int
	flags []string
}

// flagKeys are search keys with what they ask of a message.
var flagKeys = map[string]func(flagged) bool{
	"SEEN":             has(`\Seen`),
	"UNSEEN":           hasNot(`\Seen`),
	"FLAGGED":          has(`\Flagged`),
	"UNFLAGGED":        hasNot(`\Flagged`),
	"DELETED":          has(`\Deleted`),
	"UNDELETED":        hasNot(`\Deleted`),
	"ANSWERED":         has(`\Answered`),
	"DRAFT":            has(`\Draft`),
	"KEYWORD work":     has("work"),
	"UNKEYWORD WORK":   hasNot("work"),
	"KEYWORD nothing":  func(flagged) bool { return false },
	"ALL":              func(flagged) bool { return true },
	"NEW":              func(flagged) bool { return false },
	"LARGER 1":         func(flagged) bool { return true },
	"SUBJECT meeting":  func(flagged) bool { return true },
	"BODY kaleidoscop": func(flagged) bool { return false },
}

func has(flag string) func(flagged) bool {
	return func(m flagged) bool { return slices.Contains(m.flags, flag) }
}

func hasNot(flag string) func(flagged) bool {
	return func(m flagged) bool { return !slices.Contains(m.flags, flag) }
}

// drawFlagSearch draws a search program and what it asks of a message.
func drawFlagSearch(t *rapid.T, depth int) (string, func(flagged) bool) {
	kind := "key"
	if depth > 0 {
		kind = rapid.SampledFrom([]string{"key", "key", "uid", "not", "or", "and"}).Draw(t, "kind")
	}
	switch kind {
	case "uid":
		first := rapid.IntRange(1, 20).Draw(t, "first")
		last := first + rapid.IntRange(0, 9).Draw(t, "length")
		return fmt.Sprintf("UID %d:%d", first, last), func(m flagged) bool { return m.uid >= first && m.uid <= last }
	case "not":
		text, holds := drawFlagSearch(t, depth-1)
		return "NOT " + text, func(m flagged) bool { return !holds(m) }
	case "or", "and":
		a, holdsA := drawFlagSearch(t, depth-1)
		b, holdsB := drawFlagSearch(t, depth-1)
		if kind == "or" {
			return "OR " + a + " " + b, func(m flagged) bool { return holdsA(m) || holdsB(m) }
		}
		return "(" + a + " " + b + ")", func(m flagged) bool { return holdsA(m) && holdsB(m) }
	}
	keys := make([]string, 0, len(flagKeys))
	for k := range flagKeys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	key := rapid.SampledFrom(keys).Draw(t, "key")
	return key, flagKeys[key]
}

// TestSearchFlags changes flags in one session, searches in another, and holds what is found
// against the flags that FETCH tells.
func TestSearchFlags(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	writer, reader := w.plainClient(), w.plainClient()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		name := "Box" + strconv.Itoa(n)
		writer.ok("CREATE " + name)
		for _, c := range []*wire{writer, reader} {
			c.ok("SELECT " + name)
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			first := rapid.IntRange(1, 20).Draw(rt, "from")
			set := fmt.Sprintf("%d:%d", first, first+rapid.IntRange(0, 9).Draw(rt, "long"))
			flags := rapid.SampledFrom([]string{`\Seen`, `\Flagged \Answered`, `\Deleted`, `\Draft work`, "work"}).Draw(rt, "flags")
			switch rapid.SampledFrom([]string{"put", "put", "store", "store", "expunge", "move", "told"}).Draw(rt, "step") {
			case "put":
				for range rapid.IntRange(1, 9).Draw(rt, "many") {
					w.put(name, benchMail(1), clock, store.Flags{})
				}
			case "store":
				writer.ok("UID STORE " + set + " " + rapid.SampledFrom([]string{"+", "-", ""}).Draw(rt, "op") + "FLAGS.SILENT (" + flags + ")")
			case "expunge":
				writer.ok("EXPUNGE")
			case "move":
				writer.ok("UID MOVE " + set + " " + name)
			case "told":
				reader.ok("NOOP")
			}
			program, holds := drawFlagSearch(rt, 3)
			reader.uidsFound(rt, program) // before it heard of the change
			reader.agree(rt, program, holds)
		}
	})
}

// agree hears of all that changed, searches, and compares with the flags.
func (c *wire) agree(t *rapid.T, program string, holds func(flagged) bool) {
	c.ok("NOOP")
	var want []int
	for _, m := range c.allFlags() {
		if holds(m) {
			want = append(want, m.uid)
		}
	}
	if found := c.uidsFound(t, program); !slices.Equal(found, want) {
		t.Fatalf("%s: found %v, want %v", program, found, want)
	}
}

func (c *wire) uidsFound(t *rapid.T, program string) (uids []int) {
	for _, line := range c.do("UID SEARCH " + program) {
		rest, ok := strings.CutPrefix(line, "* SEARCH")
		if strings.HasPrefix(line, "NO") || strings.HasPrefix(line, "BAD") {
			t.Fatalf("%s: %s", program, line)
		}
		for _, f := range strings.Fields(rest) {
			if n, err := strconv.Atoi(f); ok && err == nil {
				uids = append(uids, n)
			}
		}
	}
	return uids
}

// allFlags asks for the flags of all messages that the client knows.
func (c *wire) allFlags() (list []flagged) {
	for _, line := range c.do("UID FETCH 1:* (FLAGS)") {
		if m := fetchLine.FindStringSubmatch(line); m != nil && m[2] != "" {
			list = append(list, flagged{int(parse(m[2])), strings.Fields(strings.Trim(m[3], "()"))})
		}
	}
	return list
}

// TestSearchFlagsOfDeleted searches for flags in a mailbox that another session deleted.
func TestSearchFlagsOfDeleted(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	one, other := w.plainClient(), w.plainClient()
	one.ok("CREATE Gone")
	w.put("Gone", benchMail(1), clock, store.Flags{})
	one.ok("SELECT Gone")
	other.ok("DELETE Gone")
	for _, line := range one.do("UID SEARCH UNSEEN") {
		if line == "* SEARCH 1" {
			t.Error("a message was found in a mailbox that is gone")
		}
	}
	one.ok("NOOP")
}

// TestSearchDates holds searches for dates in many messages, which are answered by what is known
// of the mailbox, against those in few, which read them.
func TestSearchDates(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	const n = 2*worthDates - 2
	for i := range n {
		at := clock.AddDate(0, 0, -i%40).Add(time.Duration(i) * time.Hour)
		raw := "Subject: x\r\n"
		if i%5 > 0 {
			raw += "Date: " + at.AddDate(0, 0, -i%7).Format("Mon, 2 Jan 2006 15:04:05 -0700") + "\r\n"
		}
		w.put("INBOX", []byte(raw+"\r\n"), at, store.Flags{})
	}
	c := w.plainClient()
	c.ok("SELECT INBOX")
	find := func(program string) string { return strings.TrimPrefix(c.ok("UID SEARCH " + program)[0], "* SEARCH") }
	found := 0
	for _, key := range []string{"BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "NOT SENTON", "NOT SINCE"} {
		for day := -3; day < 45; day += 4 {
			key := key + " " + clock.AddDate(0, 0, -day).Format("2-Jan-2006")
			whole, parts := find(key), find("UID 1:63 "+key)+find("UID 64:* "+key)
			if whole != parts {
				t.Errorf("%s: found%s, in parts%s", key, whole, parts)
			}
			if len(whole) > 0 {
				found++
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d searches found something", found)
	}
	for _, key := range []string{"YOUNGER 864000", "OLDER 864000"} {
		if whole, parts := find(key), find("UID 1:63 "+key)+find("UID 64:* "+key); whole != parts || whole == "" {
			t.Errorf("%s: found%s, in parts%s", key, whole, parts)
		}
	}
}
