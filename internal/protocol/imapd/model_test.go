package imapd

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSessionsConverge drives several clients against two mailboxes at random. It holds every
// response against what a client must believe, the clients' beliefs against a model, and the server's
// mod-sequences against what they promise.
func TestSessionsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, settings{plaintext: true, noTLS: true})
		m := newModel(rt, w)
		for i := range 4 {
			m.clients = append(m.clients, newBeliever(w, m.habits(i), rapid.SampledFrom(mailboxNames).Draw(rt, "mailbox"), rt.Fatalf))
		}
		m.audit()
		for range rapid.IntRange(10, 100).Draw(rt, "steps") {
			m.step(m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(rt, "client")])
			m.audit()
		}
		for _, c := range m.clients {
			m.converge(c)
			c.close()
		}
		m.auditor.conn.Close()
	})
}

// mailboxNames are the mailboxes that the clients use.
var mailboxNames = []string{"INBOX", "Archive"}

// model is what the mailboxes hold.
type model struct {
	rt        *rapid.T
	mailboxes map[string]*contents
	clients   []*believer
	auditor   *wire
}

// contents are what a mailbox holds.
type contents struct {
	flags map[uid.UID]string // \Seen, \Flagged, \Deleted as letters in order
	next  uid.UID
	// What the last audit found.
	audited map[uid.UID]string
	modSeqs map[uid.UID]uint64
	highest uint64
	gone    map[uid.UID]uint64 // what was expunged, after which mod-sequence
}

func newModel(rt *rapid.T, w *world) *model {
	m := &model{rt: rt, mailboxes: map[string]*contents{}, auditor: w.plainClient()}
	for _, name := range mailboxNames {
		m.mailboxes[name] = &contents{flags: map[uid.UID]string{}, next: 1, gone: map[uid.UID]uint64{}}
	}
	return m
}

// habits draws those of a client; among any four are a plain one, one with QRESYNC, one without
// message numbers and one with NOTIFY.
func (m *model) habits(i int) (h habits) {
	draw := func(what string) bool { return rapid.Bool().Draw(m.rt, what) }
	switch i {
	case 1:
		h.qresync = true
	case 2:
		h.uidOnly, h.qresync = true, draw("qresync")
	case 3:
		h.notify = rapid.SampledFrom([]string{"selected", "selected-delayed"}).Draw(m.rt, "notify")
		h.qresync, h.uidOnly = draw("qresync"), draw("uidonly")
	}
	h.condstore = h.qresync || i > 0 && draw("condstore")
	return h
}

// add puts a message into a mailbox.
func (b *contents) add(flags string) {
	b.flags[b.next] = flags
	b.next++
}

func (m *model) of(c *believer) *contents { return m.mailboxes[c.mailbox] }

func (m *model) otherMailbox(c *believer) string {
	return mailboxNames[1-slices.Index(mailboxNames, c.mailbox)]
}

func (m *model) step(c *believer) {
	if c.away {
		c.connect(c.next)
	}
	steps := []string{"append", "append", "appendtwo", "store", "store", "store", "store", "unchanged", "expunge", "uidexpunge", "copy", "move",
		"replace", "noop", "fetch", "changed", "search", "follow", "idle", "listen", "disconnect", "disconnect", "change"}
	what := rapid.SampledFrom(steps).Draw(m.rt, "what")
	if what == "listen" {
		m.listen(c)
		return
	}
	if c.idling {
		c.endIdle()
	}
	switch what {
	case "append":
		m.append(c)
	case "appendtwo":
		m.of(c).add("F")
		m.of(c).add("S")
		c.do("APPEND " + c.mailbox + ` (\Flagged) {4+}` + "\r\ntext " + `(\Seen) {4+}` + "\r\ntext")
	case "replace":
		m.replace(c)
	case "store":
		m.store(c, false)
	case "unchanged":
		m.store(c, c.condstore)
	case "expunge":
		m.listen(c) // else it may know of more than it has read
		m.of(c).remove(c.known(), true)
		c.do("EXPUNGE")
	case "uidexpunge":
		if set := m.pick(c); len(set) > 0 {
			m.of(c).remove(set, true)
			c.do("UID EXPUNGE " + uid.Of(set...).String())
		}
	case "copy":
		m.copy(c, false)
	case "move":
		m.copy(c, true)
	case "noop":
		c.do("NOOP")
	case "fetch":
		c.learn()
	case "changed":
		m.fetchChanged(c)
	case "search":
		m.search(c)
	case "follow":
		c.follow(rapid.SampledFrom([]string{"FLAGGED", "UNSEEN", "NOT DELETED", "ALL"}).Draw(m.rt, "key"))
	case "idle":
		c.idle()
	case "disconnect":
		c.disconnect()
	case "change":
		c.change(m.otherMailbox(c))
	}
	if c.notify != "" && slices.Contains([]string{"append", "appendtwo", "replace", "copy"}, what) {
		c.learn() // its own messages are not described (RFC 5465 section 5.2)
	}
}

