package message

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/message/address"
)

var aDate = time.Date(2026, 11, 21, 14, 32, 5, 0, time.FixedZone("", 3600))

func TestHeaderWriter(t *testing.T) {
	var h Header
	h.AddAddresses("From", []Address{{"Åsa Berg", "asa@example.org"}})
	h.AddAddresses("To", []Address{{"Bo Ek", "bo@example.org"}, {"Ek, Eva", "eva@example.org"}, {"", "a.very.long.address.indeed@subdomain.example.org"}})
	h.AddAddresses("Cc", nil)
	h.AddText("Subject", "Evil\r\nBcc: x@example.org")
	h.AddText("X-Empty", "")
	h.AddText("Comments", strings.TrimSpace(strings.Repeat("räksmörgås ", 10)))
	h.AddText("Keywords", "日本語のとても長い件名がここに入りますので折り返しが必要です")
	h.AddDate("Date", aDate)
	h.AddMessageIDs("Message-ID", "1@example.org")
	h.AddMessageIDs("References", "0@example.org", "a-rather-long-identifier-of-another-message@example.org")
	h.AddParams("Content-Type", "application/pdf", "name", "a b.pdf", "x", "räkning för november som har ett mycket långt namn så att det delas.pdf")
	want := strings.Join([]string{
		"From: =?utf-8?b?w4VzYSBCZXJn?= <asa@example.org>",
		"To: Bo Ek <bo@example.org>, \"Ek, Eva\" <eva@example.org>,",
		" a.very.long.address.indeed@subdomain.example.org",
		"Subject: Evil  Bcc: x@example.org",
		"X-Empty:",
	}, "\r\n") + "\r\n"
	got := string(h.Bytes())
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for line := range strings.SplitSeq(got, "\r\n") {
		if len(line) > maxColumns {
			t.Errorf("line of %d columns: %s", len(line), line)
		}
	}
	s := Summarize([]byte(got + "\r\n"))
	if s.Parts[0].Name != "a b.pdf" || len(s.References) != 2 || !s.Date.Equal(aDate) {
		t.Errorf("reads back as %+v", s)
	}
	if !strings.Contains(string(s.BodyStructure), "utf-8''r%C3%A4kning%20f%C3%B6r%20november%20som%20har%20ett%20mycket%20l%C3%A5ngt%20namn%20s%C3%A5%20att%20det%20delas.pdf") {
		t.Errorf("long parameter: %s", s.BodyStructure)
	}
}

// Whatever text is written comes back when it is read, and makes no field of its own.
func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(strings.Fields(rapid.StringMatching(`[ -~åÄ日€]{0,200}`).Draw(t, "text")), " ")
		h := Header{UTF8: rapid.Bool().Draw(t, "utf8")}
		h.AddText("Subject", text)
		h.AddAddresses("From", []Address{{text, "a@example.org"}})
		h.AddParams("Content-Disposition", "attachment", "filename", text)
		s := Summarize(append(h.Bytes(), "\r\n"...))
		if s.Subject != text || len(s.From) != 1 || s.From[0].Name != text || s.Parts[0].Filename != text {
			t.Fatalf("%q: subject %q, from %q, file %q of\n%s", text, s.Subject, s.From, s.Parts[0].Filename, h.Bytes())
		}
		if h.UTF8 {
			return
		}
		for line := range strings.SplitSeq(string(h.Bytes()), "\r\n") {
			if !isASCIIText(line) || len(line) > 998 {
				t.Fatalf("line %q", line)
			}
		}
	})
}

