package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// accounts are user0@bench.test to user99@bench.test with the password "secret".
const (
	accounts = 100
	password = "secret"
)

func account(i int) string { return fmt.Sprintf("user%d@bench.test", i%accounts) }

// server is a running server with its loopback addresses.
type server struct {
	smtp, submissions, imap, imaps string
	https                          string // of Postiljon
	stop                           func()
	pids                           func() ([]int, error)   // its first processes
	index                          func(user string) error // has the peer index an INBOX
	binary, control                string                  // of Postiljon
	elsewhere                      *elsewhere              // where mail out goes, nil if there is none
}

// stopOnSignal leaves nothing behind when the measurement is interrupted, until the
// function it returns is called.
func (s *server) stopOnSignal(dir string) (done func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-signals; ok {
			s.stop()
			os.RemoveAll(dir)
			os.Exit(1)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// startPostiljon runs the demo with its accounts made for measurements: sign-in
// without TLS is taken, as the peer takes it.
func startPostiljon(binary, dir string, far *elsewhere) (*server, error) {
	if binary == "" {
		binary = filepath.Join(dir, "postiljon")
		build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/postiljon")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	base, err := freeBase()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "demo", "--json", "--data", filepath.Join(dir, "data"), "--domain", "bench.test",
		"--accounts", strconv.Itoa(accounts), "--password", password, "--port-base", strconv.Itoa(base), "--plaintext-loopback")
	if far != nil {
		cmd.Args = append(cmd.Args, "--resolver", far.resolver, "--remote-port", strconv.Itoa(far.port))
		if !far.dkim {
			cmd.Args = append(cmd.Args, "--no-dkim")
		}
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	var info struct{ SMTP, Submissions, IMAP, IMAPS, HTTPS, Control string }
	line, err := bufio.NewReaderSize(out, 1<<20).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &info)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return &server{
		smtp: info.SMTP, submissions: info.Submissions, imap: info.IMAP, imaps: info.IMAPS, stop: stop,
		pids:   func() ([]int, error) { return []int{cmd.Process.Pid}, nil },
		binary: binary, https: info.HTTPS, control: info.Control, elsewhere: far,
	}, nil
}

func freeBase() (int, error) {
	for base := 21000; base < 60000; base += 1000 {
		free := true
		for _, offset := range []int{25, 143, 443, 465, 587, 993, 995} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(base+offset)))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		if free {
			return base, nil
		}
	}
	return 0, errors.New("no free ports between 21000 and 60000")
}

//go:embed postfix-dovecot.sh
var peerScript string

// startPeer runs Postfix and Dovecot by the script beside this file, with fts with
// a search index.
func startPeer(dir string, fts bool, far *elsewhere) (*server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // Postfix's users must get in
		return nil, err
	}
	script := filepath.Join(dir, "postfix-dovecot.sh")
	if err := os.WriteFile(script, []byte(peerScript), 0o755); err != nil {
		return nil, err
	}
	base, err := freeBase()
	if err != nil {
		return nil, err
	}
	at := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(base+port)) }
	do := func(verb string, more ...string) error {
		cmd := exec.Command(script, append([]string{verb, dir}, more...)...)
		cmd.Env = append(os.Environ(), "USERS="+strconv.Itoa(accounts), "PORT_BASE="+strconv.Itoa(base))
		if fts {
			cmd.Env = append(cmd.Env, "FTS=1")
		}
		if far != nil {
			file, err := far.resolvConf()
			if err != nil {
				return err
			}
			cmd.Env = append(cmd.Env, "RESOLV_CONF="+file, "REMOTE_PORT="+strconv.Itoa(far.port))
			if far.dkim {
				cmd.Env = append(cmd.Env, "DKIM=1")
			}
		}
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		return cmd.Run()
	}
	if err := do("start"); err != nil {
		return nil, err
	}
	s := &server{
		smtp: at(25), submissions: at(465), imap: at(143), imaps: at(993),
		stop: func() { do("stop") }, elsewhere: far,
		index: func(user string) error { return do("index", user) },
		pids: func() (pids []int, err error) {
			out, err := exec.Command(script, "pids", dir).Output()
			for _, field := range strings.Fields(string(out)) {
				pid, convErr := strconv.Atoi(field)
				pids, err = append(pids, pid), errors.Join(err, convErr)
			}
			return pids, err
		},
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		c, err := dialIMAP(s.imap, false, account(0))
		if err == nil {
			c.close()
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, err
		}
	}
}
