package settings

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab"
)

// TestDialogues talks to servers that speak from testdata/*.txt. A file begins with
// the protocol, then has lines "S: ..." that the server says, "C: ..." that it must hear
// ("[me]" is our address), "TLS" for the handshake, and last what comes of it: "= answer"
// or "! part of the error".
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	w := lab.New(t)
	cert := w.Certificate([]string{"mail.north.example"})
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, dialogue := range strings.Split(strings.TrimSpace(string(raw)), "\n\n") {
			t.Run(fmt.Sprintf("%s-%d", strings.TrimSuffix(filepath.Base(path), ".txt"), i+1), func(t *testing.T) {
				runDialogue(t, w, cert, strings.Split(dialogue, "\n"))
			})
		}
	}
}

func runDialogue(t *testing.T, w *lab.World, cert tls.Certificate, lines []string) {
	server, client := net.Pipe()
	defer client.Close()
	deadline := time.Now().Add(10 * time.Second)
	client.SetDeadline(deadline)
	server.SetDeadline(deadline)
	head, script, end := strings.Fields(lines[0]), lines[1:len(lines)-1], lines[len(lines)-1]
	done := make(chan error, 1)
	go func() { done <- play(server, cert, script) }()

	home := w.Home()
	c := conversation{
		conn: client, config: &tls.Config{ServerName: "mail.north.example", RootCAs: home.Roots(), Time: home.Now},
		server: Server{Protocol: Protocol(head[0]), Host: "mail.north.example", Security: Security(head[1])},
	}
	answer, err := c.run(context.Background())
	client.Close()
	got := fmt.Sprintf("! %v", err)
	if err == nil {
		got = fmt.Sprintf("= %v idle=%v size=%d", answer.Methods, answer.Idle, answer.Size)
	}
	if strings.HasPrefix(end, "=") && got != end || strings.HasPrefix(end, "!") && (err == nil || !strings.Contains(got, end[2:])) {
		t.Errorf("%s, not %s", got, end)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// play is the server of a dialogue. That the client leaves while it speaks is no error.
func play(conn net.Conn, cert tls.Certificate, script []string) error {
	defer func() { conn.Close() }()
	in := bufio.NewReader(conn)
	for _, line := range script {
		switch {
		case line == "TLS":
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			in = bufio.NewReader(conn)
		case strings.HasPrefix(line, "S: "):
			text := strings.ReplaceAll(strings.TrimPrefix(line, "S: "), `\r\n`, "\r\n")
			if n, rest, ok := strings.Cut(text, "*times*"); ok {
				var count int
				fmt.Sscan(n, &count)
				text = strings.Repeat(rest, count)
			}
			if _, err := conn.Write([]byte(text + "\r\n")); err != nil {
				return nil
			}
		case strings.HasPrefix(line, "C: "):
			got, err := in.ReadString('\n')
			if want := strings.TrimPrefix(line, "C: ") + "\r\n"; got != want {
				return fmt.Errorf("heard %q, not %q (%w)", got, want, err)
			}
		default:
			return fmt.Errorf("no line of a dialogue: %q", line)
		}
	}
	return nil
}

func TestVerify(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	for _, text := range []string{"imap imap.north.example:993/tls", "imap imap.north.example:143/starttls", "pop3 pop.north.example:995/tls",
		"smtp smtp.north.example:465/tls", "smtp smtp.north.example:587/starttls"} {
		protocol, place, _ := strings.Cut(text, " ")
		s, err := ParseServer(Protocol(protocol), place)
		if err != nil {
			t.Fatal(err)
		}
		a, err := w.finder.Verify(ctx, s)
		if err != nil || a.Greeting == "" || len(a.Methods) == 0 {
			t.Errorf("%s: %+v, %v", text, a, err)
		}
	}
	refused := func(why string, s Server, is error) {
		t.Helper()
		if a, err := w.finder.Verify(ctx, s); err == nil || is != nil && !errors.Is(err, is) {
			t.Errorf("%s: %+v, %v", why, a, err)
		}
	}
	refused("plain", Server{Protocol: IMAP, Host: "imap.north.example", Port: 143, Security: Plain}, nil)
	refused("TLS to a plain port", Server{Protocol: IMAP, Host: "imap.north.example", Port: 143, Security: TLS}, nil)
	refused("nobody there", Server{Protocol: IMAP, Host: "imap.north.example", Port: 1993, Security: TLS}, nil)
	refused("no such name", Server{Protocol: IMAP, Host: "imap.south.example", Port: 993, Security: TLS}, nil)
	refused("POP3 at an IMAP port", Server{Protocol: POP3, Host: "imap.north.example", Port: 993, Security: TLS}, ErrProtocol)
	refused("SMTP at a POP3 port", Server{Protocol: SMTP, Host: "pop.north.example", Port: 110, Security: STARTTLS}, ErrProtocol)

	w.finder.Timeout = 100 * time.Millisecond
	w.Home().Break(lab.Where{Host: "imap.north.example"}, lab.Drop())
	refused("silence", Server{Protocol: IMAP, Host: "imap.north.example", Port: 993, Security: TLS}, nil)
	w.Home().Break(lab.Where{Host: "smtp.north.example"}, lab.StallAfter(0, lab.Down))
	refused("silence after connecting", Server{Protocol: SMTP, Host: "smtp.north.example", Port: 587, Security: STARTTLS}, nil)
}

// said is a server that has said all that it will ever say.
type said struct {
	net.Conn
	*strings.Reader
}

func (s said) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s said) Write(b []byte) (int, error) { return len(b), nil }
func (s said) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }

// FuzzConversation: whatever a server says, the talk ends, and what comes of it is sound.
func FuzzConversation(f *testing.F) {
	f.Add("imap", "* OK hi\r\n* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN AUTH=\r\nb OK\r\n")
	f.Add("imap", "* PREAUTH\r\n* CAPABILITY\r\nb BAD\r\n")
	f.Add("pop3", "+OK\r\n+OK\r\nSASL\r\nSASL PLAIN\r\n.\r\n")
	f.Add("smtp", "220 a\r\n250-a\r\n250-SIZE -1\r\n250-AUTH\r\n250\r\n")
	f.Add("smtp", "220\r\n250-SIZE 99999999999999999999\r\n250 AUTH=PLAIN\r\n")
	f.Fuzz(func(t *testing.T, protocol, text string) {
		conn := said{Reader: strings.NewReader(text)}
		c := conversation{conn: conn, in: bufio.NewReader(conn), server: Server{Protocol: Protocol(protocol), Security: TLS}}
		talk := map[Protocol]func(context.Context) (*Answer, error){IMAP: c.imap, POP3: c.pop3, SMTP: c.smtp}[c.server.Protocol]
		if talk == nil {
			return
		}
		a, err := talk(context.Background())
		if (a == nil) == (err == nil) {
			t.Fatalf("%+v, %v", a, err)
		}
		if a != nil && (len(a.Methods) > len(methods) || len(a.Greeting) > maxLine) {
			t.Fatalf("%+v", a)
		}
	})
}
