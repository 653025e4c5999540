// Package service tests the whole program from outside: the real binary, real
// connections, real clients, kill -9 and full disks.
package service

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// ledger is what the clients know: which messages, flags and expunges were
// acknowledged, and which UID each message was seen under.
type ledger struct {
	mu      sync.Mutex
	acked   map[string]string // message id and account: account
	flagged map[string]bool   // message id: \Flagged was acknowledged
	gone    map[string]bool   // message id: its expunge was acknowledged
	seen    map[string]string // account, UIDVALIDITY and UID: message id
	next    map[string]int    // account: UIDNEXT
	count   int
}

func newLedger() *ledger {
	return &ledger{
		acked: map[string]string{}, flagged: map[string]bool{}, gone: map[string]bool{},
		seen: map[string]string{}, next: map[string]int{},
	}
}

func (l *ledger) id() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	return fmt.Sprintf("crash.%d@test", l.count)
}

func (l *ledger) ack(id, account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[id+" "+account] = account
}

// unsure forgets that a message was acknowledged: it is being expunged.
func (l *ledger) unsure(id, account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.acked, id+" "+account)
}

// note keeps that a change of a message was acknowledged.
func (l *ledger) note(changed map[string]bool, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed[id] = true
}

func letter(id string, size int) string {
	return "From: x@sender.test\r\nMessage-ID: <" + id + ">\r\nSubject: crash\r\n\r\n" + strings.Repeat("A line of a letter that fills it.\r\n", size/35+1)
}

