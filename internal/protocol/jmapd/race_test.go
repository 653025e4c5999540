package jmapd

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// handIn hands a small email in to bo, who is here, and others, to go at a time, and returns its submission.
func (w *world) handIn(n int, at time.Time, also ...string) string {
	w.t.Helper()
	to := `{"email":"bo@example.org"}`
	for _, one := range also {
		to += `,{"email":"` + one + `"}`
	}
	answer := w.calls(fmt.Sprintf(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F2":true},"messageId":["race.%d@example.org"],"from":[{"email":"anna@example.org"}],"to":[%s],"subject":"%d"}}},"0"],
		["EmailSubmission/set",{"accountId":"a1","create":{"s":{"identityId":"I1","emailId":"#e","sendAt":%q}},"onSuccessUpdateEmail":{"#s":{"mailboxIds":{"F3":true}}}},"1"]]`, n, to, n, at.UTC().Format(time.RFC3339Nano)))
	var all [][]json.RawMessage
	var made struct {
		Created map[string]struct{ ID string }
	}
	if json.Unmarshal(answer, &all) != nil || json.Unmarshal(all[1][1], &made) != nil || made.Created["s"].ID == "" {
		w.t.Fatal(string(answer))
	}
	return made.Created["s"].ID
}

// TestUndoRaces holds that a message is taken back or goes, and never both: while its time comes, one asks for undo
// over JMAP, and another moves it out of the Outbox as IMAP does.
func TestUndoRaces(t *testing.T) {
	w := newWorld(t)
	w.server.options.Limits.ConcurrentRequests = 100
	bo := storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	const messages = 60
	var work sync.WaitGroup
	undone := make([]bool, messages)
	ids := make([]string, messages)
	for i := range messages {
		var also []string
		if i%3 == 1 {
			also = []string{"eva@example.net"} // who cannot be reached: bo may have it while it waits for her
		}
		ids[i] = w.handIn(i, time.Now().Add(time.Duration(5+rand.IntN(25))*time.Millisecond), also...)
		work.Go(func() {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			if i%3 == 2 {
				undone[i] = w.toDrafts(t, ids[i])
				return
			}
			answer := string(w.calls(`[["EmailSubmission/set",{"accountId":"a1","update":{"` + ids[i] + `":{"undoStatus":"canceled"}}},"0"]]`))
			if undone[i] = !strings.Contains(answer, "cannotUnsend"); undone[i] && strings.Contains(answer, `"notUpdated":{`) {
				t.Error(answer)
			}
		})
	}
	work.Wait()
	w.settle()
	delivered := map[string]int{}
	err := w.store.Messages(t.Context(), bo.ID, store.InboxID, uid.All(), func(m *store.Message) error {
		delivered[string(m.Email.Summary.Subject())]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	both, count := 0, 0
	for i := range messages {
		e, err := w.store.EmailSubmission(t.Context(), w.anna.ID, uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		n := delivered[fmt.Sprint(i)]
		if count += n; undone[i] == (n == 1) || n > 1 || (e.Undo() == store.UndoCanceled) != undone[i] {
			both++
			t.Errorf("message %d: undone %v, delivered %d times, %s", i, undone[i], n, e.Undo())
		}
	}
	t.Logf("%d of %d went, the others were taken back", count, messages)
	if r, err := w.store.Verify(t.Context(), store.VerifyOptions{}); err != nil || len(r.Problems) > 0 {
		t.Error(err, r.Problems)
	}
}

// toDrafts moves the email of a submission from the Outbox to the drafts, if it is there.
func (w *world) toDrafts(t *testing.T, id string) bool {
	n, _ := parseID[uint64]('S', id)
	e, err := w.store.EmailSubmission(t.Context(), w.anna.ID, n)
	if err != nil {
		t.Error(err)
		return false
	}
	trace, err := store.ParseTraceID(e.Trace)
	if err != nil {
		t.Error(err)
		return false
	}
	p, err := w.server.picture(t.Context(), w.anna.ID)
	if err != nil {
		t.Error(err)
		return false
	}
	sub, err := w.store.Submission(t.Context(), w.anna.ID, trace)
	if err != nil || sub.Outbox == 0 {
		return false
	}
	done, err := w.store.Move(t.Context(), w.anna.ID, p.outbox().ID, uid.Of(sub.Outbox), p.byRole(store.RoleDrafts).ID)
	return err == nil && len(done.To) == 1
}

// TestRepeatedTogether holds that of many calls that hand the same message in at once, one sends.
func TestRepeatedTogether(t *testing.T) {
	w := newWorld(t)
	w.server.options.Limits.ConcurrentRequests = 100
	bo := storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() { w.handIn(1, time.Now()) })
	}
	work.Wait()
	w.settle()
	m, err := w.store.Mailbox(t.Context(), bo.ID, store.InboxID)
	if err != nil || m.Messages != 1 {
		t.Errorf("%v: %d messages came", err, m.Messages)
	}
	if sent := w.desk.sent.Load(); sent != 1 {
		t.Errorf("%d were counted", sent)
	}
}

// TestLimitOpens holds that what waited for a limit goes by itself when sending is open again, and is counted then.
func TestLimitOpens(t *testing.T) {
	w := newWorld(t)
	bo := storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	w.desk.closed.Store(true)
	w.handIn(1, time.Now())
	w.settle()
	if sent := w.desk.sent.Load(); sent != 0 {
		t.Fatalf("%d were counted while sending was closed", sent)
	}
	w.desk.closed.Store(false)
	err := w.store.Submissions(t.Context(), w.anna.ID, func(sub *store.Submission) error {
		if sub.Recipients[0].Cause != "limit.address-hourly" || sub.Outbox == 0 {
			t.Errorf("it waits as %+v", sub)
		}
		return w.queue.SendNow(t.Context(), w.anna.ID, sub.ID) // as when its hour is over
	})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	m, err := w.store.Mailbox(t.Context(), bo.ID, store.InboxID)
	if err != nil || m.Messages != 1 || w.desk.sent.Load() != 1 {
		t.Errorf("%v: %d came, %d counted", err, m.Messages, w.desk.sent.Load())
	}
	p, err := w.server.picture(t.Context(), w.anna.ID)
	if err != nil || p.outbox().emails != 0 || p.byRole(store.RoleSent).emails != 1 {
		t.Error(err, p.outbox(), p.byRole(store.RoleSent))
	}
}