func (m *model) append(c *believer) {
	flags := rapid.SampledFrom([]string{"", "S", "F", "D", "SD"}).Draw(m.rt, "flags")
	mailbox := rapid.SampledFrom(mailboxNames).Draw(m.rt, "mailbox")
	m.mailboxes[mailbox].add(flags)
	c.do(fmt.Sprintf("APPEND %s (%s) {4+}\r\ntext", mailbox, wireFlags(flags)))
}

// replace puts a new message in the place of one that the client sees. If another client was faster
// nothing comes.
func (m *model) replace(c *believer) {
	set := m.pick(c)
	if len(set) == 0 {
		return
	}
	old, to := set[0], rapid.SampledFrom(mailboxNames).Draw(m.rt, "mailbox")
	if _, ok := m.of(c).flags[old]; ok {
		delete(m.of(c).flags, old)
		m.mailboxes[to].add("D")
	}
	c.do(fmt.Sprintf(`%s %s (\Deleted) {4+}`+"\r\ntext", m.named(c, "REPLACE", set[:1]), to))
}

// store changes flags, with UNCHANGEDSINCE only of messages that did not change since (RFC 7162
// section 3.1.3).
func (m *model) store(c *believer, conditional bool) {
	set, b := m.pick(c), m.of(c)
	if len(set) == 0 {
		return
	}
	op := rapid.SampledFrom([]string{"", "+", "-"}).Draw(m.rt, "op")
	flags := rapid.SampledFrom([]string{"S", "F", "D", "SF", "FD"}).Draw(m.rt, "flags")
	silent := rapid.SampledFrom([]string{"", ".SILENT"}).Draw(m.rt, "silent")
	var modified []uid.UID
	since := ""
	if conditional {
		n := rapid.SampledFrom([]uint64{0, c.modSeqs[set[0]], c.highest, b.highest}).Draw(m.rt, "since")
		since = fmt.Sprintf("(UNCHANGEDSINCE %d) ", n)
		modified = slices.DeleteFunc(slices.Clone(set), func(u uid.UID) bool { return b.modSeqs[u] <= n })
		modified = slices.DeleteFunc(modified, func(u uid.UID) bool { _, ok := b.flags[u]; return !ok })
		set = slices.DeleteFunc(set, func(u uid.UID) bool { return slices.Contains(modified, u) })
	}
	for _, u := range set {
		if old, ok := b.flags[u]; ok {
			b.flags[u] = applied(op, old, flags)
		}
	}
	named := m.named(c, "STORE", slices.Sorted(slices.Values(slices.Concat(set, modified))))
	want := ""
	if len(modified) > 0 {
		want = "[MODIFIED " + m.inSet(c, named, modified) + "]"
	}
	a := c.do(fmt.Sprintf("%s %s%sFLAGS%s (%s)", named, since, op, silent, wireFlags(flags)))
	if strings.Contains(a.status, "[MODIFIED") != (want != "") || !strings.Contains(a.status, want) {
		c.fatalf("%s %s: %s, want %s", named, since, a.status, want)
	}
	if silent != "" {
		for _, u := range set {
			if old, ok := c.flags[u]; ok {
				c.flags[u] = applied(op, old, flags)
			}
		}
	}
}

