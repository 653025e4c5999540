package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is a context for what must not take long.
func soon(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// talk is a plain client of lines.
type talk struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, v *Vantage, addr string, implicit bool) *talk {
	t.Helper()
	c, err := v.DialContext(soon(t, 5*time.Second), "tcp", addr)
	if err != nil {
		t.Fatalf("dial %s: %v", addr, err)
	}
	t.Cleanup(func() { c.Close() })
	k := &talk{t: t, c: c, r: bufio.NewReader(c)}
	if implicit {
		k.startTLS(v, addr)
	}
	return k
}

func (k *talk) startTLS(v *Vantage, addr string) {
	k.t.Helper()
	host, _, _ := net.SplitHostPort(addr)
	c := tls.Client(k.c, v.TLS(host))
	if err := c.Handshake(); err != nil {
		k.t.Fatalf("TLS with %s: %v", addr, err)
	}
	k.c, k.r = c, bufio.NewReader(c)
}

// say sends a line, unless it is empty, and expects a reply with a line that begins so.
func (k *talk) say(line, want string) string {
	k.t.Helper()
	k.c.SetDeadline(time.Now().Add(5 * time.Second))
	if line != "" {
		io.WriteString(k.c, line+"\r\n")
	}
	var all strings.Builder
	for {
		got, err := k.r.ReadString('\n')
		all.WriteString(got)
		if err != nil {
			k.t.Fatalf("%q: %v; heard %q, want %q", line, err, all.String(), want)
		}
		if strings.HasPrefix(got, want) {
			return all.String()
		}
		if len(got) > 3 && got[3] == ' ' && got[0] >= '0' && got[0] <= '9' {
			k.t.Fatalf("%q: got %q, want %q", line, all.String(), want)
		}
	}
}

func TestProvider(t *testing.T) {
	w := New(t)
	north := w.Provider("north.example")
	north.Account("anna@north.example", "secret")
	north.Account("bo@north.example", "secret")
	home := w.Home()

	m := dial(t, home, "smtp.north.example:587", false)
	m.say("", "220 smtp.north.example")
	m.say("EHLO me.test", "250 ")
	m.say("STARTTLS", "220 ")
	m.startTLS(home, "smtp.north.example:587")
	m.say("EHLO me.test", "250 ")
	m.say("AUTH PLAIN AGFubmFAbm9ydGguZXhhbXBsZQBzZWNyZXQ=", "235 ")
	m.say("MAIL FROM:<anna@north.example>", "250 ")
	m.say("RCPT TO:<bo@north.example>", "250 ")
	m.say("DATA", "354 ")
	m.say("Subject: hello\r\n\r\nHello Bo.\r\n.", "250 ")
	m.say("QUIT", "221 ")

	i := dial(t, home, "imap.north.example:993", true)
	i.say("", "* OK")
	i.say("a LOGIN bo@north.example secret", "a OK")
	i.say("b SELECT INBOX", "b OK")
	if got := i.say("c FETCH 1 (UID BODY[HEADER.FIELDS (Subject)])", "c OK"); !strings.Contains(got, "Subject: hello") {
		t.Errorf("FETCH answers %q", got)
	}
	i.say("d LOGOUT", "d OK")

	p := dial(t, home, "pop.north.example:995", true)
	p.say("", "+OK")
	p.say("USER bo@north.example", "+OK")
	p.say("PASS wrong", "-ERR")
	p.say("PASS secret", "+OK 1")
	p.say("RETR 1", "Hello Bo.")
	p.say("QUIT", "+OK")
	if n := north.POP3.Counts(); n.SignIns != 1 || n.FailedSignIns != 1 {
		t.Errorf("POP3 counts %+v", n)
	}
	for _, l := range north.IMAP.Transcript() {
		if strings.Contains(l.Text, "secret") {
			t.Errorf("the transcript holds a password: %s", l)
		}
	}
}
