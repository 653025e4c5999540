package internet

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"mime/quotedprintable"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/test/harness"
)

// peers is Postiljon for south.example and Debian's Exim for west.example in a network of their own.
type peers struct {
	*lab.World
	south *lab.PostiljonInstallation
	west  *lab.EximInstallation
}

// people are the accounts of south.example and their languages.
var people = map[string]cause.Lang{"anna": cause.Swedish, "berit": cause.Norwegian, "carl": cause.English}

// patient asks no DNS before it takes a message, as when the DNS does not answer in time, and gives up soon.
const patient = `lifetime = "10s"
retry = ["1s"]
tls_reports = false
[precheck]
recipients = false
sizes = false
[inbound]
trusted = []
`

// TestPeers exchanges mail with Debian's Exim over TLS and a real network, submits with swaks, and looks at reports
// of every kind in each language. Postfix is in internal/lab/real.
func TestPeers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can make networks")
		return
	}
	t.Parallel()
	w := newPeers(t)
	t.Run("to Exim", w.toExim)
	t.Run("from Exim", w.fromExim)
	t.Run("swaks", w.swaks)
	t.Run("reports", w.reports)
}

func newPeers(t *testing.T) *peers {
	t.Helper()
	if out, err := exec.Command("../../scripts/exim").CombinedOutput(); err != nil {
		t.Fatalf("scripts/exim: %v\n%s", err, out)
	}
	w := &peers{World: lab.NewReal(t)}
	var err error
	if w.south, err = w.RunPostiljon(harness.Binary(t), "south.example", patient); err != nil {
		t.Fatal(err)
	}
	for name, lang := range people {
		if err := w.south.AddAccount(name+"@south.example", password); err != nil {
			t.Fatal(err)
		}
		if out, err := w.south.Command("account", "change", name+"@south.example", "--language", string(lang)); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if w.west, err = w.RunExim("../../bin/exim/usr/sbin/exim4", "west.example", "bo"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Postiljon: %s\nExim: %s", w.south.Log(), w.west.Log())
		}
	})
	w.publish(t)
	w.Names.Zone("null.example").Add("@ MX 0 .")
	w.Host("mx.dead.example")
	w.Names.Zone("dead.example").Add("@ MX 10 mx")
	return w
}

// publish puts the keys of south.example into the DNS, as postiljon dns shows them.
func (w *peers) publish(t *testing.T) {
	t.Helper()
	out, err := w.south.Command("dns", "south.example", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Name, Type, Value string }
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if !strings.Contains(r.Name, "._domainkey.") {
			continue
		}
		value := ""
		for part := range slices.Chunk([]byte(r.Value), 255) {
			value += fmt.Sprintf(" %q", part)
		}
		w.south.Zone.Add(r.Name + " 60 IN " + r.Type + value)
	}
}

// say talks to a server from home, over TLS on port 465.
func (w *peers) say(t *testing.T, addr string, lines ...string) string {
	t.Helper()
	c, err := w.Home().DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if host, port, _ := net.SplitHostPort(addr); port == "465" {
		c = tls.Client(c, w.Home().TLS(host))
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return talk(t, c, lines...)
}

// submit sends a message of somebody of south.example.
func (w *peers) submit(t *testing.T, name, to, text string) {
	t.Helper()
	from := name + "@south.example"
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + from + "\x00" + password))
	got := w.say(t, "smtp.south.example:465", "EHLO laptop", "AUTH PLAIN "+plain, "MAIL FROM:<"+from+">", "RCPT TO:<"+to+">", "DATA", letter(from, to)+text)
	if !strings.HasPrefix(got, "250 ") {
		t.Fatalf("%s to %s: %s", from, to, got)
	}
}

// toExim sends to Exim, which sees the message come over TLS.
func (w *peers) toExim(t *testing.T) {
	w.submit(t, "anna", "bo@west.example", "\r\nto Exim")
	var got []string
	wait(t, "a message at Exim", func() bool {
		var err error
		if got, err = w.west.Messages("bo"); err != nil {
			t.Fatal(err)
		}
		return len(got) == 1
	})
	for _, part := range []string{"with esmtps", "TLS1.3", "DKIM-Signature: ", "\nto Exim\n"} {
		if !strings.Contains(got[0], part) {
			t.Errorf("without %q:\n%s", part, got[0])
		}
	}
	// Exim names who signed, and complains of signatures that it cannot verify.
	if log := w.west.Log(); !strings.Contains(log, " DKIM=south.example ") || strings.Contains(log, " DKIM: ") {
		t.Error("Exim has not verified the signatures")
	}
}

// fromExim lets Exim send to us; it insists on TLS and on a certificate that it can prove.
func (w *peers) fromExim(t *testing.T) {
	got := w.say(t, "mail.west.example:25", "EHLO laptop", "MAIL FROM:<bo@west.example>", "RCPT TO:<anna@south.example>", "DATA",
		letter("bo@west.example", "anna@south.example")+"\r\nfrom Exim")
	if !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	text := ""
	wait(t, "a message of Exim's", func() bool {
		text = strings.Join(w.mailOf(t, "anna"), "")
		return strings.Contains(text, "\nfrom Exim\n")
	})
	if !strings.Contains(text, "Received: from mail.west.example ") || !strings.Contains(text, " ESMTPS (TLS 1.3 ") {
		t.Errorf("it came in another way:\n%s", text)
	}
}

