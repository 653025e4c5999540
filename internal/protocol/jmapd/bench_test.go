package jmapd

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// manyEmails is how many emails the accounts of benchmarks have.
const manyEmails = 100_000

// fill gives an account many emails: conversations of one to five, over some years, a tenth of them unread.
func (w *world) fill(a store.AccountID, n int) {
	w.t.Helper()
	random := rand.New(rand.NewPCG(uint64(a), 1))
	begin := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	one := storetest.Email(w.t, w.store, storetest.Text(1))
	thread := 0
	for done := 0; done < n; {
		var batch []store.NewEmail
		for len(batch) < 10_000 && done < n {
			if random.IntN(5) < 3 {
				thread = done
			}
			e := one
			text := fmt.Sprintf("From: Person %d <p%d@example.net>\r\nTo: anna@example.org\r\nSubject: Letter %d about %d\r\nMessage-ID: <%d@example.net>\r\n"+
				"References: <%d@example.net>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n\r\nHej Anna, this is letter %d of a long correspondence.\r\n",
				done%211, done%211, done, thread, done, thread, done)
			e.Summary = message.Summarize([]byte(text))
			e.Received = begin.Add(time.Duration(done) * 1000 * time.Second)
			if random.IntN(10) > 0 {
				e.Flags = store.FlagSeen
			}
			batch, done = append(batch, e), done+1
		}
		if _, err := w.store.Append(w.t.Context(), a, store.InboxID, batch); err != nil {
			w.t.Fatal(err)
		}
	}
}

// wide takes the limits of the tests away.
func (w *world) wide() *world {
	w.server.options.Limits = Limits{ConcurrentRequests: 100}
	w.server.options.Limits.defaults()
	return w
}

// page is a page of a list with what a list shows.
func page(query string) string {
	return `[["Email/query",{"accountId":"a1",` + query + `,"limit":50},"0"],["Email/get",{"accountId":"a1","#ids":{"resultOf":"0","name":"Email/query","path":"/ids"},` +
		`"properties":["threadId","mailboxIds","keywords","hasAttachment","from","to","subject","receivedAt","size","preview"]},"1"]]`
}

var benchmarked = []struct{ name, query string }{
	{"newest", `"filter":{"inMailbox":"F1"},"sort":[{"property":"receivedAt","isAscending":false}],"calculateTotal":true`},
	{"collapsed", `"filter":{"inMailbox":"F1"},"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true,"calculateTotal":true`},
	{"row80000", `"filter":{"inMailbox":"F1"},"sort":[{"property":"receivedAt","isAscending":false}],"position":80000,"calculateTotal":true`},
	{"unread", `"filter":{"inMailbox":"F1","notKeyword":"$seen"},"sort":[{"property":"receivedAt","isAscending":false}],"calculateTotal":true`},
	{"thread", `"filter":{"inMailbox":"F1","someInThreadHaveKeyword":"$flagged"},"sort":[{"property":"receivedAt","isAscending":false}],"calculateTotal":true`},
	{"bySubject", `"filter":{"inMailbox":"F1"},"sort":[{"property":"subject"}],"calculateTotal":true`},
}

// BenchmarkPage is a page of a list of 100,000 emails. With "changed" an email was flagged since the last page.
func BenchmarkPage(b *testing.B) {
	w := newWorld(b).wide()
	w.fill(w.anna.ID, manyEmails)
	for _, one := range benchmarked {
		for _, changed := range []bool{false, true} {
			name := one.name
			if changed {
				name += "/changed"
			}
			b.Run(name, func(b *testing.B) {
				w.calls(page(one.query))
				for i := 0; b.Loop(); i++ {
					if changed {
						b.StopTimer()
						change := store.FlagChange{Op: store.FlagOp(i % 2), System: store.FlagFlagged}
						if _, err := w.store.StoreFlags(b.Context(), w.anna.ID, store.InboxID, uid.Of(uid.UID(i*7919%manyEmails+1)), change, nil); err != nil {
							b.Fatal(err)
						}
						b.StartTimer()
					}
					w.calls(page(one.query))
				}
			})
		}
	}
}

// BenchmarkFirst is the first look at an account of 100,000 emails, and the first time that a query is asked.
func BenchmarkFirst(b *testing.B) {
	w := newWorld(b).wide()
	w.fill(w.anna.ID, manyEmails)
	b.Run("picture", func(b *testing.B) {
		for b.Loop() {
			w.server.accounts = accounts{}
			if _, err := w.server.picture(b.Context(), w.anna.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, one := range benchmarked {
		b.Run(one.name, func(b *testing.B) {
			a := w.server.accountOf(own(w.anna.ID))
			for b.Loop() {
				a.queries.of = nil
				w.calls(page(one.query))
			}
		})
	}
}

// BenchmarkMemory tells how much memory an account of 100,000 emails takes, and how much is reckoned.
func BenchmarkMemory(b *testing.B) {
	w := newWorld(b).wide()
	w.fill(w.anna.ID, manyEmails)
	used := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	for b.Loop() {
		w.server.accounts = accounts{}
		before := used()
		if _, err := w.server.picture(b.Context(), w.anna.ID); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(used()-before, "MB")
		a := w.server.accountOf(own(w.anna.ID))
		b.ReportMetric(float64(a.footprint())/(1<<20), "MB-reckoned")
		for _, one := range benchmarked {
			w.calls(page(one.query))
		}
		b.ReportMetric(used()-before, "MB-queries")
		b.ReportMetric(float64(a.footprint())/(1<<20), "MB-queries-reckoned")
	}
}

// BenchmarkUsers is 20 users at once, each with 100,000 emails, who get pages while their mail changes; each pauses a little
// between two pages, as the fastest people do. It reports how long a page takes.
func BenchmarkUsers(b *testing.B) {
	w := newWorld(b).wide()
	const users = 20
	var all []store.Account
	for n := range users {
		a := w.anna
		if n > 0 {
			a = storetest.Account(b, w.store, fmt.Sprintf("user%d@example.org", n))
			w.others.Store(a.Address, a)
		}
		w.fill(a.ID, manyEmails)
		all = append(all, a)
	}
	for b.Loop() {
		var mu sync.Mutex
		var took []time.Duration
		var wait sync.WaitGroup
		for _, a := range all {
			wait.Go(func() {
				for i := range 300 {
					q := strings.ReplaceAll(page(benchmarked[i%5].query), `"a1"`, `"`+accountID(a.ID)+`"`)
					if i%3 == 0 {
						change := store.FlagChange{Op: store.FlagOp(i % 2), System: store.FlagSeen}
						if _, err := w.store.StoreFlags(b.Context(), a.ID, store.InboxID, uid.Of(uid.UID(i*7919%manyEmails+1)), change, nil); err != nil {
							b.Error(err)
						}
					}
					begun := time.Now()
					w.callsAs(a, q)
					if i >= 10 { // the first ones read
						mu.Lock()
						took = append(took, time.Since(begun))
						mu.Unlock()
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		wait.Wait()
		slices.Sort(took)
		for _, p := range []int{50, 99} {
			b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("ms-p%d", p))
		}
	}
}
