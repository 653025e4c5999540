package imapd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

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
