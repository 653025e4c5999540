package jmapd

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
)

// TestIndexedSearch holds that the index changes nothing of what is found.
func TestIndexedSearch(t *testing.T) {
	w := newWorld(t).wide()
	for i := range 3 * fewEmails {
		text := fmt.Sprintf("From: Person %d <p%d@example.test>\nTo: anna@example.org\nSubject: Boat %d\nX-Other: harbour\nMessage-ID: <%d@test>\n\nThe tide is %d today, says number%d.\n",
			i%7, i%7, i%5, i, i%3, i)
		w.put(store.InboxID, i, text, store.Flags{})
	}
	filters := []string{
		`{"text":"tide"}`, `{"text":"tid"}`, `{"text":"harbour"}`, `{"text":"p3@example.test"}`, `{"from":"person 3"}`, `{"to":"person"}`, `{"subject":"boat"}`, `{"subject":"oat 2"}`,
		`{"body":"boat"}`, `{"body":"\"is 2\""}`, `{"text":"number7"}`, `{"header":["X-Other","harb"]}`, `{"operator":"NOT","conditions":[{"text":"today boat"}]}`, `{"text":"zzzz"}`,
	}
	found := func() (list []string) {
		for _, f := range filters {
			list = append(list, string(w.calls(fmt.Sprintf(`[["Email/query",{"accountId":"a1","filter":%s,"calculateTotal":true},"0"]]`, f))))
		}
		return list
	}
	want := found()
	x := index.New(index.Options{Store: w.store})
	if err := x.Update(t.Context(), w.anna.ID, nil); err != nil {
		t.Fatal(err)
	}
	w.server.options.Index = x
	w.server.accounts = accounts{}
	if diff := cmp.Diff(want, found()); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkSearch is the search for words that all of 100,000 emails have, and none.
func BenchmarkSearch(b *testing.B) {
	w := newWorld(b).wide()
	w.fill(w.anna.ID, manyEmails)
	w.server.options.Index = index.New(index.Options{Store: w.store})
	if err := w.server.options.Index.Update(b.Context(), w.anna.ID, nil); err != nil {
		b.Fatal(err)
	}
	a := w.server.accountOf(own(w.anna.ID))
	for _, text := range []string{"letter", "hej anna", "zebra"} {
		for name, more := range map[string]string{"page": "", "all": `,"calculateTotal":true`} {
			b.Run(text+"/"+name, func(b *testing.B) {
				for b.Loop() {
					a.queries.of = nil
					w.calls(page(fmt.Sprintf(`"filter":{"inMailbox":"F1","text":%q},"sort":[{"property":"receivedAt","isAscending":false}]%s`, text, more)))
				}
			})
		}
	}
}
