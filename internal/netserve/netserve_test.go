package netserve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/sasl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a session that says each line again. "hang" makes it deaf to Stop.
type echo struct {
	server   *Server
	conn     Conn
	raw, nc  net.Conn // nc may become that of TLS
	implicit bool
	until    time.Time // of handshakes
	served   *atomic.Int32
}

func (e *echo) Serve(ctx context.Context) {
	e.served.Add(1)
	defer func() { e.nc.Close() }()
	if e.implicit && !e.startTLS() {
		return
	}
	fmt.Fprintf(e.nc, "hello %d %s %t\n", e.conn.ID, e.conn.Listener, e.conn.Admitted)
	for lines := bufio.NewScanner(e.nc); lines.Scan(); {
		if lines.Text() == "hang" {
			fmt.Fprintln(e.nc, "hanging")
			<-ctx.Done()
			return
		}
		fmt.Fprintln(e.nc, lines.Text())
	}
}

func (e *echo) startTLS() bool {
	t, err := e.server.Handshake(e.nc, e.until)
	if err != nil {
		return false
	}
	e.nc = t
	return sasl.ChannelOf(t).Certificate != nil
}

func (e *echo) Stop() { e.raw.SetReadDeadline(time.Unix(1, 0)) }

// world is a server of echo on loopback.
type world struct {
	testing.TB
	*Server
	served atomic.Int32 // sessions that began
}

func newWorld(t testing.TB, o Options) *world {
	o.Name = "echod"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &world{TB: t, Server: New(o)}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // whoever is still there is cut off
		w.Close(ctx)
	})
	return w
}

// open makes a session with a minute for its handshake.
func (w *world) open(o Listener) func(Conn, net.Conn) Session {
	return func(c Conn, nc net.Conn) Session {
		return &echo{w.Server, c, nc, nc, o.ImplicitTLS, c.Began.Add(time.Minute), &w.served}
	}
}

func (w *world) listen(o Listener) (address string) {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		if err := w.Serve(context.Background(), l, o, w.open(o)); err != nil {
			w.Errorf("Serve: %v", err)
		}
	}()
	return l.Addr().String()
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// hear reads a line.
func hear(t testing.TB, c net.Conn) string {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("after %q: %v", line, err)
		}
		if b[0] == '\n' {
			return string(line)
		}
		line = append(line, b[0])
	}
}

func wantEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection goes on: %d octets, %v", n, err)
	}
}

func TestSessions(t *testing.T) {
	server, client := certstest.TLS(t, "localhost")
	w := newWorld(t, Options{TLS: server})
	plain, secure := w.listen(Listener{Name: "echo"}), w.listen(Listener{Name: "echos", ImplicitTLS: true})
	for i, name := range []string{"echo", "echos", "echo"} {
		c := dial(t, map[string]string{"echo": plain, "echos": secure}[name])
		if name == "echos" {
			c = tls.Client(c, client)
		}
		if got, want := hear(t, c), fmt.Sprintf("hello %d %s false", i+1, name); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		fmt.Fprintln(c, "again")
		if got := hear(t, c); got != "again" {
			t.Errorf("%q", got)
		}
	}
}

// TestStopOne: one session can be ended by what is known of its connection, and no other.
func TestStopOne(t *testing.T) {
	w := newWorld(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan Conn, 2)
	go w.Serve(context.Background(), l, Listener{Name: "echo"}, func(c Conn, nc net.Conn) Session {
		taken <- c
		return w.open(Listener{})(c, nc)
	})
	first := dial(t, l.Addr().String())
	hear(t, first)
	(<-taken).Stop()
	if _, err := first.Read(make([]byte, 1)); err == nil || w.IsStopping() {
		t.Errorf("%v, stopping %t", err, w.IsStopping())
	}
	second := dial(t, l.Addr().String())
	hear(t, second)
	fmt.Fprintln(second, "again")
	if got := hear(t, second); got != "again" {
		t.Errorf("%q", got)
	}
}

func TestAddrPort(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7:25": "192.0.2.7:25", "[::ffff:192.0.2.7]:25": "192.0.2.7:25", "[2001:db8::1]:993": "[2001:db8::1]:993",
	} {
		if got := addrPort(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text))); got.String() != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := addrPort(&net.UnixAddr{Name: "x"}); got.IsValid() {
		t.Errorf("a socket without address: %s", got)
	}
}

