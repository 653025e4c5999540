package store_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// The newest events, and those of a kind, are read without the others.
func TestSomeEvents(t *testing.T) {
	s := storetest.Open(t)
	a, other := storetest.Account(t, s, "anna@north.example"), storetest.Account(t, s, "bo@north.example")
	began := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	if list, err := s.LastEvents(t.Context(), a.ID, 5, 100); err != nil || len(list) != 0 {
		t.Fatalf("of none: %v, %v", list, err)
	}
	var events []store.Event
	for i := range 40 {
		one := store.Event{Time: began.Add(time.Duration(i) * time.Second), Account: a.ID, Kind: "message.delivered", Fields: []store.Field{{Name: "n", Value: strconv.Itoa(i)}}}
		if i%10 == 3 {
			one.Kind = "signin.ok"
		}
		if i == 39 {
			one.Account = other.ID
		}
		events = append(events, one)
	}
	if err := s.RecordEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	list, err := s.LastEvents(t.Context(), a.ID, 5, 100)
	if err != nil || len(list) != 5 || list[0].Field("n") != "34" || list[4].Field("n") != "38" {
		t.Errorf("the newest: %v, %v", list, err)
	}
	if list, err := s.LastEvents(t.Context(), a.ID, 100, 100); err != nil || len(list) != 39 {
		t.Errorf("all: %d, %v", len(list), err)
	}
	found := ""
	err = s.EventsOf(t.Context(), a.ID, []string{"signin.refused", "signin.ok"}, began.Add(5*time.Second), func(e *store.Event) error {
		found += e.Kind + e.Field("n") + " "
		return nil
	})
	if err != nil || found != "signin.ok13 signin.ok23 signin.ok33 " {
		t.Errorf("of a kind: %s, %v", found, err)
	}
}
