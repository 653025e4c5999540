package message

import (
	"errors"
	"strings"
	"testing"
)

const feedbackReport = "From: abuse@far.example\r\nTo: abuse@demo.test\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nSomebody pressed the button.\r\n" +
	"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: Abuse\r\nUser-Agent: Far/1\r\nVersion: 1\r\n" +
	"Original-Mail-From: <anna@demo.test>\r\nOriginal-Rcpt-To: <bo@far.example>\r\nOriginal-Rcpt-To: <cy@far.example>\r\nSource-IP: 192.0.2.1\r\n" +
	"Arrival-Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nReported-Domain: Demo.test\r\n\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nReceived: from x by mail.demo.test with ESMTPSA id 06h\r\nFrom: anna@demo.test\r\nMessage-ID: <7@demo.test>\r\n\r\nBuy!\r\n--b--\r\n"

func TestReadFeedback(t *testing.T) {
	f, err := ReadFeedback([]byte(feedbackReport))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != "abuse" || f.UserAgent != "Far/1" || f.From != "anna@demo.test" || strings.Join(f.To, " ") != "bo@far.example cy@far.example" ||
		f.Source.String() != "192.0.2.1" || f.Arrival.Hour() != 8 || f.ReportedDomain != "demo.test" ||
		f.OriginalMessageID != "7@demo.test" || !strings.HasPrefix(string(f.OriginalHeader), "Received: from x") {
		t.Errorf("%+v %s", f, f.OriginalHeader)
	}
	for _, text := range []string{"", "Subject: x\r\n\r\nFeedback-Type: abuse\r\n", strings.Replace(feedbackReport, "Feedback-Type: Abuse\r\n", "", 1)} {
		if _, err := ReadFeedback([]byte(text)); !errors.Is(err, ErrNoFeedback) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func FuzzReadFeedback(f *testing.F) {
	f.Add([]byte(feedbackReport))
	f.Add([]byte(strings.ReplaceAll(feedbackReport, "\r\n", "\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadFeedback(b)
		if err == nil && (r.Type == "" || len(r.To) > maxFeedbackRecipients) {
			t.Errorf("%+v", r)
		}
	})
}
