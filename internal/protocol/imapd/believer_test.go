package imapd

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/store/uid"
)

// habits are what a client asked the server for.
type habits struct {
	condstore, qresync, uidOnly bool
	notify                      string // "", or what NOTIFY is to tell of the selected mailbox: "selected", "selected-delayed"
}

// belief is what a client believes of a mailbox.
type belief struct {
	uids     []uid.UID // by message number; 0 is not known yet
	flags    map[uid.UID]string
	modSeqs  map[uid.UID]uint64
	validity string
	highest  uint64 // sure: every change up to here was told
}

func newBelief() belief {
	return belief{flags: map[uid.UID]string{}, modSeqs: map[uid.UID]uint64{}}
}

func (b *belief) clone() belief {
	return belief{slices.Clone(b.uids), maps.Clone(b.flags), maps.Clone(b.modSeqs), b.validity, b.highest}
}

// believer is a client that holds every response against what it believes.
type believer struct {
	habits
	belief                // of the mailbox that is selected
	mailbox, next  string // next is the one that is being selected
	fatalf         func(string, ...any)
	world          *world
	wire           *wire
	heard          uint64 // the greatest MODSEQ since all changes up to highest were told
	exists         int    // as last told
	selecting      bool
	idling, away   bool
	remembered     map[string]belief            // of mailboxes that were left, for QRESYNC
	others         map[string]map[string]uint64 // STATUS of mailboxes that are not selected, for NOTIFY
	followed       string                       // the key of a search whose results the client follows (RFC 5267)
	followedTag    string                       // and the tag it was asked with
	results        uid.Set
	answered, gone map[uid.UID]bool // by FETCH and VANISHED (EARLIER) in the answer to the last command
}

func newBeliever(w *world, h habits, mailbox string, fatalf func(string, ...any)) *believer {
	c := &believer{habits: h, belief: newBelief(), world: w, remembered: map[string]belief{}, others: map[string]map[string]uint64{}}
	c.fatalf = func(format string, args ...any) {
		fatalf("%+v in %s, believing in %v: %s", c.habits, c.mailbox, c.uids, fmt.Sprintf(format, args...))
	}
	c.connect(mailbox)
	return c
}

func (c *believer) connect(mailbox string) {
	c.wire, c.away = c.world.plainClient(), false
	for _, e := range []struct {
		on   bool
		name string
	}{{c.qresync, "QRESYNC"}, {c.condstore, "CONDSTORE"}, {c.uidOnly, "UIDONLY"}} {
		if e.on {
			c.wire.ok("ENABLE " + e.name)
		}
	}
	if c.notify != "" {
		c.others = map[string]map[string]uint64{}
		c.do("NOTIFY SET STATUS (" + c.notify + " (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge FlagChange))")
	}
	c.open(mailbox)
}

// open selects a mailbox. With QRESYNC the client goes on from what it believed when it left it. What
// comes before CLOSED is about the mailbox that it leaves (RFC 7162 section 3.2.11).
func (c *believer) open(mailbox string) {
	command := "SELECT " + mailbox
	if b, ok := c.remembered[mailbox]; ok && c.qresync {
		command += c.resyncParams(&b)
	}
	c.next = mailbox
	if c.mailbox == "" {
		c.begin()
	}
	c.do(command)
	c.selecting = false
	c.grow(func(why string) { c.fatalf("SELECT, %d exist: %s", c.exists, why) })
	delete(c.others, mailbox)
	if c.notify != "" {
		c.learn() // what comes from now on is described
	}
}

// begin begins to hear of the mailbox that is being selected.
func (c *believer) begin() {
	c.mailbox, c.belief, c.heard, c.exists, c.selecting = c.next, newBelief(), 0, 0, true
	c.followed, c.results = "", nil
	if b, ok := c.remembered[c.mailbox]; ok && c.qresync {
		c.belief = b.clone()
	}
}

