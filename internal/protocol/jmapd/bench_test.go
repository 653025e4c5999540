package jmapd

import (
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// BenchmarkPage is a page of a list: the newest 50 of 20,000 emails, with what a list shows. With "changed" an email
// was marked since the last page, so that places are read again.
func BenchmarkPage(b *testing.B) {
	w := newWorld(b)
	w.server.options.Limits.Get = 100
	var batch []store.NewEmail
	one := storetest.Email(b, w.store, storetest.Text(1))
	for range 20_000 {
		batch = append(batch, one)
	}
	if _, err := w.store.Append(b.Context(), w.anna.ID, store.InboxID, batch); err != nil {
		b.Fatal(err)
	}
	page := `[["Email/query",{"accountId":"a1","filter":{"inMailbox":"F1"},"sort":[{"property":"receivedAt","isAscending":false}],"limit":50},"0"],` +
		`["Email/get",{"accountId":"a1","#ids":{"resultOf":"0","name":"Email/query","path":"/ids"},"properties":["subject","from","preview","keywords","receivedAt"]},"1"]]`
	for _, changed := range []bool{false, true} {
		name := "still"
		if changed {
			name = "changed"
		}
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if changed {
					w.calls(`[["Email/set",{"accountId":"a1","update":{"M7":{"keywords/$seen":` + []string{"true", "null"}[i%2] + `}}},"0"]]`)
				}
				w.calls(page)
			}
		})
	}
}
