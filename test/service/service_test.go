package service

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// underLoad runs load of every kind until the returned function is called.
func (l *ledger) underLoad(s *harness.Service) (end func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() { l.load(s, w, stop) })
	}
	return sync.OnceFunc(func() { close(stop); wg.Wait() })
}

// acknowledged waits until so many messages more were acknowledged.
func (l *ledger) acknowledged(t *testing.T, n int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acked)
	}
	until := count() + n
	for deadline := time.Now().Add(30 * time.Second); count() < until; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %d messages were acknowledged", count())
		}
	}
}

// TestStop ends the service as systemd does, again and again, under load.
// Nothing that was acknowledged is lost, and it ends well and in time.
func TestStop(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 4})
	l := newLedger()
	for range 3 {
		end := l.underLoad(s)
		l.acknowledged(t, 100)
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		end()
		s.Run()
		l.checkAll(t, s)
	}
	if out, err := s.Command("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	t.Logf("%d messages acknowledged", len(l.acked))
}

// TestStopWaits ends the service while one client waits and another is in the
// middle of a message: the first is told at once, the other may end it.
func TestStopWaits(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	a := s.Accounts[0]
	idle := must[*harness.IMAP](t)(s.DialIMAP(a))
	defer idle.Close()
	must[[]string](t)(idle.Command("SELECT INBOX"))
	if err := idle.Idle(); err != nil {
		t.Fatal(err)
	}
	pop := must[*textproto.Conn](t)(pop3(s, a))
	defer pop.Close()
	slow := must[*harness.SMTP](t)(harness.DialSMTP(s.SMTP))
	defer slow.Close()
	if err := slow.Begin("x@sender.test", "", []string{a.Address}); err != nil {
		t.Fatal(err)
	}
	must[string](t)(slow.Command("DATA", '3'))
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line, err := idle.Next(); err != nil || !strings.HasPrefix(line, "* BYE ") || !strings.Contains(line, "/why/") {
		t.Errorf("the idling session was told %q, %v", line, err)
	}
	must[string](t)(slow.Command(strings.TrimSuffix(letter("slow@test", 100), "\r\n")+"\r\n.", '2'))
	if err := s.Ended(); err != nil {
		t.Fatal(err)
	}
	s.Run()
	again := must[*harness.IMAP](t)(s.DialIMAP(a))
	defer again.Close()
	if all := must[[]harness.Message](t)(again.Messages("INBOX")); len(all) != 1 || !strings.Contains(all[0].Text, "<slow@test>") {
		t.Errorf("left are %+v", all)
	}
}

// TestReload reloads while sessions are in the middle of things.
func TestReload(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 2})
	a := s.Accounts[0]
	in, err := harness.DialSMTP(s.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := in.Begin("x@sender.test", "", []string{a.Address}); err != nil {
		t.Fatal(err)
	}
	idle := must[*harness.IMAP](t)(s.DialIMAP(a))
	defer idle.Close()
	must[[]string](t)(idle.Command("SELECT INBOX"))
	if err := idle.Idle(); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	must[string](t)(s.Command("reload")) // answers when it is done, and that of the signal before it
	if err := in.Data(strings.NewReader(letter("reload@test", 100))); err != nil {
		t.Errorf("the SMTP session after a reload: %v", err)
	}
	if line, err := idle.Next(); err != nil || line != "* 1 EXISTS" {
		t.Errorf("the IMAP session after a reload: %q, %v", line, err)
	}
	if _, err := idle.Done(); err != nil {
		t.Errorf("the IMAP session after a reload: %v", err)
	}
	again := must[*harness.IMAP](t)(s.DialIMAP(a))
	again.Close()
}

