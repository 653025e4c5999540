package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// trusted is TLS that trusts the authority of the demo and nothing else.
func (d *demo) trusted(t *testing.T) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(d.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// send sends a message over SMTP or, with a sender's password, submission.
func (d *demo) send(t *testing.T, from, password, to, subject string) {
	t.Helper()
	message := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\nHello.\r\n", from, to, subject)
	address, auth := d.SMTP, smtp.Auth(nil)
	if password != "" {
		address, auth = d.Submission, smtp.PlainAuth("", from, password, "127.0.0.1")
	}
	c, err := smtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v\n%s", subject, err, d.log.String())
		}
	}
	if auth != nil {
		must(c.StartTLS(d.trusted(t)))
		must(c.Auth(auth))
	}
	must(c.Mail(from))
	must(c.Rcpt(to))
	w, err := c.Data()
	must(err)
	_, err = io.WriteString(w, message)
	must(err)
	must(w.Close())
	must(c.Quit())
}

// subjects reads the INBOX of an account over IMAP.
func (d *demo) subjects(t *testing.T, a demoAccount) (all []string) {
	t.Helper()
	c := d.imap(t, a)
	defer c.Close()
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil || box.NumMessages == 0 {
		t.Fatalf("select: %d messages, %v", box.NumMessages, err)
	}
	messages, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		all = append(all, m.Envelope.Subject)
	}
	return all
}

