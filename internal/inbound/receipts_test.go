package inbound_test

import (
	"testing"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// readReceipt is what the program of a reader sends about a message.
func readReceipt(fields string) string {
	return "From: bo@far.example\r\nTo: anna@demo.test\r\nSubject: Read: Hej\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n" +
		"--b\r\n\r\nIt was shown.\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n" + fields + "\r\n--b--\r\n."
}

// TestReceipt: a read receipt shows in the trace of the message that it is about, of those only who sent it, and nowhere else.
func TestReceipt(t *testing.T) {
	s := start(t)
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bo@far.example>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354", letter, "250")
	sent := s.queued[0].ID
	const shown = "Disposition: manual-action/MDN-sent-manually; displayed\r\n"
	for _, c := range []struct {
		about, to, fields string
		want              string
	}{
		{"opened", "anna", "Final-Recipient: rfc822;bo@far.example\r\nOriginal-Message-ID: <1@demo.test>\r\n" + shown, "message.displayed bo@far.example "},
		{"deleted", "anna", "Original-Recipient: rfc822;bo@far.example\r\nFinal-Recipient: rfc822;b@x.example\r\nOriginal-Message-ID: <1@demo.test>\r\n" +
			"Disposition: automatic-action/MDN-sent-automatically; deleted\r\n", "message.receipt bo@far.example deleted"},
		{"nobody named", "anna", "Original-Message-ID: <1@demo.test>\r\n" + shown, "message.displayed  "},
		{"another message", "anna", "Original-Message-ID: <2@demo.test>\r\n" + shown, ""},
		{"another's message", "bjorn", "Original-Message-ID: <1@demo.test>\r\n" + shown, ""},
		{"no message", "anna", shown, ""},
		{"no disposition", "anna", "Original-Message-ID: <1@demo.test>\r\n", ""},
	} {
		s.set(func() { s.events = nil })
		talk(t, s.mail, "MAIL FROM:<>", "250", "RCPT TO:<"+c.to+"@demo.test>", "250", "DATA", "354", readReceipt(c.fields), "250")
		got := ""
		s.set(func() {
			for _, e := range s.events {
				got += e.Kind + " " + e.Field("to") + " " + e.Field("disposition")
				if e.Trace != sent || e.Account != s.anna.ID || e.Field("report") == "" {
					t.Errorf("%s: %+v", c.about, e)
				}
			}
		})
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

// TestReceiptOfSubmission: a receipt from an account here is kept with the email submission of the sender.
func TestReceiptOfSubmission(t *testing.T) {
	s := start(t)
	sub := s.handIn(t, letter, "bjorn@demo.test")
	made, err := s.store.EmailSubmission(t.Context(), s.anna.ID, sub.Handed)
	if err != nil {
		t.Fatal(err)
	}
	if d := s.road().Depart(t.Context(), sub); !d.Allowed() {
		t.Fatal(d)
	}
	receipt := "From: bjorn@demo.test\r\n" + readReceipt("Final-Recipient: rfc822;Bjorn@demo.test\r\nOriginal-Message-ID: <" + made.MessageID + ">\r\n" +
		"Disposition: manual-action/MDN-sent-manually; displayed\r\n")[len("From: bo@far.example\r\n"):]
	signedIn := "AUTH PLAIN AGJqb3JuQGRlbW8udGVzdABzZWNyZXQ=" // bjorn's
	talk(t, s.submission, signedIn, "235", "MAIL FROM:<>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", receipt, "250")
	e, err := s.store.EmailSubmission(t.Context(), s.anna.ID, sub.Handed)
	if err != nil || len(e.Receipts) != 1 || e.Opened["bjorn@demo.test"].IsZero() || e.Recipients[0].State != store.Placed {
		t.Errorf("%+v, %v", e, err)
	}
	last := s.events[len(s.events)-1]
	if last.Kind != journal.MessageDisplayed || last.Trace != sub.ID || last.Account != s.anna.ID {
		t.Errorf("%+v", last)
	}
}
