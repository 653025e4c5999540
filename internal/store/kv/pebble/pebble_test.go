package pebble

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/kv/kvtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, opt Options) *DB {
	t.Helper()
	opt.Logger = quiet()
	db, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestOnDisk(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, func(t *testing.T) kv.DB { return open(t, Options{Dir: t.TempDir()}) })
}

// TestSmallTables passes with writes that are flushed and compacted all the time.
func TestSmallTables(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, func(t *testing.T) kv.DB {
		fs := vfs.NewMem()
		if err := fs.MkdirAll(filepath.Dir(t.TempDir()), 0o755); err != nil { // for its checkpoints
			t.Fatal(err)
		}
		return open(t, Options{Dir: "/db", FS: fs, MemTableSize: 64 << 10})
	})
}

// TestReopen finds again what was written, durably or not, after Close.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	for round := range 3 {
		db := open(t, Options{Dir: dir})
		for _, do := range []func(context.Context, kv.Account, func(kv.Tx) error) error{db.Update, db.Write} {
			err := do(ctx, 7, func(tx kv.Tx) error {
				for n := range 2 * round {
					if _, ok, err := tx.Get(fmt.Append(nil, n)); err != nil || !ok {
						return fmt.Errorf("round %d: key %d: %v, %w", round, n, ok, err)
					}
				}
				return errors.Join(tx.Set(fmt.Append(nil, 2*round), nil), tx.Set(fmt.Append(nil, 2*round+1), nil))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckpointOpens opens a checkpoint that was made while writers ran.
func TestCheckpointOpens(t *testing.T) {
	db := open(t, Options{Dir: t.TempDir()})
	ctx := context.Background()
	put := func(n int) error {
		return db.Update(ctx, 1, func(tx kv.Tx) error {
			return errors.Join(tx.Set(fmt.Appendf(nil, "a%06d", n), nil), tx.Set(fmt.Appendf(nil, "b%06d", n), nil))
		})
	}
	const before = 100
	for n := range before {
		if err := put(n); err != nil {
			t.Fatal(err)
		}
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := before; ; n++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := put(n); err != nil {
				done <- err
				return
			}
		}
	}()
	dir := filepath.Join(t.TempDir(), "copy")
	err := db.Checkpoint(ctx, dir)
	close(stop)
	if err = errors.Join(err, <-done, db.Close()); err != nil {
		t.Fatal(err)
	}
	db = open(t, Options{Dir: dir})
	counts := map[byte]int{}
	err = db.View(ctx, 1, func(r kv.Reader) error {
		it := r.Iterate(nil, nil)
		for it.Next() {
			counts[it.Key()[0]]++
		}
		return it.Close()
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if counts['a'] < before || counts['a'] != counts['b'] {
		t.Errorf("the copy has %d and %d records, want the same, at least %d", counts['a'], counts['b'], before)
	}
}

// TestAccountTable stays as small as the work at hand.
func TestAccountTable(t *testing.T) {
	db := open(t, Options{Dir: t.TempDir()})
	ctx := context.Background()
	for n := range kv.Account(500) {
		do := db.Update
		if n%2 == 0 {
			do = db.Write
		}
		if err := do(ctx, n, func(tx kv.Tx) error { return tx.Set([]byte("k"), nil) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.View(ctx, 498, func(kv.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // after the last sync
		t.Fatal(err)
	}
	for i := range db.accounts.shard {
		if n := len(db.accounts.shard[i].m); n != 0 {
			t.Errorf("shard %d still knows %d accounts", i, n)
		}
	}
}

// TestMaxAccount covers the account whose key space has no upper bound.
func TestMaxAccount(t *testing.T) {
	db := open(t, Options{Dir: t.TempDir()})
	ctx := context.Background()
	last := ^kv.Account(0)
	err := db.Update(ctx, last, func(tx kv.Tx) error {
		for _, k := range []string{"a", "\xff\xff"} {
			if err := tx.Set([]byte(k), nil); err != nil {
				return err
			}
		}
		return nil
	})
	n := 0
	err = errors.Join(err, db.Accounts(ctx, func(a kv.Account) error { n++; return nil }))
	err = errors.Join(err, db.Update(ctx, last, func(tx kv.Tx) error { return tx.DeleteRange([]byte("b"), nil) }))
	err = errors.Join(err, db.View(ctx, last, func(r kv.Reader) error {
		it := r.Iterate(nil, nil)
		for it.Next() {
			n += len(it.Key())
		}
		return it.Close()
	}))
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if n != 2 {
		t.Errorf("counted %d, want one account and one octet of keys", n)
	}
}

func TestMetrics(t *testing.T) {
	db := open(t, Options{Dir: t.TempDir()})
	if err := db.Update(context.Background(), 1, func(tx kv.Tx) error { return tx.Set([]byte("k"), nil) }); err != nil {
		t.Fatal(err)
	}
	m := db.Metrics()
	if m.Commits != 1 || m.DiskSize <= 0 || m.LogWritten <= 0 || m.SyncLatency == nil || m.FreeSpace <= 0 || m.Reserve <= 0 {
		t.Errorf("metrics %+v", m)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLockOrder locks the accounts of UpdateEach in ascending order: one that
// waits for a lower account holds no higher one.
func TestLockOrder(t *testing.T) {
	db := open(t, Options{Dir: "/db", FS: vfs.NewMem()})
	ctx := context.Background()
	each := make(chan error, 1)
	err := db.Update(ctx, 1, func(kv.Tx) error {
		begun := make(chan struct{})
		go func() {
			close(begun)
			errs := db.UpdateEach(ctx, []kv.Account{2, 1}, func(tx kv.Tx, _ int) error { return tx.Set([]byte("k"), nil) })
			each <- errors.Join(errs...)
		}()
		<-begun
		for range 100 { // some of these come while UpdateEach waits
			soon, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := db.Update(soon, 2, func(tx kv.Tx) error { return tx.Set([]byte("k"), nil) })
			cancel()
			if err != nil {
				return err
			}
			time.Sleep(100 * time.Microsecond)
		}
		return nil
	})
	if err = errors.Join(err, <-each, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestPanic leaves nothing locked or open when fn panics.
func TestPanic(t *testing.T) {
	db := open(t, Options{Dir: "/db", FS: vfs.NewMem()})
	ctx := context.Background()
	panics := func(name string, call func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: the panic of fn is lost", name)
			}
		}()
		call()
	}
	bad := func(r kv.Reader) error {
		r.Iterate(nil, nil) // left open
		if tx, ok := r.(kv.Tx); ok {
			if err := tx.Set([]byte("k"), nil); err != nil {
				t.Error(err)
			}
			tx.Iterate(nil, nil)
		}
		panic("wanted by the test")
	}
	panics("View", func() { _ = db.View(ctx, 1, bad) })
	panics("Update", func() { _ = db.Update(ctx, 1, func(tx kv.Tx) error { return bad(tx) }) })
	panics("Write", func() { _ = db.Write(ctx, 1, func(tx kv.Tx) error { return bad(tx) }) })
	panics("UpdateEach", func() {
		_ = db.UpdateEach(ctx, []kv.Account{1, 2}, func(tx kv.Tx, i int) error {
			if i == 0 {
				return tx.Set([]byte("k"), nil)
			}
			return bad(tx)
		})
	})
	for _, err := range db.UpdateEach(ctx, []kv.Account{1, 2}, func(tx kv.Tx, _ int) error {
		if _, ok, err := tx.Get([]byte("k")); ok || err != nil {
			t.Errorf("a panicking transaction wrote: %v, %v", ok, err)
		}
		return tx.Set([]byte("k"), nil)
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	if errs := db.UpdateEach(ctx, []kv.Account{1, 2, 1}, nil); errs[0] == nil {
		t.Error("an account twice in UpdateEach is no error")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
