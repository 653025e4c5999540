package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// stutter hands out a few octets at a time, with timeouts between them.
type stutter struct {
	b    []byte
	size int
	late bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.late = !s.late; s.late {
		return 0, os.ErrDeadlineExceeded
	}
	if len(s.b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p[:min(len(p), s.size)], s.b)
	s.b = s.b[n:]
	return n, nil
}

// inflate reads all, going on after timeouts.
func inflate(r *Reader, size int) (out []byte, err error) {
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		out = append(out, p[:n]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return out, err
		}
	}
}

// TestReader holds that what any level of the standard library's writer makes is read back, each
// flush as far as it goes, whatever pieces it comes in.
func TestReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var packed bytes.Buffer
		w, err := flate.NewWriter(&packed, rapid.SampledFrom([]int{flate.HuffmanOnly, 0, 1, 5, 9}).Draw(t, "level"))
		if err != nil {
			t.Fatal(err)
		}
		var plain []byte
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			piece := rapid.SliceOfN(rapid.ByteRange('a', byte(rapid.SampledFrom([]int{'a', 'c', 'z', 255}).Draw(t, "to"))), 0, 300).Draw(t, "piece")
			piece = bytes.Repeat(piece, rapid.SampledFrom([]int{1, 2, 400}).Draw(t, "times"))
			plain = append(plain, piece...)
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		ends := rapid.Bool().Draw(t, "ends")
		want := io.ErrUnexpectedEOF
		if ends {
			w.Close()
			want = io.EOF
		}
		cut := rapid.IntRange(0, packed.Len()).Draw(t, "received")
		src := &stutter{b: packed.Bytes()[cut:], size: rapid.SampledFrom([]int{1, 2, 7, 5000}).Draw(t, "size")}
		r := NewReader(src, packed.Bytes()[:cut])
		got, err := inflate(r, rapid.SampledFrom([]int{1, 128, 40000}).Draw(t, "read"))
		if err != want || !bytes.Equal(got, plain) {
			t.Fatalf("%d octets of %d, %v", len(got), len(plain), err)
		}
		if len(r.window) > maxWindow || len(r.window) > max(firstWindow, 2*len(plain)) {
			t.Fatalf("window of %d for %d octets", len(r.window), len(plain))
		}
	})
}

// TestPartialFlush reads the end of a stream flushed as zlib's Z_PARTIAL_FLUSH does: an empty block
// of fixed codes, not a stored one.
func TestPartialFlush(t *testing.T) {
	// "a": 3 bits of header (not last, fixed), 8 bits for 'a' (0x91), 7 for the end; then 3+7.
	var bits, n uint64
	put := func(v uint64, k uint64) { bits |= v << n; n += k }
	put(0b010, 3)
	put(0b10001001, 8) // 0x91 with its first bit lowest
	put(0, 7)
	put(0b010, 3)
	put(0, 7)
	var packed []byte
	for i := uint64(0); i < n; i += 8 {
		packed = append(packed, byte(bits>>i))
	}
	r := NewReader(&stutter{b: packed, size: 1}, nil)
	if got, err := inflate(r, 10); string(got) != "a" || err != io.ErrUnexpectedEOF {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestConn(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	var pool Pool
	left, right := New(a, &pool, nil), New(b, &pool, nil)
	texts := []string{"* OK\r\n", strings.Repeat("* 1 FETCH (FLAGS ())\r\n", 5000), "", "x"}
	failed := make(chan error, 1)
	go func() {
		for _, text := range texts {
			if n, err := left.Write([]byte(text)); err != nil || n != len(text) {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	want := strings.Join(texts, "")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(right, got); err != nil || string(got) != want {
		t.Fatal("read", err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

// FuzzReader holds that every stream is read as the standard library reads it.
func FuzzReader(f *testing.F) {
	for _, level := range []int{0, 1, 9, flate.HuffmanOnly} {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, level)
		io.WriteString(w, "a1 NOOP\r\na2 NOOP\r\nwhat comes twice comes twice comes twice")
		w.Close()
		f.Add(b.Bytes())
	}
	f.Add([]byte{0xff})
	f.Add([]byte{4, 0xc0, 1})
	f.Fuzz(func(t *testing.T, packed []byte) {
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 1<<20))
		got, err := io.ReadAll(io.LimitReader(NewReader(io.MultiReader(bytes.NewReader(packed), iotest.ErrReader(io.ErrUnexpectedEOF)), nil), 1<<20))
		// A block without a code for its end is corrupt here, as it is for zlib.
		if err == nil && wantErr != nil || wantErr == nil && err != nil && len(want) < 1<<20 {
			t.Fatalf("want %v, have %v", wantErr, err)
		}
		if wantErr == nil && err == nil && !bytes.Equal(got, want) {
			t.Fatalf("want %q, have %q", want, got)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	var packed bytes.Buffer
	var pool Pool
	text := []byte(strings.Repeat("Subject: a line of a message that somebody uploads\r\n", 1200))
	if err := pool.compress(&packed, text); err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 4096)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bytes.NewReader(packed.Bytes()), nil)
		for n := 0; n < len(text); {
			m, err := r.Read(p)
			if err != nil {
				b.Fatal(err)
			}
			n += m
		}
	}
}
