package account

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestSharing holds that folders are shared and shared no longer, that it is told and asked for a fresh sign-in, and that the other shows
// what is shared with him.
func TestSharing(t *testing.T) {
	r := newRig(t)
	bo := storetest.Account(t, r.store, "bo@north.example")
	storetest.Account(t, r.store, "eva@south.example")
	archive, err := r.store.MailboxByRole(t.Context(), r.anna.ID, store.RoleArchive)
	if err != nil {
		t.Fatal(err)
	}
	put := func(status int, with, level string, into any) {
		t.Helper()
		r.ask(status, "PUT", "/api/sharing", fmt.Sprintf(`{"folder":%q,"with":%q,"level":%q}`, mailboxID(archive.ID), with, level), into)
	}
	if w := r.raw("PUT", "/api/sharing", `{"folder":"F4","with":"bo@north.example","level":"read"}`); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "reauthenticate") {
		t.Fatal("without a fresh sign-in:", w.Code, w.Body)
	}
	r.fresh = true
	var s Sharing
	put(http.StatusOK, "bo", "read", &s)
	var with []SharedWho
	for _, f := range s.Folders {
		if f.ID == mailboxID(archive.ID) {
			with = f.With
		} else if len(f.With) > 0 {
			t.Error("also shared:", f)
		}
	}
	if fmt.Sprint(with) != "[{bo@north.example  read lrs}]" || s.Domain != "north.example" || len(s.WithMe) != 0 {
		t.Errorf("%v %v", with, s)
	}
	shown, err := r.store.Subscriptions(t.Context(), bo.ID)
	if err != nil || !strings.Contains(strings.Join(shown, " "), "Other Users/anna/Archive") {
		t.Error("bo does not see it:", shown, err)
	}
	for with, wrong := range map[string]string{"nobody": "There is no such address here", "eva@south.example": "There is no such address here", "anna@north.example": "your own", "<": "no such address"} {
		var told Wrong
		if put(http.StatusUnprocessableEntity, with, "read", &told); !strings.Contains(told.Text, wrong) {
			t.Errorf("%s: %+v", with, told)
		}
	}
	put(http.StatusUnprocessableEntity, "bo", "lr", nil)
	r.ask(http.StatusNotFound, "PUT", "/api/sharing", `{"folder":"F99","with":"bo","level":"read"}`, nil)
	put(http.StatusOK, "anyone", "write", nil)
	r.fresh = false // who takes rights away is not asked
	put(http.StatusOK, "bo@north.example", "", nil)
	if want := []string{journal.MailboxShared, journal.MailboxShared, journal.MailboxUnshared}; fmt.Sprint(r.notes) != fmt.Sprint(want) {
		t.Errorf("told is %v, want %v", r.notes, want)
	}
	// The other way.
	if _, _, err := r.store.Share(t.Context(), &bo, &store.Mailbox{ID: store.InboxID, Name: "INBOX"}, r.anna.Address, store.RightLookup|store.RightRead|store.RightSeen); err != nil {
		t.Fatal(err)
	}
	r.ask(http.StatusOK, "GET", "/api/sharing", "", &s)
	if want := fmt.Sprintf("[{bo@north.example  F%d-1 INBOX inbox read lrs true true}]", bo.ID); fmt.Sprint(s.WithMe) != want {
		t.Errorf("%v, want %s", s.WithMe, want)
	}
}
