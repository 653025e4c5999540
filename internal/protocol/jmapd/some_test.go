package jmapd

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/store"
)

// TestSome compares pages of what is found without a count, email by email, with those of the whole results.
func TestSome(t *testing.T) {
	w := newWorld(t)
	for i := range 90 {
		text := fmt.Sprintf("From: a%d@example.test\nSubject: Boat %d\nMessage-ID: <%d@test>\n", i%7, i%5, i)
		if i%4 == 3 {
			text += fmt.Sprintf("In-Reply-To: <%d@test>\n", i-3)
		}
		w.put(store.InboxID, i, text+fmt.Sprintf("\nThe tide is %d today.\n", i%3), store.Flags{})
	}
	find := func(query string) (answer object) {
		t.Helper()
		var r [][]any
		if err := json.Unmarshal(w.calls(fmt.Sprintf(`[["Email/query",{"accountId":"a1",%s},"0"]]`, query)), &r); err != nil {
			t.Fatal(err)
		}
		if r[0][0] != "Email/query" {
			t.Fatal(r[0]...)
		}
		return r[0][1].(object)
	}
	for _, filter := range []string{`{"from":"a3"}`, `{"text":"tide boat"}`, `{"body":"\"is 2\"","inMailbox":"F1"}`, `{"text":"nobody"}`} {
		for _, more := range []string{`"sort":[{"property":"receivedAt","isAscending":false}]`, `"sort":[{"property":"size"}],"collapseThreads":true`} {
			query := fmt.Sprintf(`"filter":%s,%s`, filter, more)
			var some []any
			for position := 0; ; position += 6 {
				page := find(fmt.Sprintf(`%s,"position":%d,"limit":6`, query, position))
				if page["canCalculateChanges"] != false || page["total"] != nil {
					t.Fatalf("%s at %d: not looked at one by one: %v", query, position, page)
				}
				ids := page["ids"].([]any)
				if some = append(some, ids...); len(ids) < 6 {
					break
				}
			}
			all := []any{}
			for more := true; more; {
				page := find(fmt.Sprintf(`%s,"position":%d,"calculateTotal":true`, query, len(all)))
				all = append(all, page["ids"].([]any)...)
				more = float64(len(all)) < page["total"].(float64)
			}
			if d := cmp.Diff(all, append([]any{}, some...)); d != "" {
				t.Errorf("%s: %s", query, d)
			}
			if again := find(query + `,"limit":6`); again["canCalculateChanges"] != true {
				t.Errorf("%s: all results are known, and yet %v", query, again)
			}
		}
	}
}