// named draws how a command names messages: by number or by UID.
func (m *model) named(c *believer, verb string, set []uid.UID) string {
	unknown := func(u uid.UID) bool { return !slices.Contains(c.uids, u) }
	if c.byNumbers() && !slices.ContainsFunc(set, unknown) && rapid.Bool().Draw(m.rt, "by number") {
		return verb + " " + c.numbers(set)
	}
	return "UID " + verb + " " + uid.Of(set...).String()
}

// inSet writes messages as the command that was named writes them.
func (m *model) inSet(c *believer, named string, set []uid.UID) string {
	if !strings.HasPrefix(named, "UID") {
		numbers := make([]uid.UID, 0, len(set))
		for _, u := range set {
			numbers = append(numbers, uid.UID(1+slices.Index(c.uids, u)))
		}
		set = numbers
	}
	return uid.Of(set...).String()
}

func (m *model) copy(c *believer, move bool) {
	set, b := m.pick(c), m.of(c)
	if len(set) == 0 {
		return
	}
	target := rapid.SampledFrom(mailboxNames).Draw(m.rt, "target")
	for _, u := range set {
		if flags, ok := b.flags[u]; ok {
			m.mailboxes[target].add(flags)
		}
	}
	verb := "UID COPY "
	if move {
		b.remove(set, false)
		verb = "UID MOVE "
	}
	c.do(verb + uid.Of(set...).String() + " " + target)
}

func (b *contents) remove(set []uid.UID, onlyDeleted bool) {
	for _, u := range set {
		if !onlyDeleted || strings.Contains(b.flags[u], "D") {
			delete(b.flags, u)
		}
	}
}

// pick chooses some of the messages that the client sees, or may know from elsewhere.
func (m *model) pick(c *believer) (set []uid.UID) {
	known := c.known()
	if rapid.Bool().Draw(m.rt, "from elsewhere") {
		known = slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(known, maps.Keys(m.of(c).flags)))))
	}
	if len(known) == 0 {
		return nil
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(known)-1), 1, min(3, len(known)), rapid.ID[int]).Draw(m.rt, "pick") {
		set = append(set, known[i])
	}
	slices.Sort(set)
	return set
}

// fetchChanged asks what changed since a mod-sequence, and with QRESYNC what is gone since then (RFC
// 7162 sections 3.1.4 and 3.2.6).
func (m *model) fetchChanged(c *believer) {
	if !c.condstore {
		return
	}
	c.do("NOOP")
	c.learn()
	seen, b := slices.Clone(c.uids), m.of(c)
	since := rapid.SampledFrom([]uint64{1, c.highest, (c.highest + 1) / 2, b.highest}).Draw(m.rt, "since")
	if since == 0 {
		return
	}
	vanished := ""
	if c.qresync {
		vanished = " VANISHED"
	}
	c.do(fmt.Sprintf("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d%s)", since, vanished))
	for _, u := range seen {
		if _, ok := b.flags[u]; ok && b.modSeqs[u] > since && !c.answered[u] {
			c.fatalf("UID %d with MODSEQ %d is not told to have changed since %d", u, b.modSeqs[u], since)
		}
	}
	for u := range c.gone {
		if _, ok := b.flags[u]; ok {
			c.fatalf("UID %d is not gone", u)
		}
	}
	for u, after := range b.gone {
		if c.qresync && after >= since && !c.gone[u] && !slices.Contains(seen, u) {
			c.fatalf("UID %d is not told to have gone since %d", u, since)
		}
	}
}

// search must find what the client believes in, as far as it still is there.
func (m *model) search(c *believer) {
	c.learn()
	r := c.do("UID SEARCH ALL")
	found := strings.Fields(r.search)
	for _, u := range r.seen { // 0 is one that came and went at once, as NOTIFY tells it
		if u != 0 && !slices.Contains(found, strconv.Itoa(int(u))) || len(found) != len(r.seen) {
			c.fatalf("found %v among %v", found, r.seen)
		}
	}
}