// resyncParams tells of the belief all that QRESYNC lets a client tell, or not all (RFC 7162 section 3.2.5).
func (c *believer) resyncParams(b *belief) string {
	params := fmt.Sprintf("%s %d", b.validity, b.highest)
	if n := len(b.uids); n > 0 && b.highest%3 > 0 {
		params += " " + uid.Of(b.uids...).String()
		if b.highest%3 > 1 && !c.uidOnly {
			params += fmt.Sprintf(" (%d,%d %d,%d)", (n+1)/2, n+1, b.uids[(n+1)/2-1], b.uids[n-1]+1)
		}
	}
	return " (QRESYNC (" + params + "))"
}

// leave keeps what the client believes of its mailbox, if it is sure of it.
func (c *believer) leave() {
	delete(c.remembered, c.mailbox)
	if c.knowsAll() && c.highest > 0 {
		c.remembered[c.mailbox] = c.clone()
	}
}

// change selects another mailbox, and asks how the one it leaves is, for NOTIFY.
func (c *believer) change(mailbox string) {
	left := c.mailbox
	if left == mailbox && c.qresync {
		c.leave() // what comes until then is told again
	}
	c.open(mailbox)
	if c.notify != "" && left != mailbox {
		c.do("STATUS " + left + " (MESSAGES UIDNEXT UNSEEN)")
	}
}

// follow asks to be told what comes into the results of a search and what leaves them, in place of what
// it followed before.
func (c *believer) follow(key string) {
	if c.followed != "" {
		c.do(`CANCELUPDATE "` + c.followedTag + `"`)
	}
	c.followed, c.followedTag, c.results = key, fmt.Sprintf("t%d", c.wire.tag+1), nil
	c.do("UID SEARCH RETURN (ALL UPDATE) " + key)
}

// disconnect cuts the connection, until connect.
func (c *believer) disconnect() {
	if c.uids != nil && c.highest%2 > 0 {
		c.learn() // else it may have nothing to go on from
	}
	c.cut()
}

func (c *believer) cut() {
	c.leave()
	c.close()
	c.next, c.mailbox, c.away = c.mailbox, "", true
}

func (c *believer) close() { c.wire.conn.Close() }

// result is what a command came to.
type result struct {
	search string    // the SEARCH response
	seen   []uid.UID // what the client believed then
	status string    // OK or NO with all that follows
}

// do runs a command and believes what it is told.
func (c *believer) do(command string) (r result) {
	verb, _, _ := strings.Cut(command, " ")
	c.answered, c.gone = map[uid.UID]bool{}, map[uid.UID]bool{}
	for _, line := range c.wire.do(command) {
		switch {
		case strings.HasPrefix(line, "* SEARCH"):
			r.search, r.seen = strings.TrimPrefix(line, "* SEARCH"), slices.Clone(c.uids)
		case strings.HasPrefix(line, "* "):
			c.untagged(line, command)
		case strings.HasPrefix(line, "BAD"), strings.HasPrefix(line, "NO") && !strings.HasPrefix(line, "NO [EXPUNGEISSUED]"):
			c.fatalf("%s: %s", command, line)
		default:
			r.status = line
			if code := highestCode.FindStringSubmatch(line); code != nil {
				c.heard = max(c.heard, parse(code[1]))
			}
		}
	}
	if mayExpunge(verb) {
		c.highest = max(c.highest, c.heard)
	}
	return r
}

func (c *believer) idle() {
	c.wire.send("i IDLE\r\n")
	for line := c.wire.line(); line != "+ Idling"; line = c.wire.line() {
		c.untagged(line, "IDLE")
	}
	c.idling = true
}

func (c *believer) endIdle() {
	c.idling = false
	c.wire.send("DONE\r\n")
	for line := c.wire.line(); !strings.HasPrefix(line, "i OK"); line = c.wire.line() {
		c.untagged(line, "IDLE")
	}
	c.highest = max(c.highest, c.heard)
}

// byNumbers reports whether the client can use message numbers: they must not change between its
// commands (RFC 5465 section 5).
func (c *believer) byNumbers() bool { return !c.uidOnly && c.notify != "selected" }

// known are the UIDs that the client knows of. The server counts those as known that it has told
// to exist: the client asks for UIDs that it does not know.
func (c *believer) known() []uid.UID {
	c.learn()
	return slices.Clone(c.uids)
}

