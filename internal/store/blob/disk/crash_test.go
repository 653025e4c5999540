package disk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// TestCrash stores and collects blobs on a file system that forgets what was
// not synced, crashes at random points, opens what is left and goes on, several
// times. Every blob that was acknowledged and never dead must stay readable by
// its first reference.
func TestCrash(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &crashWorld{rng: rand.New(rand.NewPCG(seed, 1)), blobs: map[blob.Ref]*crashBlob{}}
			fs := vfs.NewCrashableMem()
			for range 6 {
				fs = w.run(t, fs)
			}
		})
	}
}

// crashWorld knows what was acknowledged.
type crashWorld struct {
	rng   *rand.Rand
	mu    sync.Mutex
	next  uint64
	blobs map[blob.Ref]*crashBlob
}

type crashBlob struct {
	seed uint64
	n    int
	dead bool // may be collected from now on, or is already
}

func (w *crashWorld) run(t *testing.T, fs *vfs.MemFS) *vfs.MemFS {
	s := open(t, Options{
		Dir: "/blobs", FS: fs, SegmentSize: 8 << 10, LargeSize: 3 << 10, SpoolSize: 1 << 10,
		ZeroStep: int64(w.rng.IntN(3)-1) << 10, OpenFiles: 3,
	})
	w.check(t, s)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		seed := w.rng.Uint64()
		wg.Go(func() { w.write(t, s, rand.New(rand.NewPCG(seed, 2)), stop) })
	}
	wg.Go(func() { w.collect(t, s, stop) })
	time.Sleep(time.Duration(w.rng.IntN(12_000)) * time.Microsecond)
	w.mu.Lock() // what is noted now must survive
	after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[w.rng.IntN(4)], RNG: w.rng})
	noted := make(map[blob.Ref]*crashBlob, len(w.blobs))
	for ref, b := range w.blobs {
		c := *b
		noted[ref] = &c
	}
	w.mu.Unlock()
	close(stop)
	wg.Wait()
	closeStore(t, s)
	w.blobs = noted
	return after
}

func (w *crashWorld) check(t *testing.T, s *Store) {
	t.Helper()
	for ref, b := range w.blobs {
		want := randomBytes(b.seed, b.n)
		got, err := s.Read(ctx, nil, ref, 0, int64(b.n))
		if b.dead && errors.Is(err, blob.ErrNotFound) {
			delete(w.blobs, ref)
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("acknowledged blob %d of %d octets (dead %v): %d octets, %v", b.seed, b.n, b.dead, len(got), err)
		}
	}
	err := s.List(ctx, func(ref blob.Ref, _ int64) error { return s.Check(ctx, ref) })
	if err != nil {
		t.Fatalf("after a crash: %v", err)
	}
}

func (w *crashWorld) write(t *testing.T, s *Store, rng *rand.Rand, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		w.mu.Lock()
		w.next++
		b := &crashBlob{seed: w.next, n: 8 + rng.IntN(700)}
		w.mu.Unlock()
		if rng.IntN(20) == 0 {
			b.n = 8 + rng.IntN(8<<10)
		}
		ref, err := w.store(s, rng, b)
		if err != nil {
			t.Errorf("store: %v", err)
			return
		}
		w.mu.Lock()
		w.blobs[ref] = b
		w.mu.Unlock()
	}
}

func (w *crashWorld) store(s *Store, rng *rand.Rand, b *crashBlob) (blob.Ref, error) {
	p := randomBytes(b.seed, b.n)
	if rng.IntN(5) > 0 {
		return s.Put(ctx, p)
	}
	c, err := s.Create(ctx)
	if err != nil {
		return "", err
	}
	if _, err := c.Write(p); err != nil {
		return "", err
	}
	return c.Commit()
}

// collect lets blobs die and collects, all the time.
func (w *crashWorld) collect(t *testing.T, s *Store, stop chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		w.mu.Lock()
		dead := map[[32]byte]bool{}
		for ref, b := range w.blobs {
			if b.dead = b.dead || b.seed%3 == 0; b.dead {
				dead[ref.Hash()] = true
			}
		}
		w.mu.Unlock()
		_, err := s.Collect(ctx, blob.CollectOptions{Live: func(sum [32]byte) bool { return !dead[sum] }, MinDead: float64(n%3) / 10})
		if err != nil {
			t.Errorf("Collect: %v", err)
			return
		}
	}
}

