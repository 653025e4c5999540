package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// syncedMessages are in the mailbox that Thunderbird opens.
const syncedMessages = 5000

// testThunderbird opens an account on a screen that nobody sees, presses keys, and looks at what
// Thunderbird says to the server, at what it keeps, and at what the server has then.
func testThunderbird(t *testing.T, d *desk) {
	anna, bjorn := d.people[0], d.people[1]
	fillInbox(t, d, anna)
	b := &bird{desk: d, display: startXvfb(t), profile: filepath.Join(d.home, "profile")}
	b.makeProfile(t)
	b.start(t, "first")

	d.step(t, "the account opens and 5,000 messages are synced", func(t *testing.T) {
		b.wait(t, "all messages in the profile", 150*time.Second, func() bool { return b.kept("Subject: letter ") == syncedMessages })
		contains(t, b.said(t), "COMPRESS DEFLATE", "ENABLE UTF8=ACCEPT", `select "INBOX"`, "(UID RFC822.SIZE BODY.PEEK[])")
	})
	d.step(t, "a message that is delivered comes by IDLE", func(t *testing.T) {
		b.wait(t, "IDLE", 60*time.Second, b.idles)
		b.deliver(t, anna, "fresh")
		b.wait(t, "the message in the profile", 40*time.Second, func() bool { return b.kept("Subject: fresh\n") == 1 })
		b.wait(t, "IDLE", 60*time.Second, b.idles)
	})
	d.step(t, "what others tag and delete is told in IDLE", func(t *testing.T) {
		d.imap(t, anna, "SELECT INBOX", "UID STORE 10 +FLAGS ($Label1)", `UID STORE 11 +FLAGS.SILENT (\Deleted)`, "EXPUNGE")
		b.wait(t, "tag and deletion", 40*time.Second, func() bool {
			heard := b.heard(t)
			return strings.Contains(heard, "* 10 FETCH (UID 10 FLAGS ($Label1))") && strings.Contains(heard, "* 11 EXPUNGE")
		})
	})
	d.step(t, "read, star, delete and archive with keys", func(t *testing.T) { b.pressKeys(t, anna) })
	d.step(t, "write and send; a copy in Sent", func(t *testing.T) {
		b.write(t, bjorn, "From the bird", "Hej, Hello")
		contains(t, d.one(t, bjorn, "INBOX", "From the bird").Text, "Hej, Hello", "User-Agent: Mozilla Thunderbird")
		if m := d.one(t, anna, "Sent", "From the bird"); m.Flags != `\Seen` {
			t.Errorf("flags of the copy: %q", m.Flags)
		}
	})
	b.quit(t)
	d.step(t, "opened again: what others did is seen, and nothing is fetched twice", func(t *testing.T) {
		if info, err := os.Stat(filepath.Join(b.profile, "ImapMail/localhost/INBOX.msf")); err != nil || info.Size() < 100*syncedMessages {
			t.Errorf("what Thunderbird keeps of the headers: %v, %v", info, err)
		}
		d.imap(t, anna, "SELECT INBOX", `UID STORE 100:199 +FLAGS.SILENT (\Deleted)`, "EXPUNGE")
		b.deliver(t, anna, "meanwhile")
		b.start(t, "second")
		b.wait(t, "the message in the profile", 40*time.Second, func() bool { return b.kept("Subject: meanwhile\n") == 1 })
		b.wait(t, "IDLE", 60*time.Second, b.idles)
		if n := strings.Count(b.heard(t), " RFC822.SIZE "); n != 2 { // its header, and all of it
			t.Errorf("%d messages and headers were fetched", n)
		}
	})
	b.quit(t)
}

// fillInbox appends the messages that are synced, the last letter of the day last.
func fillInbox(t *testing.T, d *desk, a harness.Account) {
	t.Helper()
	c, err := d.DialIMAP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	const each = 100
	for first := 0; first < syncedMessages; first += each {
		var command strings.Builder
		command.WriteString("APPEND INBOX")
		for n := first; n < first+each; n++ {
			text := fmt.Sprintf("From: Friend %d <f%d@sender.test>\r\nTo: %s\r\nSubject: letter %d\r\nMessage-ID: <%d@sender.test>\r\nDate: %s\r\n\r\n%s",
				n%40, n%40, a.Address, n, n, began.Add(time.Duration(n)*time.Minute).Format(time.RFC1123Z), strings.Repeat("Hej, how are you?\r\n", 1+n%100))
			fmt.Fprintf(&command, " {%d+}\r\n%s", len(text), text) // RFC 3502
		}
		if _, err := c.Command(command.String()); err != nil {
			t.Fatal(err)
		}
	}
}

