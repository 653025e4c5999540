package real

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// authority issues a certificate for a name and returns how to trust it.
func authority(t *testing.T, name string) (tls.Certificate, *tls.Config) {
	t.Helper()
	a, err := ca.New("Test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.Issue([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	return cert, &tls.Config{RootCAs: a.Pool(), ServerName: name}
}

// folder is an empty one with a short name, as sockets want it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// hear sends lines and returns what was answered up to a word, which must come.
func hear(t *testing.T, addr string, config *tls.Config, want string, lines ...string) {
	t.Helper()
	if got, err := ask(addr, config, want, lines...); err != nil {
		t.Fatalf("%s: %v; heard %q, want %q", addr, err, got, want)
	}
}

// ask is hear for what may fail. The client is not at the server's own address, from
// which Dovecot takes passwords in the clear.
func ask(addr string, config *tls.Config, want string, lines ...string) (all string, err error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 64, 0, 1)}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if config != nil {
		c = tls.Client(c, config)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	if all, err = r.ReadString('\n'); err != nil {
		return all, err
	}
	for _, l := range lines {
		io.WriteString(c, l+"\r\n")
	}
	for !strings.Contains(all, want) {
		line, err := r.ReadString('\n')
		all += line
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func TestPostiljon(t *testing.T) {
	t.Parallel()
	const name = "mail.south.example"
	cert, trust := authority(t, name)
	sockets := make(map[string][]*net.TCPListener)
	for _, service := range []string{"smtp", "submissions", "imaps"} {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		sockets[service] = append(sockets[service], l)
	}
	s, err := StartPostiljon(PostiljonOptions{
		Binary: harness.Binary(t), Dir: folder(t), Domain: "south.example", Hostname: name, Certificate: cert,
		Sockets: sockets, Resolver: "127.0.0.1:9", Config: "[auth]\npassword_length = 1\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.AddAccount("anna@south.example", "secret"); err != nil {
		t.Fatal(err)
	}
	imaps := sockets["imaps"][0].Addr().String()
	hear(t, imaps, trust, "a OK", "a LOGIN anna@south.example secret")
	if _, err := s.Command("account", "suspend", "anna@south.example", "--cause", "account.suspended-unpaid"); err != nil {
		t.Fatal(err)
	}
	hear(t, imaps, trust, "a NO [CONTACTADMIN]", "a LOGIN anna@south.example secret")
	hear(t, sockets["smtp"][0].Addr().String(), nil, "550 5.1.1", "EHLO x.test", "MAIL FROM:<>", "RCPT TO:<nobody@south.example>")
	if _, err := s.Command("account", "frobnicate"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a wrong command: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestNeedsRoot asks for servers that only root may run.
func TestNeedsRoot(t *testing.T) {
	_, err := StartPostfixDovecot(PostfixDovecotOptions{Dir: "/nonexistent"})
	if os.Geteuid() != 0 && !errors.Is(err, ErrNeedsRoot) || err == nil {
		t.Errorf("error is %v", err)
	}
}
