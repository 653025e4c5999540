package imapd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// guarded is a command of RFC 4314 section 4 and the rights that let it through. BOX is the
// mailbox, PATH the same in a URL, OWN one of the client's own, with one message that has flags.
type guarded struct {
	command  string
	need     string
	selected string // "": nothing, else which of the two
}

var guardedCommands = []guarded{
	{`STATUS "BOX" (MESSAGES)`, "r", ""},
	{`SELECT "BOX"`, "r", ""},
	{`EXAMINE "BOX"`, "r", ""},
	{"APPEND \"BOX\" (\\Seen \\Deleted \\Flagged $Word) {3+}\r\nabc", "i", ""},
	{`GETACL "BOX"`, "a", ""},
	{`SETACL "BOX" bob +lrswipkxtea`, "a", ""},
	{`DELETEACL "BOX" carl`, "a", ""},
	{`LISTRIGHTS "BOX" carl`, "a", ""},
	{`CREATE "BOX/Below"`, "k", ""},
	{`DELETE "BOX"`, "x", ""},
	{`RENAME "BOX" "BOX-other"`, "never", ""},
	{`GETQUOTAROOT "BOX"`, "r", ""},
	{`GETMETADATA "BOX" /shared/comment`, "l+rswip", ""},
	{`SETMETADATA "BOX" (/shared/comment "x")`, "lw", ""},
	{`APPEND Drafts CATENATE (URL "/PATH/;UID=1")`, "r", ""},
	{`APPEND Drafts CATENATE (URL ";UID=1")`, "r", "BOX"},
	{`ESEARCH IN (selected) RETURN (COUNT) ALL`, "", "BOX"}, // finds nothing without r
	{`UID FETCH 1:* (FLAGS BODY.PEEK[])`, "r", "BOX"},
	{`UID FETCH 1:* (BODY[])`, "r", "BOX"}, // \Seen only with s
	{`UID SEARCH TEXT letter`, "r", "BOX"},
	{`UID SORT (ARRIVAL) UTF-8 ALL`, "r", "BOX"},
	{`UID THREAD REFERENCES UTF-8 ALL`, "r", "BOX"},
	{`UID STORE 1 +FLAGS (\Seen)`, "rs", "BOX"},
	{`UID STORE 2 +FLAGS (\Deleted)`, "rt", "BOX"},
	{`UID STORE 1 +FLAGS (\Flagged)`, "rw", "BOX"},
	{`UID STORE 1 +FLAGS ($Word)`, "rw", "BOX"},
	{`UID STORE 1 FLAGS (\Seen \Deleted \Flagged)`, "r+swt", "BOX"},
	{`EXPUNGE`, "re", "BOX"},
	{`UID EXPUNGE 3`, "re", "BOX"},
	{`UID MOVE 1 "OWN"`, "rte", "BOX"},
	{`UID COPY 1:3 "OWN"`, "r", "BOX"},
	{"UID REPLACE 1 \"OWN\" {3+}\r\nabc", "rte", "BOX"},
	{`UID COPY 1 "BOX"`, "i", "OWN"},
	{`UID MOVE 1 "BOX"`, "i", "OWN"},
	{"UID REPLACE 1 \"BOX\" (\\Seen \\Deleted \\Flagged $Word) {3+}\r\nabc", "i", "OWN"},
}

// lets reports whether rights let a command through: all letters of need, or behind "+" one.
func lets(need string, r store.Rights) bool {
	if need == "never" {
		return false
	}
	all, one, some := strings.Cut(need, "+")
	has := strings.Contains
	for _, letter := range all {
		if !has(r.String(), string(letter)) {
			return false
		}
	}
	return !some || strings.ContainsAny(r.String(), one)
}

