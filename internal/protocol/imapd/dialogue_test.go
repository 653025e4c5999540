package imapd

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/protocol/imapd/deflate"
	"github.com/postiljon/postiljon/internal/store"
)

// TestDialogues plays the scripts in testdata/*.txt. Lines of a script:
//
//	# a comment
//	C: what client 1 sends; CRLF is added. C2: is client 2, and so on
//	S: what client 1 must receive next; {*} is any text, {name} is remembered and must be the same
//	   wherever it stands again; in C: lines it is replaced by what is remembered
//	@open 2          connects client 2, reads its greeting and signs in; @open 2 ADDRESS as somebody else
//	@person ADDRESS  makes another account; its number is remembered under its local part
//	@alias ADDRESS TARGET...  makes an alias
//	@connect 2       connects only, @connect 2 tls with TLS
//	@upgrade 1       begins TLS
//	@compress 1      begins to compress
//	@put MAILBOX FILE [FLAG...]  puts testdata/messages/FILE.eml into a mailbox
//	@fill MAILBOX N   puts N messages into a mailbox
//	@waits FILE       puts testdata/messages/FILE.eml into the queue, where it waits, and into the Outbox
//	@queued N         so many messages must be left in the queue
//	@sending          from now on all that waits is being sent
//	@raw 1 TEXT      sends a Go string literal as it stands
//	@closed 1        the server must have closed the connection
//	{filler}         in C: lines and @raw is 4097 octets, {filler1000} and {filler4000} are so many
//	{repeat N TEXT}  in C: lines and @raw is N times TEXT, in which "#" is the number of the time
//	@set KEY=VALUE   before the first line of a dialogue: plaintext, notls, noreuse, tokens, jmap, message, messages, command, errors, quota, progress (nanoseconds)
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			playFile(t, file)
		})
	}
}

// player plays one dialogue.
type player struct {
	t     *testing.T
	world *world
	conns map[string]*wire
	known map[string]string
	where string
}

func playFile(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &player{t: t, conns: map[string]*wire{}, known: map[string]string{}}
	p.known["filler"] = strings.Repeat("x", 4097)
	p.known["filler1000"] = strings.Repeat("x", 1000)
	p.known["filler4000"] = strings.Repeat("x", 4000)
	set := settings{plaintext: true}
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		p.where = fmt.Sprintf("%s:%d", filepath.Base(file), n)
		switch {
		case line == "" || line[0] == '#':
			continue
		case strings.HasPrefix(line, "@set "):
			p.set(&set, strings.TrimPrefix(line, "@set "))
			continue
		}
		if p.world == nil {
			p.world = newWorld(t, set)
		}
		p.play(line)
	}
}

func (p *player) set(set *settings, text string) {
	key, value, _ := strings.Cut(text, "=")
	n, _ := strconv.ParseInt(value, 10, 64)
	switch key {
	case "plaintext":
		set.plaintext = value == "true"
	case "tokens":
		set.tokens = value == "true"
	case "jmap":
		set.jmap = value
	case "noreuse":
		set.noReuse = value == "true"
	case "notls":
		set.noTLS = value == "true"
	case "message":
		set.limits.Message = n
	case "messages":
		set.limits.Messages = int(n)
	case "command":
		set.limits.Command = int(n)
	case "errors":
		set.limits.Errors = int(n)
	case "quota":
		set.quota = n
	case "signin":
		set.timeouts.SignIn = time.Duration(n) * time.Millisecond
	case "progress":
		set.timeouts.Progress = time.Duration(n)
	case "idle":
		set.timeouts.Idle = time.Duration(n) * time.Millisecond
	default:
		p.t.Fatalf("%s: unknown setting %q", p.where, key)
	}
}

func (p *player) play(line string) {
	p.t.Helper()
	if strings.HasPrefix(line, "@") {
		p.direct(strings.Fields(line[1:]), line)
		return
	}
	who, text, ok := strings.Cut(line, ":")
	if !ok {
		p.t.Fatalf("%s: what is %q?", p.where, line)
	}
	text = strings.TrimPrefix(text, " ")
	c := p.conn(who[1:])
	switch who[0] {
	case 'C':
		c.send(p.fill(text) + "\r\n")
	case 'S':
		p.expect(c, text)
	}
}

// conn returns a client, connected and signed in as need be.
func (p *player) conn(name string) *wire {
	if name == "" {
		name = "1"
	}
	if c, ok := p.conns[name]; ok {
		return c
	}
	p.direct([]string{"open", name}, "")
	return p.conns[name]
}

