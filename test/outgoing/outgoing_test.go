package outgoing

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

const letter = "From: Anna <anna@own.example>\r\nTo: bo@far.example\r\nSubject: Hej\r\n" +
	"Message-ID: <1@own.example>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n\r\nHej  du \r\n\r\n"

// TestOnTheWay goes through what happens to mail that leaves the service, one after the other.
func TestOnTheWay(t *testing.T) {
	w := newWorld(t)
	w.publish("own.example")
	for _, part := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"records", records}, {"signed", signed}, {"recipients", recipients}, {"size", size},
		{"sender", sender}, {"forwarded", forwarded}, {"bounced", bounced}, {"rotated", rotated},
	} {
		whole := w.t
		ok := t.Run(part.name, func(t *testing.T) {
			w.t = t
			part.run(t, w)
		})
		if w.t = whole; !ok {
			break
		}
	}
}

// records: what was published as it was shown is right.
func records(t *testing.T, w *world) {
	if out := w.command("dns", "own.example", "--check"); !strings.Contains(out, "records are right.") {
		t.Errorf("%s", out)
	}
	if out := w.command("dkim", "list", "own.example"); strings.Count(out, "in use") != 2 || strings.Contains(out, "publish it") {
		t.Errorf("%s", out)
	}
}

// signed: a message carries two signatures that others can verify.
func signed(t *testing.T, w *world) {
	w.send(w.submission(), "anna@own.example", "bo@far.example", letter)
	m := w.far.next(t)
	if !strings.HasPrefix(string(m.text), "DKIM-Signature: v=1; a=rsa-sha256;") {
		t.Fatalf("not signed:\n%s", m.text)
	}
	w.verify(t, m.text)
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, m.text, 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.python(t, file, "d = dkim.DKIM(open(sys.argv[1], 'rb').read())\nprint(d.verify(idx=0, dnsfunc=txt), d.verify(idx=1, dnsfunc=txt))")
	if out != "True True\n" {
		t.Errorf("python3-dkim says %s", out)
	}
}

// verify verifies all signatures of a message.
func (w *world) verify(t *testing.T, text []byte) {
	t.Helper()
	found, err := msgauth.VerifyWithOptions(bytes.NewReader(text), &msgauth.VerifyOptions{LookupTXT: w.lookup})
	if err != nil || len(found) != 2 {
		t.Fatalf("%d signatures, %v", len(found), err)
	}
	for _, v := range found {
		if v.Err != nil || v.Domain != "own.example" {
			t.Errorf("%s: %v", v.Domain, v.Err)
		}
	}
}

// python runs a program with dkim, and txt, which answers for the domain's keys.
func (w *world) python(t *testing.T, file, program string) string {
	t.Helper()
	var records strings.Builder
	names := regexp.MustCompile(`[0-9a-z]+-(?:rsa|ed25519)\._domainkey\.own\.example`)
	for _, name := range names.FindAllString(w.command("dns", "own.example"), -1) {
		text, err := w.lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&records, "%q: %q,\n", name+".", text[0])
	}
	out, err := exec.Command("/usr/bin/python3", "-c", "import dkim, sys\nrecords = {"+records.String()+"}\n"+
		"def txt(name, timeout=5):\n    return records[name.decode() if isinstance(name, bytes) else name].encode()\n"+program, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// recipients: who cannot be reached is known at RCPT, and who the DNS does not know about is taken.
func recipients(t *testing.T, w *world) {
	w.in.Zone("null.example").Add("null.example. 60 IN MX 0 .")
	w.in.Zone("unfinished.example").Add(`unfinished.example. 60 IN TXT "nothing"`)
	for to, want := range map[string]string{
		"bo@faar.example":       "550 5.1.2 The domain of the recipient does not exist; did you mean bo@far.example? https://mx.own.example/why/recipient.domain-typo",
		"bo@gmial.com":          "550 5.1.2 The domain of the recipient does not exist; did you mean bo@gmail.com? ",
		"bo@nowhere.test":       "550 5.1.2 The domain of the recipient does not exist ",
		"bo@null.example":       "556 5.1.10 The domain null.example declares that it takes no mail ",
		"bo@unfinished.example": "550 5.4.4 The domain unfinished.example has no mail server ",
	} {
		if got := w.refused("anna@own.example", to, ""); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", to, got)
		}
	}
}

// size: a server that said how much it takes is believed.
func size(t *testing.T, w *world) {
	got := w.refused("anna@own.example", "bo@far.example", fmt.Sprintf(" SIZE=%d", sinkSize+1))
	if !strings.HasPrefix(got, "552 5.2.3 The message is too large for this recipient, at most ") {
		t.Error(got)
	}
}

