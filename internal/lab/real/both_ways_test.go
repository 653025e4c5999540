package real_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/real"
	"github.com/postiljon/postiljon/test/harness"
)

// TestBothWays exchanges mail with Debian's Postfix over a real network, with signed names
// and DANE on both sides, and sends to a domain with an MTA-STS policy and through a relay.
func TestBothWays(t *testing.T) {
	if os.Geteuid() != 0 {
		return // TestRealServers says what is missing
	}
	w := lab.NewReal(t)
	trust := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.CA.Root().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", trust)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := w.RunPostiljon(harness.Binary(t), "south.example", "resolver_trusted = true\n[auth]\npassword_length = 1\n"+
		"[relays.north]\nto = [\"west.example\"]\nhost = \"smtp.north.example\"\nuser = \"anna@south.example\"\npassword_file = \""+password+"\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AddAccount("anna@south.example", "secret"); err != nil {
		t.Fatal(err)
	}
	d, err := w.RunPostfixDovecot("east.example", []real.MailAccount{{Address: "bo@east.example", Password: "secret"}},
		func(o *real.PostfixDovecotOptions) {
			o.Postfix = "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\nsmtp_tls_loglevel = 1\n"
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Postiljon: %s\nPostfix: %s", p.Log(), d.Log())
		}
	})
	publishKey(t, w, p.Zone, "mail.south.example")
	publishKey(t, w, d.Zone, "mail.east.example")
	north := w.Provider("north.example")
	north.Mail.Add("cai@north.example", "secret")
	north.Mail.Add("anna@south.example", "secret") // who may relay there
	west := w.Provider("west.example")
	west.Mail.Add("dan@west.example", "secret")

	const plain = "AUTH PLAIN AGFubmFAc291dGguZXhhbXBsZQBzZWNyZXQ="
	for _, to := range []string{"bo@east.example", "cai@north.example", "dan@west.example", "nobody@east.example"} {
		hear(t, w.Home(), "smtp.south.example:465", true, "kept as", "EHLO x.test", plain, "MAIL FROM:<anna@south.example>",
			"RCPT TO:<"+to+">", "DATA", "From: anna@south.example\r\nTo: "+to+"\r\nSubject: hello\r\n\r\nHello.\r\n.")
	}
	untilHeard(t, w, "imap.east.example:993", "1 EXISTS", "a LOGIN bo@east.example secret", "b SELECT INBOX", "c LOGOUT")
	untilHeard(t, w, "imap.south.example:993", "1 EXISTS", "a LOGIN anna@south.example secret", "b SELECT INBOX", "c LOGOUT") // the report
	wantCommand(t, p.Postiljon, []string{"trace", "anna@south.example", "--json"}, func(out string) bool {
		return strings.Contains(out, `"dane"`) && strings.Contains(out, `"mta-sts"`) && strings.Contains(out, `"relay"`)
	})
	wantCommand(t, p.Postiljon, []string{"route", "bo@east.example"}, func(out string) bool {
		return strings.Contains(out, "with a key that the domain publishes (DANE)")
	})
	wantCommand(t, p.Postiljon, []string{"route", "north.example"}, func(out string) bool {
		return strings.Contains(out, "MTA-STS: mail goes only to mx.north.example")
	})

	for end := time.Now().Add(20 * time.Second); len(west.Mail.Messages("dan@west.example", "INBOX")) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the relay brings nothing")
		}
	}

	hear(t, w.Home(), "smtp.east.example:465", true, "250 2.0.0", "EHLO x.test", "AUTH PLAIN AGJvQGVhc3QuZXhhbXBsZQBzZWNyZXQ=",
		"MAIL FROM:<bo@east.example>", "RCPT TO:<anna@south.example>", "DATA", "From: bo@east.example\r\nTo: anna@south.example\r\nSubject: hello back\r\n\r\nHello.\r\n.")
	end := time.Now().Add(20 * time.Second)
	for !strings.Contains(d.Log(), "Verified TLS connection established to mail.south.example") {
		if time.Now().After(end) {
			t.Fatal("Postfix does not say that it proved our server by DANE")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// publishKey signs a zone and publishes the key that a server of it shows.
func publishKey(t *testing.T, w *lab.World, zone *names.Zone, host string) {
	t.Helper()
	c, err := w.Home().DialContext(t.Context(), "tcp", host+":25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	leaf := shownOn(t, c)
	zone.Add(fmt.Sprintf("_25._tcp.mail TLSA 3 1 1 %x", sha256.Sum256(leaf.RawSubjectPublicKeyInfo))).Sign(names.Good)
}

// shownOn begins TLS over SMTP and returns the certificate of the server.
func shownOn(t *testing.T, c net.Conn) *x509.Certificate {
	t.Helper()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	for _, line := range []string{"", "EHLO x.test", "STARTTLS"} {
		if line != "" {
			io.WriteString(c, line+"\r\n")
		}
		for {
			answer, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(answer) > 3 && answer[3] == ' ' {
				break
			}
		}
	}
	secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // it is published, not trusted
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	return secure.ConnectionState().PeerCertificates[0]
}

// converse says lines over TLS and returns all that is answered.
func converse(t *testing.T, v *lab.Vantage, addr string, lines ...string) string {
	t.Helper()
	c, err := v.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	defer c.Close()
	host, _, _ := net.SplitHostPort(addr)
	secure := tls.Client(c, v.TLS(host))
	secure.SetDeadline(time.Now().Add(20 * time.Second))
	for _, line := range lines {
		io.WriteString(secure, line+"\r\n")
	}
	all, err := io.ReadAll(secure)
	if err != nil && len(all) == 0 {
		t.Fatalf("%s: %v", addr, err)
	}
	return string(all)
}

// wantCommand waits until a command says something.
func wantCommand(t *testing.T, p *real.Postiljon, args []string, said func(string) bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		out, err := p.Command(args...)
		if err == nil && said(out) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("postiljon %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// untilHeard asks until an answer has a word.
func untilHeard(t *testing.T, w *lab.World, addr, want string, lines ...string) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		all := converse(t, w.Home(), addr, lines...)
		if strings.Contains(all, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: heard %q, want %q", addr, all, want)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
