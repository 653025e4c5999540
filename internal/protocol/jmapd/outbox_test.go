package jmapd

import (
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
