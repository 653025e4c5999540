package inbound_test

import (
	"testing"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// TestPostToMailbox: who may post to a mailbox sends to it by its address; for everybody else the
// same address is only a subaddress.
func TestPostToMailbox(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	box := map[string]store.Mailbox{}
	for _, name := range []string{"Team Talk", "Secret"} {
		m, err := s.store.CreateMailbox(ctx, s.bjorn.ID, name, store.RoleNone)
		if err != nil {
			t.Fatal(err)
		}
		box[name] = m
	}
	_, _, err := s.store.SetGrant(ctx, s.bjorn.ID, box["Team Talk"].ID, "anna@demo.test", func(store.Rights) store.Rights { return store.RightPost })
	if err != nil {
		t.Fatal(err)
	}
	const text = "From: anna@demo.test\r\nSubject: x\r\n\r\nHej\r\n."
	for _, to := range []string{"Bjorn+team_talk@demo.test", "bjorn+secret@demo.test", "bjorn+nothing@demo.test"} {
		talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<"+to+">", "250", "DATA", "354", text, "250")
	}
	talk(t, s.mail, "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bjorn+team_talk@demo.test>", "250", "DATA", "354", letter, "250")
	for id, messages := range map[store.MailboxID]uint32{box["Team Talk"].ID: 1, box["Secret"].ID: 0, store.InboxID: 3} {
		m, err := s.store.Mailbox(ctx, s.bjorn.ID, id)
		if err != nil || m.Messages != messages {
			t.Errorf("%s has %d messages, %v; want %d", m.Name, m.Messages, err, messages)
		}
	}
	var told []string
	err = s.store.Events(ctx, s.bjorn.ID, s.bjorn.Created.AddDate(-1, 0, 0), s.bjorn.Created.AddDate(1, 0, 0), func(e *store.Event) error {
		if e.Kind == journal.MessageDelivered {
			told = append(told, e.Field("mailbox"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "mailboxes in the journal", told, []string{"Team Talk", "INBOX", "INBOX", "INBOX"})
}
