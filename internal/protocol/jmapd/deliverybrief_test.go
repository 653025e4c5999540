package jmapd

import (
	"fmt"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// briefly is what Delivery/brief says of an email.
type briefly struct {
	EmailID, State, Address string
	Recipients, Delivered   int
	Why                     *struct{ Cause string }
}

func (w *world) briefs(ids string) map[string]string {
	w.t.Helper()
	var got struct{ List []briefly }
	w.args(&got, "Delivery/brief", `{"accountId":"a1","emailIds":%s}`, ids)
	all := map[string]string{}
	for _, b := range got.List {
		all[b.EmailID] = fmt.Sprintf("%s %d/%d %s", b.State, b.Delivered, b.Recipients, b.Address)
		if b.Why != nil {
			all[b.EmailID] += " " + b.Why.Cause
		}
	}
	return all
}

// TestDeliveryBrief holds that a list hears of each email how far it is: of what was handed in here, of what programs sent and the queue
// has, and of what the journal alone remembers; and nothing of mail that was never sent.
func TestDeliveryBrief(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	w.handIn(1, time.Now())
	w.handIn(2, time.Now(), "eva@example.net")
	w.handIn(3, time.Now().Add(time.Hour))
	w.settle()
	got := w.briefs(`["M1","M2","M3","M9","x"]`)
	want := map[string]string{
		"M1": "delivered 1/1 ", "M2": "delayed 1/2 eva@example.net recipient.server-unreachable", "M3": "scheduled 0/1 bo@example.org",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}

	// A mail program keeps its own copies of what it sends.
	now := w.store.Now()
	sentAs := func(n int, kinds ...string) string {
		id := fmt.Sprintf("smtp.%d@example.org", n)
		w.calls(fmt.Sprintf(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"messageId":[%q],"to":[{"email":"eva@example.net"}],"subject":"s"}}},"0"]]`, id))
		trace := store.NewTraceID(now)
		taken := store.Event{Time: now, Trace: trace, Account: w.anna.ID, Kind: journal.MessageQueued, Fields: []store.Field{
			{Name: "to", Value: "eva@example.net"}, {Name: "message-id", Value: id}, {Name: "protocol", Value: "ESMTPSA"},
		}}
		w.desk.journal.Record(t.Context(), taken)
		for _, kind := range kinds {
			w.desk.journal.Record(t.Context(), store.Event{Time: now, Trace: trace, Account: w.anna.ID, Kind: kind, Fields: []store.Field{{Name: "to", Value: "eva@example.net"}}})
		}
		return id
	}
	sentAs(1, journal.MessageRelayed)
	sentAs(2, journal.MessageBounced)
	waits := sentAs(3)
	const letter = "From: anna@example.org\r\nTo: eva@example.net\r\n\r\nHej\r\n"
	ref, err := w.store.Blobs().Put(t.Context(), []byte(letter))
	if err != nil {
		t.Fatal(err)
	}
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: w.anna.ID, From: w.anna.Address, Blob: ref, Size: int64(len(letter)), MessageID: waits,
		Recipients: []store.SubmissionRecipient{{Address: "eva@example.net"}},
	}
	if err := w.queue.Submit(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.calls(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"messageId":["never@example.org"],"subject":"s"}}},"0"]]`)
	var ids struct{ IDs []string }
	w.args(&ids, "Email/query", `{"accountId":"a1","filter":{"subject":"s"},"sort":[{"property":"receivedAt"}]}`)
	if len(ids.IDs) != 4 {
		t.Fatal(ids.IDs)
	}
	got = w.briefs(fmt.Sprintf(`[%q,%q,%q,%q]`, ids.IDs[0], ids.IDs[1], ids.IDs[2], ids.IDs[3]))
	said := map[string]int{}
	for _, text := range got {
		said[text]++
	}
	if fmt.Sprint(said) != fmt.Sprint(map[string]int{"delivered 1/1 ": 1, "bounced 0/1 eva@example.net": 1, "delayed 0/1 eva@example.net recipient.server-unreachable": 1}) {
		t.Error(got)
	}
}

// TestDeliveryBriefOfReceived holds that a message which somebody else here sent is not told of as one that its recipient sent.
func TestDeliveryBriefOfReceived(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	storetest.Account(t, w.store, "bo@example.org")
	for n, from := range []string{"bo@example.org", "anna@example.org"} {
		id := fmt.Sprintf("here.%d@example.org", n)
		w.calls(fmt.Sprintf(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F1":true},"messageId":[%q],"subject":"s"}}},"0"]]`, id))
		now := w.store.Now()
		w.desk.journal.Record(t.Context(), store.Event{Time: now, Trace: store.NewTraceID(now), Account: w.anna.ID, Kind: journal.MessageAccepted, Fields: []store.Field{
			{Name: "from", Value: from}, {Name: "to", Value: "anna@example.org"}, {Name: "message-id", Value: id}, {Name: "protocol", Value: "ESMTPSA"},
		}})
	}
	if got := w.briefs(`["M1","M2"]`); fmt.Sprint(got) != "map[M2:delivered 1/1 ]" {
		t.Error(got)
	}
}
