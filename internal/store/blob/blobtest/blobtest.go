// Package blobtest is the suite that every implementation of package blob
// passes unchanged.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// Option adds to the suite what only some implementations allow.
type Option func(*suite)

// WithCorrupt adds tests of damage: corrupt changes an octet of the stored blob.
func WithCorrupt(corrupt func(t *testing.T, s blob.Store, ref blob.Ref)) Option {
	return func(su *suite) { su.corrupt = corrupt }
}

type suite struct {
	corrupt func(*testing.T, blob.Store, blob.Ref)
}

// Run tests the implementation that open opens: each call opens a new, empty
// store. The suite closes it.
func Run(t *testing.T, open func(t *testing.T) blob.Store, opts ...Option) {
	var su suite
	for _, o := range opts {
		o(&su)
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s blob.Store)
	}{
		{"Sizes", testSizes},
		{"Ranges", testRanges},
		{"Refs", testRefs},
		{"NotFound", testNotFound},
		{"Concurrent", testConcurrent},
		{"SameTwice", testSameTwice},
		{"Writer", testWriter},
		{"WriterConcurrent", testWriterConcurrent},
		{"Abort", testAbort},
		{"Draft", testDraft},
		{"DraftNames", testDraftNames},
		{"List", testList},
		{"CollectDead", testCollectDead},
		{"CollectGrace", testCollectGrace},
		{"CollectShare", testCollectShare},
		{"CollectAgain", testCollectAgain},
		{"CollectOpen", testCollectOpen},
		{"CollectConcurrent", testCollectConcurrent},
		{"Corrupt", su.testCorrupt},
		{"Context", testContext},
		{"Close", testClose},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			if err := s.Close(); err != nil && !errors.Is(err, blob.ErrClosed) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

var ctx = context.Background()

// sizes are about the limits at which implementations change their ways.
var sizes = []int{0, 1, 47, 48, 4095, 4096, 4097, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 5 << 20}

// data returns n octets that are told by seed.
func data(seed, n int) []byte {
	var key [32]byte
	copy(key[:], fmt.Sprint(seed, " ", n))
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p) // never fails
	return p
}

func put(t *testing.T, s blob.Store, p []byte) blob.Ref {
	t.Helper()
	ref, err := s.Put(ctx, p)
	if err != nil {
		t.Fatalf("Put of %d octets: %v", len(p), err)
	}
	return ref
}

// verify reports how a blob differs from p.
func verify(s blob.Store, ref blob.Ref, p []byte) error {
	if len(ref) < 32 || len(ref) > 64 || ref.Hash() != sha256.Sum256(p) {
		return fmt.Errorf("the reference %x is not that of the blob", ref)
	}
	got, err := s.Read(ctx, nil, ref, 0, int64(len(p))+10)
	if err != nil || !bytes.Equal(got, p) {
		return fmt.Errorf("read: got %d of %d octets, %w", len(got), len(p), err)
	}
	b, err := s.Open(ctx, ref)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if b.Size() != int64(len(p)) {
		return fmt.Errorf("size is %d, want %d", b.Size(), len(p))
	}
	got, err = io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err = errors.Join(err, b.Close()); err != nil || !bytes.Equal(got, p) {
		return fmt.Errorf("the open blob has %d of %d octets, %w", len(got), len(p), err)
	}
	return s.Check(ctx, ref)
}

func mustVerify(t *testing.T, s blob.Store, ref blob.Ref, p []byte) {
	t.Helper()
	if err := verify(s, ref, p); err != nil {
		t.Errorf("blob of %d octets: %v", len(p), err)
	}
}

func testSizes(t *testing.T, s blob.Store) {
	refs := make([]blob.Ref, len(sizes))
	for i, n := range sizes {
		refs[i] = put(t, s, data(i, n))
	}
	for i, n := range sizes {
		mustVerify(t, s, refs[i], data(i, n))
	}
}

