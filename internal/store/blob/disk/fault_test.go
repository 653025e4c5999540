package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/postiljon/postiljon/internal/store/blob"
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

// TestFullVolume fills a volume to the last octet, with and without a reserve.
func TestFullVolume(t *testing.T) {
	for name, reserve := range map[string]int64{"reserve": 0, "no reserve": -1} {
		t.Run(name, func(t *testing.T) {
			vol := smallVolume(t)
			dir := filepath.Join(vol, "blobs")
			opt := Options{Dir: dir, Reserve: reserve, SegmentSize: 16 << 20}
			s := open(t, opt)
			refs := fillUp(t, s)
			var st syscall.Statfs_t
			if err := syscall.Statfs(vol, &st); err != nil {
				t.Fatal(err)
			}
			if free := int64(st.Bavail) * st.Bsize; (free > 5<<20) != (reserve == 0) {
				t.Errorf("%d octets are free on the full volume", free)
			}
			w, err := s.Create(ctx)
			if err == nil {
				_, err = w.Write(randomBytes(1, 8<<20))
				w.Abort()
			}
			if !errors.Is(err, blob.ErrNoSpace) {
				t.Errorf("a large blob on a full volume: %v", err)
			}
			if _, err := s.Put(ctx, randomBytes(1, 6<<20)); !errors.Is(err, blob.ErrNoSpace) {
				t.Errorf("a large Put on a full volume: %v", err)
			}
			verifyAll(t, s, refs)

			// Collecting all but a few makes room without help from outside.
			keep := map[[32]byte]bool{}
			for ref, seed := range refs {
				if keep[ref.Hash()] = seed < 6; seed >= 6 {
					delete(refs, ref)
				}
			}
			res, err := s.Collect(ctx, blob.CollectOptions{Live: func(sum [32]byte) bool { return keep[sum] }})
			if err != nil || res.Freed < 20<<20 {
				t.Fatalf("Collect on a full volume: %+v, %v", res, err)
			}
			s.space.room.Changed() // look now
			ref, err := s.Put(ctx, []byte("room again"))
			if err != nil {
				t.Fatalf("Put after Collect: %v", err)
			}
			verifyAll(t, s, refs)
			closeStore(t, s)
			s = open(t, opt)
			verifyAll(t, s, refs)
			if err := s.Check(ctx, ref); err != nil {
				t.Error(err)
			}
			closeStore(t, s)
		})
	}
}

// fillUp stores blobs from several goroutines until the volume is full.
func fillUp(t *testing.T, s *Store) map[blob.Ref]uint64 {
	t.Helper()
	var mu sync.Mutex
	refs := map[blob.Ref]uint64{}
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := next.Add(1); n < 10_000; n = next.Add(1) {
				ref, err := s.Put(ctx, randomBytes(n, 20_000))
				if errors.Is(err, blob.ErrNoSpace) {
					return
				}
				if err != nil {
					t.Errorf("Put: %v", err)
					return
				}
				mu.Lock()
				refs[ref] = n
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if next.Load() >= 10_000 {
		t.Fatal("the volume does not get full")
	}
	return refs
}

func verifyAll(t *testing.T, s *Store, refs map[blob.Ref]uint64) {
	t.Helper()
	for ref, seed := range refs {
		got, err := s.Read(ctx, nil, ref, 0, 1<<20)
		if err != nil || !bytes.Equal(got, randomBytes(seed, len(got))) {
			t.Fatalf("acknowledged blob %d: %d octets, %v", seed, len(got), err)
		}
	}
}

// faultyFS fails operations on the segments while its switch is on.
func faultyFS(fail *atomic.Bool, err error, kinds ...errorfs.OpKind) vfs.FS {
	return errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !fail.Load() || !strings.HasSuffix(op.Path, ".seg") {
			return nil
		}
		for _, k := range kinds {
			if op.Kind == k {
				return err
			}
		}
		return nil
	}))
}

// TestFailedSync never writes on where a sync failed: the records go to a new
// segment, and those acknowledged before stay.
func TestFailedSync(t *testing.T) {
	for name, kinds := range map[string][]errorfs.OpKind{
		"sync":            {errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo},
		"write":           {errorfs.OpFileWriteAt},
		"sync, no create": {errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpCreate, errorfs.OpOpen},
	} {
		t.Run(name, func(t *testing.T) {
			var fail atomic.Bool
			fs := faultyFS(&fail, syscall.EIO, kinds...)
			opt := Options{Dir: "/blobs", FS: fs}
			s := open(t, opt)
			refs := map[blob.Ref]uint64{}
			put := func(seed uint64) error {
				ref, err := s.Put(ctx, randomBytes(seed, 1000))
				if err == nil {
					refs[ref] = seed
				}
				return err
			}
			if err := put(1); err != nil {
				t.Fatal(err)
			}
			before := s.segs.newest()
			fail.Store(true)
			if err := put(2); !errors.Is(err, syscall.EIO) {
				t.Fatalf("Put with a failing disk: %v", err)
			}
			fail.Store(false)
			if err := put(3); err != nil {
				t.Fatalf("Put on a mended disk: %v", err)
			}
			if s.segs.newest() == before {
				t.Error("the segment with the failed sync is written on")
			}
			verifyAll(t, s, refs)
			closeStore(t, s)
			s = open(t, opt)
			verifyAll(t, s, refs)
			closeStore(t, s)
		})
	}
}

// TestOneFailedSync stores the waiting records in the next segment.
func TestOneFailedSync(t *testing.T) {
	var failures atomic.Int64
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".seg") && failures.Add(1) == 3 {
			return syscall.EIO
		}
		return nil
	}))
	s := open(t, Options{Dir: "/blobs", FS: fs})
	refs := map[blob.Ref]uint64{}
	for seed := range uint64(6) {
		ref, err := s.Put(ctx, randomBytes(seed, 1000))
		if err != nil {
			t.Fatalf("Put %d: %v", seed, err)
		}
		refs[ref] = seed
	}
	verifyAll(t, s, refs)
	if n := len(s.segs.all()); n != 2 {
		t.Errorf("%d segments, want a second one after the failure", n)
	}
	closeStore(t, s)
}

// TestFullWrite goes on in the same segment when there is room again.
func TestFullWrite(t *testing.T) {
	var fail atomic.Bool
	s := open(t, Options{Dir: "/blobs", FS: faultyFS(&fail, syscall.ENOSPC, errorfs.OpFileWriteAt)})
	refs := map[blob.Ref]uint64{}
	for seed := range uint64(30) {
		fail.Store(seed%3 == 1)
		ref, err := s.Put(ctx, randomBytes(seed, 1000))
		if fail.Load() {
			if !errors.Is(err, blob.ErrNoSpace) {
				t.Fatalf("Put on a full volume: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		refs[ref] = seed
	}
	verifyAll(t, s, refs)
	if n := len(s.segs.all()); n != 1 {
		t.Errorf("%d segments, want one", n)
	}
	closeStore(t, s)
}

// TestLocked refuses a second process, or a second Open.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	if second, err := Open(Options{Dir: dir, Logger: quiet()}); err == nil {
		t.Error("the store opens twice")
		closeStore(t, second)
	}
	closeStore(t, s)
	s = open(t, Options{Dir: dir})
	closeStore(t, s)
}

// TestLeftovers removes what a crash left of unfinished blobs.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	closeStore(t, s)
	left := filepath.Join(dir, "tmp", "blob-7")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a temporary file is still there: %v", err)
	}
	closeStore(t, s)
}