// TestTornTail cuts and damages the end of the log in every way: all records
// before are there, and what is stored afterwards is there, too.
func TestTornTail(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "/blobs", FS: fs, ZeroStep: -1})
	var refs []blob.Ref
	for i := range 3 {
		ref, err := s.Put(ctx, randomBytes(uint64(i), 20+i))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	closeStore(t, s)
	whole := readFile(t, fs, "/blobs/log/00000001.seg")
	_, last, err := parseRef(refs[2])
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 100)
	for cut := int(last.offset); cut < len(whole); cut++ {
		torn := bytes.Clone(whole)
		for i := cut; i < len(torn); i++ {
			torn[i] = 0
		}
		hole := bytes.Clone(whole)
		hole[cut]++
		for name, p := range map[string][]byte{
			"cut":          whole[:cut],
			"zeros":        append(torn, zeros...),
			"hole":         hole,
			"hole, zeros":  append(bytes.Clone(hole), zeros...),
			"followed by ": append(bytes.Clone(whole[:cut]), "PJB1, not a record"...),
		} {
			tornTail(t, fmt.Sprintf("%s at %d", name, cut), p, refs)
		}
	}
}

func tornTail(t *testing.T, name string, segment []byte, refs []blob.Ref) {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/blobs/log", 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, fs, "/blobs/log/00000001.seg", segment)
	for round := range 2 { // what is stored in the first must be there in the second
		s := open(t, Options{Dir: "/blobs", FS: fs, ZeroStep: -1})
		for i, ref := range refs {
			err := s.Check(ctx, ref)
			if i < 2 && err != nil || i >= 3 && err != nil {
				t.Errorf("%s, round %d: record %d: %v", name, round, i, err)
			}
			if i == 2 && err == nil {
				t.Errorf("%s, round %d: the torn record is there", name, round)
			}
		}
		ref, err := s.Put(ctx, []byte("new"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		refs = append(refs[:len(refs):len(refs)], ref)
		closeStore(t, s)
	}
}

// TestDamageInside loses the damaged record only, not those after it.
func TestDamageInside(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "/blobs", FS: fs})
	var refs []blob.Ref
	for i := range 30 {
		ref, err := s.Put(ctx, randomBytes(uint64(i), 100_000))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	closeStore(t, s)
	_, p, err := parseRef(refs[7])
	if err != nil {
		t.Fatal(err)
	}
	flip(t, fs, "/blobs/log/00000001.seg", int64(p.offset)+8) // its length
	for range 2 {
		s = open(t, Options{Dir: "/blobs", FS: fs})
		n := 0
		if err := s.List(ctx, func(blob.Ref, int64) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		if n != len(refs)-1 {
			t.Errorf("%d records are known, want all but one of %d", n, len(refs))
		}
		for i, ref := range refs {
			if err := s.Check(ctx, ref); (i == 7) != (err != nil) {
				t.Errorf("record %d: %v", i, err)
			}
		}
		if s.segs.newest() != 1 && s.log.seg != nil {
			t.Error("a damaged segment is written on")
		}
		closeStore(t, s)
	}
}

// TestDamagedIndex is made again.
func TestDamagedIndex(t *testing.T) {
	fs := vfs.NewMem()
	opt := Options{Dir: "/blobs", FS: fs, SegmentSize: 2 << 10}
	s := open(t, opt)
	for i := range 20 {
		if _, err := s.Put(ctx, randomBytes(uint64(i), 500)); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	writeFile(t, fs, "/blobs/log/00000002.idx", []byte("not an index"))
	s = open(t, opt)
	n := 0
	err := s.List(ctx, func(ref blob.Ref, _ int64) error { n++; return s.Check(ctx, ref) })
	if err != nil || n != 20 {
		t.Errorf("%d records, %v", n, err)
	}
	closeStore(t, s)
}

func readFile(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, info.Size())
	if n, err := f.ReadAt(p, 0); n < len(p) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

func writeFile(t *testing.T, fs vfs.FS, path string, p []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Clone(p))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
