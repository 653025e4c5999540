package inbound_test

import (
	"slices"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestArrived: what came by mail is told from what a program put into a mailbox, whatever its header says, and also where somebody
// copies it to.
func TestArrived(t *testing.T) {
	s := start(t)
	talk(t, s.mail, "MAIL FROM:<bo@far.example>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", letter, "250")
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", letter, "250")
	if _, err := s.store.Append(t.Context(), s.anna.ID, store.InboxID, []store.NewEmail{storetest.Email(t, s.store, "Received: from x by mx.demo.test with ESMTP\r\n"+letter)}); err != nil {
		t.Fatal(err)
	}
	copying := store.Copying{From: store.Place{Account: s.anna.ID, Mailbox: store.InboxID}, To: store.Place{Account: s.bjorn.ID, Mailbox: store.InboxID}, Set: uid.All()}
	if _, err := s.store.CopyBetween(t.Context(), copying); err != nil {
		t.Fatal(err)
	}
	for _, a := range []store.AccountID{s.anna.ID, s.bjorn.ID} {
		var came []bool
		err := s.store.Messages(t.Context(), a, store.InboxID, uid.All(), func(m *store.Message) error {
			came = append(came, m.Email.Arrived)
			return nil
		})
		if err != nil || !slices.Equal(came, []bool{true, true, false}) {
			t.Errorf("account %d: %v, %v", a, came, err)
		}
	}
}
