package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/kv"
)

const (
	crashAccounts = 6
	crashRecords  = 5 // that a transaction writes; all hold its number
)

// TestCrash runs writers on a file system that forgets what was not synced,
// crashes at random points, opens what is left and runs on, several times.
// After each crash every acknowledged transaction must be there, none may be
// half there, and what a View showed must be there, too.
func TestCrash(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			fs := vfs.NewCrashableMem()
			w := &crashWorld{}
			for range 4 {
				fs = w.run(t, fs, rng)
			}
		})
	}
}

// crashWorld knows for each account the highest number that was acknowledged
// or shown, and the highest that was tried.
type crashWorld struct {
	durable [crashAccounts]atomic.Uint64
	tried   [crashAccounts]atomic.Uint64
}

// run opens the database, checks it, writes until a crash and returns the file
// system after it.
func (w *crashWorld) run(t *testing.T, fs *vfs.MemFS, rng *rand.Rand) *vfs.MemFS {
	db := open(t, Options{Dir: "/db", FS: fs, MemTableSize: 32 << 10})
	for a := range crashAccounts {
		w.check(t, db, a)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 5 {
		seed := rng.Uint64()
		wg.Go(func() { w.write(t, db, rand.New(rand.NewPCG(seed, 2)), stop) })
	}
	time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
	// What was durable is noted before the crash, so that all of it must be there.
	var durable [crashAccounts]uint64
	for a := range durable {
		durable[a] = w.durable[a].Load()
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[rng.IntN(4)], RNG: rng})
	close(stop)
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	for a := range durable {
		w.durable[a].Store(durable[a])
	}
	return after
}

// check reads an account's number and takes it as the state to go on from.
func (w *crashWorld) check(t *testing.T, db *DB, a int) {
	t.Helper()
	n, err := readAll(db, kv.Account(a))
	if err != nil {
		t.Fatalf("account %d: %v", a, err)
	}
	if low, high := w.durable[a].Load(), w.tried[a].Load(); n < low || n > high {
		t.Fatalf("account %d is at %d after a crash; %d was acknowledged, %d tried", a, n, low, high)
	}
	w.durable[a].Store(n)
	w.tried[a].Store(n)
}

func (w *crashWorld) write(t *testing.T, db *DB, rng *rand.Rand, stop chan struct{}) {
	ctx := context.Background()
	for {
		select {
		case <-stop:
			return
		default:
		}
		a := rng.IntN(crashAccounts)
		var n uint64
		var err error
		switch rng.IntN(10) {
		case 0: // a view shows only what is durable
			if n, err = readAll(db, kv.Account(a)); err == nil {
				raise(&w.durable[a], n)
			}
		case 1:
			err = db.Write(ctx, kv.Account(a), func(tx kv.Tx) error { n, err = w.step(tx, a); return err })
		case 2:
			err = w.writeEach(db, a)
		default:
			err = db.Update(ctx, kv.Account(a), func(tx kv.Tx) error { n, err = w.step(tx, a); return err })
			if err == nil {
				raise(&w.durable[a], n)
			}
		}
		if err != nil {
			t.Errorf("account %d: %v", a, err)
			return
		}
	}
}

func (w *crashWorld) writeEach(db *DB, a int) error {
	ids := []kv.Account{kv.Account(a), kv.Account((a + 1) % crashAccounts), kv.Account((a + 2) % crashAccounts)}
	var ns [3]uint64
	for i, err := range db.UpdateEach(context.Background(), ids, func(tx kv.Tx, i int) (err error) {
		ns[i], err = w.step(tx, int(ids[i]))
		return err
	}) {
		if err != nil {
			return err
		}
		raise(&w.durable[ids[i]], ns[i])
	}
	return nil
}

// step raises all records of an account from one number to the next.
func (w *crashWorld) step(tx kv.Tx, a int) (uint64, error) {
	n, err := sameNumber(tx)
	if err != nil {
		return 0, err
	}
	n++
	raise(&w.tried[a], n)
	value := make([]byte, 8+n%300)
	binary.BigEndian.PutUint64(value, n)
	for i := range byte(crashRecords) {
		if err := tx.Set([]byte{i}, value); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func readAll(db *DB, a kv.Account) (n uint64, err error) {
	err = db.View(context.Background(), a, func(r kv.Reader) error { n, err = sameNumber(r); return err })
	return n, err
}

// sameNumber returns the number that all records of an account hold.
func sameNumber(r kv.Reader) (uint64, error) {
	var first uint64
	for i := range byte(crashRecords) {
		v, ok, err := r.Get([]byte{i})
		if err != nil {
			return 0, err
		}
		n := uint64(0)
		if ok {
			n = binary.BigEndian.Uint64(v)
		}
		if i == 0 {
			first = n
		}
		if n != first {
			return 0, fmt.Errorf("half a transaction: record 0 is at %d, record %d at %d", first, i, n)
		}
	}
	return first, nil
}

func raise(v *atomic.Uint64, n uint64) {
	for {
		old := v.Load()
		if old >= n || v.CompareAndSwap(old, n) {
			return
		}
	}
}
