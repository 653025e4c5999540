package inbound_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/dmarc"
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
	return checkingWith(t, func(*genuine.Options) {})
}

func checkingWith(t *testing.T, change func(*genuine.Options)) func(*inbound.Options) {
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
		with := genuine.Options{Resolver: dns, AuthservID: o.Hostname}
		change(&with)
		o.Genuine = genuine.New(with)
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

// reports keeps what domains are told.
type reports struct{ all []dmarc.Observation }

func (r *reports) Note(o dmarc.Observation) { r.all = append(r.all, o) }

// TestAllowed: who lets a sender through has the mail that the sender's domain wants refused or put aside, marked as such;
// unless somebody else was to get it, too, who has not said so.
func TestAllowed(t *testing.T) {
	told := &reports{}
	s := start(t, checkingWith(t, func(o *genuine.Options) { o.Reports = told }), forwarding(arc.Key{}))
	s.alias(t, []string{"anna@demo.test"}, []string{"carl@elsewhere.example"})
	allow := func(a store.Account, sender string) {
		t.Helper()
		if err := s.store.AllowSender(t.Context(), a.ID, sender); err != nil {
			t.Fatal(err)
		}
	}
	for _, sender := range []string{"Bo@Strict.Example", "@careful.example", "bo@good.example"} {
		allow(s.anna, sender)
	}
	for _, c := range []struct{ about, from, to, end string }{
		{"let through", "From: Bo <bo@strict.example>\r\n", "anna@demo.test", "250"},
		{"a domain", "From: anybody@careful.example\r\n", "anna@demo.test", "250"},
		{"somebody else there", "From: eve@strict.example\r\n", "anna@demo.test", "550 5.7.26"},
		{"one recipient wants it, the other has not said so", "From: bo@strict.example\r\n", "anna@demo.test bjorn@demo.test", "550 5.7.26"},
		{"it would go elsewhere, too", "From: bo@strict.example\r\n", "team@demo.test", "550 5.7.26"},
		{"two authors", "From: bo@strict.example, bo@good.example\r\n", "anna@demo.test", "550 5.7.26"},
		{"two fields", "From: bo@strict.example\r\nFrom: bo@strict.example\r\n", "anna@demo.test", "550 5.7.26"},
	} {
		t.Run(c.about, func(t *testing.T) {
			told.all = nil
			before := len(s.inbox(t, s.anna))
			dialogue := []string{"MAIL FROM:<x@strict.example>", "250"}
			for to := range strings.FieldsSeq(c.to) {
				dialogue = append(dialogue, "RCPT TO:<"+to+">", "250")
			}
			talk(t, s.mail, append(dialogue, "DATA", "354", c.from+"To: anna@demo.test\r\nSubject: x\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@x.example>\r\n\r\nHej\r\n.", c.end)...)
			kept, came := s.inbox(t, s.anna), c.end == "250"
			if (len(kept) > before) != came {
				t.Fatalf("%d messages in the inbox, %d before", len(kept), before)
			}
			want := dmarc.Reason{}
			if came {
				want = dmarc.Reason{Type: "local_policy", Comment: "its recipients let the sender through"}
				if last := kept[len(kept)-1]; !strings.Contains(last, "dmarc=fail") || !strings.Contains(last, "policy.allowed-by=recipient;") {
					t.Errorf("not marked:\n%s", last)
				}
			}
			if len(told.all) != 1 || told.all[0].Reason != want || (told.all[0].Disposition == dmarc.None) != came {
				t.Errorf("the domain is told %+v", told.all)
			}
		})
	}
	// The other agrees; then it is taken back.
	allow(s.bjorn, "strict.example")
	both := []string{"MAIL FROM:<bo@strict.example>", "250", "RCPT TO:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354", "From: bo@strict.example\r\n\r\nHej\r\n."}
	talk(t, s.mail, append(both, "250")...)
	if err := s.store.DisallowSender(t.Context(), s.anna.ID, "bo@strict.example"); err != nil {
		t.Fatal(err)
	}
	talk(t, s.mail, append(both, "550 5.7.26")...)
	if n := len(s.inbox(t, s.bjorn)); n != 1 {
		t.Errorf("bjorn has %d messages", n)
	}
}
