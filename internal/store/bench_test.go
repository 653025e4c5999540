package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// BenchmarkDeliver measures durable deliveries of 4 KiB messages to 20 accounts
// from 20 writers: blob, summary, records, two synced commits; without events, and with
// the two that tell of a message from elsewhere, whose cost is the difference.
func BenchmarkDeliver(b *testing.B) {
	b.Run("without events", func(b *testing.B) { deliver(b, nil) })
	b.Run("with events", func(b *testing.B) {
		deliver(b, func(n int64) []store.Event {
			now, to := time.Now(), fmt.Sprintf("user%d@bench.test", n%20)
			trace := store.NewTraceID(now)
			return []store.Event{{Time: now, Trace: trace, Kind: "message.accepted", Fields: []store.Field{
				{Name: "from", Value: "bo.svensson@sender.example"}, {Name: "to", Value: to},
				{Name: "message-id", Value: fmt.Sprintf("%d.20261122@sender.example", n)}, {Name: "subject", Value: "A subject as letters have it"},
				{Name: "size", Value: "4096"}, {Name: "remote", Value: "192.0.2.25"}, {Name: "helo", Value: "mx.sender.example"},
				{Name: "tls", Value: "TLS 1.3"}, {Name: "authentication", Value: "spf=pass dkim=pass dmarc=pass"},
			}}, {Time: now, Trace: trace, Kind: "message.delivered", Fields: []store.Field{{Name: "to", Value: to}, {Name: "mailbox", Value: "INBOX"}}}}
		})
	})
}

func deliver(b *testing.B, events func(n int64) []store.Event) {
	s, ctx := open(b), b.Context()
	var ids []store.AccountID
	for i := range 20 {
		ids = append(ids, storetest.Account(b, s, fmt.Sprintf("user%d@bench.test", i)).ID)
	}
	body := strings.Repeat("A line of text that is as long as lines of text are in letters.\r\n", 60)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	before := worked(b)
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	if events != nil { // as the journal does
		stop := keepMentions(b, s)
		defer stop()
	}
	for range 20 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				text := []byte(storetest.Text(int(n)) + body)
				ref, err := s.Blobs().Put(ctx, text)
				if err != nil {
					b.Error(err)
					return
				}
				to := store.DeliverTo{Account: ids[n%20]}
				if events != nil {
					to.Events = events(n)
				}
				results, err := s.Deliver(ctx, store.Delivery{
					Email:      store.NewEmail{Blob: ref, Summary: message.Summarize(text)},
					Recipients: []store.DeliverTo{to},
				})
				if err != nil || results[0].Err != nil {
					b.Error(err, results)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64((worked(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

// worked is how long processors have worked for this process: on a machine that is busy it says more than the clock.
func worked(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// open opens a store as the service does; those of tests keep little in memory, and merge tables all the time.
func open(b *testing.B) *store.Store {
	dir := storetest.Dir(b)
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = records.Close() })
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = blobs.Close() })
	s, err := store.Open(b.Context(), store.Options{Records: records, Blobs: blobs})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// keepMentions writes what events mention every tenth of a second, until it is stopped.
func keepMentions(b *testing.B, s *store.Store) (stop func()) {
	if err := s.KeepMentions(b.Context()); err != nil {
		b.Fatal(err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
				if err := s.KeepMentions(b.Context()); err != nil {
					b.Error(err)
				}
			}
		}
	}()
	return func() { close(done); <-ended }
}

// fill puts n messages into an INBOX.
func fill(b *testing.B, s *store.Store, n int) store.AccountID {
	a := storetest.Account(b, s, "anna@bench.test").ID
	for i := 0; i < n; {
		var batch []store.NewEmail
		for ; i < n && len(batch) < 500; i++ {
			batch = append(batch, storetest.Email(b, s, storetest.Text(i)))
		}
		if _, err := s.Append(b.Context(), a, store.InboxID, batch); err != nil {
			b.Fatal(err)
		}
	}
	return a
}

// BenchmarkRead measures walks over 20,000 messages.
func BenchmarkRead(b *testing.B) {
	const n = 20000
	s := storetest.Open(b)
	a := fill(b, s, n)
	b.Run("placements", func(b *testing.B) {
		for b.Loop() {
			if err := s.Placements(b.Context(), a, store.InboxID, uid.All(), func(*store.Placement) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("messages", func(b *testing.B) {
		for b.Loop() {
			if err := s.Messages(b.Context(), a, store.InboxID, uid.All(), func(*store.Message) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("view", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.View(b.Context(), a, store.InboxID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("store all", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			if _, err := s.StoreFlags(b.Context(), a, store.InboxID, uid.All(), store.FlagChange{Op: store.FlagOp(i % 2), System: store.FlagSeen}, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
}
