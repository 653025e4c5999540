package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// smallVolume mounts a memory file system of 64 MiB.
func smallVolume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("NOT TESTED: a real full volume; mounting a tmpfs needs privileges: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// acked remembers which keys were acknowledged.
type acked struct {
	mu   sync.Mutex
	keys []uint64
	next atomic.Uint64
}

// write stores records in goroutines until each has an error, or all is done.
func (w *acked) write(db *DB, upTo uint64) (last error) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for w.next.Load() < upTo {
				n := w.next.Add(1)
				err := setBig(db, context.Background(), n)
				w.mu.Lock()
				if err == nil {
					w.keys = append(w.keys, n)
				} else {
					last = err
				}
				w.mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return last
}

func setBig(db *DB, ctx context.Context, n uint64) error {
	return db.Update(ctx, 1, func(tx kv.Tx) error {
		return tx.Set(binary.BigEndian.AppendUint64(nil, n), noise(n, 20_000))
	})
}

// noise returns octets that do not compress.
func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	x := seed*2 + 1
	for i := range p {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		p[i] = byte(x)
	}
	return p
}

func (w *acked) verify(t *testing.T, db *DB) {
	t.Helper()
	err := db.View(context.Background(), 1, func(r kv.Reader) error {
		for _, n := range w.keys {
			v, ok, err := r.Get(binary.BigEndian.AppendUint64(nil, n))
			if err != nil || !ok || len(v) != 20_000 {
				t.Fatalf("acknowledged record %d: %d octets, %v, %v", n, len(v), ok, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullVolume fills a volume with records: they are refused while there is
// still the reserve, reads and deletes go on, and there is room again after
// what others took is gone.
func TestFullVolume(t *testing.T) {
	vol := smallVolume(t)
	other := filepath.Join(vol, "other") // what somebody else keeps there
	if err := os.WriteFile(other, make([]byte, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(vol, "db")
	db := open(t, Options{Dir: dir})
	var w acked
	ctx := context.Background()
	if err := w.write(db, 1e6); !errors.Is(err, kv.ErrNoSpace) {
		t.Fatalf("on a full volume: %v", err)
	}
	if free := freeSpace(t, vol); free < 1<<20 {
		t.Errorf("the reserve is gone: %d octets are free", free)
	}
	for range 3 { // refusals cost nothing
		if err := setBig(db, ctx, 0); !errors.Is(err, kv.ErrNoSpace) {
			t.Errorf("on a full volume: %v", err)
		}
	}
	w.verify(t, db)
	if err := deleteSoon(ctx, db); err != nil {
		t.Errorf("a delete on a full volume: %v", err)
	}
	if err := db.Failed(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := w.writeSoon(db, w.next.Load()+200); err != nil {
		t.Errorf("with room again: %v", err)
	}
	w.verify(t, db)
	reopenAndVerify(t, db, Options{Dir: dir}, &w)
}

// deleteSoon deletes something. A compaction that found no room either may stand in the way for a moment.
func deleteSoon(ctx context.Context, db *DB) (err error) {
	for range 100 {
		err = db.Update(kv.WithReserve(ctx), 1, func(tx kv.Tx) error { return tx.Delete([]byte("no such key")) })
		if !errors.Is(err, kv.ErrNoSpace) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func freeSpace(t *testing.T, vol string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(vol, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

// writeSoon writes as soon as writes are admitted again, which takes a sample
// of the volume, or a flush.
func (w *acked) writeSoon(db *DB, upTo uint64) (err error) {
	for range 200 {
		if err = w.write(db, upTo); !errors.Is(err, kv.ErrNoSpace) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func reopenAndVerify(t *testing.T, db *DB, opt Options, w *acked) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, opt)
	w.verify(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBrimfulVolume has no reserve, and somebody else takes the last octet: the
// log waits for room, nothing acknowledged is lost, nothing ends the process.
func TestBrimfulVolume(t *testing.T) {
	vol := smallVolume(t)
	dir := filepath.Join(vol, "db")
	opt := Options{Dir: dir, MemTableSize: 1 << 20, Reserve: 1} // admits to the last octet
	db := open(t, opt)
	var w acked
	other := filepath.Join(vol, "other")
	full, done := make(chan struct{}), make(chan error, 1)
	go func() {
		err := os.WriteFile(other, make([]byte, 80<<20), 0o600)
		close(full)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the volume takes 80 MiB: %v", err)
		}
	}()
	go func() { done <- w.write(db, 1e6) }()
	<-full
	time.Sleep(300 * time.Millisecond) // some writers wait for the log now, others were refused
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, kv.ErrNoSpace) {
		t.Errorf("on a full volume: %v", err)
	}
	if err := db.Failed(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d writes to the volume waited, %d transactions were refused", db.Metrics().Waits, db.Metrics().Refused)
	w.verify(t, db)
	reopenAndVerify(t, db, opt, &w)
}

// TestOpenFull opens on a volume without a free octet: with the ballast's room
// it works, for reading, and without it fails and says why.
func TestOpenFull(t *testing.T) {
	vol := smallVolume(t)
	opt := Options{Dir: filepath.Join(vol, "db"), MemTableSize: 1 << 20, Reserve: 16 << 20, RoomGrace: 300 * time.Millisecond}
	db := open(t, opt)
	var w acked
	if err := w.write(db, 50); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	fill := func(name string) {
		if err := os.WriteFile(filepath.Join(vol, name), make([]byte, 80<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	fill("other")
	db = open(t, opt)
	w.verify(t, db)
	if err := setBig(db, context.Background(), 1); !errors.Is(err, kv.ErrNoSpace) {
		t.Errorf("on a full volume: %v", err)
	}
	// Whether what room the ballast gave is enough to close depends on what a
	// flush took of it.
	closed := db.Close()
	if closed != nil && !errors.Is(closed, kv.ErrNoSpace) {
		t.Fatal(closed)
	}
	fill("another")
	opt.Logger = quiet()
	db, err := Open(opt)
	if err == nil {
		t.Error("opened without a free octet")
		t.Error(db.Close())
	} else if closed == nil && !errors.Is(err, kv.ErrNoSpace) {
		t.Errorf("opened without a free octet: %v", err)
	}
	t.Logf("without a free octet: Close %v, Open %v", closed, err)
	for _, name := range []string{"other", "another"} {
		if err := os.Remove(filepath.Join(vol, name)); err != nil {
			t.Fatal(err)
		}
	}
	db = openSoon(t, opt) // what waited for room ends first, and gives up its lock
	w.verify(t, db)
	if err := errors.Join(setBig(db, context.Background(), 1), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func openSoon(t *testing.T, opt Options) (db *DB) {
	t.Helper()
	var err error
	for range 100 {
		if db, err = Open(opt); err == nil {
			return db
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

// TestBallast is given away when the volume is full and made again afterwards.
func TestBallast(t *testing.T) {
	vol := smallVolume(t)
	dir := filepath.Join(vol, "db")
	db := open(t, Options{Dir: dir, MemTableSize: 1 << 20, Reserve: 8 << 20})
	ballast := filepath.Join(dir, ballastName)
	if before := freeSpace(t, vol); before > 62<<20 {
		t.Errorf("the ballast takes no room: %d octets are free", before)
	}
	other := filepath.Join(vol, "other")
	if err := os.WriteFile(other, make([]byte, 80<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := db.pdb.Flush(); err != nil { // a flush of nothing needs a new log
		t.Fatal(err)
	}
	if !db.fs.again(syscall.ENOSPC, true) {
		t.Error("a vital write is given up on a full volume")
	}
	if _, err := os.Stat(ballast); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	db.fs.restoreBallast()
	if _, err := os.Stat(ballast); err != nil {
		t.Errorf("the ballast is not made again: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailingFlush fails all table files for want of room for a while: nothing
// that was acknowledged is lost, and writes go on afterwards.
func TestFailingFlush(t *testing.T) {
	var fail atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	}))
	opt := Options{Dir: "/db", FS: fs, MemTableSize: 1 << 20}
	db := open(t, opt)
	var w acked
	fail.Store(true)
	if err := w.write(db, 100); err != nil { // 2 MB: beyond a memory table
		t.Fatalf("while flushes fail: %v", err)
	}
	w.verify(t, db)
	fail.Store(false)
	if err := w.writeSoon(db, 400); err != nil {
		t.Fatalf("when flushes succeed again: %v", err)
	}
	if err := db.Failed(); err != nil {
		t.Fatal(err)
	}
	w.verify(t, db)
	reopenAndVerify(t, db, opt, &w)
}

// TestFailedLog ends all use of the database when its log cannot be synced:
// nothing is acknowledged any more, and what was before is there after restart.
func TestFailedLog(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileWrite} {
		var fail atomic.Bool
		fs := errorfs.Wrap(vfs.NewCrashableMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			same := op.Kind == kind || kind == errorfs.OpFileSync && op.Kind == errorfs.OpFileSyncData
			if fail.Load() && same && strings.HasSuffix(op.Path, ".log") {
				return syscall.EIO
			}
			return nil
		}))
		db := open(t, Options{Dir: "/db", FS: fs})
		var w acked
		if err := w.write(db, 50); err != nil {
			t.Fatal(err)
		}
		fail.Store(true)
		if err := w.write(db, 100); !errors.Is(err, syscall.EIO) {
			t.Errorf("with a failing log: %v", err)
		}
		fail.Store(false)
		if err := w.write(db, 150); !errors.Is(err, syscall.EIO) {
			t.Errorf("after the log failed: %v", err)
		}
		err := db.View(context.Background(), 1, func(kv.Reader) error { return nil })
		if !errors.Is(err, syscall.EIO) || db.Failed() == nil {
			t.Errorf("a view after the log failed: %v", err)
		}
		after := fs.Unwrap().(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		if err := db.Close(); err == nil {
			t.Error("Close of a failed database reports nothing")
		}
		db = open(t, Options{Dir: "/db", FS: after})
		w.verify(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReserve refuses ordinary writes first.
func TestReserve(t *testing.T) {
	fs := vfs.NewMem()
	usage := vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 30}
	fs.TestingSetDiskUsage(usage)
	if err := fs.MkdirAll("/", 0o700); err != nil {
		t.Fatal(err)
	}
	db := open(t, Options{Dir: "/db", FS: fs, MemTableSize: 1 << 20, Reserve: 100 << 20})
	set := func(tx kv.Tx) error { return tx.Set([]byte("k"), nil) }
	ctx := context.Background()
	for _, c := range []struct {
		free              uint64
		ordinary, special bool
	}{{200 << 20, true, true}, {99 << 20, false, true}, {24 << 20, false, false}, {101 << 20, true, true}} {
		usage.AvailBytes = c.free
		fs.TestingSetDiskUsage(usage)
		db.space.room.Changed()
		for name, err := range map[string]error{
			"Update":     db.Update(ctx, 1, set),
			"Write":      db.Write(ctx, 1, set),
			"UpdateEach": db.UpdateEach(ctx, []kv.Account{1}, func(tx kv.Tx, _ int) error { return set(tx) })[0],
		} {
			if (err == nil) != c.ordinary || err != nil && !errors.Is(err, kv.ErrNoSpace) {
				t.Errorf("%s with %d MiB free: %v", name, c.free>>20, err)
			}
		}
		if err := db.Update(kv.WithReserve(ctx), 1, set); (err == nil) != c.special {
			t.Errorf("Update with reserve, %d MiB free: %v", c.free>>20, err)
		}
		if err := db.View(ctx, 1, func(kv.Reader) error { return nil }); err != nil {
			t.Errorf("View with %d MiB free: %v", c.free>>20, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
