package inbound_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

// report is what another server sends about a message whose header is given.
func report(header string) string {
	return "From: MAILER-DAEMON@far.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\n\r\nIt could not be delivered.\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.example\r\n\r\n" +
		"Final-Recipient: rfc822; bo@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n" +
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n" + header + "\r\n--b--\r\n."
}

// readsOne takes every report as one about bo@far.example.
func readsOne(o *inbound.Options) {
	o.Bounces = func([]byte) []inbound.Bounced {
		return []inbound.Bounced{{
			To: "bo@far.example", Host: "mx.far.example", Reply: "550 5.1.1 no such user",
			Decision: cause.Refuse(cause.RecipientUnknown, cause.Text("address", "bo@far.example")),
		}}
	}
}

// TestReportJoined: a report shows in the trace of the message that it is about, of those only who
// sent it.
func TestReportJoined(t *testing.T) {
	s := start(t, readsOne, forwarding(arc.Key{}))
	s.alias(t, nil, []string{"carl@elsewhere.example"})
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bo@far.example>", "250", "DATA", "354", letter, "250")
	talk(t, s.mail, "MAIL FROM:<x@sender.test>", "250", "RCPT TO:<team@demo.test>", "250", "DATA", "354", letter, "250")
	own, passed := s.queued[0].ID, s.queued[1].ID
	trace := func(id store.TraceID, by string) string {
		return "Received: from client.test ([127.0.0.1])\r\n by " + by + " with ESMTPA id " + id.String() + ";\r\n Mon, 2 Nov 2026 10:00:00 +0100\r\n"
	}
	back := testRewriter.Forward(address.Address{Local: "x", Domain: "sender.test"}, "demo.test").String()
	for _, c := range []struct {
		about, from, to, header string
		trace                   store.TraceID // of the event, zero for none
		account                 store.AccountID
	}{
		{"by its trace", "", "anna@demo.test", trace(own, "mx.demo.test"), own, s.anna.ID},
		{"by its Message-ID", "", "anna@demo.test", "Message-ID: <1@demo.test>\r\n", own, s.anna.ID},
		{"passed on", "", back, trace(passed, "mx.demo.test"), passed, 0},
		{"by somebody else", "", "bjorn@demo.test", trace(own, "mx.demo.test"), store.TraceID{}, 0},
		{"another server's trace", "", "anna@demo.test", trace(own, "mx.far.example"), store.TraceID{}, 0},
		{"a trace of nothing", "", "anna@demo.test", trace(store.NewTraceID(time.Now()), "mx.demo.test"), store.TraceID{}, 0},
		{"no trace", "", "anna@demo.test", "Subject: x\r\n", store.TraceID{}, 0},
		{"not a bounce", "y@far.example", "anna@demo.test", trace(own, "mx.demo.test"), store.TraceID{}, 0},
	} {
		s.set(func() { s.events = nil })
		talk(t, s.mail, "MAIL FROM:<"+c.from+">", "250", "RCPT TO:<"+c.to+">", "250", "DATA", "354", report(c.header), "250")
		var found []store.Event
		s.set(func() { found = s.events })
		if c.trace.IsZero() {
			if len(found) != 0 {
				t.Errorf("%s: %+v", c.about, found)
			}
			continue
		}
		if len(found) != 1 {
			t.Fatalf("%s: %d events", c.about, len(found))
		}
		e := &found[0]
		if e.Trace != c.trace || e.Account != c.account || e.Kind != journal.MessageBounced || e.Cause != cause.RecipientUnknown ||
			e.Field("to") != "bo@far.example" || e.Field("host") != "mx.far.example" || e.Field("reply") == "" || e.Field("report") == "" {
			t.Errorf("%s: %+v", c.about, e)
		}
	}
	if n := len(s.inbox(t, s.anna)); n != 6 {
		t.Errorf("anna has %d messages", n)
	}
}

// TestMailIsNoReport: what is no report is not read as one.
func TestMailIsNoReport(t *testing.T) {
	s := start(t, func(o *inbound.Options) {
		o.Bounces = func([]byte) []inbound.Bounced { t.Error("read"); return nil }
	})
	talk(t, s.mail, "MAIL FROM:<>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", letter, "250")
	talk(t, s.submission, signIn, "235", "MAIL FROM:<>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354",
		strings.Replace(report(""), "MAILER-DAEMON@far.example", "anna@demo.test", 1), "250")
}
