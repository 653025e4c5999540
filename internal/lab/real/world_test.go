package real_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/real"
	"github.com/postiljon/postiljon/test/harness"
)

// hear connects from a vantage point and returns what is answered up to a word.
func hear(t *testing.T, v *lab.Vantage, addr string, implicit bool, want string, lines ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := v.DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	defer c.Close()
	if implicit {
		host, _, _ := net.SplitHostPort(addr)
		c = tls.Client(c, v.TLS(host))
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	all, err := r.ReadString('\n')
	for _, l := range lines {
		io.WriteString(c, l+"\r\n")
	}
	for err == nil && !strings.Contains(all, want) {
		var line string
		line, err = r.ReadString('\n')
		all += line
	}
	if err != nil {
		t.Fatalf("%s: %v; heard %q, want %q", addr, err, all, want)
	}
}

// TestRealServers lets Postiljon and, where it may, Postfix with Dovecot live in a
// world, simulated and real.
func TestRealServers(t *testing.T) {
	for name, world := range map[string]func(lab.TB) *lab.World{"simulated": lab.New, "real": lab.NewReal} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			p, err := w.RunPostiljon(harness.Binary(t), "south.example", "[auth]\npassword_length = 1\n")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.AddAccount("anna@south.example", "secret"); err != nil {
				t.Fatal(err)
			}
			hear(t, w.Home(), "imap.south.example:993", true, "a OK", "a LOGIN anna@south.example secret")
			if _, err := p.Command("account", "disable", "anna@south.example"); err != nil {
				t.Fatal(err)
			}
			hear(t, w.Home(), "imap.south.example:993", true, "a NO ", "a LOGIN anna@south.example secret")
			w.Break(lab.Where{Host: "mail.south.example", Port: 587}, lab.Refuse())
			if _, err := w.Home().DialContext(context.Background(), "tcp", "smtp.south.example:587"); err == nil {
				t.Error("a refused port of a real server answers")
			}

			postfixDovecot(t, w)
		})
	}
}

// postfixDovecot runs both with accounts in several states.
func postfixDovecot(t *testing.T, w *lab.World) {
	t.Helper()
	d, err := w.RunPostfixDovecot("east.example", []real.MailAccount{
		{Address: "bo@east.example", Password: "secret"},
		{Address: "full@east.example", Password: "secret", Quota: "1K"},
		{Address: "off@east.example", Password: "secret", Extra: "nologin=y reason=closed"},
	})
	if os.Geteuid() != 0 {
		if !errors.Is(err, real.ErrNeedsRoot) {
			t.Errorf("without root: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	const imaps, plain = "imap.east.example:993", "AUTH PLAIN AGJvQGVhc3QuZXhhbXBsZQBzZWNyZXQ="
	hear(t, w.Home(), "smtp.east.example:465", true, "250 2.0.0", "EHLO x.test", plain,
		"MAIL FROM:<bo@east.example>", "RCPT TO:<bo@east.example>", "DATA", "Subject: hello\r\n\r\nHello.\r\n.")
	hear(t, w.Home(), d.Host.Name+":25", false, "550 5.1.1", "EHLO x.test", "MAIL FROM:<>", "RCPT TO:<nobody@east.example>")
	hear(t, w.Home(), imaps, true, "a NO [AUTHENTICATIONFAILED]", "a LOGIN bo@east.example wrong")
	hear(t, w.Home(), imaps, true, "a NO", "a LOGIN off@east.example secret")
	hear(t, w.Home(), imaps, true, "[OVERQUOTA]", "a LOGIN full@east.example secret", "b APPEND INBOX {3000+}", strings.Repeat("x", 3000))
	hear(t, w.Home(), "imap.east.example:143", false, "a NO [PRIVACYREQUIRED]", "a LOGIN bo@east.example secret")
	hear(t, w.Home(), imaps, true, "1 EXISTS", "a LOGIN bo@east.example secret", "b SELECT INBOX", "c IDLE") // when it has arrived
	hear(t, w.Home(), "pop.east.example:995", true, "+OK 1 ", "USER bo@east.example", "PASS secret", "STAT")
}
