package clients

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

const mbsyncConfig = `
IMAPAccount postiljon
Host localhost
Port ${IMAPS}
User ${USER0}
Pass ${PASSWORD}
SSLType IMAPS
CertificateFile ${CA}

IMAPStore there
Account postiljon

MaildirStore here
Path ${HOME}/Mail/
Inbox ${HOME}/Mail/INBOX
SubFolders Verbatim

Channel mail
Far :there:
Near :here:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
CopyArrivalDate yes
`

// testMbsync keeps a Maildir and an account in step, both ways.
func testMbsync(t *testing.T, d *desk) {
	anna := d.people[0]
	config := d.file(t, "mbsyncrc", d.fill(mbsyncConfig))
	if err := os.MkdirAll(filepath.Join(d.home, "Mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	sync := func(t *testing.T) string {
		t.Helper()
		return d.run(t, "mbsync", "-V", "-c", config, "mail")
	}
	d.put(t, anna, "INBOX", "first", "second", "third")
	d.imap(t, anna, "CREATE Work/Projects")
	d.put(t, anna, "Work/Projects", "plan")

	d.step(t, "pull into a Maildir", func(t *testing.T) {
		sync(t)
		for _, subject := range []string{"first", "second", "third"} {
			name := inMaildir(t, d.home+"/Mail/INBOX", subject)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			// mbsync keeps lines as Unix does, and adds a field of its own.
			contains(t, string(text), strings.ReplaceAll("about "+subject+".\r\n.dot\r\n", "\r", ""))
		}
		inMaildir(t, d.home+"/Mail/Work/Projects", "plan")
	})
	d.step(t, "flags both ways", func(t *testing.T) {
		name := inMaildir(t, d.home+"/Mail/INBOX", "first")
		if err := os.Rename(name, flagged(name, "FRS")); err != nil {
			t.Fatal(err)
		}
		d.imap(t, anna, "SELECT INBOX", `STORE 2 +FLAGS (\Answered)`)
		sync(t)
		if flags := d.one(t, anna, "INBOX", "first").Flags; !slices.Equal(sorted(flags), []string{`\Answered`, `\Flagged`, `\Seen`}) {
			t.Errorf("there: %q", flags)
		}
		if name := inMaildir(t, d.home+"/Mail/INBOX", "second"); !strings.HasSuffix(name, ":2,R") {
			t.Errorf("here: %s", name)
		}
	})
	d.step(t, "a new local message is pushed", func(t *testing.T) {
		d.file(t, "Mail/INBOX/new/1.local.host", strings.ReplaceAll(letter(anna.Address, "local"), "\r", ""))
		sync(t)
		contains(t, d.one(t, anna, "INBOX", "local").Text, "about local.\r\n.dot\r\n")
	})
	d.step(t, "a new message is pulled", func(t *testing.T) {
		d.put(t, anna, "INBOX", "fourth")
		sync(t)
		inMaildir(t, d.home+"/Mail/INBOX", "fourth")
	})
	d.step(t, "deletion both ways", func(t *testing.T) {
		if err := os.Remove(inMaildir(t, d.home+"/Mail/INBOX", "third")); err != nil {
			t.Fatal(err)
		}
		d.imap(t, anna, "SELECT INBOX", `STORE 1 +FLAGS (\Deleted)`, "EXPUNGE")
		sync(t)
		if found := with(d.look(t, anna, "INBOX"), "third"); len(found) != 0 {
			t.Error("what was deleted here is still there")
		}
		if names := maildir(t, d.home+"/Mail/INBOX", "first"); len(names) != 0 {
			t.Error("what was deleted there is still here")
		}
	})
	d.step(t, "folders made here and there", func(t *testing.T) {
		for _, dir := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(d.home, "Mail/Gamla brev", dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		d.file(t, "Mail/Gamla brev/new/2.local.host", strings.ReplaceAll(letter(anna.Address, "bill"), "\r", ""))
		d.imap(t, anna, "CREATE Resor")
		d.put(t, anna, "Resor", "ticket")
		sync(t)
		d.one(t, anna, `"Gamla brev"`, "bill")
		inMaildir(t, d.home+"/Mail/Resor", "ticket")
	})
	d.step(t, "the next run transfers nothing; UIDs are stable", func(t *testing.T) {
		sync(t)
		before, state := snapshot(t, d), uids(d.look(t, anna, "INBOX"))
		out := sync(t)
		if after := snapshot(t, d); !slices.Equal(before, after) {
			t.Errorf("the Maildir changed from %q to %q\n%s", before, after, out)
		}
		if now := uids(d.look(t, anna, "INBOX")); !slices.Equal(state, now) {
			t.Errorf("UIDs %v became %v", state, now)
		}
		if strings.Contains(out, "UIDVALIDITY changed") {
			t.Errorf("mbsync: %s", out)
		}
	})
	d.step(t, "while mail comes, flags change and messages go on both sides", func(t *testing.T) { syncUnderLoad(t, d) })
}

// syncUnderLoad lets mbsync run again and again while mail is delivered to the account and another
// program flags and deletes there; between its runs messages are flagged and deleted here. In the end
// both sides must be the same.
func syncUnderLoad(t *testing.T, d *desk) {
	bjorn := d.people[1]
	config := d.file(t, "loadrc", d.fill(strings.NewReplacer("${USER0}", "${USER1}", "${HOME}/Mail/", "${HOME}/Load/").Replace(mbsyncConfig)))
	inbox := filepath.Join(d.home, "Load/INBOX")
	if err := os.MkdirAll(filepath.Dir(inbox), 0o700); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() { deliverUntil(t, d, bjorn, stop) })
	load.Go(func() { flagUntil(t, d, bjorn, stop) })
	end := sync.OnceFunc(func() {
		close(stop)
		load.Wait()
	})
	defer end()
	rng := rand.New(rand.NewPCG(1, 2))
	runs := 0
	for began := time.Now(); time.Since(began) < 5*time.Second; runs++ {
		d.run(t, "mbsync", "-c", config, "mail")
		for range 5 {
			changeHere(t, inbox, rng)
		}
	}
	end()
	d.run(t, "mbsync", "-c", config, "mail")
	d.run(t, "mbsync", "-c", config, "mail") // what the first found out to be gone
	here, there := flagsHere(t, inbox), flagsThere(d.look(t, bjorn, "INBOX"))
	if !maps.Equal(here, there) {
		t.Errorf("here %d messages: %v\nthere %d: %v", len(here), here, len(there), there)
	}
	if runs < 3 || len(here) < 50 {
		t.Errorf("%d runs, %d messages", runs, len(here))
	}
	t.Logf("%d runs, %d messages in the end", runs, len(here))
}

// deliverUntil delivers messages by SMTP.
func deliverUntil(t *testing.T, d *desk, a harness.Account, stop chan struct{}) {
	c, err := harness.DialSMTP(d.SMTP)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for n := 0; ; n++ {
		if err := c.Send("friend@sender.test", []string{a.Address}, letter("friend@sender.test", fmt.Sprint("load ", n))); err != nil {
			t.Error(err)
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// flagUntil flags messages, and deletes some.
func flagUntil(t *testing.T, d *desk, a harness.Account, stop chan struct{}) {
	c, err := d.DialIMAP(a)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	commands := []string{"SELECT INBOX"}
	for n := 1; ; n++ {
		commands = append(commands, fmt.Sprintf(`UID STORE %d +FLAGS (\Flagged)`, 2*n), fmt.Sprintf(`UID STORE %d -FLAGS (\Flagged)`, n))
		if n%7 == 0 {
			commands = append(commands, fmt.Sprintf(`UID STORE %d +FLAGS (\Deleted)`, n), "EXPUNGE")
		}
		for _, command := range commands {
			if _, err := c.Command(command); err != nil {
				t.Error(err)
				return
			}
		}
		commands = commands[:0]
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// changeHere flags or deletes a message of a Maildir.
func changeHere(t *testing.T, dir string, rng *rand.Rand) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "*,U=*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		return
	}
	name := names[rng.IntN(len(names))]
	if rng.IntN(5) == 0 {
		err = os.Remove(name)
	} else {
		err = os.Rename(name, flagged(name, []string{"", "S", "RS", "FS"}[rng.IntN(4)]))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// flagsHere are the flags of each message of a Maildir, by subject.
func flagsHere(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "[cn][ue][rw]", "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, flags, _ := strings.Cut(name, ":2,")
		add(all, strings.ReplaceAll(string(text), "\n", "\r\n"), flags)
	}
	return all
}

// flagsThere are the flags of each message of a mailbox, by subject, written as in a Maildir.
func flagsThere(messages []harness.Message) map[string]string {
	all := map[string]string{}
	for _, m := range messages {
		flags := ""
		for _, f := range []string{`F\Flagged`, `R\Answered`, `S\Seen`, `T\Deleted`} {
			if strings.Contains(m.Flags, f[1:]) {
				flags += f[:1]
			}
		}
		add(all, m.Text, flags)
	}
	return all
}

// add notes the flags of a message; if it is there twice, that shows.
func add(all map[string]string, text, flags string) {
	_, subject, _ := strings.Cut(text, "\r\nSubject: ")
	subject, _, _ = strings.Cut(subject, "\r\n")
	for all[subject] != "" {
		subject += " again"
	}
	all[subject] = "," + flags
}

// maildir are the files of a Maildir that have a subject.
func maildir(t *testing.T, dir, subject string) (names []string) {
	t.Helper()
	for _, sub := range []string{"cur", "new"} {
		all, err := filepath.Glob(filepath.Join(dir, sub, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "\nSubject: "+subject+"\n") {
				names = append(names, name)
			}
		}
	}
	return names
}

func inMaildir(t *testing.T, dir, subject string) string {
	t.Helper()
	names := maildir(t, dir, subject)
	if len(names) != 1 {
		t.Fatalf("%s has %d messages %q", dir, len(names), subject)
	}
	return names[0]
}

// flagged is the name of a message in a Maildir once it has flags.
func flagged(name, flags string) string {
	base, _, _ := strings.Cut(filepath.Base(name), ":")
	return filepath.Join(filepath.Dir(filepath.Dir(name)), "cur", base+":2,"+flags)
}

// snapshot is every message of the desk's mail folder.
func snapshot(t *testing.T, d *desk) (all []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(d.home, "Mail"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

func uids(all []harness.Message) (uids []int) {
	for _, m := range all {
		uids = append(uids, m.UID)
	}
	return uids
}

func sorted(flags string) []string {
	all := strings.Fields(flags)
	slices.Sort(all)
	return all
}
