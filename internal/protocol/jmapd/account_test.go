package jmapd

import (
	"fmt"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestMemory holds that what is kept of accounts is bounded, that those used last stay, and that nothing is lost with the
// others.
func TestMemory(t *testing.T) {
	w := newWorld(t).wide()
	w.server.options.Memory = 4 * (accountWeight + 2*emailWeight)
	var all []store.Account
	for n := range 10 {
		a := storetest.Account(t, w.store, fmt.Sprintf("a%d@example.org", n))
		w.others.Store(a.Address, a)
		all = append(all, a)
		if err := w.deliver(a, store.InboxID, n, n); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(a store.Account) string {
		return string(w.callsAs(a, fmt.Sprintf(`[["Email/query",{"accountId":%q,"filter":{"inMailbox":"F1"}},"0"]]`, accountID(a.ID))))
	}
	var first []string
	for _, a := range all {
		first = append(first, ask(a))
		c := &w.server.accounts
		size := int64(0)
		for _, one := range c.of {
			size += one.size
		}
		if len(c.of) > 4 || c.size > w.server.options.Memory || c.size != size || c.of[own(a.ID)] == nil {
			t.Fatalf("%d accounts with %d octets are kept, reckoned are %d", len(c.of), size, c.size)
		}
	}
	for i, a := range all {
		if again := ask(a); again != first[i] {
			t.Errorf("%s, before %s", again, first[i])
		}
	}
}

// TestResultsAreBounded holds that the results of an account are bounded, and those used last stay.
func TestResultsAreBounded(t *testing.T) {
	var q queries
	for n := range 3 * maxResults {
		r := q.result(fmt.Sprint(n))
		if r != q.result(fmt.Sprint(n)) || len(q.of) > maxResults {
			t.Fatalf("%d results", len(q.of))
		}
		if r.size.Store(maxResultSize / 3); n >= 4 && q.footprint() > maxResultSize*4/3 {
			t.Fatalf("results of %d octets", q.footprint())
		}
	}
}
