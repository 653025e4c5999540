package service

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/test/harness"
)

// remote is the mail server of other domains. It keeps a journal of what it got,
// which it writes before it says so.
type remote struct {
	mu    sync.Mutex
	got   map[string]int       // Message-ID and recipient: how often
	first map[string]time.Time // and when for the first time
	open  map[net.Conn]bool
}

// serveRemote runs a remote as the server of some domains and returns where to
// ask for their names, and its port.
func serveRemote(t *testing.T, domains ...string) (r *remote, resolver, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = &remote{got: map[string]int{}, first: map[string]time.Time{}, open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.keep(c, true)
			running.Go(func() { r.session(c); r.keep(c, false); c.Close() })
		}
	})
	internet, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	for _, domain := range domains {
		internet.Zone(domain).Add("@ MX 10 mx")
		if err := internet.AddHost("mx."+domain, netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Fatal(err)
		}
	}
	dns, err := names.Serve(internet.Resolver("test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		for c := range r.open {
			c.Close()
		}
		r.mu.Unlock()
		running.Wait()
		dns.Close()
		internet.Close()
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return r, dns.UDP, port
}

func (r *remote) keep(c net.Conn, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if open {
		r.open[c] = true
	} else {
		delete(r.open, c)
	}
}

// session is as bad as servers are: it takes its time, has no time, and now and
// then breaks off after it took a message.
func (r *remote) session(c net.Conn) {
	in := bufio.NewReader(c)
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 far.test")
	var rcpts []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.TrimSpace(line)); {
		case strings.HasPrefix(verb, "EHLO"):
			say("250-far.test\r\n250 PIPELINING")
		case strings.HasPrefix(verb, "MAIL"):
			rcpts = nil
			say("250 2.1.0 ok")
		case strings.HasPrefix(verb, "RCPT"):
			if rand.IntN(20) == 0 {
				say("451 4.3.2 later")
				continue
			}
			rcpts = append(rcpts, between(line, "<", ">"))
			say("250 2.1.5 ok")
		case verb == "DATA" && len(rcpts) == 0:
			say("554 5.5.1 nobody")
		case verb == "DATA":
			say("354 go on")
			id, err := readMessage(in)
			if err != nil {
				return
			}
			r.note(id, rcpts)
			time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
			if rand.IntN(100) == 0 {
				return
			}
			say("250 2.0.0 taken")
		case verb == "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func readMessage(in *bufio.Reader) (id string, err error) {
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return id, err
		}
		if strings.HasPrefix(line, "Message-ID:") {
			id = between(line, "<", ">")
		}
	}
}

func (r *remote) note(id string, rcpts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, to := range rcpts {
		if r.got[id+" "+to]++; r.got[id+" "+to] == 1 {
			r.first[id+" "+to] = time.Now()
		}
	}
}

// TestQueueKillLoop kills the service while it sends to another server, again and
// again. Every acknowledged message must arrive; it may arrive twice only if its
// trace says that it was not known whether it had arrived. So with what is handed in for later, which is
// never early, and what was taken back never arrives.
func TestQueueKillLoop(t *testing.T) {
	least, most, during := 15, 60, 12*time.Second
	if testing.Short() {
		least, most = 4, 4
	}
	domains := []string{"one.test", "two.test", "three.test"}
	far, resolver, port := serveRemote(t, domains...)
	s := harness.Start(t, harness.Options{Accounts: 4, Args: []string{"--resolver", resolver, "--remote-port", port}})
	l := newLedger()
	later := beginLater(t, s, s.Accounts[3], "x@"+domains[0])
	rounds := 0
	for begun := time.Now(); rounds < least || rounds < most && time.Since(begun) < during; rounds++ {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() { l.sendOut(s, s.Accounts[w], domains, stop) })
		}
		wg.Go(func() { later.send(stop) })
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		s.Kill()
		close(stop)
		wg.Wait()
		s.Run()
	}
	later.again()
	untilSent(t, s)
	doubles := 0
	far.mu.Lock()
	defer far.mu.Unlock()
	for key := range l.acked {
		if far.got[key] == 0 {
			t.Errorf("%s was acknowledged and never arrived", key)
		}
	}
	for key, n := range far.got {
		if n < 2 {
			continue
		}
		doubles++
		id, to, _ := strings.Cut(key, " ")
		if told := unconfirmed(t, s, id, to); told < n-1 {
			t.Errorf("%s arrived %d times, and the trace doubts %d", key, n, told)
		}
	}
	if out, err := s.Command("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	later.judge(far)
	t.Logf("%d rounds; %d messages acknowledged, %d for later, %d of those taken back; %d arrived, %d of them more than once",
		rounds, len(l.acked), len(later.handed), len(later.back), len(far.got), doubles)
	if len(l.acked) < rounds {
		t.Errorf("only %d messages were acknowledged: no load", len(l.acked))
	}
}

// sendOut submits messages to elsewhere until the service is gone.
func (l *ledger) sendOut(s *harness.Service, a harness.Account, domains []string, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		c, err := s.DialSubmissions(a)
		if err != nil {
			return
		}
		for n := range 1000 {
			id := l.id()
			to := []string{"x@" + domains[n%len(domains)]}
			if n%4 == 0 {
				to = append(to, "y@"+domains[(n+1)%len(domains)])
			}
			text := strings.Replace(letter(id, 1000), "x@sender.test", a.Address, 1)
			if err := c.Send(a.Address, to, text); err != nil {
				break
			}
			for _, one := range to {
				l.ack(id, one)
			}
		}
		c.Close()
	}
}

// untilSent waits until nothing is left in the queue.
func untilSent(t *testing.T, s *harness.Service) {
	t.Helper()
	for range 200 {
		out, err := s.Command("queue", "list", "--json", "--limit", "5")
		if err != nil {
			t.Fatal(err)
		}
		var left []any
		if err := json.Unmarshal([]byte(out), &left); err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	out, err := s.Command("queue", "list")
	t.Fatalf("the queue does not become empty: %v\n%s", err, out)
}

// unconfirmed counts how often the trace of a message says that it was not known
// whether a recipient had it.
func unconfirmed(t *testing.T, s *harness.Service, id, to string) (n int) {
	t.Helper()
	out, err := s.Command("trace", id, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var told struct {
		Lines []struct {
			Kind   string
			Count  int
			Fields map[string][]string
		}
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatal(err)
	}
	for _, line := range told.Lines {
		if line.Kind == "message.unconfirmed" && strings.Join(line.Fields["to"], " ") == to {
			n += line.Count
		}
	}
	return n
}