// converge brings the client up to date and compares it with the model.
func (m *model) converge(c *believer) {
	if c.away {
		c.connect(c.next)
	}
	if c.idling {
		c.endIdle()
	}
	c.do("NOOP")
	c.learn()
	if c.notify != "" {
		m.listen(c)
	} else if wrong := m.differs(c); wrong != "" {
		c.fatalf("%s", wrong)
	}
}

// listen waits until a client that asked for it has been told all, without a word of its own.
func (m *model) listen(c *believer) {
	if !c.idling && c.notify == "" {
		return
	}
	for deadline := time.Now().Add(wait); ; {
		wrong := m.differs(c)
		if wrong == "" {
			return
		}
		c.wire.conn.SetReadDeadline(deadline)
		line, err := c.wire.r.ReadString('\n')
		if err != nil {
			c.fatalf("is not told (IDLE %v): %s", c.idling, wrong)
		}
		c.untagged(strings.TrimSuffix(line, "\r\n"), "IDLE")
	}
}

// differs tells what a client does not believe that is true, as far as it can know by now: what is
// gone may be held back until a command, and of new messages it may only know how many there are.
func (m *model) differs(c *believer) string {
	b := m.of(c)
	want := slices.Sorted(maps.Keys(b.flags))
	believed := slices.Clone(c.uids)
	if c.notify == "selected-delayed" && !c.idling {
		believed = slices.DeleteFunc(believed, func(u uid.UID) bool { _, ok := b.flags[u]; return !ok })
	}
	if len(believed) != len(want) {
		return fmt.Sprintf("%d messages of %v", len(believed), want)
	}
	for i, u := range believed {
		switch {
		case u == 0 && c.notify != "":
			return "new messages are not described"
		case u == 0:
		case u != want[i] && !c.uidOnly || !slices.Contains(want, u):
			return fmt.Sprintf("the mailbox has %v", want)
		case c.flags[u] != b.flags[u] && (knows(c.flags, u) || c.notify != ""):
			return fmt.Sprintf("flags %q of UID %d are %q", c.flags[u], u, b.flags[u])
		}
	}
	if wrong := m.differsInResults(c, b); wrong != "" || c.notify == "" {
		return wrong
	}
	name := m.otherMailbox(c)
	other, told := m.mailboxes[name], c.others[name]
	unseen := 0
	for _, flags := range other.flags {
		if !strings.Contains(flags, "S") {
			unseen++
		}
	}
	if told["MESSAGES"] != uint64(len(other.flags)) || told["UIDNEXT"] != uint64(other.next) || told["UNSEEN"] != uint64(unseen) {
		return fmt.Sprintf("%s has %d messages, %d unseen, next UID %d; told %v", name, len(other.flags), unseen, other.next, told)
	}
	return ""
}

// knows reports whether a client was told the flags of a message.
func knows(flags map[uid.UID]string, u uid.UID) bool {
	_, ok := flags[u]
	return ok
}

// differsInResults is differs for the results that the client follows.
func (m *model) differsInResults(c *believer, b *contents) string {
	if c.followed == "" {
		return ""
	}
	var want, gone uid.Set
	for u, flags := range b.flags {
		if c.followed == "ALL" || c.followed == "FLAGGED" && strings.Contains(flags, "F") ||
			c.followed == "UNSEEN" && !strings.Contains(flags, "S") || c.followed == "NOT DELETED" && !strings.Contains(flags, "D") {
			want = want.Union(uid.Of(u))
		}
	}
	for u := range c.results.All() {
		if _, ok := b.flags[u]; !ok && c.notify == "selected-delayed" && !c.idling {
			gone = gone.Union(uid.Of(u))
		}
	}
	if got := c.results.Minus(gone); got.String() != want.String() {
		return fmt.Sprintf("%s follows %v, it is %v", c.followed, got, want)
	}
	return ""
}

