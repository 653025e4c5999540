package disk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

func sortedRows(segment uint32, sums ...[32]byte) []row {
	rows := make([]row, len(sums))
	for i, sum := range sums {
		rows[i] = row{sum: sum, segment: segment, offset: uint32(i)}
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.sum[:], b.sum[:]) })
	return rows
}

// TestMovedLookup finds every row and no other in tables of all sizes, even if
// the values are not spread evenly.
func TestMovedLookup(t *testing.T) {
	even := func(n uint64) [32]byte { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n)) }
	skewed := func(n uint64) (sum [32]byte) {
		binary.BigEndian.PutUint64(sum[:], 1<<40+n)
		return sum
	}
	for name, value := range map[string]func(uint64) [32]byte{"even": even, "skewed": skewed} {
		for _, size := range []uint64{1, 2, 63, 64, 65, 1000, 20_000} {
			s := open(t, Options{Dir: "/blobs", FS: vfs.NewMem()})
			if _, err := s.Put(ctx, []byte("makes segment 1")); err != nil {
				t.Fatal(err)
			}
			var sums [][32]byte
			for n := range size {
				sums = append(sums, value(2*n))
			}
			if err := s.moved.add(sortedRows(1, sums...)); err != nil {
				t.Fatal(err)
			}
			step := max(1, size/200)
			for n := uint64(0); n < 2*size; n += step {
				_, ok, err := s.moved.lookup(value(n))
				if err != nil || ok != (n%2 == 0) {
					t.Fatalf("%s, %d rows: row %d is found: %v, %v", name, size, n, ok, err)
				}
			}
			closeStore(t, s)
		}
	}
}

// TestMovedMerge keeps few files, the newest row of a blob, and no row that
// leads nowhere.
func TestMovedMerge(t *testing.T) {
	s := open(t, Options{Dir: "/blobs", FS: vfs.NewMem(), SegmentSize: 100})
	for range 3 { // segments 1 to 3
		if _, err := s.Put(ctx, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	sum := func(n int) [32]byte { return sha256.Sum256([]byte{byte(n), byte(n >> 8)}) }
	const adds = 300
	for n := range adds {
		segment := uint32(2)
		if n%2 == 0 {
			segment = 99 // there is none
		}
		if err := s.moved.add(sortedRows(segment, sum(n))); err != nil {
			t.Fatal(err)
		}
		if err := s.moved.add(sortedRows(3, sum(100_000))); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if err := s.moved.add(sortedRows(1, sum(100_000))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(s.moved.tables); n > 10 {
		t.Errorf("%d files for %d rows", n, adds)
	}
	rows := 0
	for _, table := range s.moved.tables {
		rows += int(table.info.count)
	}
	if rows > adds/2+10 {
		t.Errorf("%d rows are kept, of which %d lead somewhere", rows, adds/2+1)
	}
	check := func(s *Store) {
		for n := range adds {
			if _, ok, err := s.moved.lookup(sum(n)); err != nil || ok != (n%2 == 1) {
				t.Errorf("row %d is found: %v, %v", n, ok, err)
			}
		}
		if p, ok, err := s.moved.lookup(sum(100_000)); err != nil || !ok || p.segment != 3 {
			t.Errorf("the newest row leads to segment %d, %v, %v", p.segment, ok, err)
		}
	}
	check(s)
	opt := s.opt
	closeStore(t, s)
	s = open(t, opt)
	check(s)
	closeStore(t, s)
}

func FuzzParseRef(f *testing.F) {
	f.Add(string(makeRef([32]byte{1}, place{1, 64, 4096})))
	f.Add(string(makeRef([32]byte{2}, place{1<<32 - 1, 1<<32 - 1, 1<<32 - 1})))
	f.Add(string(makeRef([32]byte{3}, place{length: 1 << 40})))
	f.Add("")
	f.Add(string(bytes.Repeat([]byte{0xff}, 64)))
	f.Fuzz(func(t *testing.T, ref string) {
		sum, p, err := parseRef(blob.Ref(ref))
		if err != nil {
			return
		}
		again, q, err := parseRef(makeRef(sum, p))
		if err != nil || again != sum || q != p {
			t.Errorf("%x reads as %v, written again as %v, %v", ref, p, q, err)
		}
	})
}

// FuzzSegment opens a store whose last segment ends in anything. What was there
// before is there still, and what is stored afterwards, too.
func FuzzSegment(f *testing.F) {
	fs := vfs.NewMem()
	s, err := Open(Options{Dir: "/blobs", FS: fs, Logger: quiet(), ZeroStep: -1})
	if err != nil {
		f.Fatal(err)
	}
	first, err := s.Put(ctx, []byte("first"))
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := fs.UnsafeGetFileDataBuffer("/blobs/log/00000001.seg")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(make([]byte, 200))
	f.Add(appendRecord(nil, []byte("torn"), [32]byte{}, 1, 2, 3))
	f.Add([]byte("PJB1PJB1PJB1"))
	f.Add(append(make([]byte, 100), "PJB1"...))
	f.Fuzz(func(t *testing.T, tail []byte) {
		fs := vfs.NewMem()
		if err := fs.MkdirAll("/blobs/log", 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, fs, "/blobs/log/00000001.seg", append(bytes.Clone(whole), tail...))
		var second blob.Ref
		for range 2 {
			s := open(t, Options{Dir: "/blobs", FS: fs, ZeroStep: -1})
			if err := s.Check(ctx, first); err != nil {
				t.Fatal(err)
			}
			if second != "" {
				if err := s.Check(ctx, second); err != nil {
					t.Fatal(err)
				}
			}
			if second, err = s.Put(ctx, []byte("second")); err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
		}
	})
}
