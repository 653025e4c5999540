package pebble

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// counter reads a key of account 1 and writes it.
func counter(t *testing.T, db *DB, key, want, next string) {
	t.Helper()
	err := db.Update(context.Background(), 1, func(tx kv.Tx) error {
		if v, _, err := tx.Get([]byte(key)); err != nil || string(v) != want {
			return fmt.Errorf("%s is %q, %v, want %q", key, v, err, want)
		}
		return tx.Set([]byte(key), []byte(next))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRecent has what all kinds of transactions wrote of a key that is kept, and of one that is not.
func TestRecent(t *testing.T) {
	db, ctx := open(t, Options{Dir: t.TempDir(), MemTableSize: 1 << 20}), context.Background()
	counter(t, db, "n", "", "1")
	counter(t, db, "n", "1", "2")
	acc := db.accounts.acquire(1)
	if v, ok := acc.recent.get([]byte("n")); !ok || string(v) != "2" {
		t.Fatalf("kept is %q, %v", v, ok)
	}
	db.accounts.release(acc)
	large := strings.Repeat("x", 2<<20)
	for i, write := range []struct {
		fn   func(tx kv.Tx) error
		want string
		err  bool
	}{
		{func(tx kv.Tx) error { return tx.Set([]byte("n"), []byte("blind")) }, "blind", false},
		{func(tx kv.Tx) error { _ = tx.Set([]byte("n"), []byte("no")); return context.Canceled }, "again", true},
		{func(tx kv.Tx) error {
			_ = tx.Set([]byte("n"), []byte("first"))
			return tx.Set([]byte("n"), []byte("last"))
		}, "last", false},
		{func(tx kv.Tx) error { // one so large that it is a memory table of its own
			_ = tx.Set([]byte("n"), []byte("beside"))
			return tx.Set([]byte("large"), []byte(large))
		}, "beside", false},
		{func(tx kv.Tx) error {
			for i := range 2 * recentWrites {
				_ = tx.Set(fmt.Append(nil, "many", i), nil)
			}
			return tx.Set([]byte("n"), []byte("of many"))
		}, "of many", false},
		{func(tx kv.Tx) error { return tx.Set([]byte("n"), []byte(large[:recentSize+1])) }, large[:recentSize+1], false},
		{func(tx kv.Tx) error { return tx.Delete([]byte("n")) }, "", false},
		{func(tx kv.Tx) error { return tx.DeleteRange([]byte("m"), []byte("o")) }, "", false},
	} {
		for _, do := range []func(context.Context, kv.Account, func(kv.Tx) error) error{db.Update, db.Write, func(ctx context.Context, a kv.Account, fn func(kv.Tx) error) error {
			return db.UpdateEach(ctx, []kv.Account{a + 1, a}, func(tx kv.Tx, i int) error { return fn(tx) })[1]
		}} {
			if err := do(ctx, 1, write.fn); (err != nil) != write.err {
				t.Fatalf("%d: %v", i, err)
			}
			counter(t, db, "n", write.want, "again")
			counter(t, db, "n", "again", "again")
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRecentBounds keeps few accounts and few values of each.
func TestRecentBounds(t *testing.T) {
	db := open(t, Options{Dir: t.TempDir()})
	for round := range 2 {
		for a := range kv.Account(3 * shards * keptAccounts) {
			err := db.Write(context.Background(), a, func(tx kv.Tx) error {
				for i := range 3 * recentValues {
					key := fmt.Append(nil, i)
					if v, _, err := tx.Get(key); err != nil || len(v) != round {
						return fmt.Errorf("round %d: %q, %v", round, v, err)
					}
					if err := tx.Set(key, []byte("v")); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil { // after the last sync
		t.Fatal(err)
	}
	for i := range db.accounts.shard {
		s := &db.accounts.shard[i]
		if len(s.m) > keptAccounts {
			t.Errorf("shard %d knows %d accounts", i, len(s.m))
		}
		for _, acc := range s.m {
			if acc.refs != 0 || !acc.kept || len(acc.recent.values) > recentValues {
				t.Errorf("account %d: %d references, kept %v, %d values", acc.id, acc.refs, acc.kept, len(acc.recent.values))
			}
		}
	}
}
