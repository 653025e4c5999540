// Package real runs real servers for a laboratory, from files of their own and on
// sockets or ports that they are given: Postiljon itself, and Debian's Postfix with
// Dovecot.
package real

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	startTime   = 30 * time.Second // what a server may take to be ready
	stopTime    = 15 * time.Second // and to end, before it is killed
	commandTime = time.Minute      // and what a command may take
)

// Place is where a program runs: it calls start in the right network namespace. nil is
// here.
type Place func(start func() error) error

func (p Place) do(start func() error) error {
	if p == nil {
		return start()
	}
	return p(start)
}

// process is a program that runs until it is told to end.
type process struct {
	cmd  *exec.Cmd
	log  *tailBuffer
	done chan struct{}
	err  error // of the process, once done
}

func startProcess(in Place, cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, log: new(tailBuffer), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	ownGroup(cmd)
	if err := in.do(cmd.Start); err != nil {
		return nil, fmt.Errorf("real: start %s: %w", filepath.Base(cmd.Path), err)
	}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// stop asks the program to end, and makes it end.
func (p *process) stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTime):
	}
	p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("real: %s did not end in %v; it said: %s", filepath.Base(p.cmd.Path), stopTime, p.log)
}

// tailBuffer keeps the last of what a program said.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 16 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > tailSize {
		t.b = bytes.Clone(t.b[len(t.b)-tailSize:])
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// writeCertificate writes a chain and its key as files for a server.
func writeCertificate(dir string, cert tls.Certificate) (chain, key string, err error) {
	chain, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var b bytes.Buffer
	for _, der := range cert.Certificate {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return "", "", fmt.Errorf("real: certificate: %w", err)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return "", "", fmt.Errorf("real: key: %w", err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return chain, key, errors.Join(os.WriteFile(chain, b.Bytes(), 0o644), os.WriteFile(key, secret, 0o600))
}
