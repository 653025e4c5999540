package clinic

import (
	"fmt"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/journal"
)

// TestSentLately: of a message to several, those whom it reached are not said to be without it.
func TestSentLately(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	c := &Clinic{Options: Options{Catalogue: catalogue, Now: time.Now}}
	event := func(kind, to string) evidence.Event {
		return evidence.Event{Kind: kind, Trace: "one", Text: map[string]string{"to": to}}
	}
	in := &evidence.Inside{
		Events: []evidence.Event{
			event(journal.MessageQueued, "there@far.test"), event(journal.MessageQueued, "Gone@far.test"), event(journal.MessageQueued, "later@far.test"),
			event(journal.MessageBounced, "gone@far.test"), event(journal.MessageRelayed, "there@far.test"),
			event(journal.MessageQueued, "wrong@far.test"), event(journal.MessageBounced, "wrong@far.test"), event(journal.MessageCorrected, "wrong@far.test"),
		},
		Queue: []evidence.Queued{{Trace: "one", To: "later@far.test", State: "deferred"}},
	}
	got := map[string]bool{}
	for _, s := range c.sentLately(visitor{lang: cause.English}, in) {
		got[s.To] = s.Trouble
	}
	if want := map[string]bool{"there@far.test": false, "Gone@far.test": true, "later@far.test": true, "wrong@far.test": false}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestSentLatelyTrouble: what has not arrived is offered, however much was sent since.
func TestSentLatelyTrouble(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	c := &Clinic{Options: Options{Catalogue: catalogue, Now: time.Now}}
	in := &evidence.Inside{Queue: []evidence.Queued{{Trace: "0", To: "0@far.test", State: "deferred"}}}
	for n := range 2 * maxSent {
		in.Events = append(in.Events, evidence.Event{Kind: journal.MessageQueued, Trace: fmt.Sprint(n), Text: map[string]string{"to": fmt.Sprint(n, "@far.test")}})
	}
	list := c.sentLately(visitor{lang: cause.English}, in)
	if len(list) != maxSent || !list[0].Trouble || list[0].To != "0@far.test" || list[1].To != fmt.Sprint(2*maxSent-1, "@far.test") {
		t.Errorf("%d: %+v", len(list), list)
	}
}

// TestOfThisMachine: that this machine has no line out is no reason not to say that an account here is in order.
func TestOfThisMachine(t *testing.T) {
	for unexplained, want := range map[string]doctor.State{"no-name-resolves": doctor.Healthy, "told-greylisted": doctor.Unknown} {
		k := &kept{Account: 7}
		if err := k.concluded(&doctor.Report{Verdict: doctor.Verdict{State: doctor.Unknown, Unexplained: []string{unexplained}}}); err != nil || k.State != want {
			t.Errorf("%s: %s, %v", unexplained, k.State, err)
		}
	}
}
