package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// Whom a message went to is remembered with the name that it had, until it is removed; both spellings of an address are one.
func TestRecents(t *testing.T) {
	s, ctx := storetest.Open(t), context.Background()
	anna := storetest.Account(t, s, "anna@north.example").ID
	send := func(header string, to ...string) {
		t.Helper()
		email := storetest.Email(t, s, "From: anna@north.example\r\n"+header+"\r\n\r\nHi\r\n")
		_, err := s.Deliver(ctx, store.Delivery{Email: email, Sender: anna, SentTo: to, SenderEvents: []store.Event{{Time: time.Now(), Trace: store.NewTraceID(time.Now()), Account: anna, Kind: "message.queued"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	send("To: Bo Berg <bo@South.Example>, cecilia@south.example", "bo@south.example", "cecilia@south.example")
	send("To: bo@south.example", "bo@South.example", "bo@south.example")
	all, err := s.Recents(ctx, anna)
	if err != nil || len(all) != 2 {
		t.Fatalf("recents: %+v, %v", all, err)
	}
	for _, c := range all {
		if c.Address == "bo@south.example" && (c.Name != "Bo Berg" || c.Count != 3) {
			t.Errorf("bo: %+v", c)
		}
	}
	// It was handed in before it went and was noted, as what may be undone.
	later := time.Now().Add(time.Second)
	sub := store.Submission{ID: store.NewTraceID(later), Account: anna, Created: later.Add(-time.Minute), Recipients: []store.SubmissionRecipient{{Address: "BO@south.example", State: store.Queued}, {Address: "eva@south.example", State: store.Queued}}}
	if err := s.CreateSubmission(ctx, sub); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateSubmission(ctx, anna, sub.ID, func(x *store.Submission) error {
		for i := range x.Recipients {
			x.Recipients[i].State, x.Recipients[i].Cause, x.Recipients[i].Last = store.Failed, cause.RecipientUnknown, later
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	all, err = s.Recents(ctx, anna)
	for _, c := range all {
		if want := c.Address == "bo@south.example"; (c.Failed == cause.RecipientUnknown) != want {
			t.Errorf("came back: %+v", c)
		}
	}
	if err != nil || len(all) != 2 {
		t.Errorf("after a failure: %+v, %v", all, err)
	}
	if err := s.RemoveRecent(ctx, anna, "Bo@SOUTH.example"); err != nil {
		t.Fatal(err)
	}
	if all, err = s.Recents(ctx, anna); err != nil || len(all) != 1 || all[0].Address != "cecilia@south.example" {
		t.Errorf("after removal: %+v, %v", all, err)
	}
}

func TestContacts(t *testing.T) {
	s, ctx := storetest.Open(t), context.Background()
	anna := storetest.Account(t, s, "anna@north.example").ID
	kept, err := s.PutContacts(ctx, anna, []store.Contact{{Name: " Örjan ", Addresses: []string{"orjan@south.example "}}, {Name: "Bo"}})
	if err != nil || len(kept) != 2 || kept[0].Name != "Örjan" || kept[0].Addresses[0] != "orjan@south.example" {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	kept[1].Note = "plays chess"
	if _, err := s.PutContacts(ctx, anna, kept[1:]); err != nil {
		t.Fatal(err)
	}
	all, err := s.Contacts(ctx, anna)
	if err != nil || len(all) != 2 || all[0].Note != "plays chess" {
		t.Errorf("contacts: %+v, %v", all, err)
	}
	for what, c := range map[string]store.Contact{
		"nothing in it": {}, "no address": {Name: "x", Addresses: []string{"x y"}}, "a line end": {Name: "x\ny"}, "too long": {Name: strings.Repeat("x", 300)}, "not there": {ID: "nothing", Name: "x"},
	} {
		if _, err := s.PutContacts(ctx, anna, []store.Contact{c}); err == nil {
			t.Errorf("%s: is kept", what)
		}
	}
	if err := s.DeleteContact(ctx, anna, kept[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteContact(ctx, anna, kept[0].ID); store.KindOf(err) != store.KindNotFound {
		t.Errorf("deleted twice: %v", err)
	}
}
