package imapd

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// TestNotifyOverflow renames more mailboxes at once than are told (the client does not ask for the
// one above them, which would tell of all): it hears that it must look itself, and nothing more.
func TestNotifyOverflow(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	for i := range maxNotified + 1 {
		if _, err := w.store.CreateMailbox(context.Background(), w.account, fmt.Sprintf("Many/%d", i), store.RoleNone); err != nil {
			t.Fatal(err)
		}
	}
	c := w.plainClient()
	names := ""
	for i := range maxNotified + 1 {
		names += fmt.Sprintf(" Many/%d", i)
	}
	c.ok("NOTIFY SET (mailboxes (" + names[1:] + ") (MailboxName))")
	if err := w.store.RenameMailbox(context.Background(), w.account, "Many", "More"); err != nil {
		t.Fatal(err)
	}
	told := 0
	for line := ""; !strings.HasPrefix(line, "* OK [NOTIFICATIONOVERFLOW] "); told++ {
		if line = c.line(); told > maxNotified+2 {
			t.Fatal("told on and on:", line)
		}
	}
	if err := w.store.RenameMailbox(context.Background(), w.account, "More", "Most"); err != nil {
		t.Fatal(err)
	}
	if lines := c.ok("NOOP"); len(lines) != 1 {
		t.Errorf("told after the overflow: %q", lines[0])
	}
}

// TestNotifyEnds holds that a session leaves nothing behind in the store.
func TestNotifyEnds(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	for range 3 {
		c := w.plainClient()
		c.ok("NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MailboxName))")
		c.ok("NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MailboxName))")
		c.ok("LOGOUT")
		if _, err := c.read(); err == nil {
			t.Error("the connection is open after LOGOUT")
		}
	}
	c := w.plainClient()
	c.ok("NOTIFY SET (inboxes (MessageNew MessageExpunge))")
	w.put("INBOX", []byte("Subject: x\r\n\r\ny\r\n"), clock, store.Flags{})
	if line := c.line(); !strings.HasPrefix(line, "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 ") {
		t.Errorf("told %q", line)
	}
}
