package journal

import (
	"slices"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store/storetest"
)

// Of a message that nobody knows it is said whether the servers of its sender were here.
func TestVisits(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db := storetest.Open(t)
	storetest.Account(t, db, "anna@demo.test")
	j, err := New(Options{Store: db, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for range 3 {
		j.Visit("192.0.2.1", "MX.example.org", "example.org")
	}
	j.Visit("192.0.2.2", "mx2.example.org", "") // a report
	j.Visit("192.0.2.3", "out.provider.example", "Example.org")
	j.Visit("192.0.2.4", "notexample.org", "other.example")
	now = now.Add(time.Hour)
	j.Visit("192.0.2.1", "mx.example.org", "example.org")
	for _, c := range []struct {
		query   Query
		count   int
		servers []string
		known   bool
	}{
		{Query{Text: "bo@example.org", With: "anna@demo.test"}, 6, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, true},
		{Query{Text: "anna@demo.test", With: "bo@example.org", From: now.Add(-time.Minute)}, 1, []string{"192.0.2.1"}, true},
		{Query{Text: "bo@silent.example"}, 0, nil, true},
		{Query{Text: "anna@demo.test"}, 0, nil, false},
	} {
		answer, err := j.Trace(t.Context(), c.query)
		if err != nil {
			t.Fatal(err)
		}
		if v := answer.Visited; (v != nil) != c.known {
			t.Errorf("%+v: %+v", c.query, v)
		} else if v != nil {
			slices.Sort(v.Servers)
			if v.Count != c.count || !slices.Equal(v.Servers, c.servers) {
				t.Errorf("%+v: %+v", c.query, v)
			}
		}
	}
}