func testRanges(t *testing.T, s blob.Store) {
	for _, size := range []int{1000, 3 << 20} {
		p := data(1, size)
		ref := put(t, s, p)
		b, err := s.Open(ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range [][2]int64{{0, 1}, {0, 10}, {5, 10}, {0, int64(size)}, {1, int64(size)}, {int64(size) - 1, 1}, {int64(size) - 1, 9}, {int64(size), 5}, {int64(size) + 7, 5}, {3, 0}} {
			off, n := c[0], c[1]
			want := p[min(off, int64(size)):min(off+n, int64(size))]
			got, err := s.Read(ctx, []byte("before"), ref, off, n)
			if err != nil || string(got) != "before"+string(want) {
				t.Errorf("Read %d+%d of %d: %d octets, %v", off, n, size, len(got)-6, err)
			}
			buf := make([]byte, n)
			k, err := b.ReadAt(buf, off)
			if !bytes.Equal(buf[:k], want) || (k < len(buf)) != errors.Is(err, io.EOF) && off+n != int64(size) {
				t.Errorf("ReadAt %d+%d of %d: %d octets, %v", off, n, size, k, err)
			}
		}
		if _, err := s.Read(ctx, nil, ref, -1, 5); err == nil {
			t.Error("a negative offset is read")
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func testRefs(t *testing.T, s blob.Store) {
	p := data(1, 100)
	ref := put(t, s, p)
	if ref.Hash() != sha256.Sum256(p) {
		t.Errorf("the reference begins with %x", ref.Hash())
	}
	p[0]++ // the store must not have kept it
	if err := s.Check(ctx, ref); err != nil {
		t.Error(err)
	}
}

func testNotFound(t *testing.T, s blob.Store) {
	ref := put(t, s, data(1, 100))
	large := put(t, s, data(1, 2<<20))
	for name, ref := range map[string]blob.Ref{
		"empty":     "",
		"hash only": ref[:32],
		"nonsense":  blob.Ref(bytes.Repeat([]byte{0xff}, 64)),
		"too long":  blob.Ref(bytes.Repeat([]byte{1}, 100)),
		"other":     blob.Ref(string(make([]byte, 32)) + string(large[32:])),
	} {
		if _, err := s.Open(ctx, ref); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Open of %s: %v", name, err)
		}
		if _, err := s.Read(ctx, nil, ref, 0, 1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Read of %s: %v", name, err)
		}
		if err := s.Check(ctx, ref); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Check of %s: %v", name, err)
		}
	}
}

// parallel runs fn in n goroutines and reports its errors.
func parallel(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := fn(i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testConcurrent(t *testing.T, s blob.Store) {
	parallel(t, 16, func(i int) error {
		var refs []blob.Ref
		for n := range 30 {
			ref, err := s.Put(ctx, data(i, n*97))
			if err != nil {
				return err
			}
			refs = append(refs, ref)
		}
		for n, ref := range refs {
			if err := verify(s, ref, data(i, n*97)); err != nil {
				return err
			}
		}
		return nil
	})
}

func testSameTwice(t *testing.T, s blob.Store) {
	for _, n := range []int{0, 1000, 2 << 20} {
		p := data(1, n)
		first, second := put(t, s, p), put(t, s, p)
		mustVerify(t, s, first, p)
		mustVerify(t, s, second, p)
	}
}

// write writes p in pieces of n octets.
func write(t *testing.T, s blob.Store, p []byte, n int) (blob.Writer, error) {
	t.Helper()
	w, err := s.Create(ctx)
	if err != nil {
		return nil, err
	}
	for len(p) > 0 {
		piece := p[:min(n, len(p))]
		if k, err := w.Write(piece); k != len(piece) || err != nil {
			return w, fmt.Errorf("write of %d octets: %d, %w", len(piece), k, err)
		}
		p = p[len(piece):]
	}
	return w, nil
}

func testWriter(t *testing.T, s blob.Store) {
	for i, n := range sizes {
		p := data(i, n)
		w, err := write(t, s, p, 30_011)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := w.Commit()
		if err != nil {
			t.Fatalf("Commit of %d octets: %v", n, err)
		}
		w.Abort() // does nothing
		if _, err := w.Write([]byte("more")); err == nil {
			t.Error("a write after Commit succeeds")
		}
		if _, err := w.Commit(); err == nil {
			t.Error("a second Commit succeeds")
		}
		mustVerify(t, s, ref, p)
	}
}

func testWriterConcurrent(t *testing.T, s blob.Store) {
	parallel(t, 6, func(i int) error {
		for _, n := range []int{100, 300 << 10, 1<<20 + i%2} {
			p := data(i%3, n) // some write the same at once
			w, err := write(t, s, p, 64<<10)
			if err != nil {
				return err
			}
			ref, err := w.Commit()
			if err != nil {
				return err
			}
			if err := verify(s, ref, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func testAbort(t *testing.T, s blob.Store) {
	for _, n := range []int{10, 300 << 10, 2 << 20} {
		w, err := write(t, s, data(1, n), 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		w.Abort()
		w.Abort()
		if _, err := w.Commit(); err == nil {
			t.Error("Commit after Abort succeeds")
		}
	}
	if got := list(t, s); len(got) != 0 {
		t.Errorf("%d blobs after Abort", len(got))
	}
}

// testDraft writes blobs bit by bit, each bit from the state that the one before left.
func testDraft(t *testing.T, s blob.Store) {
	for _, n := range sizes {
		p := data(7, n)
		var state []byte
		at := 0
		for first := true; first || at < n; first = false {
			d, err := s.Draft(ctx, "a-1", state)
			if err != nil {
				t.Fatal(err)
			}
			next := min(at+n/3+1, n)
			mustWrite(t, d, p[at:next])
			if state, err = d.Sync(); err != nil || len(state) > 128 {
				t.Fatalf("Sync: %d octets of state, %v", len(state), err)
			}
			// What was not synced does not count, nor what is rewound.
			if next < n {
				mustWrite(t, d, p[next:next+1])
				if err := d.Rewind(state); err != nil || d.Size() != int64(next) {
					t.Fatalf("Rewind to %d of %d: %v", d.Size(), next, err)
				}
				mustWrite(t, d, p[next:next+1])
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			at = next
		}
		commitDraft(t, s, state, p)
	}
	if err := s.RemoveDraft(ctx, "a-1"); err != nil {
		t.Error(err)
	}
	if err := s.RemoveDraft(ctx, "a-1"); err != nil {
		t.Error(err)
	}
}

func mustWrite(t *testing.T, d blob.Draft, p []byte) {
	t.Helper()
	if n, err := d.Write(p); err != nil || n != len(p) {
		t.Fatalf("Write: %d of %d octets, %v", n, len(p), err)
	}
}

// commitDraft makes a blob of a draft twice, as after a crash between the first and what was to follow.
func commitDraft(t *testing.T, s blob.Store, state, p []byte) {
	t.Helper()
	for range 2 {
		d, err := s.Draft(ctx, "a-1", state)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := d.Commit()
		if err != nil {
			t.Fatal(err)
		}
		mustVerify(t, s, ref, p)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func testDraftNames(t *testing.T, s blob.Store) {
	for _, name := range []string{"", "../a", "A", "a/b", strings.Repeat("a", 101)} {
		if _, err := s.Draft(ctx, name, nil); err == nil {
			t.Errorf("a draft has the name %q", name)
		}
		if err := s.RemoveDraft(ctx, name); err == nil {
			t.Errorf("a draft %q was removed", name)
		}
	}
	d, err := s.Draft(ctx, "b", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, data(1, 5000))
	state, err := d.Sync()
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	found := map[string]int64{}
	err = s.Drafts(ctx, func(name string, size int64, _ time.Time) error { found[name] = size; return nil })
	if err != nil || len(found) != 1 || found["b"] != 5000 {
		t.Errorf("drafts are %v, %v", found, err)
	}
	if _, err := s.Draft(ctx, "c", state); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a draft that is not there was opened: %v", err)
	}
	if _, err := s.Draft(ctx, "b", state[:20]); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("a draft was opened at half a state: %v", err)
	}
	if got := list(t, s); len(got) != 0 {
		t.Errorf("%d blobs of drafts", len(got))
	}
}

// list returns the sizes of all blobs.
func list(t *testing.T, s blob.Store) map[[32]byte]int64 {
	t.Helper()
	m := map[[32]byte]int64{}
	err := s.List(ctx, func(ref blob.Ref, size int64) error { m[ref.Hash()] = size; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func testList(t *testing.T, s blob.Store) {
	want := map[[32]byte]int64{}
	for i, n := range []int{0, 100, 2000, 2 << 20} {
		want[put(t, s, data(i, n)).Hash()] = int64(n)
	}
	got := list(t, s)
	for sum, n := range want {
		if g, ok := got[sum]; !ok || g != n {
			t.Errorf("a blob of %d octets is listed with %d, %v", n, g, ok)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d blobs are listed, want %d", len(got), len(want))
	}
	err := s.List(ctx, func(ref blob.Ref, size int64) error { return s.Check(ctx, ref) })
	if err != nil {
		t.Errorf("a listed reference: %v", err)
	}
	wanted := errors.New("wanted by the test")
	if err := s.List(ctx, func(blob.Ref, int64) error { return wanted }); !errors.Is(err, wanted) {
		t.Errorf("List returns %v, want the error of fn", err)
	}
}

func collect(t *testing.T, s blob.Store, opt blob.CollectOptions) blob.CollectResult {
	t.Helper()
	res, err := s.Collect(ctx, opt)
	if err != nil {
		t.Fatalf("Collect: %v", err)
	}
	return res
}

// sample stores blobs and makes every second of them live.
func sample(t *testing.T, s blob.Store) (refs []blob.Ref, all [][]byte, live func([32]byte) bool) {
	t.Helper()
	m := map[[32]byte]bool{}
	for i, n := range []int{0, 10, 500, 600, 5000, 6000, 70000, 80000, 2 << 20, 3 << 20} {
		p := data(i, n)
		ref := put(t, s, p)
		m[ref.Hash()] = i%2 == 0
		refs, all = append(refs, ref), append(all, p)
	}
	return refs, all, func(sum [32]byte) bool { return m[sum] }
}

// expect verifies the live ones; the others must be gone.
func expect(t *testing.T, s blob.Store, refs []blob.Ref, all [][]byte, live func([32]byte) bool) {
	t.Helper()
	for i, ref := range refs {
		if live(ref.Hash()) {
			mustVerify(t, s, ref, all[i])
		} else if err := s.Check(ctx, ref); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("dead blob of %d octets: %v", len(all[i]), err)
		}
	}
}

func testCollectDead(t *testing.T, s blob.Store) {
	refs, all, live := sample(t, s)
	res := collect(t, s, blob.CollectOptions{Live: live})
	expect(t, s, refs, all, live)
	if res.Examined != 10 || res.Deleted != 5 || res.Freed < 3<<20 {
		t.Errorf("result %+v, want 10 examined, 5 deleted, more than 3 MiB freed", res)
	}
	if got := len(list(t, s)); got != 5 {
		t.Errorf("%d blobs are left, want 5", got)
	}
	res = collect(t, s, blob.CollectOptions{Live: live})
	if res.Examined != 5 || res.Deleted != 0 || res.Moved != 0 {
		t.Errorf("second result %+v, want 5 examined and no more", res)
	}
	expect(t, s, refs, all, live)
}

func testCollectGrace(t *testing.T, s blob.Store) {
	refs, all, _ := sample(t, s)
	res := collect(t, s, blob.CollectOptions{Live: func([32]byte) bool { return false }, GraceSeconds: 3600})
	if res.Deleted != 0 {
		t.Errorf("%d young blobs were deleted", res.Deleted)
	}
	expect(t, s, refs, all, func([32]byte) bool { return true })
}

func testCollectShare(t *testing.T, s blob.Store) {
	var refs []blob.Ref
	for i := range 10 {
		refs = append(refs, put(t, s, data(i, 1000)))
	}
	live := func(sum [32]byte) bool { return sum != refs[0].Hash() }
	// Whether a tenth of a unit is dead or a unit of its own, this is well-defined:
	res := collect(t, s, blob.CollectOptions{Live: live, MinDead: 0.5})
	if res.Moved != 0 {
		t.Errorf("%d octets were moved for the tenth part", res.Moved)
	}
	for i, ref := range refs[1:] {
		mustVerify(t, s, ref, data(i+1, 1000))
	}
	collect(t, s, blob.CollectOptions{Live: live, MinDead: 0.05})
	if err := s.Check(ctx, refs[0]); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("the dead blob: %v", err)
	}
	for i, ref := range refs[1:] {
		mustVerify(t, s, ref, data(i+1, 1000))
	}
}

// testCollectAgain moves blobs again and again; the first references stay valid.
func testCollectAgain(t *testing.T, s blob.Store) {
	type kept struct {
		ref blob.Ref
		p   []byte
	}
	live := map[[32]byte]bool{}
	var old []kept
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 8 {
		for i := range 40 {
			p := data(round*1000+i, rng.IntN(3000))
			ref := put(t, s, p)
			live[ref.Hash()] = true
			old = append(old, kept{ref, p})
		}
		for _, k := range old {
			if rng.IntN(4) == 0 {
				live[k.ref.Hash()] = false
			}
		}
		collect(t, s, blob.CollectOptions{Live: func(sum [32]byte) bool { return live[sum] }})
		for _, k := range old {
			if live[k.ref.Hash()] {
				mustVerify(t, s, k.ref, k.p)
			} else if err := s.Check(ctx, k.ref); !errors.Is(err, blob.ErrNotFound) {
				t.Fatalf("round %d: dead blob: %v", round, err)
			}
		}
	}
}

func testCollectOpen(t *testing.T, s blob.Store) {
	refs, all, _ := sample(t, s)
	blobs := make([]blob.Blob, len(refs))
	for i, ref := range refs {
		var err error
		if blobs[i], err = s.Open(ctx, ref); err != nil {
			t.Fatal(err)
		}
	}
	collect(t, s, blob.CollectOptions{Live: func([32]byte) bool { return false }})
	for i, b := range blobs {
		got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		if err = errors.Join(err, b.Close()); err != nil || !bytes.Equal(got, all[i]) {
			t.Errorf("open blob of %d octets after Collect: %d octets, %v", len(all[i]), len(got), err)
		}
	}
	expect(t, s, refs, all, func([32]byte) bool { return false })
}

// testCollectConcurrent stores and reads while Collect runs all the time.
func testCollectConcurrent(t *testing.T, s blob.Store) {
	var dead sync.Map // by hash; all else lives
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := s.Collect(ctx, blob.CollectOptions{Live: func(sum [32]byte) bool { _, ok := dead.Load(sum); return !ok }})
			if err != nil {
				done <- err
				return
			}
		}
	}()
	parallel(t, 4, func(i int) error {
		type kept struct {
			ref blob.Ref
			n   int
		}
		var own []kept
		for n := range 60 {
			ref, err := s.Put(ctx, data(i, n*50))
			if err != nil {
				return err
			}
			own = append(own, kept{ref, n * 50})
			if n%3 == 0 && n > 0 {
				dead.Store(own[0].ref.Hash(), true)
				own = own[1:]
			}
			if n%10 == 9 {
				for _, k := range own {
					if err := verify(s, k.ref, data(i, k.n)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("Collect: %v", err)
	}
}

func (su suite) testCorrupt(t *testing.T, s blob.Store) {
	if su.corrupt == nil {
		t.Log("this implementation offers no way to damage a blob")
		return
	}
	for _, n := range []int{1000, 2 << 20} {
		other := put(t, s, data(2, n))
		ref := put(t, s, data(1, n))
		after := put(t, s, data(3, n))
		su.corrupt(t, s, ref)
		if err := s.Check(ctx, ref); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("Check of a damaged blob of %d octets: %v", n, err)
		}
		mustVerify(t, s, other, data(2, n))
		mustVerify(t, s, after, data(3, n))
	}
}

func testContext(t *testing.T, s blob.Store) {
	ref := put(t, s, data(1, 100))
	w, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	ctx, cancel := context.WithCancel(ctx)
	w, err = s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, werr := w.Write([]byte("x"))
	_, cerr := w.Commit()
	w.Abort()
	_, perr := s.Put(ctx, []byte("x"))
	_, rerr := s.Read(ctx, nil, ref, 0, 1)
	_, oerr := s.Open(ctx, ref)
	_, nerr := s.Create(ctx)
	_, gerr := s.Collect(ctx, blob.CollectOptions{Live: func([32]byte) bool { return true }})
	for name, err := range map[string]error{
		"Write": werr, "Commit": cerr, "Put": perr, "Read": rerr, "Open": oerr, "Create": nerr, "Collect": gerr,
		"Check": s.Check(ctx, ref),
		"List":  s.List(ctx, func(blob.Ref, int64) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s of a cancelled context: %v", name, err)
		}
	}
}

func testClose(t *testing.T, s blob.Store) {
	ref := put(t, s, data(1, 100))
	w, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, cerr := w.Commit()
	w.Abort()
	_, perr := s.Put(ctx, []byte("x"))
	_, rerr := s.Read(ctx, nil, ref, 0, 1)
	_, oerr := s.Open(ctx, ref)
	_, nerr := s.Create(ctx)
	_, gerr := s.Collect(ctx, blob.CollectOptions{Live: func([32]byte) bool { return true }})
	for name, err := range map[string]error{
		"Commit": cerr, "Put": perr, "Read": rerr, "Open": oerr, "Create": nerr, "Collect": gerr,
		"Check": s.Check(ctx, ref),
		"List":  s.List(ctx, func(blob.Ref, int64) error { return nil }),
		"Close": s.Close(),
	} {
		if !errors.Is(err, blob.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}