func TestReceived(t *testing.T) {
	r := Received{
		HELO: "client.example.net", Host: "host.example.net", IP: netip.MustParseAddr("192.0.2.1"), By: "mx.example.org",
		Protocol: Protocol(true, true, true, false), TLS: "TLS1.3 TLS_AES_128_GCM_SHA256", ID: "0a1b2c3d",
		For: address.Address{Local: "anna", Domain: "example.org"}, Date: aDate,
	}
	want := "Received: from client.example.net (host.example.net [192.0.2.1]) by\r\n" +
		" mx.example.org with ESMTPSA (TLS1.3 TLS_AES_128_GCM_SHA256) id 0a1b2c3d for\r\n" +
		" <anna@example.org>; Sat, 21 Nov 2026 14:32:05 +0100\r\n"
	if got := string(r.AppendTo(nil)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	bad := Received{HELO: "a b)\r\nX: <y>", IP: netip.MustParseAddr("2001:db8::1"), By: "mx.example.org", Protocol: "SMTP", Date: aDate}
	want = "Received: from abX:y ([IPv6:2001:db8::1]) by mx.example.org with SMTP; Sat,"
	if got := string(bad.AppendTo(nil)); strings.Count(got, "\r\n") != 2 || strings.ContainsAny(strings.TrimPrefix(got, "Received: "), "<>") {
		t.Errorf("got\n%s\nwant about\n%s", got, want)
	}
}

func TestProtocol(t *testing.T) {
	tests := []struct {
		extended, tls, auth, utf8 bool
		want                      string
	}{
		{false, false, false, false, "SMTP"}, {true, false, false, false, "ESMTP"}, {true, true, false, false, "ESMTPS"},
		{true, false, true, false, "ESMTPA"}, {true, true, true, false, "ESMTPSA"}, {true, false, false, true, "UTF8SMTP"},
		{true, true, true, true, "UTF8SMTPSA"},
	}
	for _, test := range tests {
		if got := Protocol(test.extended, test.tls, test.auth, test.utf8); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	a, b := NewMessageID("Mail.example.org"), NewMessageID("Mail.example.org")
	if a == b || !strings.HasSuffix(a, "@mail.example.org") {
		t.Errorf("identifiers %s %s", a, b)
	}
	if a, b := NewBoundary(), NewBoundary(); a == b || len(a) > 70 {
		t.Errorf("boundaries %s %s", a, b)
	}
}

func sampleDSN() *DSN {
	return &DSN{
		DeliveryStatus: DeliveryStatus{
			EnvelopeID: "QQ314159", ReportingMTA: "mx.example.org", ReceivedFrom: "client.example.net", Arrival: aDate,
			Recipients: []RecipientStatus{
				{Original: "bo@example.net", Final: "bo.ek@example.net", Action: ActionFailed, Status: "5.1.1",
					RemoteMTA: "mx.example.net", Diagnostic: "550 5.1.1 no such user", LastAttempt: aDate, LogID: "0a1b2c"},
				{Final: "eva@example.net", Action: ActionDelayed, Status: "4.4.1", RetryUntil: aDate.Add(time.Hour)},
			},
		},
		From: Address{"Mail delivery", "mailer-daemon@example.org"}, To: address.Address{Local: "anna", Domain: "example.org"},
		Subject: "Kunde inte levereras", Text: "Ditt brev kom inte fram.\nKontrollera adressen.\n", Language: "sv",
		MessageID: "dsn1@example.org", InReplyTo: "1@example.org", Date: aDate,
		Original: strings.NewReader("Message-ID: <1@example.org>\r\nSubject: Hej\r\n\r\n"),
	}
}

// A report says the same when it is read again.
func TestDSNRoundTrip(t *testing.T) {
	tests := []struct {
		name   string
		change func(*DSN)
		has    []string
	}{
		{"header", func(*DSN) {}, []string{"text/rfc822-headers", "message/delivery-status", "Final-Recipient: rfc822; bo.ek@example.net"}},
		{"full", func(d *DSN) {
			d.FullMessage, d.OriginalEightBit = true, true
			d.Original = strings.NewReader("Message-ID: <1@example.org>\r\nSubject: Hej\r\n\r\nåäö\r\n")
		}, []string{"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit"}},
		{"no original", func(d *DSN) { d.Original = nil }, nil},
		{"text beyond ASCII", func(d *DSN) { d.Text = "Räksmörgås\n" }, []string{"R=C3=A4ksm=C3=B6rg=C3=A5s"}},
		{"utf-8", func(d *DSN) {
			d.UTF8, d.FullMessage, d.OriginalUTF8 = true, true, true
			d.Recipients[0].Final = "åsa@räka.example"
		}, []string{"message/global-delivery-status", "Content-Type: message/global\r\n", "Final-Recipient: utf-8; åsa@räka.example"}},
		{"utf-8 in ASCII", func(d *DSN) { d.Recipients[0].Final = "åsa@räka.example" },
			[]string{"message/delivery-status", `Final-Recipient: utf-8; \x{E5}sa@r\x{E4}ka.example`}},
	}
	for _, test := range tests {
		d := sampleDSN()
		test.change(d)
		var b bytes.Buffer
		n, err := d.WriteTo(&b)
		if err != nil || n != int64(b.Len()) {
			t.Fatalf("%s: %d of %d octets, %v", test.name, n, b.Len(), err)
		}
		for _, text := range append(test.has, "report-type=delivery-status", "Auto-Submitted: auto-replied") {
			if !strings.Contains(b.String(), text) {
				t.Errorf("%s: no %q in\n%s", test.name, text, b.String())
			}
		}
		got, err := ReadDSN(b.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(d.DeliveryStatus, got.DeliveryStatus, sameTime); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if got.Text != strings.TrimSpace(strings.ReplaceAll(d.Text, "\n", "\r\n")) || (got.OriginalMessageID == "1@example.org") != (d.Original != nil) {
			t.Errorf("%s: text %q, original %q", test.name, got.Text, got.OriginalMessageID)
		}
		if err := checkSummary(b.Bytes(), Summarize(b.Bytes())); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestDSNErrors(t *testing.T) {
	d := sampleDSN()
	d.Recipients = nil
	if _, err := d.WriteTo(&bytes.Buffer{}); !errors.Is(err, ErrNoRecipients) {
		t.Errorf("no recipients: %v", err)
	}
	d = sampleDSN()
	broken := errors.New("broken")
	d.Original = iotest.ErrReader(broken)
	if _, err := d.WriteTo(&bytes.Buffer{}); !errors.Is(err, broken) {
		t.Errorf("broken original: %v", err)
	}
	if _, err := ReadDSN([]byte(sample)); !errors.Is(err, ErrNoReport) {
		t.Errorf("no report: %v", err)
	}
}
