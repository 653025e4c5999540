package disk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// noLinks is a file system on which links cannot be made, as between two volumes.
type noLinks struct{ vfs.FS }

func (noLinks) Link(string, string) error { return errors.ErrUnsupported }

// TestBackup backs up again and again while blobs come and go. Every copy opens
// and holds what is live, and the store is unchanged by what is done to it.
func TestBackup(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"links": vfs.NewMem(), "copies": noLinks{vfs.NewMem()}} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			small := Options{Dir: "/blobs", FS: fs, SegmentSize: 8 << 10, LargeSize: 4 << 10, ZeroStep: 1 << 10}
			s := open(t, small)
			refs := map[blob.Ref]uint64{}
			var copied int64
			for round := range uint64(8) {
				for i := range uint64(30) {
					seed := round*100 + i
					ref, err := s.Put(ctx, randomBytes(seed, 10+rng.IntN(5<<10)))
					if err != nil {
						t.Fatal(err)
					}
					refs[ref] = seed
				}
				keep := map[[32]byte]bool{}
				for ref := range refs {
					if keep[ref.Hash()] = rng.IntN(6) > 0; !keep[ref.Hash()] {
						delete(refs, ref)
					}
				}
				if _, err := s.Collect(ctx, blob.CollectOptions{Live: func(sum [32]byte) bool { return keep[sum] }, MinDead: 0.3}); err != nil {
					t.Fatal(err)
				}
				s.log.seals.Wait() // an index made later would be copied later
				copied = backUp(t, s, "/copy")
				verifyAll(t, s, refs)
				verifyCopy(t, fs, refs)
			}
			if again := backUp(t, s, "/copy"); again != 0 || copied == 0 {
				t.Errorf("a backup of what is backed up copies %d octets, the one before %d", again, copied)
			}
			ref, err := s.Put(ctx, randomBytes(12345, 100))
			if err != nil {
				t.Fatal(err)
			}
			refs[ref] = 12345
			if one := backUp(t, s, "/copy"); one < 100 || one > 1000 {
				t.Errorf("a backup of one more blob of 100 octets copies %d", one)
			}
			verifyCopy(t, fs, refs)
			closeStore(t, s)
		})
	}
}

// backUp returns how many octets were copied.
func backUp(t *testing.T, s *Store, dir string) (copied int64) {
	t.Helper()
	last := int64(0)
	err := s.BackupTo(ctx, dir, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress from %d to %d of %d", last, done, total)
		}
		last, copied = done, total
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != copied {
		t.Errorf("progress ends at %d of %d", last, copied)
	}
	return copied
}

// verifyCopy opens a copy of the copy, so that the copy stays as it is, and
// stores into it.
func verifyCopy(t *testing.T, fs vfs.FS, refs map[blob.Ref]uint64) {
	t.Helper()
	mem := vfs.NewMem()
	for _, dir := range []string{"log", "moved", "large"} {
		copyTree(t, fs, mem, "/copy/"+dir)
	}
	s := open(t, Options{Dir: "/copy", FS: mem, SegmentSize: 8 << 10, LargeSize: 4 << 10})
	verifyAll(t, s, refs)
	if err := s.List(ctx, func(ref blob.Ref, _ int64) error { return s.Check(ctx, ref) }); err != nil {
		t.Error(err)
	}
	if _, err := s.Put(ctx, []byte("new")); err != nil {
		t.Error(err)
	}
	closeStore(t, s)
}

func copyTree(t *testing.T, from, to vfs.FS, dir string) {
	t.Helper()
	if err := to.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	names, err := from.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fmt.Sprintf("%s/%s", dir, name)
		info, err := from.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			copyTree(t, from, to, path)
			continue
		}
		writeFile(t, to, path, readFile(t, from, path))
	}
}

// TestBackupCutOff distrusts what a backup left that did not come to its end.
func TestBackupCutOff(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "/blobs", FS: fs})
	refs := map[blob.Ref]uint64{}
	put := func(seed uint64) {
		ref, err := s.Put(ctx, randomBytes(seed, 1000))
		if err != nil {
			t.Fatal(err)
		}
		refs[ref] = seed
	}
	put(1)
	backUp(t, s, "/copy")
	put(2)
	put(3)
	// The length is that of the store, the octets were never written.
	whole := readFile(t, fs, "/copy/log/00000001.seg")
	writeFile(t, fs, "/copy/log/00000001.seg", append(whole, make([]byte, 3000)...))
	backUp(t, s, "/copy")
	verifyCopy(t, fs, refs)
	closeStore(t, s)
}
