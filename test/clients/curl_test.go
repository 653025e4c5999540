package clients

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// whyLink is where a refusal is explained.
var whyLink = regexp.MustCompile(`https://\S+/why/[a-z.-]+`)

// testCurl uses curl for SMTP, IMAP and POP3.
func testCurl(t *testing.T, d *desk) {
	anna, bjorn := d.people[0], d.people[1]
	curl := func(t *testing.T, args ...string) string {
		t.Helper()
		return d.run(t, "curl", append([]string{"-sS", "--cacert", d.CA, "--user", bjorn.Address + ":" + bjorn.Password}, args...)...)
	}
	send := func(t *testing.T, url, subject, sasl string) {
		t.Helper()
		file := d.file(t, "letter", letter(anna.Address, subject))
		d.run(t, "curl", "-sS", "--ssl-reqd", "--cacert", d.CA, "--user", anna.Address+":"+anna.Password, "--login-options", "AUTH="+sasl,
			"--url", url+"/client.test", "--mail-from", anna.Address, "--mail-rcpt", bjorn.Address, "--upload-file", file)
		if m := d.one(t, bjorn, "INBOX", subject); !strings.HasSuffix(m.Text, ".\r\n.dot\r\n") {
			t.Errorf("arrived as %q", m.Text)
		}
	}
	imaps, pop3s := "imaps://localhost:"+port(d.IMAPS), "pop3s://localhost:"+port(d.POP3S)

	d.step(t, "submission with STARTTLS, AUTH PLAIN", func(t *testing.T) {
		send(t, "smtp://localhost:"+port(d.Submission), "curl starttls", "PLAIN")
	})
	d.step(t, "submission with implicit TLS, AUTH LOGIN", func(t *testing.T) {
		send(t, "smtps://localhost:"+port(d.Submissions), "curl tls", "LOGIN")
	})
	d.step(t, "a wrong password is refused with its cause, whose page explains it", func(t *testing.T) {
		out, err := d.try(t, "curl", "-v", "-sS", "--ssl-reqd", "--cacert", d.CA, "--user", anna.Address+":wrong-password",
			"--url", "smtp://localhost:"+port(d.Submission), "--mail-from", anna.Address, "--mail-rcpt", bjorn.Address, "--upload-file", filepath.Join(d.home, "letter"))
		if err == nil {
			t.Fatalf("it was taken:\n%s", out)
		}
		contains(t, out, "535 5.7.8", "/why/auth.password-wrong")
		link := whyLink.FindString(out)
		page := d.run(t, "curl", "-sS", "--fail", "--cacert", d.CA, "--header", "Accept-Language: sv", link)
		contains(t, page, "<html lang=\"sv\"", "lösenord", "auth.password-wrong")
	})
	d.step(t, "IMAP LIST, APPEND, SEARCH, FETCH byte for byte", func(t *testing.T) {
		contains(t, curl(t, imaps+"/"), `"/" INBOX`, "Sent", "Drafts", "Trash")
		text := letter(bjorn.Address, "curl draft")
		curl(t, "--upload-file", d.file(t, "draft", text), imaps+"/Drafts")
		found := curl(t, imaps+"/Drafts?"+url.PathEscape("SUBJECT draft"))
		if strings.TrimSpace(found) != "* SEARCH 1" {
			t.Errorf("search found %q", found)
		}
		curl(t, "--output", filepath.Join(d.home, "back"), imaps+"/Drafts;UID=1")
		if back, err := os.ReadFile(filepath.Join(d.home, "back")); err != nil || string(back) != text {
			t.Errorf("fetched %q, %v; stored %q", back, err, text)
		}
	})
	d.step(t, "IMAP with STARTTLS: flags, a section, MOVE", func(t *testing.T) {
		drafts := "imap://localhost:" + port(d.IMAP) + "/Drafts"
		curl(t, "--ssl-reqd", "--request", `STORE 1 +FLAGS (\Flagged)`, drafts)
		if m := d.one(t, bjorn, "Drafts", "curl draft"); !strings.Contains(m.Flags, `\Flagged`) {
			t.Errorf("flags %q", m.Flags)
		}
		contains(t, curl(t, "--ssl-reqd", drafts+";UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)"), "Subject: curl draft")
		curl(t, "--ssl-reqd", "--request", "UID MOVE 1 Archive", drafts)
		d.one(t, bjorn, "Archive", "curl draft")
		if left := d.look(t, bjorn, "Drafts"); len(left) != 0 {
			t.Errorf("%d messages stayed", len(left))
		}
	})
	d.step(t, "POP3 LIST, UIDL, RETR, DELE", func(t *testing.T) {
		listed := strings.Fields(curl(t, pop3s+"/"))
		if len(listed) != 4 { // two messages: number and size of each
			t.Fatalf("listed %q", listed)
		}
		contains(t, curl(t, "--request", "UIDL", pop3s+"/"), "1 ", "2 ")
		text := curl(t, pop3s+"/1")
		if stored := d.one(t, bjorn, "INBOX", "curl starttls").Text; text != stored {
			t.Errorf("retrieved %q, stored %q", text, stored)
		}
		curl(t, "--request", "DELE", "--head", pop3s+"/2")
		if left := d.look(t, bjorn, "INBOX"); len(left) != 1 {
			t.Errorf("%d messages are left", len(left))
		}
	})
}
