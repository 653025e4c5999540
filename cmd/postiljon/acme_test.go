package main

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/lab/names"
)

// publicAuthority is a real ACME server whose certificates are good for so many seconds. It comes to ports of
// loopback, while reach says so.
type publicAuthority struct {
	*httptest.Server
	zone  *names.Zone
	roots string // file of what it is checked against
}

func newPublicAuthority(t *testing.T, httpPort, tlsPort, seconds int) *publicAuthority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	a := &publicAuthority{zone: in.Zone("example.org"), roots: filepath.Join(t.TempDir(), "roots.pem")}
	a.zone.Set("mail A 127.0.0.1")
	dns, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(seconds)}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, true, dns.TCP, store), issuer, nil, true, false, 1, 1)
	a.Server = httptest.NewTLSServer(front.Handler())
	a.Config.ErrorLog = quiet
	t.Cleanup(func() {
		a.Close()
		in.Close()
		if err := dns.Close(); err != nil {
			t.Error(err)
		}
	})
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	if err := os.WriteFile(a.roots, root, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// installed is the program as an operator runs it, with a certificate of a public authority.
type installed struct {
	t                 *testing.T
	file, dir         string
	imaps, plain, web string
	log               syncedText
	process           *exec.Cmd
	authority         *publicAuthority
}

type syncedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncedText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncedText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// freePorts are addresses of loopback that nobody listens at.
func freePorts(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

func install(t *testing.T, way string, seconds int) *installed {
	t.Helper()
	ports := freePorts(t, 3)
	p := &installed{t: t, dir: t.TempDir(), imaps: ports[0], plain: ports[1], web: ports[2]}
	port := func(address string) (n int) {
		if _, err := fmt.Sscanf(address, "127.0.0.1:%d", &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	p.authority = newPublicAuthority(t, port(p.plain), port(p.web), seconds)
	p.file = filepath.Join(p.dir, "postiljon.toml")
	if out, err := p.run("init", "example.org", "--data", filepath.Join(p.dir, "data"), "--generate"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	set := func(old, value string) {
		t.Helper()
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q is not in the configuration once", old)
		}
		text = strings.Replace(text, old, value, 1)
	}
	for _, other := range []string{"25", "587", "465", "143", "995", "4190"} {
		set(`[":`+other+`"]`, "[]")
	}
	set(`[":993"]`, `["`+p.imaps+`"]`)
	plain, web := "[]", "[]"
	if way == "http" {
		plain = `["` + p.plain + `"]`
	} else {
		web = `["` + p.web + `"]`
	}
	set("\nhttp = []\n", "\nhttp = "+plain+"\n")
	set(`https = [":443"]`, "https = "+web)
	set("\ndirectory = \"\"\n", "\ndirectory = \""+p.authority.URL+wfe.DirectoryPath+"\"\n")
	set("\nroots = \"\"\n", "\nroots = \""+p.authority.roots+"\"\n")
	set(`level = "info"`, `level = "debug"`)
	if err := os.WriteFile(p.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *installed) run(args ...string) (string, error) {
	out, err := exec.CommandContext(p.t.Context(), "postiljon", append(args, "-c", p.file)...).CombinedOutput()
	return string(out), err
}

func (p *installed) start() {
	p.t.Helper()
	p.process = exec.Command("postiljon", "serve", "-c", p.file)
	p.process.Stdout, p.process.Stderr = &p.log, &p.log
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		p.process.Process.Signal(syscall.SIGTERM)
		if err := p.process.Wait(); err != nil {
			p.t.Errorf("%v\n%s", err, p.log.String())
		}
	})
}

// shown is the certificate that IMAP shows, and the connection, which stays open.
func (p *installed) shown() (serial string, public bool, conn *tls.Conn) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", p.imaps, &tls.Config{ServerName: "mail.example.org", InsecureSkipVerify: true})
	if err != nil {
		return "", false, nil
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	return leaf.SerialNumber.String(), strings.Contains(leaf.Issuer.CommonName, "Pebble") && leaf.VerifyHostname("mail.example.org") == nil, conn
}

// await waits until a condition holds.
func (p *installed) await(what string, ok func() bool) {
	p.t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > 40*time.Second {
			p.t.Fatalf("%s\n%s", what, p.log.String())
		}
	}
}

// nothingPrivate looks for private keys of the installation in what the program said.
func (p *installed) nothingPrivate() {
	p.t.Helper()
	said, keys := p.log.String(), 0
	err := filepath.WalkDir(filepath.Join(p.dir, "data", "tls"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(filepath.Base(path), "key") {
			return err
		}
		keys++
		b, err := os.ReadFile(path)
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" && strings.Contains(said, line) {
				p.t.Errorf("a line of %s is in the log", path)
			}
		}
		info, infoErr := d.Info()
		if infoErr == nil && info.Mode().Perm()&0o077 != 0 {
			p.t.Errorf("others can read %s", path)
		}
		return err
	})
	if err != nil || keys == 0 || strings.Contains(said, "PRIVATE KEY") {
		p.t.Errorf("%d keys, %v", keys, err)
	}
}

// TestPublicCertificate: the program gets a certificate from a real authority by either way, and a new one while
// sessions go on.
func TestPublicCertificate(t *testing.T) {
	for _, way := range []string{"http", "tls"} {
		t.Run(way, func(t *testing.T) {
			p := install(t, way, 9)
			p.start()
			var first string
			var session *tls.Conn
			p.await("no certificate came", func() (public bool) {
				first, public, session = p.shown()
				return public
			})
			defer session.Close()
			p.await("the certificate is not renewed", func() bool {
				if out, err := p.run("reload"); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				next, public, conn := p.shown()
				if conn != nil {
					conn.Close()
				}
				return public && next != first
			})
			session.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := session.Write([]byte("a NOOP\r\n")); err != nil {
				t.Errorf("the session with the first certificate: %v", err)
			}
			b := make([]byte, 4096)
			for got := ""; !strings.Contains(got, "a OK"); {
				n, err := session.Read(b)
				if got += string(b[:n]); err != nil {
					t.Fatalf("the session with the first certificate said %q, %v", got, err)
				}
			}
			if out, err := p.run("status"); err != nil || strings.Contains(out, "private authority") || strings.Contains(out, "has none") {
				t.Errorf("%v: %s", err, out)
			}
			p.nothingPrivate()
		})
	}
}

// TestNoPublicCertificate: where the authority does not reach the service, the status says why and what helps; a private
// certificate is shown, and the public one comes once it can.
func TestNoPublicCertificate(t *testing.T) {
	p := install(t, "http", 86400)
	p.authority.zone.Set("mail A 127.0.0.9") // nobody is there
	p.start()
	var st control.Status
	p.await("no trouble is told", func() bool {
		out, err := p.run("status", "--json")
		return err == nil && json.Unmarshal([]byte(out), &st) == nil && len(st.Certificate.Trouble) == 1
	})
	trouble := st.Certificate.Trouble[0]
	if trouble.Name != "mail.example.org" || !strings.Contains(trouble.Reason, "127.0.0.9") || !st.Certificate.Private {
		t.Errorf("%+v", st.Certificate)
	}
	out, err := p.run("status")
	if err != nil || !strings.Contains(out, "mail.example.org has none from the public authority since") || !strings.Contains(out, "tls.untrusted") {
		t.Errorf("%v: %s", err, out)
	}
	if _, public, conn := p.shown(); public || conn == nil {
		t.Error("the certificate of the private authority is not shown")
	} else {
		conn.Close()
	}
	p.nothingPrivate()
}