// audit compares the mailboxes, as a client sees them that comes anew, with the model: UIDs and flags
// are right, mod-sequences rise with every change and stay without one (RFC 7162 section 3.1).
func (m *model) audit() {
	for name, b := range m.mailboxes {
		flags, modSeqs, highest := m.look(name)
		if !maps.Equal(flags, b.flags) {
			m.rt.Fatalf("%s has %v, want %v", name, flags, b.flags)
		}
		changed := false
		for u, modSeq := range modSeqs {
			old, known := b.audited[u]
			switch {
			case modSeq > highest:
				m.rt.Fatalf("%s: UID %d has MODSEQ %d, above HIGHESTMODSEQ %d", name, u, modSeq, highest)
			case !known || old != flags[u]:
				changed = true
				if modSeq <= b.highest {
					m.rt.Fatalf("%s: UID %d changed, and its MODSEQ %d is not above %d", name, u, modSeq, b.highest)
				}
			case modSeq < b.modSeqs[u]:
				m.rt.Fatalf("%s: MODSEQ of UID %d falls from %d to %d", name, u, b.modSeqs[u], modSeq)
			}
		}
		for u := range b.audited {
			if _, ok := flags[u]; !ok {
				changed = true
				b.gone[u] = b.highest
			}
		}
		if highest < b.highest || changed && highest == b.highest {
			m.rt.Fatalf("%s: HIGHESTMODSEQ goes from %d to %d (changed: %v)", name, b.highest, highest, changed)
		}
		b.audited, b.modSeqs, b.highest = flags, modSeqs, highest
	}
}

// look reads a mailbox anew.
func (m *model) look(name string) (flags map[uid.UID]string, modSeqs map[uid.UID]uint64, highest uint64) {
	flags, modSeqs = map[uid.UID]string{}, map[uid.UID]uint64{}
	for _, line := range m.auditor.ok("EXAMINE " + name + " (CONDSTORE)") {
		if code := highestCode.FindStringSubmatch(line); code != nil {
			highest = parse(code[1])
		}
	}
	for _, line := range m.auditor.ok("UID FETCH 1:* (FLAGS MODSEQ)") {
		if f := fetchLine.FindStringSubmatch(line); f != nil {
			u := uid.UID(parse(f[2]))
			flags[u], modSeqs[u] = letters(f[3]), parse(f[4])
		}
	}
	return flags, modSeqs, highest
}

func wireFlags(letters string) string {
	var names []string
	for _, l := range letters {
		names = append(names, map[rune]string{'S': `\Seen`, 'F': `\Flagged`, 'D': `\Deleted`}[l])
	}
	return strings.Join(names, " ")
}

func letters(list string) string {
	out := ""
	for _, l := range "SFD" {
		if strings.Contains(list, wireFlags(string(l))) {
			out += string(l)
		}
	}
	return out
}

func applied(op, old, arg string) string {
	out := ""
	for _, l := range "SFD" {
		has, given := strings.ContainsRune(old, l), strings.ContainsRune(arg, l)
		if op == "" && given || op == "+" && (has || given) || op == "-" && has && !given {
			out += string(l)
		}
	}
	return out
}

// TestConcurrentSessions lets clients change two mailboxes at once. Each holds every response
// against what it believes; in the end all believe the same.
func TestConcurrentSessions(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	var clients []*believer
	for i, h := range []habits{
		{}, {condstore: true}, {condstore: true, qresync: true}, {condstore: true, qresync: true},
		{uidOnly: true}, {condstore: true, qresync: true, uidOnly: true},
		{notify: "selected"}, {notify: "selected-delayed", condstore: true}, {notify: "selected", condstore: true, qresync: true, uidOnly: true},
	} {
		clients = append(clients, newBeliever(w, h, mailboxNames[i%2], t.Fatalf))
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { c.riot(rand.New(rand.NewPCG(7, uint64(i)))) })
	}
	wg.Wait()
	m := &model{mailboxes: map[string]*contents{}, auditor: w.plainClient()}
	for _, name := range mailboxNames {
		flags, _, _ := m.look(name)
		m.mailboxes[name] = &contents{flags: flags, next: uid.UID(m.next(name))}
	}
	for _, c := range clients {
		m.converge(c)
		for _, name := range mailboxNames {
			c.change(name)
			m.converge(c)
		}
	}
}

