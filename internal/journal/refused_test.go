package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// What a limit refused stays on the list until it was sent to the same recipient.
func TestRefusedInLimit(t *testing.T) {
	j, err := New(Options{Store: storetest.Open(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	began := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	until := began.Add(90 * time.Minute)
	at := func(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }
	note := func(minutes int, account store.AccountID, kind string, id cause.ID, to string) {
		e := store.Event{Time: at(minutes), Trace: store.NewTraceID(at(minutes)), Account: account, Kind: kind, Fields: []store.Field{
			{Name: "from", Value: "anna@demo.test"}, {Name: "to", Value: to},
		}}
		if id != "" {
			e.SetDecision(cause.Wait(id, until))
		}
		j.Record(t.Context(), e)
	}
	note(1, 7, RecipientRefused, cause.LimitAddressHourly, "bo@example.org")
	note(2, 7, RecipientRefused, cause.LimitAddressHourly, "cecilia@example.org")
	note(3, 7, RecipientRefused, cause.RecipientUnknown, "nobody@example.org")
	note(4, 8, RecipientRefused, cause.LimitAddressHourly, "other@example.org")
	note(5, 7, RecipientRefused, cause.LimitDomainHourly, "Bo@Example.org")
	note(6, 7, MessageQueued, "", "cecilia@example.org")
	note(7, 7, MessageQueued, "", "dora@example.org")
	note(8, 7, RecipientRefused, cause.LimitRecipients, "dora@example.org")
	got, err := j.RefusedInLimit(t.Context(), 7, at(0))
	if err != nil {
		t.Fatal(err)
	}
	want := []Refusal{
		{"anna@demo.test", "bo@example.org", cause.LimitDomainHourly, until, at(1), at(5), 2},
		{"anna@demo.test", "dora@example.org", cause.LimitRecipients, until, at(8), at(8), 1},
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if late, err := j.RefusedInLimit(t.Context(), 7, at(6)); err != nil || len(late) != 1 {
		t.Errorf("%+v, %v", late, err)
	}
}
