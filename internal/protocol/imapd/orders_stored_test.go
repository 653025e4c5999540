package imapd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

var sortCommands = []string{"UID SORT (SUBJECT) UTF-8 ALL", "UID SORT (REVERSE DATE FROM) UTF-8 ALL", "UID SORT (ARRIVAL) UTF-8 ALL", "SORT (SIZE) UTF-8 UNSEEN",
	"UID THREAD REFERENCES UTF-8 ALL", "UID THREAD ORDEREDSUBJECT UTF-8 ALL"}

// sortable draws messages with few subjects, senders and days, that answer each other.
func sortable(w *world, r *rand.Rand, n int) {
	list := make([]store.NewEmail, n)
	for i := range list {
		id, parent := r.IntN(5000), r.IntN(5000)
		raw := fmt.Appendf(nil, "Subject: %s%d\r\nFrom: <p%d@x.test>\r\nDate: %d Nov 2026 10:00:00 +0100\r\nMessage-ID: <%d@x>\r\nReferences: <%d@x>\r\n\r\n",
			[]string{"", "Re: "}[r.IntN(2)], r.IntN(40), r.IntN(50), 1+r.IntN(28), id, parent)
		ref, err := w.store.Blobs().Put(w.t.Context(), raw)
		if err != nil {
			w.t.Fatal(err)
		}
		list[i] = store.NewEmail{Blob: ref, Summary: message.Summarize(raw), Received: clock.AddDate(0, 0, -r.IntN(99))}
	}
	if _, err := w.store.Append(w.t.Context(), w.account, store.InboxID, list); err != nil {
		w.t.Fatal(err)
	}
}

// TestStoredOrders sorts and threads a large mailbox as after a start, with what is stored, while mail comes, goes
// and moves, and holds that answers are those that are made anew.
func TestStoredOrders(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	ctx, r := t.Context(), rand.New(rand.NewPCG(7, 7))
	for range 9 {
		sortable(w, r, 500)
	}
	c := w.plainClient()
	c.ok("SELECT INBOX")
	for round := range 5 {
		for _, command := range sortCommands {
			w.server.orders.forget()
			first := c.ok(command)
			w.server.orders.forget()
			if again := c.ok(command); !slices.Equal(first, again) {
				t.Fatalf("round %d: %s is answered otherwise after a start", round, command)
			}
			if err := w.store.DropPostings(ctx, w.account); err != nil {
				t.Fatal(err)
			}
			w.server.orders.forget()
			if anew := c.ok(command); !slices.Equal(first, anew) {
				t.Fatalf("round %d: %s is answered otherwise when it is made anew", round, command)
			}
			w.server.orders.forget()
			if again := c.ok(command); !slices.Equal(first, again) {
				t.Fatalf("round %d: %s is answered otherwise with what is stored of it", round, command)
			}
		}
		sortable(w, r, []int{1, 40, 300, 700}[round%4])
		some := uid.UID(1 + r.IntN(4000))
		if _, err := w.store.Move(ctx, w.account, store.InboxID, uid.Set{{First: some, Last: some + 3}}, store.InboxID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.store.Expunge(ctx, w.account, store.InboxID, uid.Set{{First: some + 50, Last: some + 90}}, false); err != nil {
			t.Fatal(err)
		}
		for _, command := range sortCommands { // some messages are gone, which this session does not know yet
			if round%2 == 0 {
				w.server.orders.forget()
			}
			c.ok(command)
		}
		c.ok("NOOP")
	}
}

// FuzzStoredThreads reads what may be stored of threads: what is read is written as it was read.
func FuzzStoredThreads(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0, 2, 0, 2, 2, 2, 2, 2})             // two threads, the second with two answers
	f.Add([]byte{1, 2, 10, 2, 3, 4, 1, 0, 1})         // a dummy with two messages, of which one is answered
	f.Add([]byte{1, 0, 2})                            // a dummy without messages
	f.Add([]byte{0, 2, 6, 2})                         // deeper than can be
	f.Add([]byte{0, 0x80})                            // cut off
	f.Add([]byte{0, 2, 3, 4, 2, 5, 4, 2, 1, 2, 2, 2}) // dummies within
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		v := decodeThreads(b)
		if v == nil {
			return
		}
		written := v.forest.encode(v.roots)
		again := decodeThreads(written)
		if again == nil || !slices.Equal(again.forest.encode(again.roots), written) || len(again.forest.nodes) != len(v.forest.nodes) {
			t.Errorf("%x is written as %x", b, written)
		}
		if n := v.footprint(); n <= 0 {
			t.Errorf("%d octets of memory", n)
		}
	})
}

// BenchmarkFirstOrder sorts and threads as after a start, with what is stored, and again, and anew.
func BenchmarkFirstOrder(b *testing.B) {
	w := benchWorld(b)
	c := w.plainClient()
	buf := make([]byte, 256<<10)
	c.drain("SELECT INBOX", buf)
	for _, command := range []string{"UID SORT (SUBJECT) UTF-8 ALL", "UID SORT (DATE) UTF-8 ALL", "UID THREAD REFERENCES UTF-8 ALL"} {
		for _, kind := range []string{"Anew", "First", "Again"} {
			b.Run(strings.Fields(command)[1]+strings.Fields(command)[2]+"/"+kind, func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					if kind == "Anew" {
						if err := w.store.DropPostings(b.Context(), w.account); err != nil {
							b.Fatal(err)
						}
					}
					if kind != "Again" {
						w.server.orders.forget()
					}
					b.StartTimer()
					c.drain(command, buf)
				}
			})
		}
	}
}
