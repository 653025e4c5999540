package disk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDraftCrash writes a draft on a file system that forgets what was not synced, and crashes again and again: it goes on from the
// last state that was told, and what it becomes is right.
func TestDraftCrash(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 3))
			fs := vfs.NewCrashableMem()
			want := randomBytes(seed, 20_000+rng.IntN(20_000))
			var state []byte
			at, committed := 0, false
			for range 200 {
				s := open(t, Options{Dir: "/blobs", FS: fs, LargeSize: 3 << 10})
				d, err := s.Draft(t.Context(), "7-x", state)
				if err != nil {
					t.Fatalf("after %d octets: %v", at, err)
				}
				for range rng.IntN(3) {
					next := min(at+rng.IntN(4000), len(want))
					if _, err := d.Write(want[at:next]); err != nil {
						t.Fatal(err)
					}
					if state, err = d.Sync(); err != nil {
						t.Fatal(err)
					}
					at = next
				}
				if rest := min(at+500, len(want)); rng.IntN(2) == 0 { // never acknowledged
					if _, err := d.Write(want[at:rest]); err != nil {
						t.Fatal(err)
					}
				}
				if at == len(want) && d.Size() == int64(at) {
					ref, err := d.Commit()
					if err != nil {
						t.Fatal(err)
					}
					if err := s.Check(t.Context(), ref); err != nil {
						t.Fatal(err)
					}
					if committed { // it is there after the crash, by its name
						after := open(t, Options{Dir: "/blobs", FS: fs.CrashClone(vfs.CrashCloneCfg{RNG: rng}), LargeSize: 3 << 10})
						if err := errors.Join(after.Check(t.Context(), ref), d.Close()); err != nil {
							t.Fatal(err)
						}
						closeStore(t, after)
						closeStore(t, s)
						return
					}
					committed = true // the record that names it was not written: once more
				}
				after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				closeStore(t, s)
				fs = after
			}
			t.Fatal("never came to an end")
		})
	}
}