// TestSecondStart starts a second service on the same folder.
func TestSecondStart(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	second := harness.Prepare(t, harness.Options{Accounts: 1, Data: s.Data})
	err := second.TryRun()
	if err == nil {
		second.Kill()
		t.Fatal("two services on one folder")
	}
	for _, part := range []string{"the data folder " + s.Data + " is in use by another postiljon", "Stop the other one"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in: %v", part, err)
		}
	}
	// The first one goes on, and its control socket is still its own.
	c := must[*harness.IMAP](t)(s.DialIMAP(s.Accounts[0]))
	defer c.Close()
	must[string](t)(c.Append("INBOX", letter("first@test", 100)))
	must[string](t)(s.Command("status"))
}

// TestIdle has one session told of what two others do, while it idles.
func TestIdle(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	a := s.Accounts[0]
	waiting, acting := must[*harness.IMAP](t)(s.DialIMAP(a)), must[*harness.IMAP](t)(s.DialIMAP(a))
	defer waiting.Close()
	defer acting.Close()
	in := must[*harness.SMTP](t)(harness.DialSMTP(s.SMTP))
	defer in.Close()
	for i := range 3 {
		must[string](t)(acting.Append("INBOX", letter(fmt.Sprintf("%d@test", i), 100)))
	}
	must[[]string](t)(waiting.Command("SELECT INBOX"))
	must[[]string](t)(acting.Command("SELECT INBOX"))
	if err := waiting.Idle(); err != nil {
		t.Fatal(err)
	}
	// Told one by one: what is told must not depend on the pace.
	told := func(want string) {
		t.Helper()
		for {
			line, err := waiting.Next()
			if err != nil {
				t.Fatalf("waiting for %q: %v", want, err)
			}
			if strings.HasSuffix(line, " RECENT") || strings.HasPrefix(line, "* OK") {
				continue
			}
			if line != want {
				t.Errorf("told %q, not %q", line, want)
			}
			return
		}
	}
	must[[]string](t)(acting.Command(`STORE 2 +FLAGS.SILENT (\Deleted)`))
	told(`* 2 FETCH (UID 2 FLAGS (\Deleted))`)
	must[[]string](t)(acting.Command("EXPUNGE"))
	told("* 2 EXPUNGE")
	if err := in.Send("x@sender.test", []string{a.Address}, letter("new@test", 100)); err != nil {
		t.Fatal(err)
	}
	told("* 3 EXISTS")
	if _, err := waiting.Done(); err != nil {
		t.Fatal(err)
	}
	lines := must[[]string](t)(waiting.Command("UID SEARCH ALL"))
	if !slices.Contains(lines, "* SEARCH 1 3 4") {
		t.Errorf("found %q", lines)
	}
}

