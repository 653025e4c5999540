package real

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// PostiljonOptions says how Postiljon is run.
type PostiljonOptions struct {
	Binary      string // the program
	Dir         string // an empty folder
	Domain      string // its first domain
	Hostname    string // its own name
	Certificate tls.Certificate
	// Sockets are what it listens on, by service (PostiljonServices). It takes them over
	// as from systemd.
	Sockets  map[string][]*net.TCPListener
	Resolver string   // the DNS server it asks
	Config   string   // further lines of the configuration, tables and all
	Env      []string // besides that of this process
	Place    Place
}

// PostiljonServices returns what Postiljon can offer.
func PostiljonServices() []string {
	return []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "https"}
}

// Postiljon is the program at work.
type Postiljon struct {
	o    PostiljonOptions
	file string // its configuration
	p    *process
}

// StartPostiljon makes an installation, starts it and waits until it is ready.
func StartPostiljon(o PostiljonOptions) (*Postiljon, error) {
	s := &Postiljon{o: o, file: filepath.Join(o.Dir, "postiljon.toml")}
	init := []string{"init", o.Domain, "-c", s.file, "--data", filepath.Join(o.Dir, "data"), "--hostname", o.Hostname, "--generate"}
	if _, err := s.run("", init...); err != nil {
		return nil, err
	}
	if err := s.configure(); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// configure writes the configuration; what it does not say is the default.
func (s *Postiljon) configure() error {
	chain, key, err := writeCertificate(s.o.Dir, s.o.Certificate)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "hostname = %q\ndata = %q\ncontrol = %q\n", s.o.Hostname, filepath.Join(s.o.Dir, "data"), s.socket())
	b.WriteString("[listen]\n")
	for _, service := range PostiljonServices() {
		fmt.Fprintf(&b, "%s = []\n", service) // only on what it is given
	}
	b.WriteString("sieve = []\n") // nobody asks for it in a world
	fmt.Fprintf(&b, "[tls]\ncertificate = %q\nkey = %q\n", chain, key)
	fmt.Fprintf(&b, "[queue]\nresolver = %q\nallow_private = true\n", s.o.Resolver)
	b.WriteString(s.o.Config)
	if err := os.WriteFile(s.file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("real: configuration: %w", err)
	}
	return nil
}

func (s *Postiljon) socket() string { return filepath.Join(s.o.Dir, "c.sock") }

// start runs the program with its sockets and waits for its word (sd_notify).
func (s *Postiljon) start() error {
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(s.o.Dir, "n.sock"), Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("real: %w", err)
	}
	defer told.Close()
	// LISTEN_PID must be the program's own number, which the shell before it knows.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, s.o.Binary, "serve", "-c", s.file)
	var names []string
	for name, listeners := range s.o.Sockets {
		for _, l := range listeners {
			f, err := l.File()
			if err != nil {
				return fmt.Errorf("real: socket %s: %w", name, err)
			}
			defer f.Close()
			cmd.ExtraFiles, names = append(cmd.ExtraFiles, f), append(names, name)
		}
	}
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"), "NOTIFY_SOCKET="+told.LocalAddr().String())
	cmd.Env = append(cmd.Env, s.o.Env...)
	if s.p, err = startProcess(s.o.Place, cmd); err != nil {
		return err
	}
	if err := s.ready(told); err != nil {
		return errors.Join(err, s.p.stop())
	}
	return nil
}

func (s *Postiljon) ready(told *net.UnixConn) error {
	go func() {
		<-s.p.done
		told.SetReadDeadline(time.Unix(1, 0)) // it will not tell any more
	}()
	told.SetReadDeadline(time.Now().Add(startTime))
	buf := make([]byte, 4096)
	for {
		n, err := told.Read(buf)
		if err != nil {
			return fmt.Errorf("real: Postiljon is not ready: %w; it said: %s", err, s.p.log)
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return nil
		}
	}
}

// Close ends the program.
func (s *Postiljon) Close() error { return s.p.stop() }

// Log returns the last of what the program said.
func (s *Postiljon) Log() string { return s.p.log.String() }

// Command runs the command line against the service: "account", "suspend", ….
func (s *Postiljon) Command(args ...string) (string, error) {
	return s.run("", append(args, "-c", s.file)...)
}

// AddAccount adds an account.
func (s *Postiljon) AddAccount(address, password string) error {
	_, err := s.run(password+"\n", "account", "add", address, "--password-file", "-", "-c", s.file)
	return err
}

func (s *Postiljon) run(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.o.Binary, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("real: postiljon %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.String(), nil
}
