package journal

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
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
			if v.Count != c.count || v.Here != (c.count > 0) || !slices.Equal(v.Servers, c.servers) {
				t.Errorf("%+v: %+v", c.query, v)
			}
		}
	}
}

// Who holds an account hears whether the servers were here at all, and nothing of the mail of others.
func TestVisitsForHolders(t *testing.T) {
	db := storetest.Open(t)
	anna := storetest.Account(t, db, "anna@demo.test")
	j, err := New(Options{Store: db})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	j.Visit("192.0.2.1", "mx.example.org", "example.org")
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{
		"example.org":    "Servers of example.org were here in that time and did not bring it to this address.",
		"silent.example": "No server of silent.example brought any mail in that time.",
	} {
		answer, err := j.Trace(t.Context(), Query{Text: "anna@demo.test", With: "bo@" + domain, Account: anna.ID, Reader: cause.Holder})
		if err != nil {
			t.Fatal(err)
		}
		if v := answer.Visited; v == nil || !reflect.DeepEqual(*v, Visited{Domain: domain, Here: domain == "example.org"}) {
			t.Errorf("of %s a holder hears %+v", domain, v)
		}
		_, nothing := answer.Told(cause.English, catalogue)
		var b strings.Builder
		if err := answer.JSON(&b); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(nothing, want) || strings.Contains(nothing+b.String(), "192.0.2.1") {
			t.Errorf("of %s a holder reads %q and %s", domain, nothing, &b)
		}
	}
}
