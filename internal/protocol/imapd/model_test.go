package imapd

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSessionsConverge drives several clients against one mailbox at random and holds every
// response against what a client must believe, and the clients' beliefs against a model.
func TestSessionsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, settings{plaintext: true, noTLS: true})
		m := &model{rt: rt, w: w, flags: map[uid.UID]string{}, next: 1}
		for i := range 3 {
			m.clients = append(m.clients, m.connect(i))
		}
		steps := rapid.IntRange(5, 40).Draw(rt, "steps")
		for range steps {
			c := m.clients[rapid.IntRange(0, 2).Draw(rt, "client")]
			m.step(c)
		}
		for _, c := range m.clients {
			c.converge()
		}
		for _, c := range m.clients {
			c.close()
		}
	})
}

// model is what the mailbox holds.
type model struct {
	rt      *rapid.T
	w       *world
	flags   map[uid.UID]string // by UID: \Seen, \Flagged, \Deleted as letters in order
	next    uid.UID
	clients []*believer
}

// believer is a client and what it believes.
type believer struct {
	m                  *model
	fatalf             func(string, ...any)
	wire               *wire
	condstore, qresync bool
	uids               []uid.UID // by message number; 0 is not known yet
	flags              map[uid.UID]string
	modSeqs            map[uid.UID]uint64
	validity           string
	highest            uint64 // sure: every change up to here was told
	heard              uint64 // the greatest MODSEQ since
	exists             int    // as last told
	selecting, idling  bool
}

func (m *model) connect(kind int) *believer {
	c := &believer{m: m, fatalf: m.rt.Fatalf, condstore: kind >= 1, qresync: kind == 2, flags: map[uid.UID]string{}, modSeqs: map[uid.UID]uint64{}}
	c.open("")
	return c
}

func (c *believer) open(param string) {
	c.wire = c.m.w.plainClient()
	if c.qresync {
		c.wire.ok("ENABLE QRESYNC")
	} else if c.condstore {
		c.wire.ok("ENABLE CONDSTORE")
	}
	c.selecting = true
	c.do("SELECT INBOX" + param)
	c.selecting = false
	c.grow(func(why string) { c.fatalf("SELECT: believing in %v of %d: %s", c.uids, c.exists, why) })
}

func (c *believer) close() { c.wire.conn.Close() }

func (m *model) step(c *believer) {
	if c.idling {
		c.endIdle()
	}
	switch rapid.SampledFrom([]string{"append", "append", "store", "store", "silent", "expunge", "uidexpunge", "copy", "move",
		"appendtwo", "replace",
		"noop", "fetch", "search", "idle", "reconnect"}).Draw(m.rt, "what") {
	case "append":
		m.appendTo(c)
	case "appendtwo":
		m.flags[m.next], m.flags[m.next+1] = "F", "S"
		m.next += 2
		c.do(`APPEND INBOX (\Flagged) {4+}` + "\r\ntext " + `(\Seen) {4+}` + "\r\ntext")
	case "replace":
		m.replace(c)
	case "store":
		m.store(c, "")
	case "silent":
		m.store(c, ".SILENT")
	case "expunge":
		m.remove(c.known(), true)
		c.do("EXPUNGE")
	case "uidexpunge":
		if set := c.pick(); len(set) > 0 {
			m.remove(set, true)
			c.do("UID EXPUNGE " + uid.Of(set...).String())
		}
	case "copy":
		m.copy(c, false)
	case "move":
		m.copy(c, true)
	case "noop":
		c.do("NOOP")
	case "fetch":
		if len(c.uids) > 0 {
			c.do("FETCH 1:* (UID FLAGS)")
		}
	case "search":
		c.search()
	case "idle":
		c.wire.send("i IDLE\r\n")
		for line := c.wire.line(); line != "+ Idling"; line = c.wire.line() {
			c.untagged(line, "IDLE")
		}
		c.idling = true
	case "reconnect":
		c.reconnect()
	}
}

func (m *model) appendTo(c *believer) {
	flags := rapid.SampledFrom([]string{"", "S", "F", "D", "SD"}).Draw(m.rt, "flags")
	m.flags[m.next] = flags
	m.next++
	c.do(fmt.Sprintf("APPEND INBOX (%s) {4+}\r\ntext", wireFlags(flags)))
}

