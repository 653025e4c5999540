package outbound

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/vfs.(*diskHealthCheckingFS).startTickerLocked.func1"))
}

// world is a store, a clock and an Internet of scripted servers around a queue.
type world struct {
	t        testing.TB
	store    *store.Store
	clock    *clock
	internet *internet
	local    *mailboxes
	account  store.Account
	options  Options
	queue    *Queue
	sent     int
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	dir := t.TempDir()
	quiet := slog.New(slog.DiscardHandler)
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), Logger: quiet, Reserve: -1, MemTableSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), Logger: quiet, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	if w.store, err = store.Open(t.Context(), store.Options{Records: records, Blobs: blobs, Now: w.clock.Now, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.internet = &internet{mx: map[string][]resolver.MX{}, hosts: map[string][]netip.Addr{}, servers: map[netip.AddrPort]string{}}
	w.local = &mailboxes{w: w, placed: map[string]bool{}}
	w.options = Options{
		Store: w.store, Resolver: w.internet, Dialer: w.internet, Local: w.local, Catalogue: catalogue,
		Hostname: "us.test", AllowPrivate: true, Clock: w.clock, Log: quiet,
		Limits: Limits{Idle: 20 * time.Millisecond, Command: 5 * time.Second, Data: 5 * time.Second, Connect: 5 * time.Second, Jitter: -1},
	}
	for _, c := range change {
		c(&w.options)
	}
	t.Cleanup(func() {
		w.stop()
		if err := errors.Join(records.Close(), blobs.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := w.store.CreateDomain(t.Context(), store.Domain{Name: "here.test"}); err != nil {
		t.Fatal(err)
	}
	if w.account, err = w.store.CreateAccount(t.Context(), store.Account{Address: "anna@here.test", Language: "sv"}); err != nil {
		t.Fatal(err)
	}
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.queue, err = New(w.options); err != nil {
		w.t.Fatal(err)
	}
	if err := w.queue.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	if w.queue != nil {
		if err := w.queue.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
		w.queue = nil
	}
}

const letter = "From: anna@here.test\r\nTo: you@far.test\r\nSubject: =?utf-8?q?Gl=C3=B6gg?=\r\nMessage-ID: <1@here.test>\r\n\r\nHej!\r\n.\r\nHej d\r\n"

// submit queues a letter of anna to the given recipients.
func (w *world) submit(to []string, change ...func(*store.Submission)) store.TraceID {
	w.t.Helper()
	ref, err := w.store.Blobs().Put(w.t.Context(), []byte(letter))
	if err != nil {
		w.t.Fatal(err)
	}
	w.sent++
	sub := store.Submission{
		Account: w.account.ID, From: "anna@here.test", Blob: ref, Size: int64(len(letter)), MessageID: "1@here.test",
		ID: store.NewTraceID(w.clock.Now()),
	}
	for _, a := range to {
		sub.Recipients = append(sub.Recipients, store.SubmissionRecipient{Address: a})
	}
	for _, c := range change {
		c(&sub)
	}
	if err := w.queue.Submit(w.t.Context(), sub); err != nil {
		w.t.Fatal(err)
	}
	return sub.ID
}

// settle waits until the queue has nothing to do at this time.
func (w *world) settle() {
	w.t.Helper()
	for range 200_000 {
		if w.quiet() {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
	q := w.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	w.t.Fatalf("the queue does not come to rest: %d active, %d ready, %d wait, of %d; forgotten %v, now %v, reading %t",
		q.active, q.ready, len(q.waiting), len(q.known), q.forgotten, w.clock.Now(), q.scanning)
}

func (w *world) quiet() bool {
	q := w.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	now := w.clock.Now()
	due := len(q.waiting) > 0 && !q.waiting[0].due.After(now)
	recall := !q.forgotten.IsZero() && !q.forgotten.After(now)
	inLine := len(q.proven.order) + len(q.unproven.order) + len(q.freed)
	return q.active+q.slow == 0 && inLine == 0 && !due && !recall && !q.scanning
}

// pass lets time pass in steps.
func (w *world) pass(d, step time.Duration) {
	w.t.Helper()
	for ; d > 0; d -= step {
		w.clock.advance(min(d, step))
		w.settle()
	}
}

// events returns "kind to cause" of the account's events, in order of time.
func (w *world) events() []string { return w.eventsSince(time.Time{}) }

func (w *world) eventsSince(since time.Time) (list []string) {
	w.t.Helper()
	err := w.store.Events(w.t.Context(), w.account.ID, since, time.Time{}, func(e *store.Event) error {
		if err := w.options.Catalogue.Check(e.Decision()); err != nil {
			w.t.Errorf("event %s: %v", e.Kind, err)
		}
		list = append(list, strings.TrimSpace(e.Kind+" "+e.Field("to")+" "+string(e.Cause)))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) queued() []store.Submission {
	w.t.Helper()
	list, err := w.queue.List(w.t.Context(), Filter{})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// clock is a Clock that stands still until it is advanced.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []*alarm
}

type alarm struct {
	at time.Time
	fn func()
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) AfterFunc(d time.Duration, fn func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{c.now.Add(d), fn}
	c.alarms = append(c.alarms, a)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := len(c.alarms)
		c.alarms = slices.DeleteFunc(c.alarms, func(b *alarm) bool { return a == b })
		return len(c.alarms) < n
	}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []*alarm
	c.alarms = slices.DeleteFunc(c.alarms, func(a *alarm) bool {
		if a.at.After(c.now) {
			return false
		}
		due = append(due, a)
		return true
	})
	c.mu.Unlock()
	for _, a := range due {
		a.fn()
	}
}

// internet is the DNS and the network around the queue.
type internet struct {
	mu      sync.Mutex
	mx      map[string][]resolver.MX
	hosts   map[string][]netip.Addr
	servers map[netip.AddrPort]string
	failing error // of each look-up
	dialed  int
}

func (n *internet) MX(_ context.Context, domain string) ([]resolver.MX, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failing != nil {
		return nil, false, n.failing
	}
	list, ok := n.mx[domain]
	if _, host := n.hosts[domain]; !ok && !host {
		return nil, false, resolver.ErrNotExist
	}
	if len(list) == 0 {
		return nil, false, resolver.ErrNoData
	}
	return list, false, nil
}

func (n *internet) Host(_ context.Context, host string) (resolver.Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ips, ok := n.hosts[host]
	if !ok {
		return resolver.Host{Name: host}, resolver.ErrNotExist
	}
	return resolver.Host{Name: host, Addrs: ips}, nil
}

func (n *internet) CNAME(context.Context, string) (string, bool, error) {
	return "", false, resolver.ErrNoData
}

func (n *internet) TLSA(context.Context, string) ([]resolver.TLSA, bool, error) {
	return nil, false, resolver.ErrNotExist
}

var errRefused = errors.New("connection refused")

func (n *internet) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed++
	at := n.servers[netip.MustParseAddrPort(addr)]
	n.mu.Unlock()
	if at == "" {
		return nil, errRefused
	}
	var d net.Dialer
	return d.DialContext(ctx, network, at)
}

// add puts a listening server behind a host name and makes it the MX of a
// domain, after those it has.
func (n *internet) add(domain, host, listening string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ip := netip.AddrFrom4([4]byte{10, 0, byte(len(n.hosts) >> 8), byte(len(n.hosts) + 1)})
	n.hosts[host] = []netip.Addr{ip}
	n.servers[netip.AddrPortFrom(ip, 25)] = listening
	n.mx[domain] = append(n.mx[domain], resolver.MX{Host: host, Preference: uint16(10 * (1 + len(n.mx[domain])))})
}

// peer is a server of another domain, with a will of its own.
type peer struct {
	offers []string
	banner string                               // "" means 220
	rcpt   func(addr string, n int) string      // reply to the nth RCPT for an address; "" means 250
	final  func(rcpts []string, n int) string   // reply to the nth message; "" means 250, "drop" hangs up, "lost" after keeping it
	tls    func(conn net.Conn) (net.Conn, bool) // after STARTTLS; false hangs up

	mu       sync.Mutex
	rcpts    map[string]int
	tries    int
	sessions int
	open     int
	most     int // sessions at once
	kept     []letterKept
	heard    []string // commands
}

func (p *peer) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.heard)
}

type letterKept struct {
	mail  string
	rcpts []string
	body  string
}

// serve starts a peer as the MX of a domain.
func (w *world) serve(domain string, p *peer) *peer {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	p.rcpts = map[string]int{}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				p.count(1)
				p.session(conn)
				p.count(-1)
				_ = conn.Close()
			})
		}
	})
	w.t.Cleanup(func() { w.stop(); _ = l.Close(); running.Wait() })
	w.internet.add(domain, fmt.Sprintf("mx%d.%s", len(w.internet.mx[domain])+1, domain), l.Addr().String())
	return p
}