// learn asks for what the client does not know of the messages that it sees.
func (c *believer) learn() {
	command := "UID FETCH 1:* (FLAGS)"
	if c.byNumbers() {
		command = "FETCH 1:* (UID FLAGS)"
	}
	for range 1000 { // others may go on meanwhile
		if c.knowsAll() {
			return
		}
		c.do(command)
		c.do("NOOP")
	}
	c.fatalf("the client does not learn of all")
}

// knowsAll reports whether the client knows UID and flags of every message that it sees.
func (c *believer) knowsAll() bool {
	return !slices.ContainsFunc(c.uids, func(u uid.UID) bool { return !knows(c.flags, u) })
}

func (c *believer) numbers(set []uid.UID) string {
	var list []string
	for _, u := range set {
		list = append(list, strconv.Itoa(1+slices.Index(c.uids, u)))
	}
	return strings.Join(list, ",")
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
	uidFetchLine = regexp.MustCompile(`^\* ((\d+)) UIDFETCH \((?:UID \d+ ?)?(?:FLAGS (\([^)]*\)) ?)?(?:MODSEQ \((\d+)\))?\)$`)
	statusLine   = regexp.MustCompile(`^\* STATUS (\S+) \(([A-Z0-9 ]+)\)$`)
	esearchLine  = regexp.MustCompile(`^\* ESEARCH \(TAG "(\w+)"\) UID(.*)$`)
	esearchItem  = regexp.MustCompile(`^ (ALL|ADDTO|REMOVEFROM) (?:\(0 )?([0-9:,]+)\)?`)
	highestCode  = regexp.MustCompile(`HIGHESTMODSEQ (\d+)\]`)
	validityCode = regexp.MustCompile(`UIDVALIDITY (\d+)\]`)
	otherLine    = regexp.MustCompile(`^\* (FLAGS|ENABLED|OK \[(PERMANENTFLAGS|UIDNEXT|MAILBOXID|COPYUID|APPENDUID)|0 RECENT)`)
)

// untagged believes one response, given in the answer to a command.
func (c *believer) untagged(line, command string) {
	fatal := func(why string) { c.fatalf("%s in the answer to %s: %s", line, command, why) }
	verb, _, _ := strings.Cut(command, " ")
	if m := existsLine.FindStringSubmatch(line); m != nil {
		c.exists = int(parse(m[1]))
		if !c.selecting {
			c.grow(fatal)
		}
	} else if m := expungeLine.FindStringSubmatch(line); m != nil {
		n := int(parse(m[1]))
		c.arrive(fatal)
		if !c.mayHear(verb) || n < 1 || n > len(c.uids) || c.qresync || c.uidOnly {
			fatal("EXPUNGE is out of place")
		}
		c.uids, c.exists = slices.Delete(c.uids, n-1, n), c.exists-1
	} else if m := vanishedLine.FindStringSubmatch(line); m != nil {
		c.vanished(m[2], m[1] != "", verb, fatal)
	} else if m := fetchLine.FindStringSubmatch(line); m != nil && !c.uidOnly {
		c.fetched(m, fatal)
	} else if m := uidFetchLine.FindStringSubmatch(line); m != nil && c.uidOnly {
		c.fetched(m, fatal)
	} else if m := statusLine.FindStringSubmatch(line); m != nil {
		c.status(m[1], m[2], fatal)
	} else if m := esearchLine.FindStringSubmatch(line); m != nil {
		c.searched(m[1], m[2], fatal)
	} else if m := highestCode.FindStringSubmatch(line); m != nil {
		n := parse(m[1])
		if n < c.highest {
			fatal("HIGHESTMODSEQ falls")
		}
		c.heard = max(c.heard, n)
	} else if m := validityCode.FindStringSubmatch(line); m != nil && !strings.Contains(line, "APPENDUID") {
		if c.validity != "" && c.validity != m[1] {
			fatal("UIDVALIDITY changes")
		}
		c.validity = m[1]
	} else if strings.HasPrefix(line, "* OK [CLOSED]") {
		c.leave()
		c.begin()
	} else if !otherLine.MatchString(line) {
		fatal("not expected")
	}
}