// TestRightsLetThrough gives random rights on a mailbox and tries a random command: it succeeds if
// and only if the rights let it, and what is refused changes nothing. Flags change only as far as
// the rights go.
func TestRightsLetThrough(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	w.person("bob@example.org")
	w.person("carl@example.org")
	bob := w.signInAs("bob@example.org")
	ctx := context.Background()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		rights := store.Rights(rapid.Uint16().Draw(rt, "rights")) & store.AllRights
		c := rapid.SampledFrom(guardedCommands).Draw(rt, "command")
		name := fmt.Sprintf("Box%d", n)
		box := w.newBox(name)
		defer w.store.DeleteMailbox(ctx, w.account, name)
		foreign, own := "Other Users/alice/"+name, fmt.Sprintf("Own%d", n)
		bob.ok("CREATE " + own)
		bob.ok("APPEND " + own + " (\\Seen \\Deleted \\Flagged $Word) {3+}\r\nabc")
		switch c.selected {
		case "BOX": // the rights are taken away while it is selected
			w.grant(box.ID, "bob", store.AllRights)
			bob.ok(`SELECT "` + foreign + `"`)
		case "OWN":
			bob.ok("SELECT " + own)
		}
		w.grant(box.ID, "bob", rights)
		before := w.state(box.ID)
		command := strings.NewReplacer("BOX", foreign, "OWN", own, "PATH", strings.ReplaceAll(foreign, " ", "%20")).Replace(c.command)
		lines := bob.do(command)
		last := lines[len(lines)-1]
		allowed := lets(c.need, rights)
		if ok := strings.HasPrefix(last, "OK"); ok != allowed {
			rt.Fatalf("with %q, %s: %q", rights, command, lines)
		}
		after := w.state(box.ID)
		switch {
		case !allowed:
			if before != after {
				rt.Fatalf("with %q, %s was refused and changed\n%sto\n%s", rights, command, before, after)
			}
			seen := c.selected == "BOX" || rights.Has(store.RightLookup) || strings.HasPrefix(c.command, "CREATE") ||
				strings.Contains(c.command, "CATENATE") || strings.HasPrefix(c.command, "RENAME") && rights.Has(store.RightDelete)
			if hidden := strings.HasPrefix(last, "NO [NONEXISTENT]"); hidden == seen {
				rt.Fatalf("with %q, %s: %q", rights, command, last)
			}
		case strings.Contains(c.command, "ESEARCH"):
			if found := strings.Contains(strings.Join(lines, "\n"), "ESEARCH ("); found != rights.Has(store.RightRead) {
				rt.Fatalf("with %q, %s: %q", rights, command, lines)
			}
		case strings.Contains(c.command, "STORE") || strings.Contains(c.command, "BODY["):
			w.wantKept(rt, rights, before, after)
		case c.need == "i":
			w.wantNew(rt, rights, after)
		}
		listed := false
		for _, line := range bob.ok(`LIST "" "` + foreign + `"`) {
			listed = listed || strings.HasPrefix(line, `* LIST`) && strings.HasSuffix(line, foreign+`"`) && !strings.Contains(line, "NonExistent")
		}
		now, err := w.store.RightsOf(ctx, w.account, box.ID, w.id("bob@example.org"))
		if err == nil && listed != now.Has(store.RightLookup) {
			rt.Fatalf("with %q: listed %v", now, listed)
		}
		bob.do("UNSELECT")
		bob.ok("DELETE " + own)
	})
	report, err := w.store.Verify(ctx, store.VerifyOptions{})
	if err != nil || report.Found > 0 {
		t.Errorf("verify: %v, %v", report.Problems, err)
	}
}

func (w *world) id(address string) store.AccountID {
	id, _ := w.backend.others.Load(address)
	return id.(store.AccountID)
}

// newBox makes a mailbox of the first account with three messages, the last of them \Deleted.
func (w *world) newBox(name string) store.Mailbox {
	w.t.Helper()
	box, err := w.store.CreateMailbox(context.Background(), w.account, name, store.RoleNone)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range 3 {
		flags := store.Flags{}
		if i == 2 {
			flags = store.FlagDeleted
		}
		w.put(name, []byte(fmt.Sprintf("Subject: letter %d\r\n\r\nA letter.\r\n", i)), clock, flags)
	}
	return box
}

func (w *world) grant(id store.MailboxID, who string, r store.Rights) {
	w.t.Helper()
	_, _, err := w.store.SetGrant(context.Background(), w.account, id, who+"@example.org", func(store.Rights) store.Rights { return r })
	if err != nil {
		w.t.Fatal(err)
	}
}

