package inbound_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

// delivers lets what is queued for addresses here go its way, and what follows from it. It returns what is not taken, by
// address. What goes well goes twice: a repetition is harmless.
func (s *service) delivers(t *testing.T) map[string]cause.Decision {
	t.Helper()
	refused := map[string]cause.Decision{}
	for i := 0; i < len(s.queued); i++ {
		if i == 50 {
			t.Fatal("it goes in a circle")
		}
		sub := s.queued[i]
		for r := range sub.Recipients {
			to := &sub.Recipients[r]
			if !strings.HasSuffix(to.Address, "@demo.test") {
				continue
			}
			before := len(s.queued)
			for range 2 {
				if d := s.backend.DeliverLocal(t.Context(), sub, to); !d.Allowed() {
					refused[to.Address] = d
				}
			}
			if more := s.queued[before:]; len(more) > 1 && slices.ContainsFunc(more[1:], func(x *store.Submission) bool { return x.ID == more[0].ID && x.Account != 0 }) {
				t.Errorf("%s: a repetition queues again", to.Address)
			}
		}
	}
	return refused
}

const toAnna = "From: bo@example.org\r\nTo: anna@demo.test, bjorn@demo.test\r\nSubject: invoice 7\r\nMessage-ID: <7@example.org>\r\n\r\nHej\r\n."

// come brings a message from another server.
func (s *service) come(t *testing.T, text string) {
	t.Helper()
	talk(t, s.mail, "MAIL FROM:<bo@example.org>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", text, "250")
}

// TestQueuedRules: what comes from the queue goes through the rules of its recipient as what comes from outside.
func TestQueuedRules(t *testing.T) {
	for _, c := range []struct {
		name, script string
		inbox        int
		kinds        []string
		queued       []string // beyond the first
		refused      string
	}{
		{"nothing", `keep;`, 1, []string{journal.MessageAccepted, journal.MessageDelivered + " INBOX", journal.RulesKept}, nil, ""},
		{"a folder", `require ["fileinto", "mailbox"]; if header :contains "subject" "invoice" { fileinto :create "Bills"; }`, 0,
			[]string{journal.MessageAccepted, journal.MessageDelivered + " Bills", journal.RulesMoved + " Bills"}, nil, ""},
		{"the author", `require ["fileinto", "mailbox", "envelope"]; if envelope "from" "bo@example.org" { fileinto :create "Bo"; }`, 0,
			[]string{journal.MessageAccepted, journal.MessageDelivered + " Bo", journal.RulesMoved + " Bo"}, nil, ""},
		{"blocked", `if address "from" "bo@example.org" { discard; }`, 0, []string{journal.MessageAccepted, journal.RulesDiscarded}, nil, ""},
		{"sent on", `redirect "cecilia@example.net";`, 0, []string{journal.MessageAccepted, journal.RulesForwarded + " cecilia@example.net"}, []string{"cecilia@example.net"}, ""},
		{"answered", `require "vacation"; vacation "Jag är borta.";`, 1,
			[]string{journal.MessageAccepted, journal.MessageDelivered + " INBOX", journal.RulesAnswered}, []string{"bo@example.org"}, ""},
		{"back again", `redirect "anna@demo.test";`, 0, []string{journal.MessageAccepted, journal.RulesForwarded + " anna@demo.test"}, []string{"anna@demo.test"}, ""},
		{"refused", `require "reject"; reject "Nej tack.";`, 0, nil, nil, "Nej tack."},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, ruling)
			s.script(t, s.anna, `redirect "bjorn@demo.test";`)
			s.script(t, s.bjorn, c.script)
			s.come(t, toAnna)
			refused := s.delivers(t)
			if n := len(s.inbox(t, s.bjorn)); n != c.inbox {
				t.Errorf("%d messages in the inbox", n)
			}
			want(t, "events", s.kinds(t, s.bjorn), c.kinds)
			var queued []string
			for _, sub := range s.queued[1:] {
				queued = append(queued, sub.Recipients[0].Address)
			}
			want(t, "queued", queued, c.queued)
			if d := refused["bjorn@demo.test"]; d.Text("reason") != c.refused || (d.Cause == cause.RecipientRefuses) != (c.refused != "") {
				t.Errorf("refused with %+v", d)
			}
			if c.name == "back again" { // it stays where it has been before
				last := s.kinds(t, s.anna)
				if n := len(s.inbox(t, s.anna)); n != 1 || !slices.Contains(last, journal.RulesNotForwarded+" bjorn@demo.test") {
					t.Errorf("anna has %d messages and %q", n, last)
				}
			}
		})
	}
}