func (p *player) direct(words []string, line string) {
	p.t.Helper()
	switch words[0] {
	case "connect":
		p.conns[words[1]] = p.world.dial(len(words) > 2)
	case "open":
		address := testAddress
		if len(words) > 2 {
			address = words[2]
		}
		p.conns[words[1]] = p.world.signInAs(address)
	case "person":
		p.known[strings.SplitN(words[1], "@", 2)[0]] = fmt.Sprint(p.world.person(words[1]))
	case "alias":
		if err := p.world.store.CreateAlias(p.t.Context(), store.Alias{Address: words[1], Targets: words[2:]}); err != nil {
			p.t.Fatal(err)
		}
	case "unalias":
		if err := p.world.store.DeleteAlias(p.t.Context(), words[1]); err != nil {
			p.t.Fatal(err)
		}
	case "upgrade":
		c := p.conn(words[1])
		c.conn = tls.Client(c.conn, p.world.client)
		c.r = bufio.NewReader(c.conn)
	case "compress":
		c := p.conn(words[1])
		c.conn = deflate.New(c.conn, &deflate.Pool{}, nil)
		c.r = bufio.NewReader(c.conn)
	case "put":
		p.put(words[1], words[2], words[3:])
	case "fill":
		n, err := strconv.Atoi(words[2])
		if err != nil {
			p.t.Fatalf("%s: %v", p.where, err)
		}
		p.world.fill(words[1], n)
	case "waits":
		p.world.waits(p.message(words[1]))
	case "queued":
		if n := p.world.queued(); fmt.Sprint(n) != words[1] {
			p.t.Fatalf("%s: %d are queued", p.where, n)
		}
	case "sending":
		p.world.store.SetOutbox(sending{})
	case "raw":
		text, err := strconv.Unquote(strings.TrimSpace(line[strings.IndexAny(line, "\"`"):]))
		if err != nil {
			p.t.Fatalf("%s: %v", p.where, err)
		}
		p.conn(words[1]).send(p.fill(text))
	case "closed":
		if line, err := p.conn(words[1]).read(); err != io.EOF {
			p.t.Fatalf("%s: want the end, have %q, %v", p.where, line, err)
		}
	default:
		p.t.Fatalf("%s: unknown directive %q", p.where, words[0])
	}
}

func (p *player) message(file string) []byte {
	raw, err := os.ReadFile(filepath.Join("testdata", "messages", file+".eml"))
	if err != nil {
		p.t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n", "\r\n"))
}

func (p *player) put(mailbox, file string, flags []string) {
	raw := p.message(file)
	var system store.Flags
	var keywords []string
	for _, f := range flags {
		if bit, ok := systemFlags[strings.ToUpper(strings.TrimPrefix(f, `\`))]; ok {
			system = system.With(bit)
		} else {
			keywords = append(keywords, f)
		}
	}
	p.world.put(mailbox, raw, clock, system, keywords...)
}

// fill replaces {name} by what is remembered.
func (p *player) fill(text string) string {
	for name, value := range p.known {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return repeated.ReplaceAllStringFunc(text, func(r string) string {
		m := repeated.FindStringSubmatch(r)
		n, _ := strconv.Atoi(m[1])
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(m[2], "#", strconv.Itoa(i+1)))
		}
		return b.String()
	})
}

var repeated = regexp.MustCompile(`\{repeat (\d+) ([^}]*)\}`)

var placeholder = regexp.MustCompile(`\{(\*|[a-z][a-z0-9]*)\}`)

// expect compares the next line with what it must be.
func (p *player) expect(c *wire, want string) {
	p.t.Helper()
	got, err := c.read()
	if err != nil {
		p.t.Fatalf("%s: want %q, have %q, %v", p.where, want, got, err)
	}
	pattern, names := "^", []string{}
	last := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		pattern += regexp.QuoteMeta(want[last:m[0]])
		name := want[m[2]:m[3]]
		last = m[1]
		switch value, ok := p.known[name]; {
		case ok:
			pattern += regexp.QuoteMeta(value)
		case name == "*":
			pattern += "(?:.*)"
		default:
			pattern += `([^ \])]+)`
			names = append(names, name)
		}
	}
	pattern += regexp.QuoteMeta(want[last:]) + "$"
	m := regexp.MustCompile("(?s)" + pattern).FindStringSubmatch(got)
	if m == nil {
		p.t.Fatalf("%s:\nwant %s\nhave %s", p.where, want, got)
	}
	for i, name := range names {
		p.known[name] = m[i+1]
	}
}