// state is all that somebody could have changed in a mailbox: a line for each message with its
// flags, then who has which rights, annotations, and the names of all mailboxes.
func (w *world) state(id store.MailboxID) string {
	w.t.Helper()
	ctx := context.Background()
	var b strings.Builder
	err := w.store.Placements(ctx, w.account, id, uid.All(), func(p *store.Placement) error {
		fmt.Fprintf(&b, "%d %d %d\n", p.UID, p.Flags[0], p.Flags[1])
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	grants, gerr := w.store.Grants(ctx, w.account, id)
	notes, nerr := w.store.Annotations(ctx, w.account, id)
	if store.KindOf(gerr) == store.KindNotFound {
		return "gone"
	}
	all, err := w.store.Mailboxes(ctx, w.account)
	if gerr != nil || nerr != nil || err != nil {
		w.t.Fatal(gerr, nerr, err)
	}
	fmt.Fprintln(&b, "rights", grants, "notes", len(notes))
	for _, m := range all {
		fmt.Fprintln(&b, "mailbox", m.Name)
	}
	return b.String()
}

// wantKept checks that of the flags of messages only those changed that the rights cover.
func (w *world) wantKept(rt *rapid.T, rights store.Rights, before, after string) {
	fixed := rights.Fixed()
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range a {
		var u, v uid.UID
		var f, g store.Flags
		if n, _ := fmt.Sscan(a[i], &u, &f[0], &f[1]); n < 3 {
			continue
		}
		if n, _ := fmt.Sscan(b[i], &v, &g[0], &g[1]); n < 3 || u != v {
			rt.Fatalf("message %d: %q became %q", u, a[i], b[i])
		}
		if (f[0]^g[0])&fixed[0] != 0 || (f[1]^g[1])&fixed[1] != 0 {
			rt.Fatalf("with %q the flags of message %d went from %v to %v", rights, u, f, g)
		}
	}
}

// wantNew checks that a message which came to the three of newBox has the flags that the rights cover,
// of those that it was to have.
func (w *world) wantNew(rt *rapid.T, rights store.Rights, after string) {
	words, err := w.store.Keywords(context.Background(), w.account)
	if err != nil {
		rt.Fatal(err)
	}
	word, _ := words.Lookup("$Word")
	want := store.FlagSeen.With(store.FlagDeleted).With(store.FlagFlagged).With(word).Without(rights.Fixed())
	var u uid.UID
	var f store.Flags
	lines := strings.Split(after, "\n")
	if n, _ := fmt.Sscan(lines[3], &u, &f[0], &f[1]); n < 3 || u != 4 || f != want {
		rt.Fatalf("with %q the new message is %q, want the flags %v", rights, lines[3], want)
	}
}

// TestOwnerAndSharerAtOnce: the owner and another work in one mailbox at the same time; at last both
// see the same.
func TestOwnerAndSharerAtOnce(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	w.person("bob@example.org")
	box := w.newBox("Work")
	w.grant(box.ID, "bob", store.AllRights)
	var wg sync.WaitGroup
	clients := []struct {
		*wire
		name string
	}{
		{w.signInAs(testAddress), "Work"}, {w.signInAs("bob@example.org"), "Other Users/alice/Work"},
		{w.signInAs("bob@example.org"), "Other Users/alice/Work"},
	}
	for i, c := range clients {
		c.ok(fmt.Sprintf("SELECT %q", c.name))
		wg.Go(func() { work(c.wire, c.name, rand.New(rand.NewPCG(uint64(i), 7))) })
	}
	wg.Wait()
	var seen []string
	for _, c := range clients {
		c.ok("NOOP")
		lines := c.ok("UID FETCH 1:* FLAGS")
		seen = append(seen, strings.Join(lines[:len(lines)-1], "\n"))
	}
	if seen[0] != seen[1] || seen[1] != seen[2] {
		t.Errorf("the owner sees\n%s\nthe others\n%s\nand\n%s", seen[0], seen[1], seen[2])
	}
	report, err := w.store.Verify(context.Background(), store.VerifyOptions{Bodies: true})
	if err != nil || report.Found > 0 {
		t.Errorf("verify: %v, %v", report.Problems, err)
	}
}

// work does what comes to mind in a mailbox. Messages that another removed meanwhile may refuse a
// command; nothing else may.
func work(c *wire, name string, r *rand.Rand) {
	for range 60 {
		n := 1 + r.IntN(20)
		command := []string{
			fmt.Sprintf("APPEND %q (\\Seen) {3+}\r\nabc", name),
			fmt.Sprintf("UID STORE %d +FLAGS (\\Deleted)", n),
			fmt.Sprintf("UID STORE %d FLAGS (\\Flagged $Todo)", n),
			fmt.Sprintf("UID COPY %d:%d %q", n, n+2, name),
			fmt.Sprintf("UID MOVE %d Archive", n),
			fmt.Sprintf("UID FETCH %d (BODY[])", n),
			"EXPUNGE", "NOOP", "UID SEARCH DELETED",
		}[r.IntN(9)]
		lines := c.do(command)
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK") {
			c.t.Errorf("%s: %q", command, last)
		}
	}
}

// TestJournalNamesWhoDidIt: what is done in another's mailbox is told to its owner.
func TestJournalNamesWhoDidIt(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	w.person("bob@example.org")
	box := w.newBox("Work")
	w.grant(box.ID, "bob", store.AllRights)
	c := w.signInAs("bob@example.org")
	c.ok(`SELECT "Other Users/alice/Work"`)
	c.ok("UID MOVE 1 Archive")
	c.ok("EXPUNGE")
	c.ok("APPEND \"Other Users/alice/Work\" {3+}\r\nabc")
	c.ok(`UID COPY 2 "Other Users/alice/Work"`)
	c.ok(`SETACL "Other Users/alice/Work" anyone lr`)
	c.ok(`SETACL "Other Users/alice/Work" anyone lr`) // changes nothing
	c.ok(`DELETEACL "Other Users/alice/Work" anyone`)
	c.ok("SELECT Archive")
	c.ok(`UID MOVE 1 "Other Users/alice/Work"`)
	c.ok("UNSELECT")
	c.ok(`DELETE "Other Users/alice/Work"`)
	w.backend.mu.Lock()
	defer w.backend.mu.Unlock()
	of := fmt.Sprintf(" of %d by bob@example.org", w.account)
	want := []string{
		fmt.Sprintf("%d Work>Archive (bob@example.org) 1 []%s", EventMoved, of),
		fmt.Sprintf("%d Archive> 1 []", EventAppended),
		fmt.Sprintf("%d Work> 3 []%s", EventExpunged, of),
		fmt.Sprintf("%d Work> 4 []%s", EventAppended, of),
		fmt.Sprintf("%d Work> 5 []%s", EventAppended, of),
		fmt.Sprintf("%d Work>  []%s with anyone lr", EventShared, of),
		fmt.Sprintf("%d Work>  []%s with anyone ", EventShared, of),
		fmt.Sprintf("%d Archive>Other Users/alice/Work 1 []", EventMoved),
		fmt.Sprintf("%d Work> 6 []%s", EventAppended, of),
		fmt.Sprintf("%d Work>  []%s", EventMailboxDeleted, of),
	}
	if !slices.Equal(w.backend.events, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(w.backend.events, "\n"), strings.Join(want, "\n"))
	}
}

