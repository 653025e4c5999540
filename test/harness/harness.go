// Package harness runs the real program for tests: it builds the binary, starts
// `postiljon demo` in a folder of its own, kills it, starts it again, and talks
// SMTP and IMAP to it with clients as small as can be.
package harness

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Info is what `postiljon demo --json` prints when it is ready.
type Info struct {
	SMTP        string    `json:"smtp"`
	Submission  string    `json:"submission"`
	Submissions string    `json:"submissions"`
	IMAP        string    `json:"imap"`
	IMAPS       string    `json:"imaps"`
	POP3S       string    `json:"pop3s"`
	Sieve       string    `json:"sieve"`
	HTTPS       string    `json:"https"`
	Control     string    `json:"control"`
	CA          string    `json:"ca"`
	Data        string    `json:"data"`
	PID         int       `json:"pid"`
	Accounts    []Account `json:"accounts"`
}

// Account is a person of the demo.
type Account struct {
	Address  string `json:"address"`
	Password string `json:"password"`
}

// Password is that of every account when Options.Accounts is set.
const Password = "correct-horse-7"

// Options says how the service is started.
type Options struct {
	Binary   string // "" builds the program
	Data     string // "" makes a temporary folder
	Domain   string // "" is the demo's own
	Accounts int    // 0 is the demo's own two
	Args     []string
	Env      []string
}

// Service is a running program.
type Service struct {
	Info
	t       testing.TB
	options Options
	base    int
	cmd     *exec.Cmd
	log     *lockedBuffer
	done    chan struct{} // closed when the process has ended
	TLS     *tls.Config
}

// lockedBuffer keeps the last of what the program printed.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 1<<20 {
		l.b.Reset()
	}
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var build struct {
	sync.Once
	dir string
	err error
}

// Main runs the tests of a package and removes what was built for them.
func Main(m *testing.M) {
	code := m.Run()
	if build.dir != "" {
		os.RemoveAll(build.dir)
	}
	os.Exit(code)
}

// Binary returns the path of the program, built once for the test run.
// POSTILJON_BINARY names another one.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("POSTILJON_BINARY"); path != "" {
		return path
	}
	build.Do(func() {
		if build.dir, build.err = os.MkdirTemp("", "postiljon-test-"); build.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", build.dir, "github.com/postiljon/postiljon/cmd/postiljon")
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return filepath.Join(build.dir, "postiljon")
}

// Start starts the service; the test's end stops it.
func Start(t testing.TB, o Options) *Service {
	t.Helper()
	s := Prepare(t, o)
	s.runOnFreePorts()
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the service printed:\n%s", tail(s.log.String(), 6000))
		}
	})
	return s
}

// Prepare chooses everything for a service, and does not start it.
func Prepare(t testing.TB, o Options) *Service {
	t.Helper()
	if o.Binary == "" {
		o.Binary = Binary(t)
	}
	if o.Data == "" {
		o.Data = filepath.Join(t.TempDir(), "data")
	}
	s := &Service{t: t, options: o}
	s.chooseBase()
	return s
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// offsets are where the demo's ports lie above their base.
var offsets = []int{25, 143, 443, 465, 587, 993, 995}

// chooseBase finds a base whose ports are free, below the ports that the kernel
// gives to clients.
func (s *Service) chooseBase() {
	s.t.Helper()
	for range 200 {
		s.base = 20000 + rand.IntN(1170)*10
		if portsFree(s.base) {
			return
		}
	}
	s.t.Fatal("no free ports")
}

// runOnFreePorts runs the program. Another test can take the ports between the
// look and the start; then it tries others.
func (s *Service) runOnFreePorts() {
	s.t.Helper()
	for range 20 {
		err := s.TryRun()
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "is taken by another program") {
			s.t.Fatal(err)
		}
		s.chooseBase()
	}
	s.t.Fatal("the ports are always taken")
}

func portsFree(base int) bool {
	for _, o := range offsets {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(base+o)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// Run starts the program, again if it was killed, and waits until it is ready.
func (s *Service) Run() {
	s.t.Helper()
	if err := s.TryRun(); err != nil {
		s.t.Fatal(err)
	}
}

// TryRun is Run for tests that expect it to fail.
func (s *Service) TryRun() error {
	ready, err := s.begin()
	if err != nil {
		return err
	}
	select {
	case err = <-ready:
	case <-time.After(60 * time.Second):
		err = errors.New("not ready after 60 seconds")
	}
	if err != nil {
		s.Kill()
		return fmt.Errorf("start postiljon: %w; it printed:\n%s", err, tail(s.log.String(), 4000))
	}
	return s.loadCA()
}

// Flash starts the program and kills it after some time, ready or not.
func (s *Service) Flash(d time.Duration) error {
	if _, err := s.begin(); err != nil {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(d):
		s.Kill()
	}
	return nil
}

// begin starts the program; ready tells when it is.
func (s *Service) begin() (ready <-chan error, err error) {
	args := []string{"demo", "--json", "--data", s.options.Data, "--port-base", strconv.Itoa(s.base)}
	if s.options.Domain != "" {
		args = append(args, "--domain", s.options.Domain)
	}
	if s.options.Accounts > 0 {
		args = append(args, "--accounts", strconv.Itoa(s.options.Accounts), "--password", Password)
	}
	s.cmd = exec.Command(s.options.Binary, append(args, s.options.Args...)...)
	s.cmd.Env = append(os.Environ(), s.options.Env...)
	s.log = &lockedBuffer{}
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.done = make(chan struct{})
	c := make(chan error, 1)
	go func() {
		defer close(s.done)
		line, err := bufio.NewReaderSize(out, 16<<20).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &s.Info)
		}
		c <- err
		s.cmd.Wait()
	}()
	return c, nil
}

func (s *Service) loadCA() error {
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("no certificate in %s", s.CA)
	}
	s.TLS = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	return nil
}

// Kill ends the program as a power cut would: kill -9.
func (s *Service) Kill() {
	if s.cmd.Process != nil {
		s.cmd.Process.Kill()
		<-s.done
	}
}

// Stop asks the program to end and waits for it.
func (s *Service) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.Ended()
}

// Ended waits until the program, which was told to end, has ended well.
func (s *Service) Ended() error {
	select {
	case <-s.done:
	case <-time.After(45 * time.Second): // the service itself waits for 30 seconds at most
		s.Kill()
		return errors.New("the service did not stop within 45 seconds")
	}
	if !s.cmd.ProcessState.Success() {
		return fmt.Errorf("the service ended with %s:\n%s", s.cmd.ProcessState, tail(s.log.String(), 4000))
	}
	return nil
}

// Signal sends a signal to the program.
func (s *Service) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Log returns the last of what the program printed.
func (s *Service) Log() string { return s.log.String() }

// Command runs the program's command line against the running service.
func (s *Service) Command(args ...string) (stdout string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.options.Binary, args...)
	cmd.Env = append(os.Environ(), "POSTILJON_SOCKET="+s.Control)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("postiljon %v: %w\n%s%s", args, err, out.String(), errs.String())
	}
	return out.String(), nil
}