// mayHear reports whether messages may go in the answer to a command. To one that asked NOTIFY for it
// this can be told at any time.
func (c *believer) mayHear(verb string) bool { return mayExpunge(verb) || c.notify == "selected" }

func (c *believer) vanished(text string, earlier bool, verb string, fatal func(string)) {
	set, err := uid.Parse(text)
	if err != nil || !c.qresync && !c.uidOnly || !c.mayHear(verb) || earlier && !c.selecting && verb != "UID" {
		fatal("VANISHED is out of place")
	}
	if earlier { // EXISTS was told before and stays true (RFC 7162 section 3.2.10)
		for u := range set.All() {
			c.gone[u] = true
			if !c.selecting && slices.Contains(c.uids, u) {
				fatal("a message that the client sees has gone earlier")
			}
		}
		c.uids = slices.DeleteFunc(c.uids, func(u uid.UID) bool { return set.Contains(u) })
		return
	}
	c.arrive(fatal)
	for u := range set.All() {
		n := slices.Index(c.uids, u)
		if n < 0 {
			n = c.unknownAt(u)
		}
		if n < 0 {
			fatal("VANISHED has a UID that is not in the mailbox")
		}
		c.uids, c.exists = slices.Delete(c.uids, n, n+1), c.exists-1
	}
}

// arrive makes room for the messages of the mailbox that is being selected.
func (c *believer) arrive(fatal func(string)) {
	if c.selecting {
		c.grow(fatal)
	}
}

// unknownAt finds a message that the client has not asked for yet and that can have that UID.
func (c *believer) unknownAt(u uid.UID) int {
	if c.uidOnly {
		return slices.Index(c.uids, 0)
	}
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
	c.arrive(fatal)
	n, u := int(parse(m[1])), uid.UID(parse(m[2]))
	if c.uidOnly {
		n = c.place(u, fatal)
	}
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
	if !slices.IsSorted(slices.DeleteFunc(slices.Clone(c.uids), func(u uid.UID) bool { return u == 0 })) {
		fatal("UIDs do not ascend")
	}
	c.answered[u] = true
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

// place is where a message is that a client without message numbers hears of. Of those that it does
// not know it only knows how many there are: they are kept behind.
func (c *believer) place(u uid.UID, fatal func(string)) (number int) {
	if n := slices.Index(c.uids, u); n >= 0 {
		return n + 1
	}
	unknown := slices.Index(c.uids, 0)
	if unknown < 0 {
		fatal("more messages than exist")
	}
	c.uids = slices.Delete(c.uids, unknown, unknown+1)
	n, _ := slices.BinarySearchFunc(c.uids, u, func(v, u uid.UID) int {
		if v == 0 {
			return 1
		}
		return int(v) - int(u)
	})
	c.uids = slices.Insert(c.uids, n, u)
	return n + 1
}

// searched takes note of what comes into the results that the client follows and what leaves them.
func (c *believer) searched(tag, items string, fatal func(string)) {
	if c.followed == "" || tag != c.followedTag {
		fatal("nobody follows that search")
	}
	for items != "" {
		m := esearchItem.FindStringSubmatch(items)
		if m == nil {
			fatal("not understood")
		}
		items = items[len(m[0]):]
		set, err := uid.Parse(m[2])
		switch {
		case err != nil || set.Empty():
			fatal("no set")
		case m[1] == "REMOVEFROM":
			if !set.Minus(c.results).Empty() {
				fatal("what leaves the results was not in them")
			}
			c.results = c.results.Minus(set)
		default:
			if !set.Intersect(c.results).Empty() {
				fatal("what comes into the results is in them")
			}
			c.results = c.results.Union(set)
		}
	}
}

// status takes note of a mailbox that is not selected.
func (c *believer) status(mailbox, items string, fatal func(string)) {
	fields := strings.Fields(items)
	told := map[string]uint64{}
	for i := 0; i+1 < len(fields); i += 2 {
		told[fields[i]] = parse(fields[i+1])
	}
	for _, item := range []string{"UIDNEXT", "HIGHESTMODSEQ"} {
		if n, ok := told[item]; ok && n < c.others[mailbox][item] {
			fatal(item + " falls")
		}
	}
	c.others[mailbox] = told
}
