package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/lab/names"
)

var outboundRows = []row{
	{"Mail out, 4 KiB to 100 domains, 20 connections", []figure{{", sent messages/s", false}}, sendOut},
}

const remoteDomains = 100

// elsewhere is the rest of the Internet: domains with MX records in a DNS of their
// own, whose server is Postfix's smtp-sink, and one whose server never answers.
type elsewhere struct {
	resolver string // its address; port 53, which is the only one that Postfix asks
	port     int    // of the servers
	dir      string
	dkim     bool // messages are signed
	sink     *exec.Cmd
	counter  sinkCounter
	close    []func()
}

const (
	resolverAddress = "127.0.53.53"
	sinkAddress     = "127.0.53.25"
	deadAddress     = "127.0.53.99" // takes connections and says nothing
)

func openElsewhere(dir string, dkim bool) (e *elsewhere, err error) {
	e = &elsewhere{resolver: net.JoinHostPort(resolverAddress, "53"), dir: dir, dkim: dkim}
	defer func() {
		if err != nil {
			e.stop()
		}
	}()
	if err = e.names(); err != nil {
		return nil, err
	}
	if err = e.silence(); err != nil {
		return nil, err
	}
	e.sink = exec.Command("smtp-sink", "-u", "nobody", "-c", net.JoinHostPort(sinkAddress, strconv.Itoa(e.port)), "1000")
	e.sink.Stdout, e.sink.Stderr = &e.counter, os.Stderr
	if err = e.sink.Start(); err != nil {
		return nil, fmt.Errorf("smtp-sink comes with Debian's postfix: %w", err)
	}
	e.close = append(e.close, func() { e.sink.Process.Kill(); e.sink.Wait() })
	return e, nil
}

// names serves the DNS of the domains.
func (e *elsewhere) names() error {
	internet, err := names.New(time.Now, func(err error) { fmt.Fprintln(os.Stderr, "bench: names:", err) })
	if err != nil {
		return err
	}
	e.close = append(e.close, internet.Close)
	for host, addr := range map[string]string{"mx.sink.test": sinkAddress, "mx.dead.test": deadAddress} {
		if err := internet.AddHost(host, netip.MustParseAddr(addr)); err != nil {
			return err
		}
	}
	internet.Zone("dead.test").Add("@ MX 10 mx")
	for i := range remoteDomains {
		internet.Zone(remoteDomain(i)).Add("@ MX 10 mx.sink.test.")
	}
	packets, err := net.ListenPacket("udp", e.resolver)
	if err != nil {
		return fmt.Errorf("the DNS server needs port 53, and that needs root: %w", err)
	}
	l, err := net.Listen("tcp", e.resolver)
	if err != nil {
		packets.Close()
		return err
	}
	served := names.ServeOn(internet.Resolver("bench"), []net.PacketConn{packets}, []net.Listener{l})
	e.close = append(e.close, func() { served.Close() })
	return nil
}

// silence takes connections of the dead domain and chooses the port for all.
func (e *elsewhere) silence() error {
	l, err := net.Listen("tcp", net.JoinHostPort(deadAddress, "0"))
	if err != nil {
		return err
	}
	e.port = l.Addr().(*net.TCPAddr).Port
	var all sync.Map
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Store(c, true)
		}
	}()
	e.close = append(e.close, func() {
		l.Close()
		all.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
	})
	return nil
}

func (e *elsewhere) stop() {
	for i := len(e.close) - 1; i >= 0; i-- {
		e.close[i]()
	}
}

// resolvConf is a file that names the DNS server.
func (e *elsewhere) resolvConf() (string, error) {
	file := filepath.Join(e.dir, "resolv.conf")
	return file, os.WriteFile(file, []byte("nameserver "+resolverAddress+"\n"), 0o644)
}

func remoteDomain(i int) string { return fmt.Sprintf("d%d.sink.test", i%remoteDomains) }

// sinkCounter reads the counters that smtp-sink -c shows: "mesg=123".
type sinkCounter struct {
	mu   sync.Mutex
	last []byte
	n    int
}

// Write implements io.Writer.
func (c *sinkCounter) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = append(c.last, b...)
	if i := bytes.LastIndexByte(c.last, '\r'); i >= 0 {
		line := c.last[:i]
		if _, after, ok := bytes.Cut(line[bytes.LastIndexByte(line, '\r')+1:], []byte("mesg=")); ok {
			text, _, _ := strings.Cut(string(after), " ")
			if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
				c.n = n
			}
		}
		c.last = append(c.last[:0], c.last[i:]...)
	}
	return len(b), nil
}

func (c *sinkCounter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// sendOut submits messages and waits until all of them have arrived elsewhere.
func sendOut(s *server, o settings) (map[string]float64, error) {
	n := o.conns * o.messages
	before := s.elsewhere.counter.count()
	clients := make([]*smtpClient, o.conns)
	err := parallel(o.conns, func(w int) (err error) {
		clients[w], err = dialSMTP(s.submissions, true, w, account(w))
		return err
	})
	if err != nil {
		return nil, err
	}
	if o.dead > 0 {
		if err := sendDead(clients[0], o.dead); err != nil {
			return nil, err
		}
	}
	run := fmt.Sprintf("out.%x.%d", time.Now().Unix(), runs.Add(1))
	start := time.Now()
	err = parallel(o.conns, func(w int) error {
		defer clients[w].close()
		for i := range o.messages {
			to := "somebody@" + remoteDomain(w*o.messages+i)
			if err := clients[w].send(account(w), to, letter(fmt.Sprintf("%s.%d.%d", run, w, i), account(w), to, 4096)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for s.elsewhere.counter.count()-before < n {
		if time.Since(start) > timeout {
			return nil, fmt.Errorf("%d of %d messages arrived", s.elsewhere.counter.count()-before, n)
		}
		time.Sleep(time.Millisecond)
	}
	rate := float64(n) / time.Since(start).Seconds()
	if got := s.elsewhere.counter.count() - before; got > n {
		err = errors.New("messages arrived twice")
	}
	return map[string]float64{", sent messages/s": rate}, err
}

// sendDead submits messages to the domain whose server never answers.
func sendDead(c *smtpClient, n int) error {
	for i := range n {
		to := "nobody@dead.test"
		if err := c.send(account(0), to, letter(fmt.Sprintf("dead.%d.%d", runs.Add(1), i), account(0), to, 4096)); err != nil {
			return err
		}
	}
	return nil
}
