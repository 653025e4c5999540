package inbound_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// checking lets mail be checked against zones of a DNS of its own.
func checking(t *testing.T) func(*inbound.Options) {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	in.Zone("good.example").Set("@ TXT \"v=spf1 ip4:127.0.0.1 -all\"", "_dmarc TXT \"v=DMARC1; p=reject\"")
	in.Zone("strict.example").Set("@ TXT \"v=spf1 -all\"", "_dmarc TXT \"v=DMARC1; p=reject\"")
	in.Zone("careful.example").Set("@ TXT \"v=spf1 -all\"", "_dmarc TXT \"v=DMARC1; p=quarantine\"")
	server, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	dns, err := resolver.New(resolver.Options{Servers: []string{server.UDP}})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *inbound.Options) {
		o.Junk = junk.New(junk.Options{Store: o.Store})
		o.Genuine = genuine.New(genuine.Options{Resolver: dns, AuthservID: o.Hostname})
	}
}

// What a domain says of mail in its name is done, and written into the message.
func TestGenuine(t *testing.T) {
	s := start(t, checking(t))
	for _, c := range []struct{ domain, end string }{{"good.example", "250"}, {"careful.example", "250"}, {"strict.example", "550 5.7.26"}} {
		forged := "Authentication-Results: mx.demo.test; dmarc=pass\r\nAuthentication-Results: other.example; dkim=pass\r\n"
		talk(t, s.mail, "MAIL FROM:<bo@"+c.domain+">", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354",
			forged+"From: bo@"+c.domain+"\r\nSubject: "+c.domain+"\r\n\r\nHej\r\n.", c.end)
	}
	kept := s.inbox(t, s.anna)
	if len(kept) != 1 {
		t.Fatalf("%d messages in the inbox", len(kept))
	}
	for _, line := range []string{
		"Return-Path: <bo@good.example>\r\nAuthentication-Results: mx.demo.test;", "spf=pass", "dmarc=pass", "\r\nReceived: from",
		"\r\nAuthentication-Results: other.example; dkim=pass\r\nFrom: bo@good.example\r\n",
	} {
		if !strings.Contains(kept[0], line) {
			t.Errorf("%q is not in\n%s", line, kept[0])
		}
	}
	if strings.Contains(kept[0], "mx.demo.test; dmarc=pass\r\n") {
		t.Errorf("what the sender wrote in our name is still there:\n%s", kept[0])
	}
	var junk store.MailboxID
	boxes, err := s.store.Mailboxes(t.Context(), s.anna.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		if m.Role == store.RoleJunk {
			junk = m.ID
		}
	}
	var subjects, told []string
	err = s.store.Messages(t.Context(), s.anna.ID, junk, uid.All(), func(m *store.Message) error {
		b, err := s.store.ReadBody(t.Context(), nil, &m.Email, 0, m.Email.Size)
		if strings.Contains(string(b), "careful.example") {
			subjects = append(subjects, "careful.example")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "in Junk", subjects, []string{"careful.example"})
	err = s.store.Events(t.Context(), s.anna.ID, s.anna.Created.AddDate(-1, 0, 0), s.anna.Created.AddDate(1, 0, 0), func(e *store.Event) error {
		if e.Kind == journal.MessageAccepted {
			told = append(told, e.Field("genuine"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "told", told, []string{"spf=pass dmarc=pass", "spf=fail dmarc=fail"})
}

// Mail under suspicion must come again; nothing is stored until it does.
func TestGreylist(t *testing.T) {
	var grey *junk.Greylist
	s := start(t, checking(t), func(o *inbound.Options) {
		grey = &junk.Greylist{Store: o.Store, From: 2, Delay: time.Hour}
		o.Greylist = grey
	})
	const text = "From: bo@nobody.example\r\nReply-To: x@elsewhere.example\r\nSubject: WIN A PRIZE NOW!!!\r\n\r\nHej\r\n."
	offer := func(end string) {
		t.Helper()
		talk(t, s.mail, "MAIL FROM:<bo@nobody.example>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", text, end)
	}
	offer("451 4.7.1")
	offer("451 4.7.1")
	if got := s.kinds(t, s.anna); len(got) != 0 {
		t.Errorf("the store has %v", got)
	}
	told := 0
	for _, e := range s.events {
		if e.Account == s.anna.ID && e.Cause == "reputation.greylisted" && e.Field("reasons") != "" {
			told++
		}
	}
	if told != 2 {
		t.Errorf("%d events: %+v", told, s.events)
	}
	grey.Delay = 0
	offer("250")
	talk(t, s.mail, "MAIL FROM:<bo@good.example>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", "From: bo@good.example\r\nSubject: hej\r\n\r\nHej\r\n.", "250")
}

// A message that is too large for memory goes the same way.
func TestGenuineLarge(t *testing.T) {
	s := start(t, checking(t))
	line := strings.Repeat("x", 70) + "\r\n"
	talk(t, s.mail, "MAIL FROM:<bo@good.example>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354",
		"Authentication-Results: mx.demo.test; dmarc=pass\r\nFrom: bo@good.example\r\n\r\n"+strings.Repeat(line, 8000)+".", "250")
	kept := s.inbox(t, s.anna)
	if len(kept) != 1 || !strings.HasPrefix(kept[0], "Return-Path: <bo@good.example>\r\nAuthentication-Results: mx.demo.test;") ||
		!strings.HasSuffix(kept[0], "\r\nFrom: bo@good.example\r\n\r\n"+strings.Repeat(line, 8000)) {
		t.Fatalf("%d messages, %.400s", len(kept), kept)
	}
}