// TestAdmit: who is not let in costs no session and no handshake, where TLS comes first; elsewhere
// the session is asked.
func TestAdmit(t *testing.T) {
	server, client := certstest.TLS(t, "localhost")
	var mu sync.Mutex
	var open, most int
	admit := func(listener string, remote netip.Addr) (func(), bool) {
		mu.Lock()
		defer mu.Unlock()
		if listener != "echos" || !remote.IsLoopback() {
			t.Errorf("asked about %s on %s", remote, listener)
		}
		if open == 2 {
			return nil, false
		}
		open++
		most = max(most, open)
		return func() { mu.Lock(); open--; mu.Unlock() }, true
	}
	w := newWorld(t, Options{TLS: server, Admit: admit})
	plain, secure := w.listen(Listener{Name: "echo"}), w.listen(Listener{Name: "echos", ImplicitTLS: true})
	one, two := tls.Client(dial(t, secure), client), tls.Client(dial(t, secure), client)
	for _, c := range []net.Conn{one, two} {
		if got := hear(t, c); !strings.HasSuffix(got, "echos true") {
			t.Errorf("%q", got)
		}
	}
	for range 3 { // silent, so that nothing but the server ends it
		wantEnd(t, dial(t, secure))
	}
	if n := w.served.Load(); n != 2 {
		t.Errorf("%d sessions began", n)
	}
	if got := hear(t, dial(t, plain)); !strings.HasSuffix(got, "echo false") {
		t.Errorf("%q", got)
	}
	one.Close()
	for { // until the place is free
		c := tls.Client(dial(t, secure), client)
		if c.Handshake() == nil {
			break
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if open != 0 || most != 2 {
		t.Errorf("%d places are taken, of at most %d", open, most)
	}
}

// broken is a listener whose Accept fails as it is told, then gives connections.
type broken struct {
	errs   chan error
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newBroken() *broken {
	return &broken{errs: make(chan error, 100), conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (b *broken) Accept() (net.Conn, error) {
	select {
	case <-b.closed:
		return nil, &net.OpError{Op: "accept", Err: net.ErrClosed}
	default:
	}
	select {
	case err := <-b.errs:
		return nil, err
	default:
	}
	select {
	case <-b.closed:
		return nil, &net.OpError{Op: "accept", Err: net.ErrClosed}
	case c := <-b.conns:
		return c, nil
	}
}

func (b *broken) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}
func (b *broken) Addr() net.Addr { return &net.TCPAddr{} }

func acceptError(e syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", e)}
}

// TestAcceptErrors: without file descriptors the server waits longer and longer, up to a second, and
// then goes on; the log tells each longer wait once.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		b := newBroken()
		for range 12 {
			b.errs <- acceptError(syscall.EMFILE)
		}
		began := time.Now()
		served := make(chan error, 1)
		o := Listener{Name: "echo"}
		go func() { served <- w.Serve(t.Context(), b, o, w.open(o)) }()
		client, server := net.Pipe()
		b.conns <- server
		if got := hear(t, client); got != "hello 1 echo false" {
			t.Errorf("%q", got)
		}
		// 5, 10 ... 640 ms, then 1 s four times.
		if waited := time.Since(began); waited != 1275*time.Millisecond+4*time.Second {
			t.Errorf("waited for %s", waited)
		}
		if n := strings.Count(log.String(), "accept failed"); n != 9 {
			t.Errorf("%d lines in the log", n)
		}
		client.Close()
		// It has worked, so the next pause is short again.
		began = time.Now()
		b.errs <- acceptError(syscall.ECONNABORTED)
		again, server := net.Pipe()
		b.conns <- server // taken by the Accept that waits already
		hear(t, again)
		second, server := net.Pipe()
		b.conns <- server
		hear(t, second)
		if waited := time.Since(began); waited != 5*time.Millisecond {
			t.Errorf("waited for %s", waited)
		}
		again.Close()
		second.Close()
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// TestStopEndsPause: nobody waits for a pause to be over.
func TestStopEndsPause(t *testing.T) {
	for name, stop := range map[string]func(w *world, cancel func()){
		"Close":   func(w *world, _ func()) { w.Close(context.Background()) },
		"context": func(_ *world, cancel func()) { cancel() },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Options{})
			b := newBroken()
			for range 20 {
				b.errs <- acceptError(syscall.ENFILE)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			served := make(chan error, 1)
			go func() { served <- w.Serve(ctx, b, Listener{Name: "echo"}, w.open(Listener{})) }()
			time.Sleep(2100 * time.Millisecond) // within a pause of a second
			began := time.Now()
			stop(w, cancel)
			if err := <-served; err != nil || time.Since(began) != 0 {
				t.Errorf("%s: Serve ends with %v after %s", name, err, time.Since(began))
			}
		})
	}
}

func TestServeFails(t *testing.T) {
	w := newWorld(t, Options{})
	b := newBroken()
	b.Close()
	if err := w.Serve(t.Context(), b, Listener{Name: "echo"}, w.open(Listener{})); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a listener that somebody else closed: %v", err)
	}
	b = newBroken()
	if err := w.Serve(t.Context(), b, Listener{Name: "echos", ImplicitTLS: true}, w.open(Listener{})); err == nil {
		t.Error("implicit TLS without a configuration")
	}
	if _, err := b.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error("Serve left its listener open")
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = newBroken()
	if err := w.Serve(t.Context(), b, Listener{Name: "echo"}, w.open(Listener{})); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := b.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error("Serve after Close left its listener open")
	}
}

