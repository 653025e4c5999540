package service

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// TestVerifyFindsDamage flips single octets in a data folder: of a message, and
// of the records.
func TestVerifyFindsDamage(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 2})
	c := must[*harness.SMTP](t)(harness.DialSMTP(s.SMTP))
	for i := range 50 {
		if err := c.Send("x@sender.test", []string{s.Accounts[1].Address}, letter(fmt.Sprintf("%d@damage.test", i), 40<<10)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	for range 2 { // a start writes the records into tables
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		s.Run()
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	verify := func() (string, error) { return s.Command("verify", "--data", s.Data) }
	if out, err := verify(); err != nil || !strings.HasPrefix(out, "Everything agrees: 2 accounts, 50 messages, ") {
		t.Fatalf("%s, %v", out, err)
	}
	for what, find := range map[string]func(name string, b []byte) int{
		"message": func(name string, b []byte) int {
			if filepath.Ext(name) != ".seg" {
				return -1
			}
			return bytes.Index(b, []byte("A line of a letter")) + 7
		},
		"records": func(name string, b []byte) int {
			if filepath.Ext(name) != ".sst" {
				return -1
			}
			return bytes.Index(b, []byte("damage")) // its first place is no reference of the compression
		},
	} {
		t.Run(what, func(t *testing.T) {
			restore := flip(t, s.Data, find)
			out, err := verify()
			if err == nil || !strings.Contains(err.Error(), "exit status 1") {
				t.Errorf("damage was not found: %s, %v", out, err)
			}
			if what == "message" && (!strings.Contains(out, s.Accounts[1].Address+": ") || !strings.Contains(err.Error(), "1 problem found")) {
				t.Errorf("%s\n%v", out, err)
			}
			restore()
			if out, err := verify(); err != nil {
				t.Errorf("repaired: %s, %v", out, err)
			}
		})
	}
}

// flip changes one bit in the file that find chooses, and returns how to change
// it back.
func flip(t *testing.T, dir string, find func(name string, b []byte) int) (back func()) {
	t.Helper()
	var path string
	var whole []byte
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if at := find(d.Name(), b); at >= 0 && at < len(b) {
			path, whole = p, slices.Clone(b)
			b[at] ^= 4
			if err := os.WriteFile(p, b, 0o600); err != nil {
				return err
			}
			return fs.SkipAll
		}
		return nil
	})
	if err != nil || path == "" {
		t.Fatalf("nothing to damage: %v", err)
	}
	return func() {
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestoreOlderBackup makes backups under load and restores the older of two.
func TestRestoreOlderBackup(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 4})
	l := newLedger()
	end := l.underLoad(s)
	defer end()
	dir := t.TempDir()
	backups := filepath.Join(dir, "backups")
	var before []*ledger
	for range 3 {
		l.acknowledged(t, 100)
		before = append(before, l.copy())
		time.Sleep(time.Second) // backups are named by the second
		must[string](t)(s.Command("backup", backups, "--keep", "2"))
		last := before[len(before)-1]
		known := len(last.acked)
		last.without(l.copy())
		t.Logf("%d messages acknowledged before, of which %d were expunged meanwhile", known, known-len(last.acked))
	}
	end()
	list := must[string](t)(s.Command("restore", backups, "--list"))
	names := regexp.MustCompile(`(?m)^\d{8}T\d{6}Z`).FindAllString(list, -1)
	if len(names) != 2 {
		t.Fatalf("kept\n%s", list)
	}
	onlyOwner(t, backups)
	for i, name := range names {
		data := filepath.Join(dir, name)
		must[string](t)(s.Command("restore", backups, "--at", name, "--data", data))
		if out, err := s.Command("verify", "--data", data); err != nil {
			t.Fatalf("verify what was restored: %v\n%s", err, out)
		}
		restored := harness.Start(t, harness.Options{Accounts: 4, Data: data})
		before[i+1].without(l).checkAll(t, restored)
		if err := restored.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// onlyOwner looks that nobody else can read a backup, and that nothing is in it
// that belongs to a process.
func onlyOwner(t *testing.T, dir string) {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() && info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !d.IsDir() && !d.Type().IsRegular() || d.Name() == "LOCK" {
			t.Errorf("%s is in the backup", path)
		}
		if strings.Contains(d.Name(), "key") {
			keys++
			if info.Mode() != 0o600 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
		}
		return nil
	})
	if err != nil || keys == 0 {
		t.Errorf("%d keys are in the backup, %v", keys, err)
	}
}

// TestImportKeepsDates takes flags, keywords and dates along in both formats.
func TestImportKeepsDates(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 3})
	m := must[*harness.IMAP](t)(s.DialIMAP(s.Accounts[0]))
	defer m.Close()
	for i, attributes := range []string{
		`(\Seen $Forwarded) "02-Nov-2026 10:30:05 +0000"`, `(\Flagged Work) "31-Dec-1999 23:59:59 +0100"`, `() "01-Jan-2020 00:00:00 -0500"`,
	} {
		text := letter(fmt.Sprintf("%d@dates.test", i), 200)
		must[[]string](t)(m.Command(fmt.Sprintf("APPEND INBOX %s {%d+}\r\n%s", attributes, len(text), text)))
	}
	want := attributesOf(t, m)
	if len(want) != 3 {
		t.Fatalf("%q", want)
	}
	for i, format := range []string{"mbox", "maildir"} {
		dir, to := filepath.Join(t.TempDir(), "mail"), s.Accounts[i+1]
		must[string](t)(s.Command("export", s.Accounts[0].Address, dir, "--format", format))
		must[string](t)(s.Command("import", to.Address, dir))
		other := must[*harness.IMAP](t)(s.DialIMAP(to))
		defer other.Close()
		if got := attributesOf(t, other); !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", format, got, want)
		}
		if _, err := s.Command("export", to.Address, dir); err == nil || !strings.Contains(err.Error(), "is not empty") {
			t.Errorf("exported over other files: %v", err)
		}
	}
}

