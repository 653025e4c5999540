package imapd

import (
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// waits queues a message that could not be sent yet.
func (w *world) waits(raw []byte) {
	w.t.Helper()
	ref, err := w.store.Blobs().Put(w.t.Context(), raw)
	if err != nil {
		w.t.Fatal(err)
	}
	sub := store.Submission{
		Account: w.account, ID: store.NewTraceID(time.Now()), From: testAddress, Blob: ref, Size: int64(len(raw)), Created: clock,
		Recipients: []store.SubmissionRecipient{{Address: "far@elsewhere.test", State: store.Queued, Attempts: 1, Cause: cause.OutboxDeferred}},
	}
	if err := w.store.CreateSubmission(w.t.Context(), sub); err != nil {
		w.t.Fatal(err)
	}
	n := store.NewEmail{Blob: ref, Summary: message.Summarize(raw), Received: clock}
	if err := w.store.PlaceInOutbox(w.t.Context(), w.account, sub.ID, n); err != nil {
		w.t.Fatal(err)
	}
}

// queued counts what is not taken back.
func (w *world) queued() (n int) {
	w.t.Helper()
	err := w.store.Submissions(w.t.Context(), w.account, func(sub *store.Submission) error {
		if !sub.Done() {
			n++
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// sending is a queue that is just sending everything.
type sending struct{}

func (sending) Take(*store.Submission) bool          { return false }
func (sending) Taken(store.AccountID, store.TraceID) {}