// startXvfb starts an X server without a screen and returns its display.
func startXvfb(t *testing.T) (display string) {
	t.Helper()
	binary, err := lookPath("Xvfb")
	if err != nil {
		t.Fatal("Xvfb is not installed: apt-get install --no-install-recommends xvfb")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(binary, "-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb: %v", err)
	}
	return ":" + strings.TrimSpace(number)
}

// bird is a Thunderbird with its profile and its screen.
type bird struct {
	*desk
	display, profile string
	log              string // what it says to the server, from its own log
	cmd              *exec.Cmd
	ended            chan error
}

// makeProfile writes what Thunderbird would have after its account was set up: settings, the
// certificate authority, and the passwords, encrypted with the profile's key.
func (b *bird) makeProfile(t *testing.T) {
	t.Helper()
	anna := b.people[0]
	settings, err := os.ReadFile(filepath.Join("testdata", "thunderbird.js"))
	if err != nil {
		t.Fatal(err)
	}
	b.file(t, "profile/user.js", b.fill(string(settings), "${USER0_ENCODED}", strings.ReplaceAll(anna.Address, "@", "%40")))
	b.run(t, "certutil", "-N", "-d", "sql:"+b.profile, "--empty-password")
	b.run(t, "certutil", "-A", "-d", "sql:"+b.profile, "-n", "postiljon", "-t", "C,,", "-i", b.CA)
	script, err := filepath.Abs(filepath.Join("testdata", "nss_encrypt.py"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := strings.Fields(b.run(t, "python3", script, b.profile, anna.Address, anna.Password))
	if len(secrets) != 2 {
		t.Fatalf("%d secrets", len(secrets))
	}
	var logins []map[string]any
	for i, service := range []string{"imap", "smtp"} {
		logins = append(logins, map[string]any{
			"id": i + 1, "hostname": service + "://localhost", "httpRealm": service + "://localhost", "formSubmitURL": nil,
			"usernameField": "", "passwordField": "", "encryptedUsername": secrets[0], "encryptedPassword": secrets[1], "encType": 1,
			"guid": fmt.Sprintf("{5f0d1c62-8a53-4a86-9d6c-00000000000%d}", i), "timesUsed": 1,
			"timeCreated": 1795000000000, "timeLastUsed": 1795000000000, "timePasswordChanged": 1795000000000,
		})
	}
	text, err := json.Marshal(map[string]any{"nextId": 3, "version": 3, "logins": logins})
	if err != nil {
		t.Fatal(err)
	}
	b.file(t, "profile/logins.json", string(text))
}

// start starts Thunderbird; the test's end ends it.
func (b *bird) start(t *testing.T, name string) {
	t.Helper()
	binary, err := lookPath("thunderbird")
	if err != nil {
		t.Fatal("thunderbird is not installed")
	}
	b.log = filepath.Join(b.home, name)
	b.cmd = exec.Command(binary, "--no-remote", "--profile", b.profile)
	b.cmd.Dir = b.home
	b.cmd.Env = []string{"HOME=" + b.home, "PATH=" + path, "LANG=C.UTF-8", "TMPDIR=" + b.home, "TZ=UTC", "DISPLAY=" + b.display,
		"LIBGL_ALWAYS_SOFTWARE=1", "NO_AT_BRIDGE=1", "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_LOG=sync,IMAP:4", "MOZ_LOG_FILE=" + b.log}
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.ended = make(chan error, 1)
	cmd, ended := b.cmd, b.ended
	go func() {
		ended <- cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		select {
		case <-ended:
		default:
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	})
}

// quit ends Thunderbird as a person does, who presses the keys again if nothing happens: a window that
// has just closed may have had the keyboard.
func (b *bird) quit(t *testing.T) {
	t.Helper()
	for range 15 {
		b.keys(t, "key", "ctrl+q")
		select {
		case err := <-b.ended:
			if err != nil {
				t.Errorf("Thunderbird ended with %v", err)
			}
			return
		case <-time.After(3 * time.Second):
		}
	}
	t.Fatal("Thunderbird does not end")
}

// keys lets xdotool press keys on the screen.
func (b *bird) keys(t *testing.T, args ...string) {
	t.Helper()
	b.run(t, "env", append([]string{"DISPLAY=" + b.display, "xdotool"}, args...)...)
}

// pressKeys does in the list of messages what people do with keys, and looks at what the server has
// after each.
func (b *bird) pressKeys(t *testing.T, a harness.Account) {
	count := func(mailbox, search string) int {
		found := b.imap(t, a, "EXAMINE "+mailbox, "UID SEARCH "+search)
		_, found, _ = strings.Cut(found, "* SEARCH")
		found, _, _ = strings.Cut(found, "\n")
		return len(strings.Fields(found))
	}
	seen := func() bool { return count("INBOX", "SEEN") > 0 }
	for range 5 { // the list may not have the keyboard yet
		b.keys(t, "key", "n") // the next that is not read
		if eventually(5*time.Second, seen) {
			break
		}
	}
	b.wait(t, `\Seen`, time.Second, seen)
	b.keys(t, "key", "s")
	b.wait(t, `\Flagged`, 40*time.Second, func() bool { return count("INBOX", "FLAGGED") == 1 })
	all := count("INBOX", "ALL")
	b.keys(t, "key", "Delete")
	b.wait(t, "the message in Trash", 40*time.Second, func() bool { return count("Trash", "FLAGGED") == 1 })
	b.keys(t, "key", "a")
	b.wait(t, "the message in the archive", 40*time.Second, func() bool {
		return strings.Contains(b.imap(t, a, `LIST "" Archive/* RETURN (STATUS (MESSAGES))`), "(MESSAGES 1)")
	})
	if n := count("INBOX", "ALL"); n != all-2 {
		t.Errorf("%d of %d messages are left", n, all)
	}
	contains(t, b.said(t), `+Flags (\Seen)`, `+Flags (\Flagged)`, `"Trash"`, "uid move ", `create "Archive/`)
}

// write fills the window for a new message and sends it.
func (b *bird) write(t *testing.T, to harness.Account, subject, text string) {
	t.Helper()
	b.keys(t, "key", "ctrl+n")
	b.keys(t, "search", "--sync", "--onlyvisible", "--name", "^Write: ")
	b.keys(t, "mousemove", "300", "500", "sleep", "3") // without a window manager the window under the mouse has the keyboard
	b.keys(t, "type", to.Address)
	b.keys(t, "key", "Tab", "sleep", "0.5", "key", "Tab", "sleep", "0.2")
	b.keys(t, "type", subject)
	b.keys(t, "key", "Tab", "sleep", "0.2")
	b.keys(t, "type", text)
	b.keys(t, "key", "ctrl+Return")
}

// deliver delivers a message by SMTP.
func (b *bird) deliver(t *testing.T, a harness.Account, subject string) {
	t.Helper()
	c, err := harness.DialSMTP(b.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send("friend@sender.test", []string{a.Address}, letter("friend@sender.test", subject)); err != nil {
		t.Fatal(err)
	}
}

// kept is how often a text is in what Thunderbird keeps of the INBOX.
func (b *bird) kept(text string) int {
	all, err := os.ReadFile(filepath.Join(b.profile, "ImapMail/localhost/INBOX"))
	if err != nil {
		return 0 // it is not there yet
	}
	return bytes.Count(bytes.ReplaceAll(all, []byte("\r\n"), []byte("\n")), []byte("\n"+text))
}

// said is what Thunderbird sent to the server, a command a line.
func (b *bird) said(t *testing.T) string { return b.lines(t, ":SendData: ") }

// heard is what the server answered.
func (b *bird) heard(t *testing.T) string { return b.lines(t, ":CreateNewLineFromSocket: ") }

// lines are the lines of a kind in Thunderbird's own log.
func (b *bird) lines(t *testing.T, kind string) string {
	t.Helper()
	log, err := os.ReadFile(b.log + ".moz_log")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for line := range strings.Lines(string(log)) {
		if _, rest, ok := strings.Cut(line, kind); ok {
			all.WriteString(rest)
		}
	}
	return all.String()
}

// idles reports whether the connection with the INBOX waits in IDLE.
func (b *bird) idles() bool {
	log, err := os.ReadFile(b.log + ".moz_log")
	if err != nil {
		return false
	}
	at := bytes.LastIndex(log, []byte(":S-INBOX:SendData: "))
	if at < 0 {
		return false
	}
	line, _, _ := bytes.Cut(log[at:], []byte("\n"))
	return bytes.Contains(line, []byte(" IDLE"))
}

// eventually waits until something is so.
func eventually(within time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(within); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// wait is eventually for what must become so.
func (b *bird) wait(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	if eventually(within, ok) {
		return
	}
	t.Fatalf("no %s after %v; Thunderbird said:\n%s", what, within, tail(b.said(t)))
}
