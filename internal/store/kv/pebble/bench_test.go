package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postiljon/postiljon/internal/store/kv"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// BenchmarkDelivery is what a delivery writes: eight small records and one of
// 1.2 KB, after two reads, by writers of 1000 accounts.
func BenchmarkDelivery(b *testing.B) {
	for _, writers := range []int{1, 20, 100} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := benchDB(b)
			run(b, writers, func(n uint64) error {
				return db.Update(context.Background(), kv.Account(1+n%1000), func(tx kv.Tx) error {
					return deliver(tx, n)
				})
			})
		})
	}
}

// BenchmarkDeliveryOneAccount shows that transactions of one account share syncs.
func BenchmarkDeliveryOneAccount(b *testing.B) {
	db := benchDB(b)
	run(b, 20, func(n uint64) error {
		return db.Update(context.Background(), 1, func(tx kv.Tx) error { return deliver(tx, n) })
	})
}

func BenchmarkUpdateEach(b *testing.B) {
	db := benchDB(b)
	run(b, 4, func(n uint64) error {
		ids := make([]kv.Account, 8)
		for i := range ids {
			ids[i] = kv.Account(n*8%1000 + uint64(i))
		}
		for _, err := range db.UpdateEach(context.Background(), ids, func(tx kv.Tx, i int) error {
			return deliver(tx, n*8+uint64(i))
		}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkWrite(b *testing.B) {
	db := benchDB(b)
	run(b, 20, func(n uint64) error {
		return db.Write(context.Background(), kv.Account(1+n%1000), func(tx kv.Tx) error {
			return deliver(tx, n)
		})
	})
}

func BenchmarkViewGet(b *testing.B) {
	db := benchDB(b)
	fill(b, db)
	b.ReportAllocs()
	var key [9]byte
	for n := uint64(0); b.Loop(); n++ {
		err := db.View(context.Background(), 1, func(r kv.Reader) error {
			_, ok, err := r.Get(benchKey(&key, 'a', n%1000))
			if err == nil && !ok {
				return fmt.Errorf("no key %d", n%1000)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkViewScan1000(b *testing.B) {
	db := benchDB(b)
	fill(b, db)
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		err := db.View(context.Background(), 1, func(r kv.Reader) error {
			it := r.Iterate([]byte("a"), []byte("b"))
			for it.Next() {
				if _, err := it.Value(); err != nil {
					return err
				}
				count++
			}
			return it.Close()
		})
		if err != nil || count != 1000 {
			b.Fatal(count, err)
		}
	}
}

func benchDB(b *testing.B) *DB {
	b.Helper()
	db, err := Open(Options{Dir: b.TempDir(), Logger: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

func fill(b *testing.B, db *DB) {
	b.Helper()
	err := db.Update(context.Background(), 1, func(tx kv.Tx) error {
		for n := range uint64(1000) {
			if err := deliver(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func run(b *testing.B, writers int, do func(n uint64) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
				if err := do(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}

var large = make([]byte, 1200)

func deliver(tx kv.Tx, n uint64) error {
	var key [9]byte
	for _, head := range "hq" {
		if _, _, err := tx.Get(benchKey(&key, byte(head), 0)); err != nil {
			return err
		}
	}
	var small [40]byte
	binary.BigEndian.PutUint64(small[:], n)
	for _, kind := range "abcdefhq" {
		id := n
		if kind == 'h' || kind == 'q' {
			id = 0
		}
		if err := tx.Set(benchKey(&key, byte(kind), id), small[:]); err != nil {
			return err
		}
	}
	return tx.Set(benchKey(&key, 'z', n), large)
}

func benchKey(key *[9]byte, kind byte, n uint64) []byte {
	key[0] = kind
	binary.BigEndian.PutUint64(key[1:], n)
	return key[:]
}