// TestQueuedTrace: what is passed on within the service has one trace, is complete, and says where it has been.
func TestQueuedTrace(t *testing.T) {
	s := start(t, ruling)
	s.script(t, s.anna, `redirect "bjorn@demo.test";`)
	s.script(t, s.bjorn, `require ["fileinto", "mailbox", "copy"]; redirect :copy "cecilia@example.net"; fileinto :create "Bills";`)
	s.come(t, toAnna)
	s.delivers(t)
	if len(s.queued) != 2 || s.queued[0].ID != s.queued[1].ID || s.queued[1].Account != s.bjorn.ID || !strings.Contains(s.queued[1].From, "=example.org=bo@demo.test") {
		t.Errorf("queued %+v", s.queued)
	}
	m, err := s.store.MailboxByName(t.Context(), s.bjorn.ID, "Bills")
	if err != nil {
		t.Fatal(err)
	}
	kept := s.texts(t, s.bjorn, m.ID)
	if len(kept) != 1 || !strings.HasPrefix(kept[0], "Return-Path: <bo@example.org>\r\nDelivered-To: anna@demo.test\r\nReceived: from client.test") ||
		!strings.HasSuffix(kept[0], "\r\n\r\nHej\r\n") {
		t.Errorf("kept %q", kept)
	}
}