// TestConcurrentExpunge delivers to a mailbox that one session expunges and two
// others watch. In the end all of them see the same.
func TestConcurrentExpunge(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	a := s.Accounts[0]
	const messages = 200
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := harness.DialSMTP(s.SMTP)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for i := range messages {
			if err := c.Send("x@sender.test", []string{a.Address}, letter(fmt.Sprintf("%d@test", i), 100)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	expunged := make(chan struct{})
	wg.Go(func() {
		defer close(expunged)
		c := &counter{}
		if err := c.follow(s, a, func(m *harness.IMAP) (bool, error) {
			if _, err := c.command(m, `UID STORE 1:* +FLAGS.SILENT (\Deleted)`); err != nil {
				return false, err
			}
			_, err := c.command(m, "EXPUNGE")
			return c.gone == messages, err
		}); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		wg.Go(func() {
			c := &counter{}
			if err := c.follow(s, a, func(m *harness.IMAP) (bool, error) {
				_, err := c.command(m, "NOOP")
				select {
				case <-expunged:
					return c.exists == 0, err
				default:
					return false, err
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// counter counts the messages of a mailbox by what a session is told, and finds
// what contradicts itself.
type counter struct{ exists, gone int }

func (c *counter) command(m *harness.IMAP, command string) ([]string, error) {
	lines, err := m.Command(command)
	for _, line := range lines {
		var n int
		switch {
		case scan(line, "* %d EXISTS", &n):
			if n < c.exists {
				return nil, fmt.Errorf("%d messages after %d without EXPUNGE", n, c.exists)
			}
			c.exists = n
		case scan(line, "* %d EXPUNGE", &n):
			if n < 1 || n > c.exists {
				return nil, fmt.Errorf("message %d of %d is expunged", n, c.exists)
			}
			c.exists--
			c.gone++
		}
	}
	return lines, err
}

func scan(line, format string, n *int) bool {
	_, err := fmt.Sscanf(line, format, n)
	return err == nil && line == fmt.Sprintf(format, *n)
}

// follow selects the INBOX and does a step again and again until that is the
// last.
func (c *counter) follow(s *harness.Service, a harness.Account, step func(*harness.IMAP) (last bool, err error)) error {
	m, err := s.DialIMAP(a)
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := c.command(m, "SELECT INBOX"); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if last, err := step(m); last || err != nil {
			return err
		}
	}
	return fmt.Errorf("it does not end: %+v", *c)
}

// pop3 signs in with POP3.
func pop3(s *harness.Service, a harness.Account) (*textproto.Conn, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", s.POP3S, s.TLS)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c := textproto.NewConn(conn)
	if _, err := c.ReadLine(); err != nil {
		return c, err
	}
	if _, err := pop3Command(c, "USER "+a.Address); err != nil {
		return c, err
	}
	_, err = pop3Command(c, "PASS "+a.Password)
	return c, err
}

func pop3Command(c *textproto.Conn, command string) (string, error) {
	if err := c.PrintfLine("%s", command); err != nil {
		return "", err
	}
	line, err := c.ReadLine()
	if err == nil && !strings.HasPrefix(line, "+OK") {
		err = errors.New(line)
	}
	return line, err
}

// TestPOP3Lock opens a maildrop twice, and changes it meanwhile with IMAP.
func TestPOP3Lock(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	a := s.Accounts[0]
	m := must[*harness.IMAP](t)(s.DialIMAP(a))
	defer m.Close()
	for i := range 3 {
		must[string](t)(m.Append("INBOX", letter(fmt.Sprintf("%d@test", i), 100)))
	}
	first := must[*textproto.Conn](t)(pop3(s, a))
	defer first.Close()
	if second, err := pop3(s, a); err == nil || !strings.HasPrefix(err.Error(), "-ERR [IN-USE]") || !strings.Contains(err.Error(), "/why/") {
		t.Errorf("the second session: %v", err)
	} else {
		second.Close()
	}
	// IMAP is not locked out; what it takes away is gone, and no other message
	// is deleted in its place.
	must[[]string](t)(m.Command("SELECT INBOX"))
	must[[]string](t)(m.Command(`STORE 1 +FLAGS.SILENT (\Deleted)`))
	must[[]string](t)(m.Command("EXPUNGE"))
	for _, command := range []string{"DELE 2", "QUIT"} {
		if _, err := pop3Command(first, command); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	third, err := pop3(s, a)
	if err != nil {
		t.Fatalf("after the first session ended: %v", err)
	}
	defer third.Close()
	if stat, err := pop3Command(third, "STAT"); err != nil || !strings.HasPrefix(stat, "+OK 1 ") {
		t.Errorf("left are %q, %v", stat, err)
	}
	left := must[[]harness.Message](t)(m.Messages("INBOX"))
	if len(left) != 1 || !strings.Contains(left[0].Text, "<2@test>") {
		t.Errorf("left are %+v", left)
	}
}

// TestManyConnections has 200 connections work at the same time.
func TestManyConnections(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 20})
	const each = 100
	var ready, wg sync.WaitGroup
	ready.Add(2 * each)
	l := newLedger()
	together := func(open func() (work func() error, end func(), err error)) {
		wg.Go(func() {
			work, end, err := open()
			ready.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer end()
			ready.Wait() // now all are open at once
			if err := work(); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range each {
		a := s.Accounts[i%len(s.Accounts)]
		together(func() (func() error, func(), error) {
			c, err := s.DialIMAP(a)
			if err != nil {
				return nil, nil, err
			}
			return func() error {
				id := l.id()
				if _, err := c.Append("INBOX", letter(id, 1000)); err != nil {
					return err
				}
				l.ack(id, a.Address)
				_, err := c.Messages("INBOX")
				return err
			}, c.Close, nil
		})
		together(func() (func() error, func(), error) {
			c, err := harness.DialSMTP(s.SMTP)
			if err != nil {
				return nil, nil, err
			}
			return func() error {
				id := l.id()
				err := c.Send("x@sender.test", []string{a.Address}, letter(id, 1000))
				l.ack(id, a.Address)
				return err
			}, c.Close, nil
		})
	}
	wg.Wait()
	l.checkAll(t, s)
}

// TestBackup makes backups under load. What was acknowledged before a backup
// began is in the service that is restored from it.
func TestBackup(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 4})
	l := newLedger()
	end := l.underLoad(s)
	defer end()
	dir := t.TempDir()
	var before *ledger
	for range 2 { // the second one shares what did not change
		l.acknowledged(t, 200)
		before = l.copy()
		time.Sleep(time.Second) // backups are named by the second
		if out, err := s.Command("backup", filepath.Join(dir, "backups")); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	l.acknowledged(t, 50)
	end()
	l.checkAll(t, s)

	data := filepath.Join(dir, "restored")
	must[string](t)(s.Command("restore", filepath.Join(dir, "backups"), "--data", data))
	if out, err := s.Command("verify", "--data", data); err != nil {
		t.Fatalf("verify what was restored: %v\n%s", err, out)
	}
	restored := harness.Start(t, harness.Options{Accounts: 4, Data: data})
	before.without(l).checkAll(t, restored)
	t.Logf("%d messages were acknowledged before the backup, %d in all", len(before.acked), len(l.acked))
}

// copy is what the ledger knows now.
func (l *ledger) copy() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := newLedger()
	maps.Copy(c.acked, l.acked)
	maps.Copy(c.flagged, l.flagged)
	maps.Copy(c.gone, l.gone)
	return c
}

// without forgets messages that a later ledger has no more: they were expunged.
func (l *ledger) without(later *ledger) *ledger {
	maps.DeleteFunc(l.acked, func(key, _ string) bool { return later.acked[key] == "" })
	return l
}

// TestExportImport takes the mail of an account out and into another one.
func TestExportImport(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 3})
	from := s.Accounts[0]
	m := must[*harness.IMAP](t)(s.DialIMAP(from))
	defer m.Close()
	must[[]string](t)(m.Command(`CREATE "Work/Plans 2026"`))
	boxes := []string{"INBOX", "Sent", `"Work/Plans 2026"`}
	for i, box := range boxes {
		for j := range 3 + i {
			text := letter(fmt.Sprintf("%d.%d@test", i, j), 300) + "From the beginning of a line\r\n>From here\r\n.\r\n\r\nräksmörgås\r\n"
			must[string](t)(m.Append(box, text))
		}
	}
	must[[]string](t)(m.Command("SELECT Sent"))
	must[[]string](t)(m.Command(`STORE 1 FLAGS (\Seen \Answered)`))
	must[[]string](t)(m.Command(`STORE 2 FLAGS (\Flagged)`))
	for i, format := range []string{"mbox", "maildir"} {
		to, dir := s.Accounts[i+1], filepath.Join(t.TempDir(), format)
		must[string](t)(s.Command("export", from.Address, dir, "--format", format))
		must[string](t)(s.Command("import", to.Address, dir))
		out := must[string](t)(s.Command("import", to.Address, dir)) // again: nothing is doubled
		if !strings.Contains(out, "12 were there already") {
			t.Errorf("%s: imported again: %s", format, out)
		}
		other := must[*harness.IMAP](t)(s.DialIMAP(to))
		defer other.Close()
		for _, box := range boxes {
			want, got := must[[]harness.Message](t)(m.Messages(box)), must[[]harness.Message](t)(other.Messages(box))
			if a, b := withoutUIDs(want), withoutUIDs(got); !slices.Equal(a, b) {
				t.Errorf("%s: %s has\n%q, not\n%q", format, box, b, a)
			}
		}
	}
}

// withoutUIDs are messages without what differs from mailbox to mailbox.
func withoutUIDs(all []harness.Message) (lines []string) {
	for _, m := range all {
		flags := strings.Fields(m.Flags)
		slices.Sort(flags)
		lines = append(lines, fmt.Sprintf("%s %s", flags, m.Text))
	}
	slices.Sort(lines)
	return lines
}

// TestTrace asks what became of a message and of a sign-in, in three languages.
func TestTrace(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	a := s.Accounts[0]
	in := must[*harness.SMTP](t)(harness.DialSMTP(s.SMTP))
	defer in.Close()
	if err := in.Begin("friend@sender.test", "", []string{a.Address}); err != nil {
		t.Fatal(err)
	}
	must[string](t)(in.Command("DATA", '3'))
	reply := must[string](t)(in.Command(strings.TrimSuffix(letter("trace.me@test", 100), "\r\n")+"\r\n.", '2'))
	trace := reply[strings.LastIndexByte(reply, ' ')+1:]
	if _, err := s.DialIMAP(harness.Account{Address: a.Address, Password: "not the password"}); err == nil {
		t.Fatal("a wrong password was taken")
	}
	told := map[string]string{}
	for _, language := range []struct{ code, delivered, signIn string }{
		{"en", "Delivered to " + a.Address, "Sign-in as " + a.Address + " over IMAP"},
		{"sv", "Levererat till " + a.Address, "Inloggningen som " + a.Address + " med IMAP"},
		{"nb", "Levert til " + a.Address, "Påloggingen som " + a.Address + " med IMAP"},
	} {
		for _, query := range []string{trace, "<trace.me@test>", "trace.me@test", a.Address} {
			out := must[string](t)(s.Command("trace", query, "--lang", language.code))
			if !strings.Contains(out, language.delivered) {
				t.Errorf("trace %s in %s: %s", query, language.code, out)
			}
			_, why, signIn := strings.Cut(out, language.signIn)
			if signIn != (query == a.Address) {
				t.Errorf("trace %s in %s tells of the sign-in: %v\n%s", query, language.code, signIn, out)
			}
			if !signIn {
				continue
			}
			// Two lines at least say why, and who must do what.
			_, why, _ = strings.Cut(why, "\n")
			if strings.Count(why, "\n   ") < 1 || told[why] != "" {
				t.Errorf("trace %s in %s does not say why, or in the language %s:\n%s", query, language.code, told[why], out)
			}
			told[why] = language.code
		}
	}
	out := must[string](t)(s.Command("trace", a.Address, "--json"))
	for _, part := range []string{`"cause": "auth.password-wrong"`, `"trace": "` + trace + `"`, `"kind": "message.delivered"`} {
		if !strings.Contains(out, part) {
			t.Errorf("no %s in %s", part, out)
		}
	}
	if strings.Contains(out+s.Log(), "not the password") {
		t.Error("a password is told")
	}
}

// TestPermissions looks whether what the service keeps is closed to others.
func TestPermissions(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	for _, name := range []string{"", "records", "blobs", "tls", "demo.json", "tls/ca.key", "tls/server.key", "control.sock"} {
		info, err := os.Stat(filepath.Join(s.Data, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", name, info.Mode())
		}
	}
}

// must returns a value, or fails the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
