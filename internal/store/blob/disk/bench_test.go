package disk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postiljon/postiljon/internal/store/blob"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func benchStore(b *testing.B, zero int64) *Store {
	b.Helper()
	s, err := Open(Options{Dir: b.TempDir(), Logger: quiet(), ZeroStep: zero})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func randomBytes(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p) // never fails
	return p
}

func BenchmarkPut(b *testing.B) {
	for _, zero := range []int64{-1, 1 << 20, 4 << 20} {
		for _, writers := range []int{1, 20, 100} {
			b.Run(fmt.Sprintf("zero=%d/writers=%d", zero>>20, writers), func(b *testing.B) {
				s := benchStore(b, zero)
				data := randomBytes(1, 4096)
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				b.ResetTimer()
				var next atomic.Int64
				var wg sync.WaitGroup
				for range writers {
					wg.Go(func() {
						for next.Add(1) <= int64(b.N) {
							if _, err := s.Put(context.Background(), data); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := benchStore(b, 0)
	refs := make([]blob.Ref, 1000)
	for i := range refs {
		var err error
		if refs[i], err = s.Put(context.Background(), randomBytes(uint64(i), 4096)); err != nil {
			b.Fatal(err)
		}
	}
	for _, n := range []int64{512, 4096} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(n)
			b.ReportAllocs()
			buf := make([]byte, 0, 8192)
			for i := 0; b.Loop(); i++ {
				if _, err := s.Read(context.Background(), buf, refs[i%len(refs)], 0, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
