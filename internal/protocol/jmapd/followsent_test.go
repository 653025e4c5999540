package jmapd

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// args makes a call and returns the arguments of its response.
func (w *world) args(v any, method, format string, a ...any) {
	w.t.Helper()
	answer := w.calls(`[["` + method + `",` + fmt.Sprintf(format, a...) + `,"0"]]`)
	var all [][]json.RawMessage
	if json.Unmarshal(answer, &all) != nil || string(all[0][0]) != `"`+method+`"` || json.Unmarshal(all[0][1], v) != nil {
		w.t.Fatal(string(answer))
	}
}

// sentFollower is a client that knows submissions by their changes alone.
type sentFollower struct {
	w             *world
	state, listed string
	known         map[string]string // id: undoStatus
	list          []string          // of a query
}

const pendingQuery = `"filter":{"operator":"OR","conditions":[{"undoStatus":"pending"},{"undoStatus":"final"}]},"sort":[{"property":"emailId","isAscending":false}]`

func (f *sentFollower) read(ids []string) {
	if len(ids) == 0 {
		return
	}
	raw, _ := json.Marshal(ids)
	var got struct {
		List []struct{ ID, UndoStatus string }
	}
	f.w.args(&got, "EmailSubmission/get", `{"accountId":"a1","ids":%s,"properties":["undoStatus"]}`, raw)
	for _, e := range got.List {
		f.known[e.ID] = e.UndoStatus
	}
}

// catchUp takes changes in parts until there are no more, and those of the query.
func (f *sentFollower) catchUp() {
	for more := true; more; {
		var ch struct {
			NewState                    string
			HasMoreChanges              bool
			Created, Updated, Destroyed []string
		}
		f.w.args(&ch, "EmailSubmission/changes", `{"accountId":"a1","sinceState":%q,"maxChanges":2}`, f.state)
		for _, id := range ch.Destroyed {
			delete(f.known, id)
		}
		f.read(ch.Created)
		f.read(ch.Updated)
		f.state, more = ch.NewState, ch.HasMoreChanges
	}
	var q struct {
		NewQueryState string
		Removed       []string
		Added         []addedItem
	}
	f.w.args(&q, "EmailSubmission/queryChanges", `{"accountId":"a1",%s,"sinceQueryState":%q}`, pendingQuery, f.listed)
	f.list = slices.DeleteFunc(f.list, func(id string) bool { return slices.Contains(q.Removed, id) })
	for _, one := range q.Added {
		f.list = slices.Insert(f.list, one.Index, one.ID)
	}
	f.listed = q.NewQueryState
}

// compare holds what the follower knows to what there is.
func (f *sentFollower) compare(step int) {
	f.w.t.Helper()
	there := map[string]string{}
	_, err := f.w.store.EmailSubmissions(f.w.t.Context(), f.w.anna.ID, func(e *store.EmailSubmission) error {
		if !e.Gone {
			there[submissionID(e.ID)] = string(e.Undo())
		}
		return nil
	})
	if err != nil {
		f.w.t.Fatal(err)
	}
	if fmt.Sprint(there) != fmt.Sprint(f.known) {
		f.w.t.Fatalf("step %d: known are %v, there are %v", step, f.known, there)
	}
	var q struct{ IDs []string }
	f.w.args(&q, "EmailSubmission/query", `{"accountId":"a1",%s}`, pendingQuery)
	if !slices.Equal(q.IDs, f.list) {
		f.w.t.Fatalf("step %d: listed are %v, found are %v", step, f.list, q.IDs)
	}
}

// TestFollowSent holds that a client which takes only changes, in parts, knows what one knows that reads everything, while messages
// are handed in, go, wait, are taken back and forgotten.
func TestFollowSent(t *testing.T) {
	w := newWorld(t)
	w.server.options.Limits.QueryResults = 1000
	storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	f := &sentFollower{w: w, state: "0", listed: "0", known: map[string]string{}}
	random := rand.New(rand.NewPCG(1, 2))
	made := 0
	for step := range 120 {
		id := submissionID(uint64(random.IntN(made+1) + 1))
		switch random.IntN(6) {
		case 0, 1:
			at := time.Now()
			if random.IntN(2) == 0 {
				at = at.Add(time.Hour)
			}
			w.handIn(made, at, []string{"eva@example.net"}[:random.IntN(2)]...)
			made++
		case 2:
			w.calls(`[["EmailSubmission/set",{"accountId":"a1","update":{"` + id + `":{"undoStatus":"canceled"}}},"0"]]`)
		case 3:
			w.calls(`[["EmailSubmission/set",{"accountId":"a1","destroy":["` + id + `"]},"0"]]`)
		case 4:
			w.settle()
		case 5:
			f.catchUp()
		}
		if step%20 == 19 {
			w.settle()
			f.catchUp()
			f.compare(step)
		}
	}
}

// TestOverQuota holds that a full account is told of it when an email is written.
func TestOverQuota(t *testing.T) {
	w := newWorld(t)
	var err error
	if w.anna, err = w.store.UpdateAccount(t.Context(), w.anna.ID, func(a *store.Account) error { a.Quota = 50; return nil }); err != nil {
		t.Fatal(err)
	}
	answer := string(w.calls(`[["Email/set",{"accountId":"a1","create":{"k":{"mailboxIds":{"F2":true},"subject":"x"}}},"0"]]`))
	if !strings.Contains(answer, `"k":{"type":"overQuota"`) {
		t.Error(answer)
	}
}