func (p *peer) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open += n
	p.sessions += max(n, 0)
	p.most = max(p.most, p.open)
}

func (p *peer) letters() []letterKept {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kept)
}

func (p *peer) session(conn net.Conn) {
	in := bufio.NewReader(conn)
	say := func(s string) { _, _ = conn.Write([]byte(s + "\r\n")) }
	if p.banner != "" {
		say(p.banner)
		return
	}
	say("220 peer")
	var mail string
	var rcpts []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		p.mu.Lock()
		p.heard = append(p.heard, line)
		p.mu.Unlock()
		switch verb, arg, _ := strings.Cut(line, " "); strings.ToUpper(verb) {
		case "EHLO":
			p.mu.Lock()
			lines := append([]string{"peer"}, p.offers...)
			p.mu.Unlock()
			for _, line := range lines[:len(lines)-1] {
				say("250-" + line)
			}
			say("250 " + lines[len(lines)-1])
		case "STARTTLS":
			say("220 go")
			secure, ok := p.tls(conn)
			if !ok {
				return
			}
			conn, in = secure, bufio.NewReader(secure)
		case "AUTH":
			say("235 2.7.0 welcome")
		case "MAIL":
			mail, rcpts = arg, nil
			say("250 ok")
		case "RCPT":
			addr := arg[strings.IndexByte(arg, '<')+1 : strings.IndexByte(arg, '>')]
			reply := p.answerRcpt(addr)
			if strings.HasPrefix(reply, "2") {
				rcpts = append(rcpts, addr)
			}
			say(reply)
		case "DATA":
			if len(rcpts) == 0 {
				say("554 5.5.1 no recipients")
				continue
			}
			say("354 go")
			var body strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				body.WriteString(strings.TrimPrefix(line, "."))
			}
			reply := p.answerMessage(letterKept{mail, rcpts, body.String()})
			if reply == "" {
				return
			}
			say(reply)
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (p *peer) answerRcpt(addr string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rcpts[addr]++
	if p.rcpt != nil {
		if reply := p.rcpt(addr, p.rcpts[addr]); reply != "" {
			return reply
		}
	}
	return "250 2.1.5 ok"
}

func (p *peer) answerMessage(l letterKept) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	reply := "250 2.0.0 kept"
	if p.final != nil {
		if r := p.final(l.rcpts, p.tries); r != "" {
			reply = r
		}
	}
	switch {
	case reply == "drop":
		return ""
	case reply == "lost":
		p.kept = append(p.kept, l)
		return ""
	case strings.HasPrefix(reply, "2"):
		p.kept = append(p.kept, l)
	}
	return reply
}

