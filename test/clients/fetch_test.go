package clients

import (
	"os"
	"strings"
	"testing"
)

const getmailConfig = `
[retriever]
type = ${TYPE}
server = localhost
port = ${PORT}
username = ${USER0}
password = ${PASSWORD}
ca_certs = ${CA}
${MORE}

[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat > ${HOME}/${NAME}/new/$$.local")
allow_root_commands = true

[options]
read_all = false
delete = ${DELETE}
delivered_to = false
received = false
`

// testGetmail retrieves with IMAP and with POP3, and keeps account of what it
// has seen.
func testGetmail(t *testing.T, d *desk) {
	anna := d.people[0]
	d.put(t, anna, "INBOX", "one", "two")
	getmail := func(t *testing.T, name string) string {
		t.Helper()
		return d.run(t, "getmail", "--getmaildir", d.home, "--rcfile", d.home+"/"+name+"rc")
	}
	configure := func(t *testing.T, name, kind, port, more, remove string) {
		t.Helper()
		for _, dir := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(d.home+"/"+name+"/"+dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		d.file(t, name+"rc", d.fill(getmailConfig, "${TYPE}", kind, "${PORT}", port, "${MORE}", more, "${DELETE}", remove, "${NAME}", name))
	}
	d.step(t, "IMAP: new messages once", func(t *testing.T) {
		configure(t, "imap", "SimpleIMAPSSLRetriever", port(d.IMAPS), `mailboxes = ("INBOX",)`, "false")
		getmail(t, "imap")
		inMaildir(t, d.home+"/imap", "one")
		inMaildir(t, d.home+"/imap", "two")
		d.put(t, anna, "INBOX", "three")
		contains(t, getmail(t, "imap"), "1 messages")
		inMaildir(t, d.home+"/imap", "three")
		inMaildir(t, d.home+"/imap", "one")
	})
	d.step(t, "POP3: retrieve and delete", func(t *testing.T) {
		configure(t, "pop", "SimplePOP3SSLRetriever", port(d.POP3S), "use_apop = false", "true")
		getmail(t, "pop")
		for _, subject := range []string{"one", "two", "three"} {
			text, err := os.ReadFile(inMaildir(t, d.home+"/pop", subject))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(letter(anna.Address, subject), "\r", ""); !strings.HasSuffix(string(text), want) {
				t.Errorf("retrieved %q, stored %q", text, want)
			}
		}
		if left := d.look(t, anna, "INBOX"); len(left) != 0 {
			t.Errorf("%d messages are left", len(left))
		}
	})
}

const fetchmailConfig = `
set no bouncemail
set idfile "${HOME}/ids"
poll localhost protocol ${PROTOCOL} port ${PORT} ${UIDL}
  user "${USER0}" password "${PASSWORD}" ${KEEP}
  ssl sslcertck sslcertfile "${CA}"
  mda "cat >> ${HOME}/${NAME}.mbox"
`

// testFetchmail hands mail on with POP3 and with IMAP.
func testFetchmail(t *testing.T, d *desk) {
	anna := d.people[0]
	d.put(t, anna, "INBOX", "one", "two")
	// fetchmail ends with 1 when there was no new mail.
	fetchmail := func(t *testing.T, name, protocol, port, uidl, keep string) string {
		t.Helper()
		config := d.file(t, "fetchmailrc", d.fill(fetchmailConfig, "${PROTOCOL}", protocol, "${PORT}", port, "${UIDL}", uidl, "${KEEP}", keep, "${NAME}", name))
		out, err := d.try(t, "fetchmail", "-v", "--nosyslog", "--fetchmailrc", config, "--pidfile", d.home+"/fetchmail.pid")
		if err != nil && err.Error() != "exit status 1" {
			t.Fatalf("fetchmail: %v\n%s", err, tail(out))
		}
		text, err := os.ReadFile(d.home + "/" + name + ".mbox")
		if err != nil {
			t.Fatalf("%v\n%s", err, tail(out))
		}
		return string(text)
	}
	d.step(t, "POP3 with UIDL: mail is kept, and taken once", func(t *testing.T) {
		fetchmail(t, "pop", "POP3", port(d.POP3S), "uidl", "keep")
		d.put(t, anna, "INBOX", "three")
		text := fetchmail(t, "pop", "POP3", port(d.POP3S), "uidl", "keep")
		for _, subject := range []string{"one", "two", "three"} {
			if n := strings.Count(text, "Hej, this is about "+subject+".\n.dot\n"); n != 1 {
				t.Errorf("%q was taken %d times:\n%s", subject, n, text)
			}
		}
		if left := d.look(t, anna, "INBOX"); len(left) != 3 {
			t.Errorf("%d messages are left", len(left))
		}
	})
	d.step(t, "IMAP: mail is taken and deleted", func(t *testing.T) {
		text := fetchmail(t, "imap", "IMAP", port(d.IMAPS), "", "fetchall")
		for _, subject := range []string{"one", "two", "three"} {
			contains(t, text, "Hej, this is about "+subject+".\n.dot\n")
		}
		if left := d.look(t, anna, "INBOX"); len(left) != 0 {
			t.Errorf("%d messages are left", len(left))
		}
	})
}
