package jmapd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// TestOutboxOfSMTP holds that what came over SMTP and waits is told of and taken back, too: it is another email than any that its
// sender has.
func TestOutboxOfSMTP(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	const letter = "From: anna@example.org\r\nTo: eva@example.net\r\nSubject: =?utf-8?q?H=C3=A4r?=\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n"
	ref, err := w.store.Blobs().Put(t.Context(), []byte(letter))
	if err != nil {
		t.Fatal(err)
	}
	now := w.store.Now()
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: w.anna.ID, From: w.anna.Address, Blob: ref, Size: int64(len(letter)), MessageID: "1@x",
		Recipients: []store.SubmissionRecipient{{Address: "eva@example.net"}},
	}
	if err := w.queue.Submit(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	w.settle()
	got := string(w.calls(`[["Outbox/get",{"accountId":"a1"},"0"]]`))
	for _, want := range []string{`"subject":"Här"`, `"emailId":"M1"`, `"emailSubmissionId":null`, `"state":"delayed"`, `"why":{"cause":"recipient.server-unreachable"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if strings.Contains(got, "tried again on") { // the next try is told beside it
		t.Errorf("outbox: %s", got)
	}
	got = string(w.calls(`[["Delivery/get",{"accountId":"a1","emailId":"M1"},"0"]]`))
	if !strings.Contains(got, `"list":[]`) { // nobody signed in sent it
		t.Errorf("delivery: %s", got)
	}
	accepted := store.Event{Time: now, Trace: sub.ID, Account: w.anna.ID, Kind: journal.MessageQueued, Fields: []store.Field{
		{Name: "from", Value: w.anna.Address}, {Name: "to", Value: "eva@example.net"}, {Name: "message-id", Value: "1@x"}, {Name: "protocol", Value: "ESMTPSA"},
	}}
	relayed := store.Event{Time: now, Trace: sub.ID, Account: w.anna.ID, Kind: journal.MessageRelayed, Fields: []store.Field{
		{Name: "to", Value: "bo@example.com"}, {Name: "host", Value: "mx.example.com"}, {Name: "reply", Value: "250 ok"},
	}}
	w.desk.journal.Record(t.Context(), accepted)
	w.desk.journal.Record(t.Context(), relayed)
	for range 2 {
		w.desk.journal.Record(t.Context(), store.Event{Time: now.Add(time.Hour), Trace: sub.ID, Account: w.anna.ID, Kind: journal.MessageDisplayed, Fields: []store.Field{{Name: "to", Value: "Bo@example.com"}}})
		now = now.Add(time.Second)
	}
	opened := now.Add(time.Hour - 2*time.Second).UTC().Format(time.RFC3339)
	got = string(w.calls(`[["Delivery/get",{"accountId":"a1","emailId":"M1"},"0"]]`))
	for _, want := range []string{
		`"emailSubmissionId":null`, `"traceId":"` + sub.ID.String() + `"`, `"bo@example.com":{"attempts":0,"giveUp":null,"host":"mx.example.com"`,
		`"opened":"` + opened + `"`, `"state":"delivered"`, `"state":"delayed"`, `"why":{"cause":"recipient.server-unreachable"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("delivery: %s is not in %s", want, got)
		}
	}
	got = string(w.calls(`[["Outbox/act",{"accountId":"a1","id":"` + sub.ID.String() + `","action":"cancel"},"0"],["Email/get",{"accountId":"a1","ids":["M1"],"properties":["keywords","mailboxIds"]},"1"],["Outbox/get",{"accountId":"a1"},"2"]]`))
	for _, want := range []string{`"emailId":"M1"`, `{"id":"M1","keywords":{"$draft":true,"$seen":true},"mailboxIds":{"F2":true}}`, `"list":[],"notFound":[]},"2"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

// TestLimitSenders holds that who reached a limit is told where the messages came from, those of others left out.
func TestLimitSenders(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	w.desk.closed.Store(true)
	now := w.store.Now()
	for n, e := range []struct {
		ago        time.Duration
		remote, to string
	}{{2 * time.Hour, "192.0.2.9", "a@x.test"}, {time.Minute, "192.0.2.1", "a@x.test"}, {time.Minute, "192.0.2.1", "b@x.test"}, {2 * time.Minute, "192.0.2.2", "a@x.test"}} {
		at := now.Add(-e.ago)
		event := store.Event{Time: at, Trace: store.NewTraceID(at), Account: w.anna.ID, Kind: journal.MessageQueued, Fields: []store.Field{
			{Name: "from", Value: w.anna.Address}, {Name: "to", Value: e.to}, {Name: "message-id", Value: fmt.Sprint(n)}, {Name: "protocol", Value: "ESMTPSA"}, {Name: "remote", Value: e.remote},
		}}
		w.desk.journal.Record(t.Context(), event)
		event.Fields = append(slices.Clone(event.Fields[:1]), store.Field{Name: "to", Value: "second@x.test"}, event.Fields[3], event.Fields[4])
		w.desk.journal.Record(t.Context(), event) // another recipient of the same message
	}
	got := string(w.calls(`[["Limits/get",{"accountId":"a1"},"0"]]`))
	want := fmt.Sprintf(`"senders":[{"from":null,"last":null,"messages":9},{"from":"192.0.2.1","last":%q,"messages":2},{"from":"192.0.2.2","last":%q,"messages":1}]`,
		now.Add(-time.Minute).UTC().Format(time.RFC3339), now.Add(-2*time.Minute).UTC().Format(time.RFC3339))
	if !strings.Contains(got, want) {
		t.Errorf("%s is not in %s", want, got)
	}
}

// TestOutboxOfTooMany holds that no more is asked for at once than is answered: what was left out would be told as not found.
func TestOutboxOfTooMany(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	ids := strings.Repeat(`"x",`, maxOutbox)
	if got := string(w.calls(`[["Outbox/get",{"accountId":"a1","ids":[` + ids + `"x"]},"0"]]`)); !strings.Contains(got, "requestTooLarge") {
		t.Errorf("%.200s", got)
	}
}
