package disk

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/blob/blobtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, opt Options) *Store {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	opt.Logger = quiet()
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOnDisk(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, Options{}) }, blobtest.WithCorrupt(corrupt))
}

// TestSmallSegments passes with many segments of which few are kept open.
func TestSmallSegments(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		return open(t, Options{Dir: "/blobs", FS: vfs.NewMem(), SegmentSize: 10 << 10, ZeroStep: 1 << 10, OpenFiles: 2})
	}, blobtest.WithCorrupt(corrupt))
}

func TestInMemory(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		return open(t, Options{Dir: "/blobs", FS: vfs.NewMem(), SegmentSize: 64 << 10, LargeSize: 32 << 10, SpoolSize: 1 << 10, ZeroStep: 4 << 10})
	}, blobtest.WithCorrupt(corrupt))
}

// corrupt changes an octet in the middle of a stored blob.
func corrupt(t *testing.T, store blob.Store, ref blob.Ref) {
	t.Helper()
	s := store.(*Store)
	sum, p, err := parseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	path, off := s.path("log", segmentName(p.segment)), int64(p.offset)+recordHead
	if p.segment == 0 {
		_, path = s.large.path(sum)
		off = 0
	}
	flip(t, s.fs, path, off+int64(p.length)/2)
}

func flip(t *testing.T, fs vfs.FS, path string, off int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	var octet [1]byte
	if _, err := f.ReadAt(octet[:], off); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	octet[0] ^= 0x40
	if _, err := f.WriteAt(octet[:], off); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

var ctx = context.Background()

func TestMetrics(t *testing.T) {
	s := open(t, Options{LargeSize: 1000})
	for n := range 3 {
		if _, err := s.Put(ctx, randomBytes(uint64(n), 500*n)); err != nil {
			t.Fatal(err)
		}
	}
	m := s.Metrics()
	if m.Puts != 2 || m.Batches != 2 || m.Large != 1 || m.Segments != 1 || m.LogSize != segmentHead+2*recordHead+500 || m.FreeSpace <= 0 || m.Reserve <= 0 {
		t.Errorf("metrics %+v", m)
	}
	closeStore(t, s)
}
