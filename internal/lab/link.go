package lab

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// filter sees what passes in one direction. What it returns goes on, then the
// verdict is carried out.
type filter func(p []byte) ([]byte, verdict)

type verdict int

const (
	pass  verdict = iota
	stall         // nothing passes in this direction any more, and nobody is told
	end           // FIN to both
	reset         // RST to both
)

// stalledBuffer is how much a stalled peer may send before its writes block, as the
// kernel's buffers would let it.
const stalledBuffer = 128 << 10

// link is the road between a client and a server where something is wrong: it
// pumps octets and does to them what the faults say. Both ends are real sockets, so
// that errors, deadlines and buffers are the kernel's.
type link struct {
	w              *World
	client, server *net.TCPConn
	stages         []*stage
	delay, idle    time.Duration
	relay          *resigner
	touched        atomic.Int64 // when something passed, in ns of the process
	forgotten      atomic.Bool
	taken          atomic.Bool   // the relay has both sides
	downDone       chan struct{} // closed when nothing pumps down any more
	over           chan struct{}
	once           sync.Once
}

// stage is one fault of a link. With a name it sleeps until the hello names it.
type stage struct {
	rule     *Rule
	sni      string
	awake    atomic.Bool
	up, down filter
}

// newLink makes a link between the far end of a client's connection and a server.
func newLink(w *World, client, server *net.TCPConn, rules []*Rule) *link {
	l := &link{w: w, client: client, server: server, over: make(chan struct{}), downDone: make(chan struct{})}
	for _, r := range rules {
		f := r.fault
		l.delay += f.delay
		if f.idle > 0 {
			l.idle = f.idle
		}
		if f.relay != nil {
			l.relay = f.relay
		}
		if f.up == nil && f.down == nil {
			continue
		}
		s := &stage{rule: r, sni: strings.ToLower(r.where.SNI)}
		s.awake.Store(s.sni == "")
		if f.up != nil {
			s.up = f.up()
		}
		if f.down != nil {
			s.down = f.down()
		}
		l.stages = append(l.stages, s)
	}
	return l
}

// tcpPair returns two ends of a connection on loopback.
func tcpPair() (near, far *net.TCPConn, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("lab: link: %w", err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil, nil, fmt.Errorf("lab: link: %w", err)
	}
	s, err := ln.Accept()
	if err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("lab: link: %w", err)
	}
	return c.(*net.TCPConn), s.(*net.TCPConn), nil
}

// run pumps until both sides are done. The world waits for it.
func (l *link) run() {
	defer l.w.forget(l)
	defer l.Close()
	l.touch()
	var wg sync.WaitGroup
	wg.Go(func() { l.pump(Up, l.client, l.server) })
	wg.Go(func() {
		defer close(l.downDone)
		l.pump(Down, l.server, l.client)
	})
	wg.Wait()
}

// Close ends the link at once.
func (l *link) Close() error {
	l.once.Do(func() {
		close(l.over)
		l.client.Close()
		l.server.Close()
	})
	return nil
}

func (l *link) touch() { l.touched.Store(time.Now().UnixNano()) }

func (l *link) pump(d Direction, src, dst *net.TCPConn) {
	buf := make([]byte, 64<<10)
	var held []byte // the beginning of a hello that is not whole yet
	for {
		n, err := src.Read(buf)
		if n > 0 {
			p := buf[:n]
			if d == Up {
				var whole bool
				if p, whole = l.sniff(held, p); !whole {
					held = bytes.Clone(p)
					continue
				}
				held = nil
				if l.relay != nil && isTLS(p) {
					l.relay.run(l, bytes.Clone(p))
					return
				}
			}
			if !l.forward(d, p, src, dst) {
				return
			}
		}
		if err != nil {
			l.ended(err, dst)
			return
		}
	}
}

// forward passes p through the stages and to dst; false ends the pump.
func (l *link) forward(d Direction, p []byte, src, dst *net.TCPConn) bool {
	l.wait(l.delay)
	if l.idle > 0 && time.Since(time.Unix(0, l.touched.Load())) > l.idle {
		l.forgotten.Store(true)
	}
	if l.forgotten.Load() {
		l.swallow(src)
		return false
	}
	l.touch()
	v := pass
	for _, s := range l.stages {
		f := s.down
		if d == Up {
			f = s.up
		}
		if f == nil || !s.awake.Load() {
			continue
		}
		if p, v = f(p); v != pass {
			break
		}
	}
	if _, err := dst.Write(p); err != nil {
		l.ended(err, src)
		return false
	}
	switch v {
	case stall:
		l.swallow(src)
	case end:
		l.Close()
	case reset:
		l.reset()
	}
	return v == pass
}

// swallow takes what still comes and tells nobody; with a full buffer it takes no more.
func (l *link) swallow(src *net.TCPConn) {
	n, err := io.CopyN(io.Discard, src, stalledBuffer)
	if err == nil && n == stalledBuffer {
		<-l.over
		return
	}
	if src == l.client { // the client gave up; the server's end is not passed on
		l.Close()
	}
}

// ended passes on how one side ended.
func (l *link) ended(err error, other *net.TCPConn) {
	switch {
	case l.taken.Load() && errors.Is(err, os.ErrDeadlineExceeded): // resign wants the server to itself
	case errors.Is(err, io.EOF):
		other.CloseWrite()
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		l.reset()
	default:
		l.Close()
	}
}

func (l *link) reset() {
	l.client.SetLinger(0)
	l.server.SetLinger(0)
	l.Close()
}

func (l *link) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.over:
	}
}

// sniff looks for the name in a TLS hello and wakes the stages that wait for it. It
// returns false while a hello is not whole.
func (l *link) sniff(held, p []byte) ([]byte, bool) {
	waiting := false
	for _, s := range l.stages {
		waiting = waiting || !s.awake.Load()
	}
	if len(held) > 0 {
		p = append(held, p...)
	}
	if !waiting || !isTLS(p) {
		return p, true
	}
	name, whole := serverName(p)
	if !whole && len(p) < 32<<10 {
		return p, false
	}
	for _, s := range l.stages {
		if s.sni == strings.ToLower(name) && name != "" {
			s.awake.Store(true)
			s.rule.hits.Add(1)
		}
	}
	return p, true
}

// isTLS tells a handshake record; isHello one that begins with a client's hello
// (RFC 8446 sections 5.1 and 4).
func isTLS(p []byte) bool   { return len(p) > 2 && p[0] == 22 && p[1] == 3 }
func isHello(p []byte) bool { return len(p) > 5 && isTLS(p) && p[5] == 1 }

var errSeen = errors.New("hello seen")

// serverName reads the name from the octets of a hello; false means that more are needed.
func serverName(p []byte) (name string, whole bool) {
	config := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name, whole = h.ServerName, true
		return nil, errSeen
	}}
	err := tls.Server(&helloConn{r: bytes.NewReader(p)}, config).Handshake()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		whole = true // no hello at all: nothing more will help
	}
	return name, whole
}

// helloConn gives a recorded hello to package tls and drops its answer.
type helloConn struct {
	net.Conn // nil: tls calls only what is below
	r        io.Reader
}

func (c *helloConn) Read(p []byte) (int, error)       { return c.r.Read(p) }
func (c *helloConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *helloConn) Close() error                     { return nil }
func (c *helloConn) SetDeadline(time.Time) error      { return nil }
func (c *helloConn) SetReadDeadline(time.Time) error  { return nil }
func (c *helloConn) SetWriteDeadline(time.Time) error { return nil }
