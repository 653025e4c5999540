package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// NeoMutt with GNU SASL would choose SCRAM-SHA-256-PLUS, which it cannot do, and give up
// sending: for submission that is not offered unless asked for (auth.channel_binding).
const neomuttConfig = `
set from = "${USER0}"
set realname = "Anna Å. Demo"
set use_from = yes
set smtp_url = "smtps://${USER0}@localhost:${SUBMISSIONS}/"
set smtp_pass = "${PASSWORD}"
set imap_user = "${USER0}"
set imap_pass = "${PASSWORD}"
set folder = "imaps://localhost:${IMAPS}/"
set spoolfile = "imaps://localhost:${IMAPS}/INBOX"
set record = "imaps://localhost:${IMAPS}/Sent"
set trash = "imaps://localhost:${IMAPS}/Trash"
set certificate_file = "${CA}"
set ssl_ca_certificates_file = "${CA}"
set ssl_verify_host = yes
set ssl_starttls = yes
set editor = "cp ${HOME}/body"
set fast_reply = yes
set abort_unmodified = no
set header_cache = "${HOME}/cache"
set move = no
set confirmappend = no
set delete = yes
set quit = yes
set wait_key = no
set mark_old = no
set beep = no
set sort = date-received
set imap_qresync = yes
set imap_condstore = yes
`

// testNeomutt sends from the command line, and presses keys in the mailbox.
func testNeomutt(t *testing.T, d *desk) {
	anna, bjorn := d.people[0], d.people[1]
	config := d.file(t, "neomuttrc", d.fill(neomuttConfig))
	log := filepath.Join(d.home, "log") // neomutt counts them, 0 is the last
	// keys runs neomutt on a terminal and presses keys in a mailbox.
	keys := func(t *testing.T, mailbox, keys string) {
		t.Helper()
		folder := "imaps://localhost:" + port(d.IMAPS) + "/" + mailbox
		command := "neomutt -n -d 4 -l " + quote(log) + " -F " + quote(config) + " -f " + quote(folder) + " -e " + quote("push '"+keys+"'")
		d.run(t, "script", "-qec", command, filepath.Join(d.home, "typescript"))
	}
	file := d.file(t, "räkning.pdf", "%PDF-1.4\n"+strings.Repeat("\xe5\xe4\xf6 not text \x00\n", 2000))
	body := d.file(t, "body", "Hej Björn!\nSe bilagan.\n")

	d.step(t, "send with an attachment from the command line", func(t *testing.T) {
		d.run(t, "sh", "-c", "neomutt -n -F "+quote(config)+" -s 'Räkning' -a "+quote(file)+" -- "+bjorn.Address+" < "+quote(body))
		contains(t, d.one(t, bjorn, "INBOX", "=?utf-8?Q?R=C3=A4kning?=").Text, "multipart/mixed", "filename*=", "base64", "Hej Bj")
	})
	d.step(t, "write and send; a copy in Sent", func(t *testing.T) {
		keys(t, "INBOX", "<mail>"+bjorn.Address+"<enter>Hello again<enter><send-message><quit>")
		contains(t, d.one(t, bjorn, "INBOX", "Hello again").Text, "Se bilagan.")
		if m := d.one(t, anna, "Sent", "Hello again"); m.Flags != `\Seen` {
			t.Errorf("flags of the copy: %q", m.Flags)
		}
	})
	d.put(t, anna, "INBOX", "one", "two", "three", "four")
	d.step(t, "read and flag", func(t *testing.T) {
		keys(t, "INBOX", "<first-entry><display-message><exit><next-entry><flag-message><quit>")
		if m := d.one(t, anna, "INBOX", "one"); !strings.Contains(m.Flags, `\Seen`) {
			t.Errorf("flags of what was read: %q", m.Flags)
		}
		if m := d.one(t, anna, "INBOX", "two"); !strings.Contains(m.Flags, `\Flagged`) {
			t.Errorf("flags of what was flagged: %q", m.Flags)
		}
	})
	d.step(t, "search in the text on the server, tag and move", func(t *testing.T) {
		keys(t, "INBOX", "<tag-pattern>=b three<enter><tag-prefix><save-message>=Archive<enter><quit>")
		d.one(t, anna, "Archive", "three")
		if left := d.look(t, anna, "INBOX"); len(left) != 3 {
			t.Errorf("%d messages are left", len(left))
		}
	})
	d.step(t, "delete into Trash", func(t *testing.T) {
		keys(t, "INBOX", "<last-entry><delete-message><quit>")
		d.one(t, anna, "Trash", "four")
		if found := with(d.look(t, anna, "INBOX"), "four"); len(found) != 0 {
			t.Error("it is still in the INBOX")
		}
	})
	d.step(t, "open again with the cached headers (CONDSTORE, QRESYNC)", func(t *testing.T) {
		d.imap(t, anna, "SELECT INBOX", `STORE 2 -FLAGS (\Flagged)`)
		d.put(t, anna, "INBOX", "five")
		keys(t, "INBOX", "<first-entry><flag-message><quit>")
		all := d.look(t, anna, "INBOX")
		if len(all) != 3 || with(all, "one")[0].Flags != `\Seen \Flagged` || with(all, "two")[0].Flags != "" {
			t.Errorf("%+v", all)
		}
		said, err := os.ReadFile(log + "0")
		if err != nil {
			t.Fatal(err)
		}
		// What it deleted itself at the end of the last run is gone, and one message has other flags.
		contains(t, string(said), "ENABLE QRESYNC", "VANISHED)", "Handling VANISHED", "Message UID 2 updated")
		if n := strings.Count(string(said), "FETCH 3 (UID FLAGS INTERNALDATE"); strings.Contains(string(said), "QRESYNC failed") || n != 1 {
			t.Errorf("it did not go on from its cache:\n%s", tail(string(said)))
		}
	})
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