func (d *demo) imap(t *testing.T, a demoAccount) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(d.IMAPS, &imapclient.Options{TLSConfig: d.trusted(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(a.Address, a.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// pop3 reads how many messages an account has over POP3.
func (d *demo) pop3(t *testing.T, a demoAccount) string {
	t.Helper()
	nc, err := tls.Dial("tcp", d.POP3S, d.trusted(t))
	if err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(nc)
	defer c.Close()
	answer := ""
	for _, command := range []string{"", "USER " + a.Address, "PASS " + a.Password, "STAT", "QUIT"} {
		if command != "" {
			if err := c.PrintfLine("%s", command); err != nil {
				t.Fatal(err)
			}
		}
		line, err := c.ReadLine()
		if err != nil || !strings.HasPrefix(line, "+OK") {
			t.Fatalf("POP3: %q, %v", line, err)
		}
		if command == "STAT" {
			answer = line
		}
	}
	return answer
}

// TestDemo sends by SMTP and by submission, reads by IMAP and POP3, and finds
// the mail and the passwords again after a restart.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	d := testDemo(t, dir)
	anna, bjorn := d.Accounts[0], d.Accounts[1]
	d.send(t, "friend@example.org", "", anna.Address, "from outside")
	d.send(t, bjorn.Address, bjorn.Password, anna.Address, "from inside")
	want := "from outside,from inside"
	if got := strings.Join(d.subjects(t, anna), ","); got != want {
		t.Errorf("IMAP has %q", got)
	}
	if got := d.pop3(t, anna); !strings.HasPrefix(got, "+OK 2 ") {
		t.Errorf("POP3: %s", got)
	}
	info, err := os.Stat(filepath.Join(dir, demoFile))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the passwords' file: %v, %v", info.Mode(), err)
	}
	out, err := d.run(t.Context(), "trace", anna.Address)
	if err != nil || strings.Count(out, "Delivered to "+anna.Address) != 2 {
		t.Errorf("trace: %v\n%s", err, out)
	}
	if err := d.stop(); err != nil {
		t.Fatalf("%v\n%s", err, d.log.String())
	}

	again := testDemo(t, dir)
	if again.Accounts[0] != anna || again.SMTP != d.SMTP {
		t.Errorf("the demo changed: %+v", again.demoReady)
	}
	if got := strings.Join(again.subjects(t, anna), ","); got != want {
		t.Errorf("after a restart IMAP has %q", got)
	}

	// A password that was changed is not shown, an account that was removed
	// comes back.
	for _, args := range [][]string{{"password", "set", anna.Address, "--generate"}, {"account", "remove", bjorn.Address, "--yes"}} {
		if out, err := again.run(t.Context(), args...); err != nil {
			t.Fatal(out, err)
		}
	}
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	third := testDemo(t, dir)
	if third.Accounts[0].Password != "" || third.Accounts[1] != bjorn {
		t.Errorf("%+v", third.Accounts)
	}
	third.send(t, bjorn.Address, bjorn.Password, anna.Address, "back again")
}

// TestHangup: a reload keeps sessions.
func TestHangup(t *testing.T) {
	d := testDemo(t, "")
	c := d.imap(t, d.Accounts[0])
	defer c.Close()
	if err := d.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if out, err := d.run(t.Context(), "reload"); err != nil { // answered after the signal's
		t.Fatal(out, err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Errorf("the session is gone: %v", err)
	}
	d.send(t, "friend@example.org", "", d.Accounts[0].Address, "after the reload")
}

// TestStopWhileSessionsAreOpen: an idle session hears BYE and holds nothing up.
func TestStopWhileSessionsAreOpen(t *testing.T) {
	d := testDemo(t, "")
	nc, err := tls.Dial("tcp", d.IMAPS, d.trusted(t))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "* OK") {
		t.Fatal(line, err)
	}
	if err := d.stop(); err != nil {
		t.Fatalf("%v\n%s", err, d.log.String())
	}
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "* BYE") {
		t.Errorf("%q, %v", line, err)
	}
}

// TestMeasurements: --accounts makes many with one password, which is that of
// the next start, too.
func TestMeasurements(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	d := testDemo(t, dir, "--accounts", "50", "--password", "p4ss", "--domain", "bench.test")
	if len(d.Accounts) != 50 || d.Accounts[49].Address != "user49@bench.test" || d.Accounts[49].Password != "p4ss" {
		t.Fatalf("%+v", d.Accounts)
	}
	d.send(t, "a@example.org", "", "user49@bench.test", "measured")
	if got := d.subjects(t, d.Accounts[49]); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	if again := testDemo(t, dir, "--accounts", "60", "--domain", "bench.test"); again.Accounts[59].Password != "p4ss" {
		t.Error("another password")
	}
}

// TestBusyPort: a port that was asked for and is taken is an error that names
// it; without asking the next free ports are taken.
func TestBusyPort(t *testing.T) {
	first := testDemo(t, "")
	base := 0
	if _, err := fmt.Sscanf(strings.TrimPrefix(first.SMTP, "127.0.0.1:"), "%d", &base); err != nil {
		t.Fatal(err)
	}
	base -= 25
	out, err := exec.Command("postiljon", "demo", "--data", filepath.Join(t.TempDir(), "d"), "--port-base", fmt.Sprint(base)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("port %d (smtp) is taken", base+25)) || !strings.Contains(string(out), "--port-base") {
		t.Errorf("%v: %s", err, out)
	}
	if second := testDemo(t, ""); second.SMTP == first.SMTP {
		t.Error("two demos on one port")
	}
}

// TestScreen pastes the commands that the screen shows into a shell.
func TestScreen(t *testing.T) {
	for _, program := range []string{"curl", "swaks", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test needs %s: %v", program, err)
		}
	}
	// A folder whose name a shell would take apart.
	d := testDemo(t, filepath.Join(t.TempDir(), "it's a demo"))
	var b strings.Builder
	screen := demoScreen{demoReady: d.demoReady, Program: "postiljon", Domain: "demo.test", First: d.Accounts[0], Second: d.Accounts[1]}
	if err := screen.write(&b, false); err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for name, command := range pasted(b.String()) {
		c := exec.CommandContext(t.Context(), "sh", "-c", command)
		c.Stdin = strings.NewReader("a LOGOUT\r\n")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		outputs[name] = string(out)
	}
	for name, want := range map[string]string{
		"swaks --server": "250 2.0.0 Ok", "curl -sS --cacert": "Subject: Hello", "openssl s_client": "* OK", "postiljon --socket": "Delivered to bjorn@demo.test",
	} {
		found := false
		for line, out := range outputs {
			found = found || strings.HasPrefix(line, name) && strings.Contains(out, want)
		}
		if !found {
			t.Errorf("no %q from %q in %q", want, name, outputs)
		}
	}
}

