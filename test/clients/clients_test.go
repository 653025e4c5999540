// Package clients runs real mail programs against the real service: they send,
// sync both ways, flag, move, search and delete, and what they did is looked at
// with another client.
package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// programs are the mail programs, and the Debian packages that have them. go-imap is a library that is
// built into this test.
var programs = []struct {
	name, binary, pkgs string
	run                func(*testing.T, *desk)
}{
	{"curl", "curl", "curl", testCurl},
	{"swaks", "swaks", "swaks", testSwaks},
	{"mbsync", "mbsync", "isync", testMbsync},
	{"neomutt", "neomutt", "neomutt", testNeomutt},
	{"getmail", "getmail", "getmail6", testGetmail},
	{"fetchmail", "fetchmail", "fetchmail", testFetchmail},
	{"python imaplib", "python3", "python3", testImaplib},
	{"python imaplib, two people", "python3", "python3", testShared},
	{"python smtplib", "python3", "python3", testSmtplib},
	{"openssl", "openssl", "openssl", testOpenSSL},
	{"go-imap", "", "", testGoimap},
	{"alpine", "alpine", "alpine tmux", testAlpine},
	{"offlineimap", "offlineimap", "offlineimap3", testOfflineimap},
	{"sieve-connect", "sieve-connect", "sieve-connect", testSieveConnect},
	{"jmap-jam", "npm", "nodejs npm", testJam},
	{"jmap-client-ts", "npm", "nodejs npm", testJMAPTS},
	{"tus-js-client", "npm", "nodejs npm", testTus},
	{"thunderbird", "thunderbird", "thunderbird xvfb xdotool libnss3-tools", testThunderbird},
}

// accountsEach is how many accounts a program has for itself.
const accountsEach = 3

// TestPrograms runs every program against one service, side by side.
func TestPrograms(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: accountsEach * len(programs)})
	done := &table{}
	t.Run("all", func(t *testing.T) {
		for i, p := range programs {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				if _, err := lookPath(p.binary); err != nil && p.binary != "" {
					t.Fatalf("%s is not installed: apt-get install --no-install-recommends %s", p.binary, p.pkgs)
				}
				d := &desk{Service: s, program: p.name, done: done, home: t.TempDir()}
				d.people = s.Accounts[i*accountsEach : (i+1)*accountsEach]
				p.run(t, d)
			})
		}
	})
	t.Logf("what passed:\n%s", done)
}

// TestPackages looks whether a bare machine gets every program.
func TestPackages(t *testing.T) {
	list, err := os.ReadFile(filepath.Join("..", "..", "scripts", "packages.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		for pkg := range strings.FieldsSeq(p.pkgs) {
			if !strings.Contains("\n"+string(list), "\n"+pkg+"\n") {
				t.Errorf("scripts/packages.txt does not list %s", pkg)
			}
		}
	}
}

// table is what passed, by program.
type table struct {
	mu    sync.Mutex
	lines []string
}

func (b *table) add(program, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf("  %-15s %s", program, what))
}

// String lists the table by program.
func (b *table) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all strings.Builder
	for _, p := range programs {
		for _, line := range b.lines {
			if strings.HasPrefix(line, fmt.Sprintf("  %-15s ", p.name)) {
				all.WriteString(line + "\n")
			}
		}
	}
	return all.String()
}

// desk is where one program works: its own home and its own accounts.
type desk struct {
	*harness.Service
	program string
	home    string
	people  []harness.Account
	done    *table
}

// step runs one thing that a person does; the table tells when it passed.
func (d *desk) step(t *testing.T, what string, do func(t *testing.T)) {
	t.Helper()
	if t.Run(strings.ReplaceAll(what, "/", " and "), do) {
		d.done.add(d.program, what)
	}
}

// path is where Debian keeps programs: what a user has put elsewhere, or
// configured, must not matter.
const path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

func lookPath(name string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return "", exec.ErrNotFound
}

// timeout is how long a program may take for one thing.
const timeout = 60 * time.Second

// try runs a program in the desk's home and returns all that it printed.
func (d *desk) try(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	binary, err := lookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = d.home
	cmd.Env = []string{"HOME=" + d.home, "PATH=" + path, "LANG=C.UTF-8", "TERM=xterm", "TMPDIR=" + d.home, "TZ=UTC", "PYTHONDONTWRITEBYTECODE=1"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not ended after %v", timeout)
	}
	return string(out), err
}

// run is try for what must succeed.
func (d *desk) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := d.try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, tail(out))
	}
	return out
}

func tail(s string) string { return s[max(0, len(s)-6000):] }

// file writes a file in the desk's home and returns its path.
func (d *desk) file(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(d.home, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// fill writes a configuration: ${WORD} in a template becomes its value.
func (d *desk) fill(template string, more ...string) string {
	words := []string{
		"${HOME}", d.home, "${CA}", d.CA, "${PASSWORD}", harness.Password,
		"${IMAP}", port(d.IMAP), "${IMAPS}", port(d.IMAPS), "${POP3S}", port(d.POP3S),
		"${SMTP}", port(d.SMTP), "${SUBMISSION}", port(d.Submission), "${SUBMISSIONS}", port(d.Submissions),
	}
	for i, a := range d.people {
		words = append(words, fmt.Sprintf("${USER%d}", i), a.Address)
	}
	return strings.NewReplacer(append(words, more...)...).Replace(template)
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// look fetches all messages of a mailbox.
func (d *desk) look(t *testing.T, a harness.Account, mailbox string) []harness.Message {
	t.Helper()
	c, err := d.DialIMAP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all, err := c.Messages(mailbox)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// one is look for a mailbox that must hold one message with such a subject.
func (d *desk) one(t *testing.T, a harness.Account, mailbox, subject string) harness.Message {
	t.Helper()
	var found []harness.Message
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		found = with(d.look(t, a, mailbox), subject)
		if len(found) > 0 || time.Now().After(deadline) {
			break
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s of %s has %d messages %q", mailbox, a.Address, len(found), subject)
	}
	return found[0]
}

// with are the messages with a subject.
func with(all []harness.Message, subject string) (found []harness.Message) {
	for _, m := range all {
		header, _, _ := strings.Cut(m.Text, "\r\n\r\n")
		if strings.Contains("\r\n"+header+"\r\n", "\r\nSubject: "+subject+"\r\n") {
			found = append(found, m)
		}
	}
	return found
}

// put appends messages with these subjects to a mailbox.
func (d *desk) put(t *testing.T, a harness.Account, mailbox string, subjects ...string) {
	t.Helper()
	c, err := d.DialIMAP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range subjects {
		if _, err := c.Append(mailbox, letter(a.Address, s)); err != nil {
			t.Fatal(err)
		}
	}
}

func letter(from, subject string) string {
	return "From: " + from + "\r\nTo: " + from + "\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\nMessage-ID: <" +
		strings.ReplaceAll(subject, " ", ".") + "." + from + ">\r\nSubject: " + subject + "\r\n\r\nHej, this is about " + subject + ".\r\n.dot\r\n"
}

// imap sends commands as an account and returns the untagged responses of all.
func (d *desk) imap(t *testing.T, a harness.Account, commands ...string) string {
	t.Helper()
	c, err := d.DialIMAP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all []string
	for _, command := range commands {
		lines, err := c.Command(command)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lines...)
	}
	return strings.Join(all, "\n")
}

// contains fails the test unless a text has all these parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, tail(text))
		}
	}
}