// replace puts a new message in the place of one that the client sees. If another client was faster
// nothing comes.
func (m *model) replace(c *believer) {
	set := c.pick()
	if len(set) == 0 {
		return
	}
	old := set[0]
	if _, ok := m.flags[old]; ok {
		delete(m.flags, old)
		m.flags[m.next] = "D"
		m.next++
	}
	command := "REPLACE " + c.numbers(set[:1])
	if rapid.Bool().Draw(m.rt, "uid") {
		command = "UID REPLACE " + uid.Of(old).String()
	}
	c.do(command + ` INBOX (\Deleted) {4+}` + "\r\ntext")
}

func (m *model) store(c *believer, silent string) {
	set := c.pick()
	if len(set) == 0 {
		return
	}
	op := rapid.SampledFrom([]string{"", "+", "-"}).Draw(m.rt, "op")
	flags := rapid.SampledFrom([]string{"S", "F", "D", "SF", "FD"}).Draw(m.rt, "flags")
	byUID := rapid.Bool().Draw(m.rt, "uid")
	change := func(known map[uid.UID]string, u uid.UID) {
		if old, ok := known[u]; ok {
			known[u] = applied(op, old, flags)
		}
	}
	for _, u := range set {
		change(m.flags, u)
	}
	command := "STORE " + c.numbers(set)
	if byUID {
		command = "UID STORE " + uid.Of(set...).String()
	}
	c.do(fmt.Sprintf("%s %sFLAGS%s (%s)", command, op, silent, wireFlags(flags)))
	if silent != "" {
		for _, u := range set {
			change(c.flags, u)
		}
	}
}

func (m *model) copy(c *believer, move bool) {
	set := c.pick()
	if len(set) == 0 {
		return
	}
	for _, u := range set {
		if flags, ok := m.flags[u]; ok {
			m.flags[m.next] = flags
			m.next++
		}
	}
	verb := "UID COPY "
	if move {
		m.remove(set, false)
		verb = "UID MOVE "
	}
	c.do(verb + uid.Of(set...).String() + " INBOX")
}

func (m *model) remove(set []uid.UID, onlyDeleted bool) {
	for _, u := range set {
		if !onlyDeleted || strings.Contains(m.flags[u], "D") {
			delete(m.flags, u)
		}
	}
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

// known are the UIDs that the client knows of. The server counts those as known that it has told
// to exist: the client asks for UIDs that it does not know.
func (c *believer) known() []uid.UID {
	c.learn()
	return slices.Clone(c.uids)
}

// pick chooses some of the messages that the client sees.
func (c *believer) pick() (set []uid.UID) {
	known := c.known()
	if len(known) == 0 {
		return nil
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(known)-1), 1, min(3, len(known)), rapid.ID[int]).Draw(c.m.rt, "pick") {
		set = append(set, known[i])
	}
	slices.Sort(set)
	return set
}

func (c *believer) numbers(set []uid.UID) string {
	var list []string
	for _, u := range set {
		list = append(list, strconv.Itoa(1+slices.Index(c.uids, u)))
	}
	return strings.Join(list, ",")
}

// learn asks for what the client does not know of the messages that it sees.
func (c *believer) learn() {
	for range 4 {
		if !slices.Contains(c.uids, 0) {
			return
		}
		c.do("FETCH 1:* (UID FLAGS)")
		c.do("NOOP")
	}
	c.fatalf("the client does not learn of all in %v", c.uids)
}

// converge brings the client up to date and compares it with the model.
func (c *believer) converge() {
	if c.idling {
		c.endIdle()
	}
	c.do("NOOP")
	c.learn()
	want := slices.Sorted(maps.Keys(c.m.flags))
	if !slices.Equal(c.uids, want) {
		c.fatalf("client believes in %v, the mailbox has %v", c.uids, want)
	}
	for _, u := range want {
		if c.flags[u] != c.m.flags[u] {
			c.fatalf("UID %d: client believes in flags %q, they are %q", u, c.flags[u], c.m.flags[u])
		}
	}
}

// search must find what the client believes in, as far as it still is there.
func (c *believer) search() {
	c.learn()
	var want []string
	for _, u := range c.uids {
		want = append(want, strconv.Itoa(int(u)))
	}
	got := c.do("UID SEARCH ALL")
	if found := strings.Fields(strings.TrimPrefix(got, "* SEARCH")); !slices.Equal(found, want) {
		c.fatalf("found %v among %v", found, want)
	}
}

