package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/transfer"
)

//go:embed demo-mail/*.eml
var demoMail embed.FS

// letters are what lies in the mailboxes of a new demo, so that there is something to look at.
var letters = []struct {
	file, local, mailbox string
	role                 store.Role
	ago                  time.Duration
	flags                []string
}{
	{"boat-1.eml", "anna", "INBOX", store.RoleInbox, 50 * time.Hour, []string{`\Seen`, `\Answered`}},
	{"boat-2.eml", "anna", "Sent", store.RoleSent, 49 * time.Hour, []string{`\Seen`}},
	{"harbour.eml", "anna", "INBOX", store.RoleInbox, 27 * time.Hour, nil},
	{"prize.eml", "anna", "Junk", store.RoleJunk, 26 * time.Hour, nil},
	{"letter.eml", "anna", "INBOX", store.RoleInbox, 22 * time.Hour, []string{`\Seen`, `\Flagged`}},
	{"boat-3.eml", "anna", "INBOX", store.RoleInbox, 3 * time.Hour, nil},
	{"welcome.eml", "anna", "INBOX", store.RoleInbox, time.Minute, nil},
	{"boat-1.eml", "bjorn", "Sent", store.RoleSent, 50 * time.Hour, []string{`\Seen`}},
	{"boat-2.eml", "bjorn", "INBOX", store.RoleInbox, 49 * time.Hour, []string{`\Seen`, `\Answered`}},
	{"boat-3.eml", "bjorn", "Sent", store.RoleSent, 3 * time.Hour, []string{`\Seen`}},
}

// putLetters fills the mailboxes of an account of the demo that was just made.
func (d *demoCommand) putLetters(ctx context.Context, s *service, a demoAccount) error {
	account, err := s.store.AccountByAddress(ctx, a.Address)
	if err != nil {
		return err
	}
	importer := transfer.NewImporter(s.store, account.ID)
	for _, l := range letters {
		if a.Address != l.local+"@"+d.Domain {
			continue
		}
		raw, err := demoMail.ReadFile("demo-mail/" + l.file)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		at := s.store.Now().Add(-l.ago)
		text := strings.NewReplacer("DOMAIN", d.Domain, "DATE", at.Format(time.RFC1123Z), "\n", "\r\n").Replace(string(raw))
		item := transfer.Item{Mailbox: l.mailbox, Role: l.role, Flags: l.flags, Received: at, Size: int64(len(text)), Body: bytes.NewReader([]byte(text))}
		if err := importer.Add(ctx, &item); err != nil {
			return fmt.Errorf("demo: %s: %w", l.file, err)
		}
	}
	return nil
}
