package outbound

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// outbox returns the sender's Outbox and what is in it: UIDs with their keywords.
func (w *world) outbox() (m store.Mailbox, list []string) {
	w.t.Helper()
	ctx := w.t.Context()
	m, err := w.store.MailboxByRole(ctx, w.account.ID, store.RoleOutbox)
	if store.KindOf(err) == store.KindNotFound {
		return m, nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	keywords, err := w.store.Keywords(ctx, w.account.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.store.Messages(ctx, w.account.ID, m.ID, uid.All(), func(msg *store.Message) error {
		list = append(list, fmt.Sprintf("%d %s", msg.UID, strings.Join(keywords.Names(msg.Flags), " ")))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return m, list
}

func (w *world) drafts() store.Mailbox {
	w.t.Helper()
	m, err := w.store.MailboxByRole(w.t.Context(), w.account.ID, store.RoleDrafts)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) verify() {
	w.t.Helper()
	report, err := w.store.Verify(w.t.Context(), store.VerifyOptions{Bodies: true})
	if err != nil || report.Found != 0 {
		w.t.Errorf("verify: %+v, %v", report.Problems, err)
	}
}

// TestOutbox: what goes at once is never there; what waits is there until it is
// delivered, held, given up or taken out.
func TestOutbox(t *testing.T) {
	w := newWorld(t)
	up := false
	far := w.serve("far.test", &peer{rcpt: func(string, int) string {
		if !up {
			return "451 4.3.0 later"
		}
		return ""
	}})
	w.serve("near.test", &peer{})
	ctx := t.Context()

	w.submit([]string{"you@near.test"})
	w.settle()
	if m, _ := w.outbox(); m.ID != 0 {
		t.Error("there is an Outbox")
	}
	first := w.submit([]string{"you@near.test", "you@far.test"})
	w.settle()
	m, list := w.outbox()
	wantList(t, "outbox", list, []string{"1 $Waiting"})
	if m.Name != "Outbox" || !m.Subscribed || m.Unseen != 0 {
		t.Errorf("outbox is %+v", m)
	}
	if sub, err := w.store.InOutbox(ctx, w.account.ID, 1); err != nil || sub.ID != first {
		t.Errorf("shows %+v, %v", sub, err)
	}
	if err := w.queue.Hold(ctx, w.account.ID, first, ""); err != nil {
		t.Fatal(err)
	}
	_, list = w.outbox()
	wantList(t, "outbox when held", list, []string{"1 $Held"})
	w.verify()
	if err := w.queue.Release(ctx, w.account.ID, first, ""); err != nil {
		t.Fatal(err)
	}
	w.settle()
	_, list = w.outbox()
	wantList(t, "outbox when released", list, []string{"1 $Waiting"})
	if _, err := w.store.Copy(ctx, w.account.ID, m.ID, uid.Of(1), w.drafts().ID); err != nil {
		t.Fatal(err)
	}
	if n := w.drafts().Messages; n != 1 || len(w.queued()) != 1 {
		t.Errorf("after a copy %d drafts, %d queued", n, len(w.queued()))
	}
	up = true
	w.pass(time.Hour, 5*time.Minute)
	_, list = w.outbox()
	wantList(t, "outbox when sent", list, nil)
	if len(far.letters()) != 1 {
		t.Errorf("kept %+v", far.letters())
	}
	if _, err := w.store.Append(ctx, w.account.ID, m.ID, []store.NewEmail{}); err != nil {
		t.Error(err)
	}
	if _, err := w.store.Move(ctx, w.account.ID, w.drafts().ID, uid.All(), m.ID); store.KindOf(err) != store.KindInvalid {
		t.Errorf("moved into the Outbox: %v", err)
	}
	w.verify()
}

// TestOutboxTakenOut: who moves a message out of the Outbox, or expunges it there,
// takes it back.
func TestOutboxTakenOut(t *testing.T) {
	w := newWorld(t)
	far := w.serve("far.test", &peer{rcpt: func(string, int) string { return "451 4.3.0 later" }})
	ctx := t.Context()
	for range 3 {
		w.submit([]string{"you@far.test"})
	}
	w.settle()
	m, list := w.outbox()
	wantList(t, "outbox", list, []string{"1 $Waiting", "2 $Waiting", "3 $Waiting"})
	since := w.clock.Now().Add(time.Second)
	w.clock.advance(time.Second)
	if _, err := w.store.Move(ctx, w.account.ID, m.ID, uid.Of(1, 2), w.drafts().ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.store.Expunge(ctx, w.account.ID, m.ID, uid.Of(3), false); err != nil {
		t.Fatal(err)
	}
	wantList(t, "events", w.eventsSince(since), slices.Repeat([]string{"message.cancelled you@far.test"}, 3))
	tries := far.rcpts["you@far.test"]
	w.untilForgotten()
	w.pass(10*time.Hour, 10*time.Minute)
	if far.rcpts["you@far.test"] != tries {
		t.Error("it was tried again")
	}
	err := w.store.Messages(ctx, w.account.ID, w.drafts().ID, uid.All(), func(msg *store.Message) error {
		if msg.Flags != store.FlagDraft.With(store.FlagSeen) {
			t.Errorf("flags %v", msg.Flags)
		}
		return nil
	})
	if err != nil || w.drafts().Messages != 2 {
		t.Errorf("%d drafts, %v", w.drafts().Messages, err)
	}
	wantList(t, "reports", w.local.reports(), nil)
	w.verify()
}

// TestOutboxWhileSent: a message that is being sent cannot be taken out.
func TestOutboxWhileSent(t *testing.T) {
	w := newWorld(t)
	sending, answer := make(chan struct{}), make(chan string)
	far := w.serve("far.test", &peer{final: func(_ []string, n int) string {
		if n == 1 {
			return "451 4.3.0 later"
		}
		sending <- struct{}{}
		return <-answer
	}})
	ctx := t.Context()
	w.submit([]string{"you@far.test"})
	w.settle()
	w.clock.advance(time.Hour)
	<-sending
	m, _ := w.outbox()
	if _, err := w.store.Move(ctx, w.account.ID, m.ID, uid.Of(1), w.drafts().ID); store.KindOf(err) != store.KindInUse {
		t.Errorf("moved: %v", err)
	}
	answer <- "250 ok"
	w.settle()
	if _, list := w.outbox(); len(list) != 0 || len(far.letters()) != 1 || w.drafts().Messages != 0 {
		t.Errorf("outbox %q, %d drafts", list, w.drafts().Messages)
	}
	w.verify()
}

// TestOutboxOfLimits: a message that waits for a limit is in the Outbox from the
// beginning, and comes there after a crash.
func TestOutboxOfLimits(t *testing.T) {
	w := newWorld(t)
	far := w.serve("far.test", &peer{})
	wait := func(s *store.Submission) {
		s.Recipients[0].Cause, s.Recipients[0].Next = cause.LimitAddressHourly, w.clock.Now().Add(time.Hour)
	}
	w.submit([]string{"you@far.test"}, wait)
	w.untilOutbox("1 $Waiting")
	w.stop()
	late := store.Submission{
		Account: w.account.ID, ID: store.NewTraceID(w.clock.Now()), Created: w.clock.Now(), From: "anna@here.test",
		Recipients: []store.SubmissionRecipient{{Address: "too@far.test", State: store.Queued}},
	}
	wait(&late)
	var err error
	if late.Blob, err = w.store.Blobs().Put(t.Context(), []byte(letter)); err != nil {
		t.Fatal(err)
	}
	late.Size = int64(len(letter))
	if err := w.store.CreateSubmission(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.untilOutbox("1 $Waiting", "2 $Waiting")
	w.pass(2*time.Hour, 10*time.Minute)
	if _, list := w.outbox(); len(list) != 0 || len(far.letters()) != 2 {
		t.Errorf("outbox %q, %d sent", list, len(far.letters()))
	}
	w.verify()
}

// untilOutbox waits until the Outbox has the given messages.
func (w *world) untilOutbox(want ...string) {
	w.t.Helper()
	var list []string
	for range 5000 {
		if _, list = w.outbox(); slices.Equal(list, want) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatalf("outbox has %q, want %q", list, want)
}

// untilForgotten waits until nothing is left of what was taken out.
func (w *world) untilForgotten() {
	w.t.Helper()
	for range 5000 {
		if len(w.queued()) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatalf("left %+v", w.queued())
}

// TestOutboxRace: messages are taken out while they are sent and change. Each was
// sent or taken out, never both, never neither.
func TestOutboxRace(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	refuse := 2
	far := w.serve("far.test", &peer{rcpt: func(_ string, n int) string {
		mu.Lock()
		defer mu.Unlock()
		if n <= refuse {
			return "451 4.3.0 later"
		}
		return ""
	}})
	ctx := t.Context()
	const messages = 60
	for i := range messages {
		w.submit([]string{fmt.Sprintf("r%d@far.test", i)})
	}
	w.settle()
	m, list := w.outbox()
	if len(list) != messages {
		t.Fatalf("%d in the Outbox", len(list))
	}
	var all sync.WaitGroup
	all.Go(func() {
		for range 30 {
			w.clock.advance(5 * time.Minute)
			time.Sleep(time.Millisecond)
		}
	})
	for part := range 3 {
		all.Go(func() {
			for i := part; i < messages/2; i += 3 {
				_, err := w.store.Move(ctx, w.account.ID, m.ID, uid.Of(uid.UID(i+1)), w.drafts().ID)
				if err != nil && store.KindOf(err) != store.KindInUse {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	w.settle()
	w.pass(2*24*time.Hour, 30*time.Minute)
	w.untilForgotten()
	sent := len(far.letters())
	if drafts := int(w.drafts().Messages); sent+drafts != messages {
		t.Errorf("%d sent, %d drafts of %d", sent, drafts, messages)
	}
	if _, list := w.outbox(); len(list) != 0 {
		t.Errorf("outbox %q", list)
	}
	w.verify()
}
