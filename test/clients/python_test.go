package clients

import (
	"path/filepath"
	"strings"
	"testing"
)

// script runs a Python script; each line "passed: WHAT" that it prints goes to
// the table.
func (d *desk) script(t *testing.T, name string, args ...string) {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	out := d.run(t, "python3", append([]string{"-W", "error::ResourceWarning", file, d.CA}, args...)...)
	passed := 0
	for line := range strings.Lines(out) {
		if what, ok := strings.CutPrefix(strings.TrimSpace(line), "passed: "); ok {
			d.done.add(d.program, what)
			passed++
		}
	}
	if passed == 0 || !strings.HasSuffix(out, "end\n") {
		t.Errorf("the script did not reach its end:\n%s", tail(out))
	}
}

// testImaplib is a whole session with imaplib.
func testImaplib(t *testing.T, d *desk) {
	anna := d.people[0]
	d.script(t, "imaplib_session.py", port(d.IMAPS), port(d.IMAP), anna.Address, anna.Password)
	d.one(t, anna, "Archive", "moved")
}

// testSmtplib sends with smtplib, and reads the reports that it asked for.
func testSmtplib(t *testing.T, d *desk) {
	anna, bjorn, cecilia := d.people[0], d.people[1], d.people[2]
	d.script(t, "smtplib_session.py", port(d.SMTP), port(d.Submission), port(d.Submissions),
		anna.Password, anna.Address, bjorn.Address, cecilia.Address)
	for _, subject := range []string{"starttls", "many", "eight bits"} {
		d.one(t, bjorn, "INBOX", subject)
	}
	d.one(t, cecilia, "INBOX", "many")
	d.step(t, "the report of delivery that DSN asked for", func(t *testing.T) {
		report := d.one(t, anna, "INBOX", "many").Text // her own copy
		if !strings.Contains(report, "Hello all") {
			t.Errorf("her own copy: %q", report)
		}
		var reports []string
		for _, m := range d.look(t, anna, "INBOX") {
			if strings.Contains(m.Text, "report-type=delivery-status") {
				reports = append(reports, m.Text)
			}
		}
		if len(reports) != 1 {
			t.Fatalf("%d reports", len(reports))
		}
		contains(t, reports[0], "Final-Recipient: rfc822;", bjorn.Address, "Original-Envelope-Id: order-7", "Action: ")
	})
}