// TestKillLoop kills the service at random moments under load, again and again.
// Every acknowledged message must be there once, every UID belong to one
// message for ever, flags and expunges must stay, and verify must be clean.
func TestKillLoop(t *testing.T) {
	least, most, during := 50, 200, 45*time.Second
	if testing.Short() {
		least, most = 5, 5
	}
	s := harness.Start(t, harness.Options{Accounts: 4})
	l := newLedger()
	rounds := 0
	for begun := time.Now(); rounds < least || rounds < most && time.Since(begun) < during; rounds++ {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 6 {
			wg.Go(func() { l.load(s, w, stop) })
		}
		time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
		s.Kill()
		close(stop)
		wg.Wait()
		if rounds%3 == 2 { // killed again while it starts
			if err := s.Flash(time.Duration(rand.IntN(120)) * time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		s.Run()
		if rounds%5 == 4 {
			l.checkAll(t, s)
		}
		if t.Failed() {
			t.Fatalf("in round %d", rounds)
		}
	}
	l.checkAll(t, s)
	if out, err := s.Command("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	t.Logf("%d rounds; acknowledged: %d messages, %d flags, %d expunges", rounds, len(l.acked), len(l.flagged), len(l.gone))
	if len(l.acked) < rounds {
		t.Errorf("only %d messages were acknowledged: no load", len(l.acked))
	}
}

// load sends until the service is gone: by SMTP to one and to several, by
// submission, and by IMAP with flag changes and expunges.
func (l *ledger) load(s *harness.Service, w int, stop chan struct{}) {
	a := s.Accounts[w%len(s.Accounts)]
	for ended := false; !ended; {
		select {
		case <-stop:
			return
		default:
		}
		switch w % 3 {
		case 0:
			ended = l.deliver(s, w)
		case 1:
			ended = l.submit(s, a)
		default:
			ended = l.append(s, a)
		}
	}
}

func (l *ledger) deliver(s *harness.Service, w int) (ended bool) {
	c, err := harness.DialSMTP(s.SMTP)
	if err != nil {
		return true
	}
	defer c.Close()
	for n := range 1000 {
		to := []string{s.Accounts[(w+n)%len(s.Accounts)].Address}
		if n%4 == 0 {
			to = nil
			for _, a := range s.Accounts {
				to = append(to, a.Address)
			}
		}
		id := l.id()
		if err := c.Send("x@sender.test", to, letter(id, 500+n*200%8000)); err != nil {
			return true
		}
		for _, a := range to {
			l.ack(id, a)
		}
	}
	return false
}

func (l *ledger) submit(s *harness.Service, a harness.Account) (ended bool) {
	c, err := s.DialSubmissions(a)
	if err != nil {
		return true
	}
	defer c.Close()
	for range 1000 {
		id := l.id()
		text := strings.Replace(letter(id, 3000), "x@sender.test", a.Address, 1)
		if err := c.Send(a.Address, []string{s.Accounts[0].Address}, text); err != nil {
			return true
		}
		l.ack(id, s.Accounts[0].Address)
	}
	return false
}

func (l *ledger) append(s *harness.Service, a harness.Account) (ended bool) {
	c, err := s.DialIMAP(a)
	if err != nil {
		return true
	}
	defer c.Close()
	if _, err := c.Command("SELECT INBOX"); err != nil {
		return true
	}
	for n := range 1000 {
		id := l.id()
		answer, err := c.Append("INBOX", letter(id, 2000))
		if err != nil {
			return true
		}
		l.ack(id, a.Address)
		uid := first(appendPattern, answer)
		if _, err := c.Command(`UID COPY ` + uid + ` Archive`); err != nil {
			return true
		}
		if n%5 == 4 {
			l.unsure(id, a.Address)
			if !l.expunge(c, id, uid) {
				return true
			}
			continue
		}
		if _, err := c.Command(`UID STORE ` + uid + ` +FLAGS.SILENT (\Flagged)`); err != nil {
			return true
		}
		l.note(l.flagged, id)
	}
	return false
}

func (l *ledger) expunge(c *harness.IMAP, id, uid string) bool {
	for _, command := range []string{`UID STORE ` + uid + ` +FLAGS.SILENT (\Deleted)`, `UID EXPUNGE ` + uid} {
		if _, err := c.Command(command); err != nil {
			return false
		}
	}
	l.note(l.gone, id)
	return true
}

var (
	appendPattern = regexp.MustCompile(`APPENDUID \d+ (\d+)`)
	uidPattern    = regexp.MustCompile(`UID (\d+)`)
	idPattern     = regexp.MustCompile(`(?i)Message-ID: <([^>]+)>`)
	nextPattern   = regexp.MustCompile(`UIDNEXT (\d+)`)
	sizePattern   = regexp.MustCompile(`RFC822\.SIZE (\d+)`)
	peakPattern   = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	validity      = regexp.MustCompile(`UIDVALIDITY (\d+)`)
)

func (l *ledger) checkAll(t *testing.T, s *harness.Service) {
	t.Helper()
	for _, a := range s.Accounts {
		l.check(t, s, a)
	}
}

// check compares an account's INBOX with what the clients know.
func (l *ledger) check(t *testing.T, s *harness.Service, a harness.Account) {
	t.Helper()
	c, err := s.DialIMAP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	selected, err := c.Command("SELECT INBOX")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(selected, "\n")
	next, _ := strconv.Atoi(first(nextPattern, text))
	if next < l.next[a.Address] {
		t.Errorf("%s: UIDNEXT %d after %d", a.Address, next, l.next[a.Address])
	}
	l.next[a.Address] = next
	lines, err := c.Command("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
	if err != nil && !strings.Contains(err.Error(), "OK") {
		t.Fatal(err)
	}
	times, flagged := map[string]int{}, map[string]bool{}
	last := 0
	for _, line := range lines {
		id := first(idPattern, line)
		if id == "" {
			continue
		}
		times[id]++
		flagged[id] = strings.Contains(line, `\Flagged`)
		uid, _ := strconv.Atoi(first(uidPattern, line))
		if uid <= last || uid >= next {
			t.Errorf("%s: UID %d after %d, UIDNEXT %d", a.Address, uid, last, next)
		}
		last = uid
		key := fmt.Sprintf("%s %s %d", a.Address, first(validity, text), uid)
		if was := l.seen[key]; was != "" && was != id {
			t.Errorf("%s was %s and is %s", key, was, id)
		}
		l.seen[key] = id
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []string
	for key, account := range l.acked {
		if id, _, _ := strings.Cut(key, " "); account == a.Address && times[id] != 1 {
			lost = append(lost, fmt.Sprintf("%s is there %d times", id, times[id]))
		}
	}
	for id := range times {
		if l.gone[id] {
			lost = append(lost, id+" was expunged and is there again")
		}
		if l.flagged[id] && !flagged[id] {
			lost = append(lost, id+" has lost its flag")
		}
	}
	slices.Sort(lost)
	if len(lost) > 0 {
		t.Errorf("%s: %d acknowledged things are not so: %q", a.Address, len(lost), lost[:min(len(lost), 5)])
	}
}

func first(p *regexp.Regexp, text string) string {
	if m := p.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// refusedWith reports whether an error is an SMTP reply that begins so.
func refusedWith(err error, prefix string) bool {
	var r *harness.Refusal
	return errors.As(err, &r) && strings.HasPrefix(r.Reply, prefix)
}
