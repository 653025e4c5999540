package inbound_test

import (
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// A complaint about a message shows in its trace; one about a message that was never sent does not.
func TestFeedback(t *testing.T) {
	s := start(t)
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bo@far.example>", "250", "DATA", "354", letter, "250")
	sent := s.queued[0]
	body, err := s.store.Blobs().Read(t.Context(), nil, sent.Blob, 0, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	report := func(original string) string {
		return "From: fbl@far.example\r\nTo: anna@demo.test\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n" +
			"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
			"Feedback-Type: abuse\r\nOriginal-Rcpt-To: <bo@far.example>\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + original + "\r\n--b--\r\n."
	}
	forged := strings.ReplaceAll(string(body), sent.ID.String(), store.NewTraceID(sent.Created).String())
	for _, original := range []string{string(body), forged, "From: anna@demo.test\r\n\r\nx", "From: x@elsewhere.example\r\n\r\nx"} {
		talk(t, s.mail, "MAIL FROM:<fbl@far.example>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", report(original), "250")
	}
	var told []string
	for _, e := range s.events {
		if e.Kind == journal.MessageComplained {
			told = append(told, e.Trace.String()+" "+e.Field("host")+" "+e.Field("type")+" "+e.Field("to"))
			if e.Account != s.anna.ID {
				t.Errorf("told to account %d", e.Account)
			}
		}
	}
	want(t, "complaints", told, []string{sent.ID.String() + " far.example abuse bo@far.example"})
}
