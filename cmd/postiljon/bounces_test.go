package main

import (
	"fmt"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
)

// TestReadBounces: what servers' reports mean, each as a decision that the catalogue knows.
func TestReadBounces(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	book, err := dialect.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ action, status, diagnostic, want string }{
		{"failed", "5.1.1", "550 5.1.1 <bo@far.example>: user unknown", "recipient.unknown 2"},
		{"failed", "5.2.2", "552 5.2.2 mailbox full", "quota.recipient-full 2"},
		{"failed", "5.7.26", "550-5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy", "sender.not-aligned 2"},
		{"failed", "5.0.0", "554 no", "recipient.refuses 2"},
		{"delayed", "4.2.2", "452 4.2.2 over quota", "quota.recipient-full 1"},
		{"delivered", "2.0.0", "250 ok", ""},
		{"relayed", "2.0.0", "250 ok", ""},
	} {
		eml := "From: MAILER-DAEMON@far.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
			"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.example\r\n\r\n" +
			"Final-Recipient: rfc822; bo@far.example\r\nAction: " + c.action + "\r\nStatus: " + c.status + "\r\nDiagnostic-Code: smtp; " + c.diagnostic + "\r\n--b--\r\n"
		got := ""
		for _, b := range readBounces(catalogue, book, []byte(eml)) {
			got = fmt.Sprint(b.Decision.Cause, " ", int(b.Decision.Action))
			if err := catalogue.Check(b.Decision); err != nil {
				t.Error(err)
			}
			if b.To != "bo@far.example" || b.Host != "mx.far.example" || b.Reply == "" {
				t.Errorf("%+v", b)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.diagnostic, got, c.want)
		}
	}
	if all := readBounces(catalogue, book, []byte("Subject: hello\r\n\r\nnothing\r\n")); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