// TestResyncUnderLoad lets a client go on from what it believes again and again, while others flag and
// expunge. What it is told last before it goes must not be ahead of what it was told of expunges.
func TestResyncUnderLoad(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	w.plainClient().ok("APPEND INBOX" + strings.Repeat(" {4+}\r\ntext", 200))
	stop := make(chan struct{})
	var load sync.WaitGroup
	for _, commands := range [][]string{
		{"UID STORE 150:200 +FLAGS.SILENT (\\Seen)", "UID STORE 150:200 -FLAGS.SILENT (\\Seen)"},
		{"UID STORE 100:149 +FLAGS.SILENT (\\Seen)", "UID STORE 100:149 -FLAGS.SILENT (\\Seen)"},
		{"APPEND INBOX (\\Deleted) {4+}\r\ntext", "NOOP", "EXPUNGE"},
	} {
		c := w.plainClient()
		c.ok("SELECT INBOX")
		load.Go(func() {
			for {
				for _, command := range commands {
					c.do(command)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	defer func() {
		close(stop)
		load.Wait()
	}()
	c := newBeliever(w, habits{condstore: true, qresync: true}, "INBOX", t.Fatalf)
	for began := time.Now(); time.Since(began) < time.Second; {
		for n := 0; !c.knowsAll() && n < 5; n++ {
			c.do("UID FETCH 1:* (FLAGS)") // the last word before it goes
		}
		c.cut()
		c.connect("INBOX")
		r := c.do("UID SEARCH ALL")
		for _, u := range r.seen {
			if found := strings.Fields(r.search); u != 0 && !slices.Contains(found, strconv.Itoa(int(u))) {
				t.Fatalf("UID %d is not among %v: it was not told to be gone", u, found)
			}
		}
	}
}

func (m *model) next(name string) uint64 {
	var next uint64
	for _, line := range m.auditor.ok("STATUS " + name + " (UIDNEXT)") {
		if s := statusLine.FindStringSubmatch(line); s != nil {
			next = parse(strings.TrimPrefix(s[2], "UIDNEXT "))
		}
	}
	return next
}

// riot does what comes to mind.
func (c *believer) riot(rng *rand.Rand) {
	for range 80 {
		mailbox := mailboxNames[rng.IntN(2)]
		named := "UID %s " + strconv.Itoa(1+rng.IntN(200))
		if c.byNumbers() && len(c.uids) > 0 {
			named = "%s " + strconv.Itoa(1+rng.IntN(len(c.uids)))
		}
		switch what := rng.IntN(16); {
		case what == 0:
			c.do("NOOP")
		case len(c.uids) == 0, what <= 4:
			c.do("APPEND " + mailbox + " {4+}\r\ntext")
		case what == 5:
			c.do("UID FETCH 1:* (FLAGS)")
		case what <= 8:
			c.do(fmt.Sprintf(named+" %cFLAGS (\\Seen \\Deleted)", "STORE", "+-"[rng.IntN(2)]))
		case what == 9:
			c.do(fmt.Sprintf(named+" "+mailbox, "MOVE"))
		case what == 10:
			c.do(fmt.Sprintf(named+" "+mailbox, "COPY"))
		case what == 11:
			c.idle()
			c.endIdle()
		case what == 12:
			c.change(mailbox)
		case what == 13:
			c.learn()
			c.disconnect()
			c.connect(mailbox)
		case what == 14 && c.condstore:
			c.do(fmt.Sprintf(named+" (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Flagged)", "STORE", c.highest))
			c.do("UID FETCH 1:* (FLAGS)") // which it was, is not told
		default:
			c.do("EXPUNGE")
		}
	}
}
