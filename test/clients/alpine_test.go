package clients

import (
	"strings"
	"testing"
)

const alpineConfig = `
personal-name=Anna Demo
user-domain=${DOMAIN}
inbox-path={localhost:${IMAPS}/ssl/user=${USER0}}INBOX
folder-collections=Mail {localhost:${IMAPS}/ssl/user=${USER0}}[]
smtp-server=localhost:${SUBMISSIONS}/ssl/user=${USER0}
default-fcc={localhost:${IMAPS}/ssl/user=${USER0}}Sent
postponed-folder={localhost:${IMAPS}/ssl/user=${USER0}}Drafts
customized-hdrs=From: ${USER0}
feature-list=quit-without-confirm,expunge-without-confirm,allow-changing-from
last-version-used=7.00
`

// testAlpine presses keys in Alpine, which speaks IMAP by the c-client library.
func testAlpine(t *testing.T, d *desk) {
	anna, bjorn := d.people[0], d.people[1]
	_, domain, _ := strings.Cut(anna.Address, "@")
	config := d.file(t, "pinerc", d.fill(alpineConfig, "${DOMAIN}", domain))
	d.put(t, anna, "INBOX", "one", "two", "three")
	v := d.terminal(t, "SSL_CERT_FILE="+quote(d.CA)+" alpine -p "+quote(config)+" -i")

	d.step(t, "sign in and read", func(t *testing.T) {
		v.want(t, "PASSWORD")
		v.write(t, anna.Password)
		v.keys(t, "Enter")
		v.want(t, "Preserve password on DISK")
		v.keys(t, "n")
		v.want(t, "three")
		v.keys(t, "Enter")
		v.want(t, "this is about one")
		v.keys(t, "<")
		v.want(t, "MESSAGE INDEX")
	})
	d.step(t, "flag, and save in another mailbox", func(t *testing.T) {
		v.keys(t, "*")
		v.want(t, "[Important]")
		v.keys(t, "Enter")
		v.want(t, "*     1")
		v.keys(t, "n", "s")
		v.want(t, "SAVE Msg #2")
		v.keys(t, "C-u")
		v.write(t, "Archive")
		v.keys(t, "Enter")
		v.want(t, "D   2")
		d.one(t, anna, "Archive", "two")
	})
	d.step(t, "a message that is delivered meanwhile is shown", func(t *testing.T) {
		d.put(t, anna, "INBOX", "four")
		v.keys(t, "C-l") // looks for new mail, too
		v.want(t, "four")
	})
	d.step(t, "write and send; a copy in Sent", func(t *testing.T) {
		v.keys(t, "c")
		v.want(t, "Message Text")
		v.write(t, bjorn.Address)
		v.keys(t, "C-n", "C-n", "C-n")
		v.write(t, "From the mountain")
		v.keys(t, "C-n")
		v.write(t, "Hello from Alpine")
		v.keys(t, "C-x")
		v.want(t, "Send message?")
		v.keys(t, "y")
		v.want(t, "PASSWORD")
		v.write(t, anna.Password)
		v.keys(t, "Enter")
		v.want(t, "Preserve password on DISK")
		v.keys(t, "n")
		contains(t, d.one(t, bjorn, "INBOX", "From the mountain").Text, "Hello from Alpine")
		d.one(t, anna, "Sent", "From the mountain")
	})
	d.step(t, "expunge and quit", func(t *testing.T) {
		v.want(t, "MESSAGE INDEX")
		v.keys(t, "x")
		v.want(t, "of 3")
		v.keys(t, "q")
		v.ended(t)
		all := d.look(t, anna, "INBOX")
		if len(all) != 3 || len(with(all, "two")) != 0 || !strings.Contains(with(all, "one")[0].Flags, `\Flagged`) {
			t.Errorf("left: %+v", all)
		}
	})
}
