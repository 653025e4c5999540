package journal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// TestRead: once for each message and session, with the last of them named, and what is remembered is bounded.
func TestRead(t *testing.T) {
	m := &memory{}
	j := newJournal(t, Options{Store: m})
	emails := func(ids ...store.EmailID) (list []ReadEmail) {
		for _, id := range ids {
			list = append(list, ReadEmail{id, fmt.Sprintf("%d@demo.test", id)})
		}
		return list
	}
	opened := Reading{Kind: MessageOpened, Owner: 1, Client: "webmail", Session: "a", Emails: emails(1)}
	another := opened
	another.Session = "b"
	shared := opened
	shared.By = "bo@demo.test"
	fetched := Reading{Kind: MessageFetchedJMAP, Owner: 1, Client: "x", Session: "a", Emails: emails(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)}
	further := fetched
	further.Emails = emails(9, 10, 11)
	for _, r := range []Reading{opened, opened, another, shared, fetched, fetched, further, opened} {
		j.Read(t.Context(), r)
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range m.events {
		var ids []string
		for _, f := range e.Fields {
			if f.Name == "message-id" {
				id, _, _ := strings.Cut(f.Value, "@")
				ids = append(ids, id)
			}
		}
		got = append(got, fmt.Sprint(e.Kind, " ", e.Field("count"), " ", e.Field("by"), " ", strings.Join(ids, ",")))
	}
	want := []string{MessageOpened + " 1  1", MessageOpened + " 1  1", MessageOpened + " 1 bo@demo.test 1", MessageFetchedJMAP + " 10  3,4,5,6,7,8,9,10", MessageFetchedJMAP + " 1  11"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for n := range store.EmailID(5 * maxReadings) {
		j.readings.fresh(&Reading{Owner: 2, Emails: []ReadEmail{{ID: n}}})
	}
	if n := len(j.readings.newer) + len(j.readings.old); n > 2*maxReadings {
		t.Errorf("%d are remembered", n)
	}
}