// sender: a domain that asks others to reject what nothing proves, and publishes no key.
func sender(t *testing.T, w *world) {
	w.command("domain", "add", "strict.example")
	if err := w.p.AddAccount("carl@strict.example", password); err != nil {
		t.Fatal(err)
	}
	w.command("alias", "add", "anna@strict.example", "anna@own.example")
	w.in.Zone("strict.example").Add(`_dmarc.strict.example. 60 IN TXT "v=DMARC1; p=reject"`, `strict.example. 60 IN TXT "v=spf1 -all"`)
	c := w.submission()
	for _, err := range []error{c.Mail("anna@strict.example"), c.Rcpt("bo@far.example")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	d.Write([]byte(strings.Replace(letter, "anna@own", "anna@strict", 1)))
	const want = "550 5.7.26 The mail could not be proven to come from its sender's domain strict.example (DMARC)"
	if err := d.Close(); !strings.HasPrefix(replyOf(err), want) {
		t.Errorf("%v", err)
	}
}

// forwarded: an alias leads elsewhere; the author's message is whole, sealed, and bounces find back.
func forwarded(t *testing.T, w *world) {
	w.command("alias", "add", "team@own.example", "--to", "carl@far.example")
	text := strings.NewReplacer("anna@own", "dora@far", "bo@far", "team@own").Replace(letter)
	w.send(w.incoming(), "dora@far.example", "team@own.example", text)
	m := w.far.next(t)
	if m.to != "carl@far.example" || !strings.HasPrefix(m.from, "SRS0=") || !strings.HasSuffix(m.from, "=far.example=dora@own.example") {
		t.Fatalf("from %s to %s", m.from, m.to)
	}
	if !strings.HasSuffix(string(m.text), text) || !bytes.Contains(m.text, []byte("Delivered-To: team@own.example\r\n")) ||
		bytes.Contains(m.text, []byte("DKIM-Signature")) || bytes.Contains(m.text, []byte("Return-Path")) {
		t.Errorf("goes out as\n%s", m.text)
	}
	if bytes.Contains(m.text, []byte("ARC-Seal")) {
		file := filepath.Join(t.TempDir(), "message")
		if err := os.WriteFile(file, m.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out := w.python(t, file, "print(dkim.ARC(open(sys.argv[1], 'rb').read()).verify(dnsfunc=txt)[0].decode())"); out != "pass\n" {
			t.Errorf("python3-dkim says %s of the seal\n%s", out, m.text)
		}
	} else {
		t.Errorf("not sealed:\n%s", m.text)
	}
	header, _, _ := bytes.Cut(m.text, []byte("\r\n\r\n"))
	w.send(w.incoming(), "", m.from, report(string(header)+"\r\n"))
	if m := w.far.next(t); m.from != "" || m.to != "dora@far.example" {
		t.Errorf("the bounce goes from %q to %s", m.from, m.to)
	}
	w.traced(t, "team@own.example", "to team@own.example", "Forwarded to carl@far.example", "Could not be delivered to bo@far.example by mx.far.example")
	loop := w.incoming()
	if err := loop.Mail("dora@far.example"); err != nil {
		t.Fatal(err)
	}
	if err := loop.Rcpt("team@own.example"); err != nil {
		t.Fatal(err)
	}
	d, err := loop.Data()
	if err != nil {
		t.Fatal(err)
	}
	d.Write(m.text)
	if err := d.Close(); !strings.HasPrefix(replyOf(err), "554 5.4.6 ") {
		t.Errorf("in a circle: %v", err)
	}
}

// report is what far.example says when it could not deliver after all.
func report(header string) string {
	return "From: MAILER-DAEMON@far.example\r\nTo: you\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\n\r\nIt could not be delivered.\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.example\r\n\r\n" +
		"Final-Recipient: rfc822; bo@far.example\r\nAction: failed\r\nStatus: 5.2.2\r\nDiagnostic-Code: smtp; 552 5.2.2 mailbox full\r\n" +
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n" + header + "\r\n--b--\r\n"
}

// bounced: a report that comes later shows in the trace of the message.
func bounced(t *testing.T, w *world) {
	w.send(w.submission(), "anna@own.example", "bo@far.example", letter)
	m := w.far.next(t)
	header, _, _ := bytes.Cut(m.text, []byte("\r\n\r\n"))
	w.send(w.incoming(), "", "anna@own.example", report(string(header)+"\r\n"))
	id := regexp.MustCompile(`\bid (\w{20});`).FindSubmatch(header)
	if id == nil {
		t.Fatalf("no trace in\n%s", header)
	}
	w.traced(t, string(id[1]), "Handed over for bo@far.example", "Could not be delivered to bo@far.example by mx.far.example", "552 5.2.2 mailbox full")
}

// traced waits until a trace tells all of some texts.
func (w *world) traced(t *testing.T, about string, says ...string) {
	t.Helper()
	lacks := func(out string) bool {
		return slices.ContainsFunc(says, func(text string) bool { return !strings.Contains(out, text) })
	}
	out := w.command("trace", about)
	for end := time.Now().Add(10 * time.Second); lacks(out) && time.Now().Before(end); out = w.command("trace", about) {
		time.Sleep(100 * time.Millisecond)
	}
	if lacks(out) {
		t.Errorf("the trace lacks one of %q:\n%s", says, out)
	}
}

// rotated: new keys sign once they are told to, and the old ones are kept for what is under way.
func rotated(t *testing.T, w *world) {
	w.command("dkim", "rotate", "own.example")
	w.command("dkim", "use", "own.example")
	w.send(w.submission(), "anna@own.example", "bo@far.example", letter)
	m := w.far.next(t)
	if !regexp.MustCompile(`s=\d+b-rsa;`).Match(m.text) {
		t.Errorf("signed by other keys:\n%s", m.text)
	}
	w.verify(t, m.text)
}