// pasted are the commands of a screen. Sending comes before reading, so they
// are joined into one where they follow each other: a map has no order.
func pasted(screen string) map[string]string {
	commands := map[string]string{}
	var sending []string
	var current string
	for line := range strings.Lines(screen) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			continue
		}
		switch {
		case strings.HasSuffix(text, "|"), strings.HasSuffix(text, `\`):
			current += text + "\n"
		case current != "":
			sending = append(sending, current+text)
			current = ""
		case strings.HasPrefix(text, "swaks "), strings.HasPrefix(text, "curl "), strings.HasPrefix(text, "openssl "), strings.HasPrefix(text, "postiljon "):
			commands[text] = strings.Join(append(sending, text), " && ")
		}
	}
	return commands
}

// TestWebOfDemo: the web answers with the certificate of the demo.
func TestWebOfDemo(t *testing.T) {
	d := testDemo(t, "")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: d.trusted(t)}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{
		"/": "Sign in", "/connect": "localhost", "/healthz": "ok", "/readyz": "ready", "/metrics": "postiljon_connections_total",
		"/why/quota.mailbox-full?lang=sv": "Orsak",
	} {
		d.send(t, "a@example.org", "", d.Accounts[0].Address, path)
		r, err := client.Get("https://" + d.HTTPS + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, %v", path, r.Status, err)
		}
	}
}

// TestServe makes an installation and runs it with sockets that systemd opened,
// told to systemd, reloads it and refuses a bad configuration.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "postiljon.toml")
	out, err := exec.Command("postiljon", "init", "example.org", "-c", file, "--data", filepath.Join(dir, "data"), "--generate").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"25", "587", "465", "143", "993", "995", "443"} {
		text = []byte(strings.Replace(string(text), `[":`+port+`"]`, "[]", 1))
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(string(text))

	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	smtp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handed, err := smtp.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	// A shell knows its process id before it becomes the service.
	c := exec.Command("sh", "-c", `LISTEN_PID=$$ exec postiljon serve -c "$1"`, "sh", file)
	c.Env = append(os.Environ(), "NOTIFY_SOCKET="+told.LocalAddr().String(), "LISTEN_FDS=1", "LISTEN_FDNAMES=smtp")
	c.ExtraFiles = []*os.File{handed}
	stderr, err := os.Create(filepath.Join(dir, "log")) // is read while the service writes
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	c.Stderr = stderr
	log := func() string {
		b, err := os.ReadFile(stderr.Name())
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	handed.Close()
	smtp.Close()
	expect := func(want string) {
		t.Helper()
		b := make([]byte, 1000)
		if err := told.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := told.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), want) {
			t.Fatalf("systemd heard %q, %v, not %s\n%s", b[:n], err, want, log())
		}
	}
	expect("READY=1")
	d := &demo{demoReady: demoReady{SMTP: smtp.Addr().String()}}
	d.send(t, "a@example.net", "", "postmaster@example.org", "over the socket of systemd")

	control := func(args ...string) (string, error) {
		b, err := exec.CommandContext(context.Background(), "postiljon", append(args, "-c", file)...).CombinedOutput()
		return string(b), err
	}
	changed := strings.Replace(string(text), `level = "info"`, `level = "debug"`, 1)
	changed = strings.Replace(changed, "sessions_per_account = 50\n", "sessions_per_account = 60\n", 1)
	changed = strings.Replace(changed, "\nconnections = 20000\n", "\nconnections = 2000\n", 1)
	write(strings.Replace(changed, "\n[relays]\n", "\n[relays.provider]\nto = [\"example.com\"]\nhost = \"127.0.0.1\"\ntls = \"plain\"\nper_minute = 100\n", 1))
	if out, err := control("reload"); err != nil || out != "Reloaded.\n" {
		t.Errorf("%v: %s", err, out)
	}
	expect("RELOADING=1\nMONOTONIC_USEC=")
	expect("READY=1")
	if out, err := control("route", "example.com"); !strings.Contains(out, "Mail is handed to the relay 127.0.0.1") {
		t.Errorf("the relay is not there: %v: %s", err, out)
	}
	if strings.Contains(log(), "need a restart") {
		t.Errorf("needs a restart:\n%s", log())
	}
	write(strings.Replace(changed, "hops = 50\n", "hops = 40\n", 1))
	if out, err := control("reload"); err != nil || !strings.Contains(out, "from the next start: limits.hops.") {
		t.Errorf("%v: %s", err, out)
	}
	expect("RELOADING=1")
	expect("READY=1")
	write(changed)
	if out, err := control("dkim", "off", "example.org", "--yes"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := control("dns", "example.org"); err != nil || !strings.Contains(out, "postiljon dkim on example.org") || strings.Contains(out, "_domainkey") {
		t.Errorf("switched off, %v: %s", err, out)
	}
	if out, err := control("dkim", "on", "example.org"); err != nil || !strings.Contains(out, "-rsa._domainkey.example.org.") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := control("dns", "example.org"); err != nil || !strings.Contains(out, "-rsa._domainkey.example.org.") {
		t.Errorf("switched on, %v: %s", err, out)
	}
	write(string(text) + "\nnonsense = 1\n")
	if out, err := exec.Command("postiljon", "--socket", filepath.Join(dir, "data", "control.sock"), "reload").CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "no key \"log.nonsense\"") || !strings.Contains(string(out), "The old configuration goes on") {
		t.Errorf("%v: %s", err, out)
	}
	expect("RELOADING=1")
	expect("READY=1")
	d.send(t, "a@example.net", "", "postmaster@example.org", "after the bad reload")

	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect("STOPPING=1")
	if err := c.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log())
	}
}
