package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// What was turned away is one line for each sender and reason, and says whether the sender came through later.
func TestLedger(t *testing.T) {
	j, err := New(Options{Store: storetest.Open(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	began := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	at := func(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }
	note := func(minutes int, kind string, d cause.Decision, from string) store.TraceID {
		e := store.Event{Time: at(minutes), Trace: store.NewTraceID(at(minutes)), Account: 7, Kind: kind, Fields: []store.Field{
			{Name: "from", Value: from}, {Name: "to", Value: "anna@demo.test"}, {Name: "remote", Value: "192.0.2.1"},
		}}
		e.SetDecision(d)
		j.Record(t.Context(), e)
		return e.Trace
	}
	grey, spam := cause.Wait(cause.ReputationGreylisted, at(5)), cause.Refuse(cause.ContentLooksLikeSpam)
	note(0, RecipientRefused, grey, "bo@example.org")
	second := note(1, RecipientRefused, grey, "Bo@Example.org")
	last := note(2, MessageRefused, spam, "win@lucky.example")
	note(6, MessageAccepted, cause.Allow(), "bo@example.org")
	note(7, MessageAccepted, cause.Allow(), "other@example.org")
	got, err := j.Ledger(t.Context(), 7, began)
	if err != nil {
		t.Fatal(err)
	}
	want := []TurnedAway{
		{From: "win@lucky.example", To: "anna@demo.test", Remote: "192.0.2.1", AfterData: true, Decision: spam, Trace: last, First: at(2), Last: at(2), Times: 1},
		{From: "bo@example.org", To: "anna@demo.test", Remote: "192.0.2.1", Decision: grey, Trace: second, First: at(0), Last: at(1), Times: 2, Came: at(6)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