// TestWhoSharesGoes: a group, then the owner's account is deleted while somebody has the mailbox open.
func TestWhoSharesGoes(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	ctx := context.Background()
	w.person("bob@example.org")
	box := w.newBox("Work")
	if err := w.store.CreateAlias(ctx, store.Alias{Address: "team@example.org", Targets: []string{"bob@example.org"}}); err != nil {
		t.Fatal(err)
	}
	w.grant(box.ID, "team", store.AllRights)
	bob := w.signInAs("bob@example.org")
	gone := []string{"* 3 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE", "OK NOOP completed"}
	refused := func(commands ...string) {
		t.Helper()
		for _, command := range commands {
			lines := bob.do(command)
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "NO [NONEXISTENT]") && !strings.HasPrefix(last, "NO [NOPERM]") {
				t.Errorf("%s: %q", command, last)
			}
		}
	}
	const name = `"Other Users/alice/Work"`
	bob.ok("SELECT " + name)
	if err := w.store.DeleteAlias(ctx, "team@example.org"); err != nil {
		t.Fatal(err)
	}
	refused("FETCH 1 FLAGS") // may not tell that messages are gone
	if lines := bob.ok("NOOP"); !slices.Equal(lines, gone) {
		t.Errorf("the group is gone: %q", lines)
	}
	refused("UID FETCH 1 FLAGS", "EXPUNGE", "UID STORE 1 +FLAGS (\\Seen)")
	w.grant(box.ID, "bob", store.AllRights)
	bob.ok("SELECT " + name)
	bob.ok("NOTIFY SET (subtree \"Other Users\" (MessageNew MessageExpunge MailboxName))")
	if err := w.store.DeleteAccount(ctx, w.account); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{name, `"Other Users/alice"`} { // the mailbox, and what was above it
		if line := bob.line(); line != `* LIST (\NonExistent \HasNoChildren) "/" `+name {
			t.Errorf("the owner is gone: %q", line)
		}
	}
	if lines := bob.ok("NOOP"); !slices.Equal(lines, gone) {
		t.Errorf("the owner is gone: %q", lines)
	}
	refused("UID FETCH 1 FLAGS", "APPEND "+name+" {3+}\r\nabc", "GETQUOTAROOT "+name, "MYRIGHTS "+name, "DELETE "+name, "CREATE "+name)
	if lines := bob.ok(`LIST "" "Other*"`); len(lines) != 1 {
		t.Errorf("what is left: %q", lines)
	}
	bob.ok("CLOSE")
}