func TestServeEndsWithContext(t *testing.T) {
	w := newWorld(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.Serve(ctx, l, Listener{Name: "echo"}, w.open(Listener{})) }()
	c := dial(t, l.Addr().String())
	hear(t, c)
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	fmt.Fprintln(c, "still there")
	if got := hear(t, c); got != "still there" {
		t.Errorf("%q", got)
	}
}

// TestClose: sessions are told to stop and are waited for.
func TestClose(t *testing.T) {
	w := newWorld(t, Options{})
	address := w.listen(Listener{Name: "echo"})
	c := dial(t, address)
	hear(t, c)
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c)
	if err := w.Close(t.Context()); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("the listener is open")
	}
	if len(w.sessions) != 0 || len(w.listeners) != 0 {
		t.Errorf("%d sessions and %d listeners are left", len(w.sessions), len(w.listeners))
	}
}

// TestCloseIsBounded: a session that does not stop is cut off, one that does is not.
func TestCloseIsBounded(t *testing.T) {
	w := newWorld(t, Options{})
	c := dial(t, w.listen(Listener{Name: "echo"}))
	hear(t, c)
	fmt.Fprintln(c, "hang")
	hear(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() { closed <- w.Close(ctx) }()
	<-w.Stopping()
	select {
	case err := <-closed:
		t.Fatalf("Close did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-closed; err != context.Canceled {
		t.Errorf("Close: %v", err)
	}
	wantEnd(t, c)
}

// TestCloseWhileHandshaking: a client that never ends its handshake does not hold up the stop.
func TestCloseWhileHandshaking(t *testing.T) {
	server, _ := certstest.TLS(t, "localhost")
	w := newWorld(t, Options{TLS: server})
	address := w.listen(Listener{Name: "echos", ImplicitTLS: true})
	silent, half := dial(t, address), dial(t, address)
	io.WriteString(half, "\x16\x03\x01\x02\x00\x01")
	for w.served.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, silent)
	wantEnd(t, half)
}

// TestHandshakeTimeout: it has its time and no more.
func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := certstest.TLS(t, "localhost")
		w := newWorld(t, Options{TLS: server})
		client, nc := net.Pipe()
		defer client.Close()
		began := time.Now()
		nc.SetReadDeadline(began.Add(time.Second)) // of the time before the handshake
		_, err := w.Handshake(nc, began.Add(time.Minute))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestSetTLS(t *testing.T) {
	server, client := certstest.TLS(t, "localhost")
	w := newWorld(t, Options{TLS: server})
	address := w.listen(Listener{Name: "echos", ImplicitTLS: true})
	before := tls.Client(dial(t, address), client)
	hear(t, before)
	w.SetTLS(nil)
	if w.HasTLS() {
		t.Error("there is TLS")
	}
	wantEnd(t, dial(t, address))
	fmt.Fprintln(before, "kept")
	if got := hear(t, before); got != "kept" {
		t.Errorf("%q", got)
	}
	w.SetTLS(server)
	hear(t, tls.Client(dial(t, address), client))
}

// TestCloseUnderLoad: connections that come while the server stops get a session or are closed, and
// none is left.
func TestCloseUnderLoad(t *testing.T) {
	var open atomic.Int32
	server, client := certstest.TLS(t, "localhost")
	w := newWorld(t, Options{TLS: server, Admit: func(string, netip.Addr) (func(), bool) {
		open.Add(1)
		return func() { open.Add(-1) }, true
	}})
	address := w.listen(Listener{Name: "echos", ImplicitTLS: true})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				c, err := net.Dial("tcp", address)
				if err != nil {
					return // the listener is closed
				}
				t := tls.Client(c, client)
				t.Read(make([]byte, 1)) // a greeting or the end
				c.Close()
			}
		})
	}
	for w.served.Load() < 50 {
		time.Sleep(time.Millisecond)
	}
	if err := w.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
	clients.Wait()
}

// BenchmarkConnection takes connections with TLS: "in" greets them, "away" are those that Admit
// refuses. What the clients do is in both.
func BenchmarkConnection(b *testing.B) {
	for _, ok := range []bool{true, false} {
		b.Run(map[bool]string{true: "in", false: "away"}[ok], func(b *testing.B) {
			server, client := certstest.TLS(b, "localhost")
			w := newWorld(b, Options{TLS: server, Admit: func(string, netip.Addr) (func(), bool) { return func() {}, ok }})
			address := w.listen(Listener{Name: "echos", ImplicitTLS: true})
			for b.Loop() {
				c, err := net.Dial("tcp", address)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := tls.Client(c, client).Read(make([]byte, 100)); ok && err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
}