func (c *believer) endIdle() {
	c.idling = false
	c.wire.send("DONE\r\n")
	for line := c.wire.line(); !strings.HasPrefix(line, "i OK"); line = c.wire.line() {
		c.untagged(line, "IDLE")
	}
	c.highest = max(c.highest, c.heard)
}

// reconnect cuts the connection; with QRESYNC the client keeps what it believes.
func (c *believer) reconnect() {
	c.close()
	if !c.qresync || slices.Contains(c.uids, 0) {
		c.uids, c.flags, c.modSeqs, c.heard = nil, map[uid.UID]string{}, map[uid.UID]uint64{}, 0
		c.open("")
		return
	}
	c.heard = 0
	c.open(fmt.Sprintf(" (QRESYNC (%s %d))", c.validity, c.highest))
}

// do runs a command and believes what it is told. It returns the SEARCH response if there is one.
func (c *believer) do(command string) (search string) {
	verb, _, _ := strings.Cut(command, " ")
	for _, line := range c.wire.do(command) {
		switch {
		case strings.HasPrefix(line, "* SEARCH"):
			search = line
		case strings.HasPrefix(line, "* "):
			c.untagged(line, verb)
		case strings.HasPrefix(line, "BAD"):
			c.fatalf("%s: %s", command, line)
		case strings.HasPrefix(line, "NO") && !strings.HasPrefix(line, "NO [EXPUNGEISSUED]"):
			c.fatalf("%s: %s", command, line)
		default:
			if code := highestCode.FindStringSubmatch(line); code != nil {
				c.heard = max(c.heard, parse(code[1]))
			}
		}
	}
	if mayExpunge(verb) {
		c.highest = max(c.highest, c.heard)
	}
	return search
}

func parse(digits string) uint64 {
	n, _ := strconv.ParseUint(digits, 10, 64)
	return n
}

var (
	existsLine   = regexp.MustCompile(`^\* (\d+) EXISTS$`)
	expungeLine  = regexp.MustCompile(`^\* (\d+) EXPUNGE$`)
	vanishedLine = regexp.MustCompile(`^\* VANISHED (\(EARLIER\) )?(\S+)$`)
	fetchLine    = regexp.MustCompile(`^\* (\d+) FETCH \((?:UID (\d+) ?)?(?:FLAGS (\([^)]*\)) ?)?(?:MODSEQ \((\d+)\))?\)$`)
	highestCode  = regexp.MustCompile(`HIGHESTMODSEQ (\d+)\]`)
	validityCode = regexp.MustCompile(`UIDVALIDITY (\d+)\]`)
)

// untagged believes one response, given in the answer to a command.
func (c *believer) untagged(line, verb string) {
	fatal := func(why string) {
		c.fatalf("%s in the answer to %s, believing in %v: %s", line, verb, c.uids, why)
	}
	if m := existsLine.FindStringSubmatch(line); m != nil {
		c.exists = int(parse(m[1]))
		if verb != "SELECT" {
			c.grow(fatal)
		}
	} else if m := expungeLine.FindStringSubmatch(line); m != nil {
		n := int(parse(m[1]))
		if !mayExpunge(verb) || n < 1 || n > len(c.uids) || c.qresync {
			fatal("EXPUNGE is out of place")
		}
		c.uids = slices.Delete(c.uids, n-1, n)
	} else if m := vanishedLine.FindStringSubmatch(line); m != nil {
		c.vanished(m[2], m[1] != "", verb, fatal)
	} else if m := fetchLine.FindStringSubmatch(line); m != nil {
		c.fetched(m, fatal)
	} else if m := highestCode.FindStringSubmatch(line); m != nil {
		n := parse(m[1])
		if n < c.highest {
			fatal("HIGHESTMODSEQ falls")
		}
		c.heard = max(c.heard, n)
	} else if m := validityCode.FindStringSubmatch(line); m != nil {
		if c.validity != "" && c.validity != m[1] {
			fatal("UIDVALIDITY changes")
		}
		c.validity = m[1]
	}
}

