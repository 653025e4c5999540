package control

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

const hosted = "anna@example.org"

// openHosted is a server with one account.
func openHosted(t *testing.T) (*world, store.Account) {
	t.Helper()
	w, ctx := open(t, nil), t.Context()
	if _, err := w.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddAccount(ctx, NewAccount{Address: hosted, Password: "the first password"}); err != nil {
		t.Fatal(err)
	}
	a, err := w.server.Store.AccountByAddress(ctx, hosted)
	if err != nil {
		t.Fatal(err)
	}
	return w, a
}

func (w *world) know(t *testing.T) Evidence {
	t.Helper()
	e, err := w.Evidence(t.Context(), hosted)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEvidenceOfBans: a stranger who guesses is not told of, a device of the
// account is, and a lock of the account is its state.
func TestEvidenceOfBans(t *testing.T) {
	w, a := openHosted(t)
	for i := range 200 {
		w.guard.Failed(netipAddr("192.0.2.7"), hosted)
		w.guard.Failed(netipAddr(fmt.Sprintf("198.18.%d.1", i)), hosted)
	}
	if e := w.know(t); len(e.Bans) > 0 {
		t.Errorf("bans of strangers: %+v", e.Bans)
	}
	w.server.Journal.Record(t.Context(), store.Event{
		Account: a.ID, Kind: journal.SignInOK, Fields: []store.Field{{Name: "remote", Value: "192.0.2.7"}},
	})
	e := w.know(t)
	if len(e.Bans) == 0 || !e.Bans[0].Until.After(time.Now()) {
		t.Errorf("bans: %+v", e.Bans)
	}
	if e.Reason != cause.AccountLockedOut || e.Until == nil {
		t.Errorf("reason %q until %v", e.Reason, e.Until)
	}
}

// TestEvidenceOfTheQueue: a message is told of with its subject and what keeps it.
func TestEvidenceOfTheQueue(t *testing.T) {
	w, a := openHosted(t)
	ctx, now := t.Context(), time.Now()
	ref, err := w.server.Store.Blobs().Put(ctx, []byte("Subject: x\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: a.ID, From: hosted, MessageID: "<1@example.org>", Blob: ref, Size: 14, Created: now, Expires: now.Add(time.Hour),
		Recipients: []store.SubmissionRecipient{{
			Address: "b@elsewhere.test", State: store.Queued, Attempts: 2, Next: now.Add(time.Hour), Cause: cause.ReputationGreylisted, Reply: "451 4.7.1 later",
		}},
	}
	queued := store.Event{Time: now, Trace: sub.ID, Account: a.ID, Kind: journal.MessageQueued, Fields: []store.Field{{Name: "subject", Value: "x"}}}
	if err := w.server.Store.CreateSubmission(ctx, sub, queued); err != nil {
		t.Fatal(err)
	}
	e := w.know(t)
	if len(e.Queue) != 1 {
		t.Fatalf("%+v", e.Queue)
	}
	q := e.Queue[0]
	if q.Subject != "x" || q.State != "deferred" || q.Tries != 2 || q.Next == nil || q.Cause != cause.ReputationGreylisted || q.Reply == "" || q.MessageID == "" {
		t.Errorf("%+v", q)
	}
}

// TestEvidenceOfEvents: the newest are told, the newest last, and many of one kind hide no other.
func TestEvidenceOfEvents(t *testing.T) {
	w, a := openHosted(t)
	const n = 3*maxEvidenceEvents + 7
	began := time.Now()
	events := []store.Event{{Time: began.Add(-time.Hour), Account: a.ID, Kind: journal.MessageQueued}}
	for i := range n {
		events = append(events, store.Event{
			Time: began.Add(time.Duration(i) * time.Millisecond), Account: a.ID, Kind: journal.MessageAppended,
			Fields: []store.Field{{Name: "count", Value: strconv.Itoa(i)}},
		})
	}
	if err := w.server.Store.RecordEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	e := w.know(t)
	if !slices.ContainsFunc(e.Events, func(e EvidenceEvent) bool { return e.Kind == journal.MessageQueued }) {
		t.Error("what was sent before is hidden")
	}
	appended := 0
	for _, one := range e.Events {
		if one.Kind == journal.MessageAppended {
			appended++
		}
	}
	if last := e.Events[len(e.Events)-1].Text["count"]; appended != maxEvidenceOfKind || last != strconv.Itoa(n-1) {
		t.Errorf("%d of one kind, the last event is %s of %d", appended, last, n)
	}
}
