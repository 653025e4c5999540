//go:build unix

package smtpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/sasl"
)

// sink is a backend that takes everything and keeps nothing.
type sink struct{}

func (sink) NewSession(context.Context, *Conn) (Session, cause.Decision) {
	return sink{}, cause.Allow()
}
func (sink) Verifier() sasl.Verifier                                { return nil }
func (sink) SignedIn(context.Context, sasl.Identity) cause.Decision { return cause.Allow() }
func (sink) Mail(context.Context, *Mail) cause.Decision             { return cause.Allow() }
func (sink) Rcpt(context.Context, *Rcpt) cause.Decision             { return cause.Allow() }
func (sink) Data(context.Context) (Message, cause.Decision)         { return sink{}, cause.Allow() }
func (sink) Trace() string                                          { return "abcdefghijklmnopqrst" }
func (sink) Reset()                                                 {}
func (sink) Close(Reason)                                           {}
func (sink) Write(p []byte) (int, error)                            { return len(p), nil }
func (sink) Abort(cause.Decision)                                   {}
func (sink) Commit(context.Context) (Receipt, cause.Decision) {
	return Receipt{Trace: "abcdefghijklmnopqrst"}, cause.Allow()
}

const (
	benchConns   = 16
	benchEnv     = "SMTPD_BENCH" // address, messages and mode of a client process
	benchContent = 4096
)

// benchModes say how the client sends a message.
var benchModes = []struct {
	name string
	send func(w *bufio.Writer, r *bufio.Reader, content string) error
}{
	{"data", sendData},
	{"bdat", sendBdat},
	{"one-by-one", sendSlowly},
	{"tls", sendData},
}

// BenchmarkReceive receives messages of 4 KiB over loopback from a client in another process, so
// that the CPU time reported is the server's alone, kernel included.
func BenchmarkReceive(b *testing.B) {
	for _, mode := range benchModes {
		b.Run(mode.name, func(b *testing.B) {
			f := newFixture(b, nil, Options{Backend: sink{}, Limits: Limits{Messages: 1 << 30}}, ListenerOptions{Name: "bench", ImplicitTLS: mode.name == "tls"}, false)
			client := exec.Command(os.Args[0], "-test.run=^TestBenchClient$")
			client.Env = append(os.Environ(), fmt.Sprintf("%s=%s,%d,%s", benchEnv, f.address, b.N, mode.name))
			b.SetBytes(benchContent)
			b.ReportAllocs()
			before := cpuTime(b)
			b.ResetTimer()
			if out, err := client.CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestBenchClient is the client process of BenchmarkReceive. On its own it sends a few messages in
// each mode to a server of its own.
func TestBenchClient(t *testing.T) {
	if task := os.Getenv(benchEnv); task != "" {
		address, rest, _ := strings.Cut(task, ",")
		count, mode, _ := strings.Cut(rest, ",")
		n, err := strconv.Atoi(count)
		if err = errors.Join(err, sendMany(address, mode, n)); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, mode := range benchModes {
		f := newFixture(t, nil, Options{Backend: sink{}}, ListenerOptions{Name: "bench", ImplicitTLS: mode.name == "tls"}, false)
		if err := sendMany(f.address, mode.name, 3*benchConns); err != nil {
			t.Errorf("%s: %v", mode.name, err)
		}
	}
}

// sendMany sends n messages over benchConns connections.
func sendMany(address, mode string, n int) error {
	var wg sync.WaitGroup
	failed := make([]error, benchConns)
	for i := range benchConns {
		share := n / benchConns
		if i < n%benchConns {
			share++
		}
		wg.Go(func() { failed[i] = sendShare(address, mode, share) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

func sendShare(address, mode string, n int) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if mode == "tls" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the certificate is made here
	}
	r, w := bufio.NewReader(conn), bufio.NewWriterSize(conn, 64<<10)
	if err := ask(w, r, "", "220"); err != nil {
		return err
	}
	if err := ask(w, r, "EHLO client.example.net\r\n", "250"); err != nil {
		return err
	}
	content := strings.Repeat(strings.Repeat("x", 74)+"\r\n", benchContent/76)
	for _, m := range benchModes {
		for range n {
			if m.name != mode {
				break
			}
			if err := m.send(w, r, content); err != nil {
				return err
			}
		}
	}
	return ask(w, r, "QUIT\r\n", "221")
}

const (
	benchMail = "MAIL FROM:<someone@example.net> BODY=8BITMIME SIZE=4200\r\n"
	benchRcpt = "RCPT TO:<anna@example.org>\r\n"
)

// sendData sends a message in two round trips, with PIPELINING.
func sendData(w *bufio.Writer, r *bufio.Reader, content string) error {
	if err := ask(w, r, benchMail+benchRcpt+"DATA\r\n", "250", "250", "354"); err != nil {
		return err
	}
	w.WriteString(content)
	return ask(w, r, ".\r\n", "250")
}

// sendBdat sends a message in one round trip, with PIPELINING and CHUNKING.
func sendBdat(w *bufio.Writer, r *bufio.Reader, content string) error {
	w.WriteString(benchMail + benchRcpt + "BDAT " + strconv.Itoa(len(content)) + " LAST\r\n")
	return ask(w, r, content, "250", "250", "250")
}

// sendSlowly waits for every reply.
func sendSlowly(w *bufio.Writer, r *bufio.Reader, content string) error {
	for _, step := range [][2]string{{benchMail, "250"}, {benchRcpt, "250"}, {"DATA\r\n", "354"}, {content + ".\r\n", "250"}} {
		if err := ask(w, r, step[0], step[1]); err != nil {
			return err
		}
	}
	return nil
}

// ask sends and reads replies, each beginning with its code.
func ask(w *bufio.Writer, r *bufio.Reader, send string, codes ...string) error {
	w.WriteString(send)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, code := range codes {
		for open := true; open; {
			line, err := r.ReadSlice('\n')
			if err != nil || len(line) < 4 || string(line[:3]) != code {
				return fmt.Errorf("want %s, have %q, %v", code, line, err)
			}
			open = line[3] == '-'
		}
	}
	return nil
}

// BenchmarkIdle measures the memory of a connection that waits for a command, its client's small
// share included.
func BenchmarkIdle(b *testing.B) {
	const conns = 1000
	f := newFixture(b, nil, Options{Backend: sink{}}, ListenerOptions{Name: "bench"}, false)
	for b.Loop() {
		before := memory()
		open := make([]net.Conn, conns)
		for i := range open {
			c, err := net.Dial("tcp", f.address)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 100)); err != nil { // the greeting
				b.Fatal(err)
			}
			open[i] = c
		}
		b.ReportMetric(float64(memory()-before)/conns, "B/conn")
		for _, c := range open {
			c.Close()
		}
		for sessions(f.server) > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func sessions(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// memory is what is in use, heap and stacks.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkUnstuff reads content of DATA in memory.
func BenchmarkUnstuff(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("x", 74)+"\r\n", 54) + ".\r\n")
	buf := make([]byte, len(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		copy(buf, text)
		l := lines{limit: 1 << 20}
		if _, _, end := l.unstuff(buf); !end {
			b.Fatal("no end")
		}
	}
}