// mailboxes are the mailboxes here.
type mailboxes struct {
	w       *world
	answer  func(to string) cause.Decision
	mu      sync.Mutex
	placed  map[string]bool
	letters []localLetter
}

type localLetter struct {
	*store.Submission
	To     string
	report *message.Report // nil if it is none
	body   string
}

func (m *mailboxes) DeliverLocal(ctx context.Context, l *store.Submission, to *store.SubmissionRecipient) cause.Decision {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answer != nil {
		if d := m.answer(to.Address); !d.Allowed() {
			return d
		}
	}
	key := l.ID.String() + to.Address
	if m.placed[key] {
		return cause.Allow()
	}
	body, err := m.w.store.Blobs().Read(ctx, nil, l.Blob, 0, 1<<20)
	if err != nil || int64(len(body)) != l.Size {
		m.w.t.Errorf("message %s of %d octets: %d octets, %v", l.ID, l.Size, len(body), err)
	}
	m.placed[key] = true
	kept := localLetter{Submission: l, To: to.Address, body: string(body)}
	if bytes.Contains(body, []byte("multipart/report")) {
		if kept.report, err = message.ReadDSN(body); err != nil {
			m.w.t.Errorf("report: %v\n%s", err, body)
		}
	}
	m.letters = append(m.letters, kept)
	return cause.Allow()
}

// reports returns "action recipient status" of the reports here, in order.
func (m *mailboxes) reports() (list []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.report == nil {
			continue
		}
		for _, r := range l.report.Recipients {
			list = append(list, string(r.Action)+" "+r.Final+" "+r.Status)
		}
	}
	return list
}