var datePattern = regexp.MustCompile(`INTERNALDATE "([^"]*)"`)

// attributesOf are the flags and dates of the messages in INBOX; dates are the
// same moment in whatever zone.
func attributesOf(t *testing.T, m *harness.IMAP) (all []string) {
	t.Helper()
	must[[]string](t)(m.Command("EXAMINE INBOX"))
	for _, line := range must[[]string](t)(m.Command("FETCH 1:* (FLAGS INTERNALDATE)")) {
		_, flags, ok := strings.Cut(line, "FLAGS (")
		if !ok || !strings.Contains(line, " FETCH ") {
			continue
		}
		flags, _, _ = strings.Cut(flags, ")")
		date, err := time.Parse("_2-Jan-2006 15:04:05 -0700", first(datePattern, line))
		if err != nil {
			t.Fatal(err)
		}
		sorted := strings.Fields(flags)
		slices.Sort(sorted)
		all = append(all, fmt.Sprint(sorted, date.UTC()))
	}
	slices.Sort(all)
	return all
}

// TestImportIsBegunAgain meets a quota in the middle, and goes on where it ended.
func TestImportIsBegunAgain(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 1})
	to := s.Accounts[0].Address
	var mbox strings.Builder
	for i := range 40 {
		text := letter(fmt.Sprintf("%d@import.test", i), 10<<10)
		mbox.WriteString("From x@sender.test Mon Nov  2 10:30:05 2026\n" + strings.ReplaceAll(text, "\r\n", "\n") + "\n")
	}
	file := filepath.Join(t.TempDir(), "INBOX.mbox")
	if err := os.WriteFile(file, []byte(mbox.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	must[string](t)(s.Command("account", "quota", to, "150kB"))
	_, err := s.Command("import", to, file)
	if err == nil || !strings.Contains(err.Error(), "over quota") || !strings.Contains(err.Error(), "postiljon account quota") ||
		!strings.Contains(err.Error(), "Run the same command again") {
		t.Fatalf("import over quota: %v", err)
	}
	must[string](t)(s.Command("account", "quota", to, "none"))
	out := must[string](t)(s.Command("import", to, file))
	counts := regexp.MustCompile(`Imported (\d+) messages .*; (\d+) were there already`).FindStringSubmatch(out)
	var imported, there int
	if counts != nil {
		fmt.Sscan(counts[1]+" "+counts[2], &imported, &there)
	}
	if imported+there != 40 || there < 5 {
		t.Errorf("begun again: %s", out)
	}
	if out := must[string](t)(s.Command("import", to, file)); !strings.HasPrefix(out, "Imported 0 messages") {
		t.Errorf("a third time: %s", out)
	}
}

// TestCollectOnAFullDisk fills a volume, deletes all mail, and has room again.
func TestCollectOnAFullDisk(t *testing.T) {
	dir := smallVolume(t, 200<<20)
	s := harness.Start(t, harness.Options{Data: filepath.Join(dir, "data"), Accounts: 1})
	to := s.Accounts[0]
	c := must[*harness.SMTP](t)(harness.DialSMTP(s.SMTP))
	defer c.Close()
	taken := 0
	var err error
	for err == nil && taken < 4000 {
		if err = c.Send("x@sender.test", []string{to.Address}, letter(fmt.Sprintf("%d@full.test", taken), 300<<10)); err == nil {
			taken++
		}
	}
	if !refusedWith(err, "452 4.3.1") {
		t.Fatalf("after %d messages: %v", taken, err)
	}
	// What is not deleted stays where it is.
	if out, err := s.Command("collect", "--grace", "1s"); err != nil || !strings.HasPrefix(out, "Nothing to give back") {
		t.Errorf("%s, %v", out, err)
	}
	m := must[*harness.IMAP](t)(s.DialIMAP(to))
	defer m.Close()
	for _, command := range []string{"SELECT INBOX", `STORE 11:* +FLAGS.SILENT (\Deleted)`, "EXPUNGE"} {
		if _, err := m.Command(command); err != nil {
			t.Fatalf("on a full disk: %v", err)
		}
	}
	time.Sleep(2 * time.Second) // beyond the grace
	out := must[string](t)(s.Command("collect", "--grace", "1s"))
	if !strings.HasPrefix(out, fmt.Sprintf("Gave back the room of %d deleted messages", taken-10)) {
		t.Errorf("collected: %s", out)
	}
	if err := c.Send("x@sender.test", []string{to.Address}, letter("again@full.test", 300<<10)); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if out, err := s.Command("verify"); err != nil || !strings.HasPrefix(out, "Everything agrees: 1 account, 11 messages") {
		t.Errorf("%s, %v", out, err)
	}
}
