package inbound_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
)

// ruling runs the rules of accounts.
func ruling(o *inbound.Options) {
	o.Rules = rules.New(rules.Options{Store: o.Store, Hostname: o.Hostname, Log: slog.New(slog.DiscardHandler)})
	o.Forward = &inbound.Forwarder{SRS: testRewriter, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func (s *service) script(t *testing.T, a store.Account, text string) {
	t.Helper()
	if err := s.store.PutScript(t.Context(), a.ID, "main", text); err != nil {
		t.Fatal(err)
	}
	if err := s.store.ActivateScript(t.Context(), a.ID, "main"); err != nil {
		t.Fatal(err)
	}
}

// kinds are the events of an account about one message, with their main field.
func (s *service) kinds(t *testing.T, a store.Account) (all []string) {
	t.Helper()
	err := s.store.Events(t.Context(), a.ID, a.Created.AddDate(-1, 0, 0), a.Created.AddDate(1, 0, 0), func(e *store.Event) error {
		all = append(all, strings.TrimSpace(e.Kind+" "+e.Field("mailbox")+e.Field("address")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRules(t *testing.T) {
	const text = "From: bo@example.org\r\nTo: anna@demo.test\r\nSubject: invoice 7\r\nMessage-ID: <7@example.org>\r\n\r\nHej\r\n."
	for _, c := range []struct {
		name, script, end string
		inbox             int
		queued            []string // sender and recipient
		kinds             []string
	}{
		{"nothing", `keep;`, "250", 1, nil, []string{journal.MessageAccepted, journal.MessageDelivered + " INBOX", journal.RulesKept}},
		{"a folder", `require ["fileinto", "mailbox"]; if header :contains "subject" "invoice" { fileinto :create "Bills"; }`, "250", 0, nil,
			[]string{journal.MessageAccepted, journal.MessageDelivered + " Bills", journal.RulesMoved + " Bills"}},
		{"a folder and the inbox", `require ["fileinto", "mailbox", "copy"]; fileinto :copy :create "Bills";`, "250", 1, nil,
			[]string{journal.MessageAccepted, journal.MessageDelivered + " Bills, INBOX", journal.RulesMoved + " Bills"}},
		{"thrown away", `discard;`, "250", 0, nil, []string{journal.MessageAccepted, journal.RulesDiscarded}},
		{"sent on", `redirect "cecilia@example.net";`, "250", 0, []string{"SRS0=>cecilia@example.net"},
			[]string{journal.MessageAccepted, journal.RulesForwarded + " cecilia@example.net"}},
		{"answered", `require "vacation"; vacation "Jag är borta.";`, "250", 1, []string{">bo@example.org"},
			[]string{journal.MessageAccepted, journal.MessageDelivered + " INBOX", journal.RulesAnswered}},
		{"refused", `require "reject"; reject "Nej tack.";`, "550 5.7.1", 0, nil, nil},
		{"cannot be run", `require "nonsense"; discard;`, "250", 1, nil, []string{journal.MessageAccepted, journal.MessageDelivered + " INBOX", journal.RulesFailed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, ruling)
			s.script(t, s.anna, c.script)
			talk(t, s.mail, "MAIL FROM:<bo@example.org>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", text, c.end)
			if n := len(s.inbox(t, s.anna)); n != c.inbox {
				t.Errorf("%d messages in the inbox", n)
			}
			var queued []string
			for _, sub := range s.queued {
				from, _, _ := strings.Cut(sub.From, "=")
				if from != "" {
					from += "="
				}
				queued = append(queued, from+">"+sub.Recipients[0].Address)
				if kept, err := s.store.Submission(context.Background(), s.anna.ID, sub.ID); err != nil || kept.Size == 0 {
					t.Errorf("not durable: %+v, %v", kept, err)
				}
			}
			want(t, "queued", queued, c.queued)
			want(t, "events", s.kinds(t, s.anna), c.kinds)
		})
	}
}

// One of two recipients refuses: the other has the message, and the sender is told.
func TestRulesOfOneOfTwo(t *testing.T) {
	s := start(t, ruling)
	s.script(t, s.anna, `require "reject"; reject "Nej tack.";`)
	talk(t, s.mail, "MAIL FROM:<bo@example.org>", "250", "RCPT TO:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354", letter, "250")
	if a, b := len(s.inbox(t, s.anna)), len(s.inbox(t, s.bjorn)); a != 0 || b != 1 {
		t.Errorf("anna has %d, bjorn %d", a, b)
	}
	if len(s.reports) != 1 || !slices.ContainsFunc(s.reports[0].Recipients, func(r store.SubmissionRecipient) bool {
		return r.Address == "anna@demo.test" && r.State == store.Failed && r.Cause == "recipient.refuses" && r.Reply == "Nej tack."
	}) {
		t.Errorf("reports %+v", s.reports)
	}
}

// A submission that is too large for memory goes through rules whole, as any other.
func TestRulesOfALargeSubmission(t *testing.T) {
	s := start(t, ruling)
	s.script(t, s.bjorn, `require ["fileinto", "mailbox", "body"]; if body :contains "the last line" { fileinto :create "Large"; }`)
	text := "From: anna@demo.test\r\nSubject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000) + "the last line\r\n."
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354", text, "250")
	want(t, "events", s.kinds(t, s.bjorn), []string{journal.MessageAccepted, journal.MessageDelivered + " Large", journal.RulesMoved + " Large"})
}
