package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const offlineimapConfig = `
[general]
accounts = demo
metadata = ${HOME}/meta
ui = basic

[Account demo]
localrepository = here
remoterepository = there

[Repository here]
type = Maildir
localfolders = ${HOME}/Mail

[Repository there]
type = IMAP
remotehost = localhost
remoteport = ${IMAPS}
remoteuser = ${USER0}
remotepass = ${PASSWORD}
ssl = yes
sslcacertfile = ${CA}
auth_mechanisms = PLAIN
`

// testOfflineimap keeps a Maildir and an account in step, both ways.
func testOfflineimap(t *testing.T, d *desk) {
	anna := d.people[0]
	config := d.file(t, "offlineimaprc", d.fill(offlineimapConfig))
	sync := func(t *testing.T) string {
		t.Helper()
		return d.run(t, "offlineimap", "-o", "-c", config)
	}
	inbox := filepath.Join(d.home, "Mail/INBOX")
	var subjects []string
	for n := range 300 {
		subjects = append(subjects, fmt.Sprint("letter ", n))
	}
	d.put(t, anna, "INBOX", subjects...)
	d.imap(t, anna, "CREATE R&AOQ-ksm&APY-rg&AOU-s", "CREATE Work/Projects")
	d.put(t, anna, "Work/Projects", "plan")

	d.step(t, "pull into a Maildir", func(t *testing.T) {
		sync(t)
		for _, s := range subjects {
			inMaildir(t, inbox, s)
		}
		inMaildir(t, d.home+"/Mail/Work.Projects", "plan")
	})
	d.step(t, "flags, deletions and new messages both ways at once", func(t *testing.T) {
		d.imap(t, anna, "SELECT INBOX", `STORE 1:100 +FLAGS (\Answered)`, `STORE 101 +FLAGS (\Deleted)`, "EXPUNGE")
		d.put(t, anna, "INBOX", "from there")
		for n := 101; n < 200; n++ {
			name := inMaildir(t, inbox, subjects[n])
			if err := os.Rename(name, flagged(name, "FS")); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(inMaildir(t, inbox, subjects[299])); err != nil {
			t.Fatal(err)
		}
		d.file(t, "Mail/INBOX/new/1.local.host", strings.ReplaceAll(letter(anna.Address, "from here"), "\r", ""))
		sync(t)
		all := d.look(t, anna, "INBOX")
		if len(all) != 300 {
			t.Errorf("%d messages", len(all))
		}
		flags := map[string]int{}
		for _, m := range all {
			flags[m.Flags]++
		}
		if flags[`\Answered`] != 100 || flags[`\Seen \Flagged`] != 99 || flags[""] != 101 {
			t.Errorf("flags there: %v", flags)
		}
		if len(with(all, "from here")) != 1 || len(with(all, subjects[299])) != 0 {
			t.Error("what changed here is not there")
		}
		inMaildir(t, inbox, "from there")
		if !strings.HasSuffix(inMaildir(t, inbox, subjects[7]), ":2,R") || len(maildir(t, inbox, subjects[100])) != 0 {
			t.Error("what changed there is not here")
		}
	})
	d.step(t, "the next run transfers nothing; UIDs are stable", func(t *testing.T) {
		before, state := snapshot(t, d), uids(d.look(t, anna, "INBOX"))
		out := sync(t)
		if after := snapshot(t, d); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("the Maildir changed from %q to %q\n%s", before, after, out)
		}
		if now := uids(d.look(t, anna, "INBOX")); fmt.Sprint(state) != fmt.Sprint(now) {
			t.Errorf("UIDs %v became %v", state, now)
		}
	})
}