func (c *believer) vanished(text string, earlier bool, verb string, fatal func(string)) {
	set, err := uid.Parse(text)
	if err != nil || !c.qresync || !mayExpunge(verb) || earlier != (verb == "SELECT") {
		fatal("VANISHED is out of place")
	}
	if earlier { // EXISTS was told before and stays true (RFC 7162 section 3.2.10)
		c.uids = slices.DeleteFunc(c.uids, func(u uid.UID) bool { return set.Contains(u) })
		return
	}
	for u := range set.All() {
		n := slices.Index(c.uids, u)
		if n < 0 {
			n = c.unknownAt(u)
		}
		if n < 0 {
			fatal("VANISHED has a UID that is not in the mailbox")
		}
		c.uids = slices.Delete(c.uids, n, n+1)
	}
}

// unknownAt finds a message that the client has not asked for yet and that can have that UID.
func (c *believer) unknownAt(u uid.UID) int {
	at := -1 // behind all that are known to come before u, before all that come after it
	for n, v := range c.uids {
		switch {
		case v == 0:
			at = n
		case v < u:
			at = -1
		default:
			return at
		}
	}
	return at
}

// grow makes room for the messages that are told to exist.
func (c *believer) grow(fatal func(string)) {
	if c.exists < len(c.uids) {
		fatal("fewer messages without EXPUNGE")
	}
	for len(c.uids) < c.exists {
		c.uids = append(c.uids, 0)
	}
}

func (c *believer) fetched(m []string, fatal func(string)) {
	if c.selecting {
		c.grow(fatal)
	}
	n, u := int(parse(m[1])), uid.UID(parse(m[2]))
	if n < 1 || n > len(c.uids) {
		fatal("no such message number")
	}
	if u == 0 {
		if u = c.uids[n-1]; u == 0 {
			return // a message that the client has not asked for yet
		}
	}
	switch c.uids[n-1] {
	case 0:
		c.uids[n-1] = u
	case u:
	default:
		fatal("another message has that number")
	}
	if !slices.IsSortedFunc(slices.DeleteFunc(slices.Clone(c.uids), func(u uid.UID) bool { return u == 0 }), func(a, b uid.UID) int { return int(a) - int(b) }) {
		fatal("UIDs do not ascend")
	}
	if m[3] != "" {
		c.flags[u] = letters(m[3])
	}
	if m[4] != "" {
		n := parse(m[4])
		if n < c.modSeqs[u] {
			fatal("MODSEQ falls")
		}
		c.modSeqs[u], c.heard = n, max(c.heard, n)
	}
}

// TestConcurrentSessions lets clients change one mailbox at once. Each holds every response
// against what it believes; in the end all believe the same.
func TestConcurrentSessions(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	clients := make([]*believer, 4)
	for i := range clients {
		c := &believer{m: &model{w: w}, fatalf: t.Errorf, condstore: i >= 1, qresync: i >= 2,
			flags: map[uid.UID]string{}, modSeqs: map[uid.UID]uint64{}}
		c.open("")
		clients[i] = c
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { c.riot(rand.New(rand.NewPCG(7, uint64(i)))) })
	}
	wg.Wait()
	for _, c := range clients {
		c.do("NOOP")
		c.learn()
	}
	for _, c := range clients[1:] {
		if !slices.Equal(c.uids, clients[0].uids) {
			t.Errorf("one client believes in %v, another in %v", clients[0].uids, c.uids)
		}
		for _, u := range c.uids {
			if c.flags[u] != clients[0].flags[u] {
				t.Errorf("UID %d: flags %q and %q", u, clients[0].flags[u], c.flags[u])
			}
		}
	}
}

// riot does what comes to mind.
func (c *believer) riot(rng *rand.Rand) {
	for range 60 {
		n := 1 + rng.IntN(max(len(c.uids), 1))
		switch what := rng.IntN(9); {
		case what == 0:
			c.do("NOOP")
		case len(c.uids) == 0, what <= 3:
			c.do("APPEND INBOX {4+}\r\ntext")
		case what == 4:
			c.do("FETCH 1:* (UID FLAGS)")
		case what <= 6:
			c.do(fmt.Sprintf("STORE %d %cFLAGS (\\Seen \\Deleted)", n, "+-"[rng.IntN(2)]))
		case what == 7:
			c.do(fmt.Sprintf("MOVE %d INBOX", n))
		default:
			c.do("EXPUNGE")
		}
	}
}