// TestQueuedLarge: a message beyond what is kept in memory is read by rules to its end.
func TestQueuedLarge(t *testing.T) {
	s := start(t, ruling)
	s.script(t, s.anna, `redirect "bjorn@demo.test";`)
	s.script(t, s.bjorn, `require ["fileinto", "mailbox", "body"]; if body :contains "the last line" { fileinto :create "Large"; }`)
	s.come(t, "From: bo@example.org\r\nSubject: large\r\n\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000)+"the last line\r\n.")
	s.delivers(t)
	want(t, "events", s.kinds(t, s.bjorn), []string{journal.MessageAccepted, journal.MessageDelivered + " Large", journal.RulesMoved + " Large"})
}

// TestQueuedReport: a report is neither answered nor lost by a rule that refuses it, and there are no answers to answers.
func TestQueuedReport(t *testing.T) {
	s := start(t, ruling)
	ref, err := s.store.Blobs().Put(t.Context(), []byte("From: postmaster@demo.test\r\nTo: anna@demo.test\r\nSubject: Undelivered\r\n\r\nHej\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{`require "reject"; reject "Nej tack.";`, `require "vacation"; vacation "Jag är borta.";`} {
		s.script(t, s.anna, script)
		sub := &store.Submission{ID: store.NewTraceID(time.Now()), Blob: ref, Size: 77, Recipients: []store.SubmissionRecipient{{Address: "anna@demo.test", State: store.Queued}}}
		if d := s.backend.DeliverLocal(t.Context(), sub, &sub.Recipients[0]); !d.Allowed() {
			t.Errorf("%s: %+v", script, d)
		}
	}
	if n := len(s.inbox(t, s.anna)); n != 2 || len(s.queued) != 0 {
		t.Errorf("%d messages, %d queued", n, len(s.queued))
	}
	// Two who are both away write to each other once.
	s = start(t, ruling)
	for _, a := range []store.Account{s.anna, s.bjorn} {
		s.script(t, a, `require "vacation"; vacation "Jag är borta.";`)
	}
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354",
		"From: anna@demo.test\r\nTo: bjorn@demo.test\r\nSubject: x\r\n\r\nHej\r\n.", "250")
	s.delivers(t)
	if a, b := len(s.inbox(t, s.anna)), len(s.inbox(t, s.bjorn)); a != 1 || b != 1 || len(s.queued) != 1 {
		t.Errorf("anna has %d, bjorn %d, %d queued", a, b, len(s.queued))
	}
}

// TestQueuedFull: who has no room is tried again, and has it in the ledger.
func TestQueuedFull(t *testing.T) {
	s := start(t, ruling)
	s.script(t, s.anna, `redirect "bjorn@demo.test";`)
	s.full = s.bjorn.ID
	s.come(t, toAnna)
	if d := s.delivers(t)["bjorn@demo.test"]; d.Action != cause.ActionWait || d.Cause != cause.QuotaMailboxFull {
		t.Errorf("%+v", d)
	}
	if noted := s.noted(t); len(noted) == 0 || noted[0] != journal.RecipientRefused+" quota.mailbox-full bjorn@demo.test" {
		t.Errorf("noted %q", noted)
	}
}

// TestQueuedJunk: what came from elsewhere is judged by what each account that gets it has taught.
func TestQueuedJunk(t *testing.T) {
	s := start(t, ruling, func(o *inbound.Options) { o.Junk = junk.New(junk.Options{Store: o.Store, Threshold: 1}) })
	s.script(t, s.anna, `redirect "bjorn@demo.test";`)
	for range 3 {
		if _, err := s.store.Learn(t.Context(), s.bjorn.ID, store.Lesson{From: "bo@example.org", Junk: true}); err != nil {
			t.Fatal(err)
		}
	}
	s.come(t, toAnna)
	s.delivers(t)
	if n := len(s.inbox(t, s.bjorn)); n != 0 || !slices.Contains(s.kinds(t, s.bjorn), journal.MessageFiledJunk+" Junk") {
		t.Errorf("%d messages in the inbox; %q", n, s.kinds(t, s.bjorn))
	}
}

// TestQueuedPassesOn: messages of the queue for an alias that leads elsewhere, and reports to a rewritten address.
func TestQueuedPassesOn(t *testing.T) {
	s := start(t, forwarding(arc.Key{}))
	s.alias(t, []string{"anna@demo.test"}, []string{"carl@elsewhere.example"})
	ref, err := s.store.Blobs().Put(t.Context(), []byte("Subject: report\r\n\r\nHej\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	back := testRewriter.Forward(address.Address{Local: "x", Domain: "sender.test"}, "demo.test").String()
	nobody := testRewriter.Forward(address.Address{Local: "nobody", Domain: "demo.test"}, "demo.test").String()
	for _, c := range []struct {
		from, to string
		want     string // who gets it elsewhere
		action   cause.Action
	}{
		{"", "team@demo.test", "carl@elsewhere.example", cause.ActionAllow},
		{"", back, "x@sender.test", cause.ActionAllow},
		{"y@sender.test", back, "", cause.ActionRefuse},
		{"", nobody, "", cause.ActionRefuse},
		{"", "anna@demo.test", "", cause.ActionAllow},
		{"", "nobody@demo.test", "", cause.ActionRefuse},
	} {
		s.queued = nil
		sub := &store.Submission{ID: store.NewTraceID(time.Now()), From: c.from, Blob: ref, Size: 24, Recipients: []store.SubmissionRecipient{{Address: c.to, State: store.Queued}}}
		for range 2 { // a repetition has the same id
			if d := s.backend.DeliverLocal(t.Context(), sub, &sub.Recipients[0]); d.Action != c.action {
				t.Errorf("%s: %v", c.to, d)
			}
		}
		switch {
		case c.want == "" && len(s.queued) == 0:
		case len(s.queued) != 2 || s.queued[0].ID != s.queued[1].ID || s.queued[0].ID == sub.ID || s.queued[0].Recipients[0].Address != c.want || s.queued[0].From != c.from:
			t.Errorf("%s: %+v", c.to, s.queued)
		}
	}
	if n := len(s.inbox(t, s.anna)); n != 2 {
		t.Errorf("%d messages in the inbox", n)
	}
}