// swaks submits and delivers as people do who try out a server.
func (w *peers) swaks(t *testing.T) {
	trust := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.CA.Root().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(want string, args ...string) {
		t.Helper()
		cmd, err := w.Home().Command("swaks", append([]string{"--tls-verify", "--tls-ca-path", trust, "--timeout", "10"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := w.Home().Start(cmd); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait() // it fails where the server refuses
		kill.Stop()
		if !strings.Contains(out.String(), want) {
			t.Errorf("swaks %s lacks %q:\n%s", strings.Join(args, " "), want, out.String())
		}
	}
	run("kept as", "--server", "smtp.south.example", "--port", "587", "--tls", "--auth", "PLAIN", "--auth-user", "carl@south.example",
		"--auth-password", password, "--from", "carl@south.example", "--to", "bo@west.example", "--body", "by swaks")
	run("<~* 550 5.1.1 ", "--server", "mail.south.example", "--tls", "--from", "bo@west.example", "--to", "nobody@south.example")
	wait(t, "the message of swaks", func() bool {
		got, err := w.west.Messages("bo")
		return err == nil && strings.Contains(strings.Join(got, ""), "by swaks")
	})
}

// failures are messages that cannot arrive: to whom, what more is in them, and what the report says.
var failures = []struct {
	name, to, text string
	status         string
	id             cause.ID
	reply          string // of the other server
}{
	{"unknown user", "nobody@west.example", "", "5.1.1", cause.RecipientUnknown, "550 5.1.1 No such user here"},
	{"full", "full@west.example", "", "5.2.2", cause.QuotaRecipientFull, "552 5.2.2 The mailbox is full"},
	{"too large", "bo@west.example", strings.Repeat("\r\nHej hej hej hej hej hej hej hej hej hej", 2000), "5.2.3", cause.ContentTooLargeRecipient, ""},
	{"content", "bo@west.example", "\r\nWe have cheap pills", "5.7.1", cause.ContentLooksLikeSpam, "550 This message looks like spam"},
	{"no domain", "bo@nowhere-at-all.example", "", "5.1.2", cause.RecipientDomainTypo, ""},
	{"null MX", "bo@null.example", "", "5.1.10", cause.DNSMXNull, ""}, // RFC 7505 section 4.1
	{"expired", "bo@dead.example", "", "5.4.7", cause.OutboxExpired, ""},
}

// expired is what reports say of messages that were given up.
var expired = map[cause.Lang]string{
	cause.Swedish: "trots många försök", cause.Norwegian: "tross mange forsøk", cause.English: "in spite of many tries",
}

// reports sends what cannot arrive, and reads the reports in the sender's own language.
func (w *peers) reports(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range failures {
		for name := range people {
			w.submit(t, name, f.to, f.text)
		}
	}
	for name, lang := range people {
		var all []string
		wait(t, "reports to "+name, func() bool {
			all = slices.DeleteFunc(w.mailOf(t, name), func(m string) bool { return !strings.Contains(m, "report-type=delivery-status") })
			return len(all) == len(failures)
		})
		for _, f := range failures {
			i := slices.IndexFunc(all, func(m string) bool {
				return strings.Contains(m, "Final-Recipient: rfc822; "+f.to+"\n") && strings.Contains(m, "\nStatus: "+f.status+"\n")
			})
			if i < 0 {
				t.Errorf("%s in %s: no report on %s with %s among\n%s", f.name, lang, f.to, f.status, strings.Join(all, "\n"))
				continue
			}
			title := strings.ToLower(catalogue.Why(f.id, lang).Title)
			if f.id == cause.OutboxExpired { // the report says itself what was not delivered
				title = expired[lang]
			}
			reads(t, all[i], lang, title, f.reply)
			if strings.Contains(all[i], "From: <MAILER-DAEMON") || !strings.Contains(all[i], "Action: failed\n") {
				t.Errorf("%s: %s", f.name, all[i])
			}
		}
	}
}

// reads looks at the words of a report: the first sentence says what happened, in the reader's language.
func reads(t *testing.T, report string, lang cause.Lang, title, reply string) {
	t.Helper()
	_, text, ok := strings.Cut(report, "Content-Language: "+string(lang)+"\n")
	if !ok {
		t.Errorf("not in %s:\n%s", lang, report)
		return
	}
	_, text, _ = strings.Cut(text, "\n\n")
	decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(text)))
	if err != nil && len(decoded) == 0 {
		t.Error(err)
	}
	first, _, _ := strings.Cut(string(decoded), "\n")
	if !strings.Contains(strings.ToLower(first), title) {
		t.Errorf("the report begins in %s with %q, without %q", lang, first, title)
	}
	if !strings.Contains(string(decoded), reply) {
		t.Errorf("the report lacks %q:\n%s", reply, decoded)
	}
}

// mailOf are all messages of an account.
func (w *peers) mailOf(t *testing.T, name string) []string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mail")
	if out, err := w.south.Command("export", name+"@south.example", dir, "--format", "maildir"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defer os.RemoveAll(dir)
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if folder := filepath.Base(filepath.Dir(path)); err != nil || d.IsDir() || folder != "cur" && folder != "new" {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, strings.ReplaceAll(string(text), "\r\n", "\n"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wait waits until something is so.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	end := time.Now().Add(25 * time.Second)
	for !is() {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
