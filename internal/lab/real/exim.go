package real

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/postiljon/postiljon/internal/lab/netns"
)

// EximOptions says how Exim is run.
type EximOptions struct {
	Program     string // the binary
	Dir         string // an empty folder
	Domain      string
	Hostname    string
	Address     string   // to listen on, at port 25
	Accounts    []string // local parts
	Certificate tls.Certificate
	Authority   *x509.Certificate // whom it trusts when it sends
	Resolver    string            // the DNS server it asks
	Place       Place
}

// Exim is Debian's Exim at work. It takes and sends mail over TLS, keeps what it gets in
// Maildirs, and turns away mail to full@, of more than 50 KiB, and what offers cheap pills.
type Exim struct {
	o EximOptions
	p *process
}

// StartExim starts it and waits until it answers. Exim has the paths of its user and its
// configuration compiled in, so it runs in a root folder of its own.
func StartExim(o EximOptions) (*Exim, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNeedsRoot
	}
	s := &Exim{o: o}
	if err := s.folders(); err != nil {
		return nil, err
	}
	if err := s.files(); err != nil {
		return nil, err
	}
	const inside = `mount --make-rprivate / && mount --bind /usr usr && mount --bind /dev dev && exec chroot . /exim4 -bdf -q1s`
	cmd := exec.Command("/bin/sh", "-c", inside)
	cmd.Dir = o.Dir
	netns.PrivateMounts(cmd)
	var err error
	if s.p, err = startProcess(o.Place, cmd); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// eximUser is the number of the user that Exim runs as; nobody else on the machine has it.
const eximUser = 61025

func (s *Exim) folders() error {
	if err := os.Chmod(s.o.Dir, 0o755); err != nil {
		return fmt.Errorf("real: %w", err)
	}
	for _, folder := range []string{"usr", "dev", "tmp", "etc/exim4", "tls", "spool", "log", "mail"} {
		if err := os.MkdirAll(filepath.Join(s.o.Dir, folder), 0o755); err != nil {
			return fmt.Errorf("real: %w", err)
		}
	}
	for _, folder := range []string{"spool", "log", "mail"} {
		if err := os.Chown(filepath.Join(s.o.Dir, folder), eximUser, eximUser); err != nil {
			return fmt.Errorf("real: %w", err)
		}
	}
	for _, folder := range []string{"bin", "lib", "lib64", "sbin"} {
		if err := os.Symlink("usr/"+folder, filepath.Join(s.o.Dir, folder)); err != nil {
			return fmt.Errorf("real: %w", err)
		}
	}
	return nil
}

// files writes the program, its configuration, users, names and certificates.
func (s *Exim) files() error {
	chain, key, err := writeCertificate(filepath.Join(s.o.Dir, "tls"), s.o.Certificate)
	if err != nil {
		return err
	}
	templates, err := template.ParseFS(templateFiles, "exim.conf.tmpl")
	if err != nil {
		return fmt.Errorf("real: templates: %w", err)
	}
	var config bytes.Buffer
	if err := templates.Execute(&config, s.o); err != nil {
		return fmt.Errorf("real: exim.conf: %w", err)
	}
	for path, text := range map[string][]byte{
		"etc/exim4/exim4.conf": config.Bytes(),
		"etc/passwd":           fmt.Appendf(nil, "root:x:0:0::/:/bin/sh\nexim:x:%d:%d::/:/bin/sh\nDebian-exim:x:%d:%d::/:/bin/sh\n", eximUser, eximUser, eximUser, eximUser),
		"etc/group":            fmt.Appendf(nil, "root:x:0:\nexim:x:%d:\nDebian-exim:x:%d:\nmail:x:8:\n", eximUser, eximUser),
		"etc/nsswitch.conf":    []byte("passwd: files\ngroup: files\nhosts: files dns\n"),
		"etc/resolv.conf":      []byte("nameserver " + s.o.Resolver + "\noptions edns0\n"),
		"etc/hosts":            []byte("127.0.0.1 localhost\n"),
		"tls/ca.pem":           pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.o.Authority.Raw}),
	} {
		if err := os.WriteFile(filepath.Join(s.o.Dir, path), text, 0o644); err != nil {
			return fmt.Errorf("real: %w", err)
		}
	}
	for _, file := range []string{chain, key} {
		if err := os.Chown(file, eximUser, eximUser); err != nil {
			return fmt.Errorf("real: %w", err)
		}
	}
	return s.program()
}

// program copies the binary, which becomes root again to deliver.
func (s *Exim) program() error {
	from, err := os.Open(s.o.Program)
	if err != nil {
		return fmt.Errorf("real: Exim: %w", err)
	}
	defer from.Close()
	path := filepath.Join(s.o.Dir, "exim4")
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("real: Exim: %w", err)
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close(), os.Chmod(path, 0o755|os.ModeSetuid))
}

func (s *Exim) ready() error {
	end := time.Now().Add(startTime)
	for {
		err := answers(s.o.Place, s.o.Address, 25)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("real: Exim is not ready: %w; it said: %s", err, s.Log())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Messages returns the texts of the messages that an account got.
func (s *Exim) Messages(account string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(s.o.Dir, "mail", account, "new", "*"))
	if err != nil {
		return nil, fmt.Errorf("real: %w", err)
	}
	var all []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("real: %w", err)
		}
		all = append(all, string(text))
	}
	return all, nil
}

// Log returns what Exim wrote in its logs.
func (s *Exim) Log() string {
	said := []string{s.p.log.String()}
	for _, name := range []string{"mainlog", "rejectlog", "paniclog"} {
		if b, err := os.ReadFile(filepath.Join(s.o.Dir, "log", name)); err == nil {
			said = append(said, string(b[max(0, len(b)-tailSize):]))
		}
	}
	return strings.Join(said, "")
}

// Close ends it.
func (s *Exim) Close() error { return s.p.stop() }
