package jmapd

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestTold holds that what a client moves and removes is in the journal, once for each way, and that drafts are not.
func TestTold(t *testing.T) {
	w := newWorld(t)
	for n := range 4 {
		w.put(store.InboxID, n, storetest.Text(n), store.Flags{})
	}
	w.put(2, 5, storetest.Text(5), store.Flags{})
	w.calls(`[["Email/set",{"accountId":"a1","update":{"M1":{"mailboxIds":{"F4":true}},"M2":{"mailboxIds":{"F4":true}}},"destroy":["M3","M5"]},"0"]]`)
	if err := w.desk.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := w.store.Events(t.Context(), w.anna.ID, time.Time{}, time.Time{}, func(e *store.Event) error {
		got = append(got, e.Kind+" "+e.Field("from-mailbox")+" "+e.Field("mailbox")+" "+e.Field("count")+" "+e.Field("client"))
		return nil
	})
	if want := []string{"message.expunged  INBOX 1 JMAP", "message.moved INBOX Archive 2 JMAP"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
}

// TestNotedReading: what a program reads is told once, what it only lists is not, nor what the webmail asks for.
func TestNotedReading(t *testing.T) {
	w := newWorld(t)
	for n := range 12 {
		w.put(store.InboxID, n, storetest.Text(n), store.Flags{})
	}
	all := `"ids":["M1","M2","M3"]`
	w.calls(`[["Email/get",{"accountId":"a1",` + all + `,"properties":["subject","bodyStructure","bodyValues"]},"0"]]`)
	for range 2 {
		w.calls(`[["Email/get",{"accountId":"a1",` + all + `,"properties":["bodyValues"],"fetchTextBodyValues":true},"0"]]`)
	}
	w.calls(`[["Email/get",{"accountId":"a1","ids":["M3","M4"],"properties":["bodyValues"],"fetchAllBodyValues":true},"0"]]`)
	for _, blob := range []string{"b12", "b12-1", "b99", "b12"} {
		w.ask("GET", "/jmap/download/a1/"+blob+"/x", "", "")
	}
	if err := w.desk.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := w.store.Events(t.Context(), w.anna.ID, time.Time{}, time.Time{}, func(e *store.Event) error {
		ids := 0
		for _, f := range e.Fields {
			if f.Name == "message-id" {
				ids++
			}
		}
		got = append(got, fmt.Sprint(e.Kind, " ", e.Field("count"), " ", e.Field("client"), " ", ids))
		return nil
	})
	if want := []string{"message.fetched-jmap 3 JMAP 3", "message.fetched-jmap 1 JMAP 1", "message.fetched-jmap 1 JMAP 1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
}

func TestClientOf(t *testing.T) {
	for _, one := range []struct{ agent, mode, want string }{
		{"", "", "JMAP"}, {"Ltt.rs/1.0 (Android)", "", "Ltt.rs"}, {"Mozilla/5.0 (X11)", "cors", "webmail"}, {"a\xff/1", "", "a"},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("User-Agent", one.agent)
		if one.mode != "" {
			r.Header.Set("Sec-Fetch-Mode", one.mode)
		}
		if got := clientOf(r); got != one.want {
			t.Errorf("%q: %q, want %q", one.agent, got, one.want)
		}
	}
}
