package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// crashed is a store on a file system that forgets what was not synced.
type crashed struct {
	*world
	records *pebble.DB
	blobs   *disk.Store
}

func openCrashed(t *testing.T, fs vfs.FS, text map[store.EmailID]string) *crashed {
	quiet := slog.New(slog.DiscardHandler)
	records, err := pebble.Open(pebble.Options{Dir: "/records", FS: fs, MemTableSize: 256 << 10, Reserve: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := disk.Open(disk.Options{Dir: "/blobs", FS: fs, SegmentSize: 1 << 20, Reserve: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Records: records, Blobs: blobs, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, index: New(Options{Store: s, Least: 1, Delay: time.Millisecond, Log: quiet}), text: text}
	if a, err := s.Accounts(t.Context(), ""); err == nil && len(a) == 1 {
		w.account = a[0].ID
	} else {
		w.account = storetest.Account(t, s, "alice@example.org").ID
	}
	return &crashed{w, records, blobs}
}

// TestCrash crashes at random moments of the worker's work and looks at what is left: searches
// are exact at once, and the index comes up to date again.
func TestCrash(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 9))
		fs := vfs.NewCrashableMem()
		text := map[store.EmailID]string{}
		for round := range 4 {
			w := openCrashed(t, fs, text)
			needles := []string{"common", fmt.Sprintf("r%dm7x", round-1), "nothing here"}
			w.agree(needles...)
			w.index.Start()
			for batch := range 6 {
				list := make([]string, 20)
				for i := range list {
					list[i] = fmt.Sprintf("Subject: common\r\n\r\nr%dm%dx and what is common\r\n", round, batch*20+i)
				}
				w.append(list...)
				time.Sleep(time.Duration(rng.IntN(4)) * time.Millisecond)
			}
			if _, _, err := w.store.Expunge(t.Context(), w.account, store.InboxID, uid.Set{{First: 1, Last: uid.UID(rng.IntN(100) + 1)}}, false); err != nil {
				t.Fatal(err)
			}
			after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[rng.IntN(4)], RNG: rng})
			if err := w.index.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.blobs.Close()
			w.records.Close()
			fs = after
		}
		w := openCrashed(t, fs, text)
		w.update()
		w.agree("common", "r3m7x", "r2m11x", "nothing here")
		if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found != 0 || r.Emails == 0 {
			t.Errorf("%+v, %v", r, err)
		}
		w.blobs.Close()
		w.records.Close()
	}
}

// TestDamage holds that Verify finds postings that are wrong, and that an index which cannot be
// read is not believed and made anew.
func TestDamage(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	w := worldOf(t, s, "alice@example.org")
	w.append("Subject: one\r\n\r\nfirst text\r\n", "Subject: two\r\n\r\nsecond text\r\n")
	w.update()
	if r, err := w.index.Verify(t.Context(), w.account, false); err != nil || r.Found != 0 || r.Emails != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	block := binary.BigEndian.AppendUint64([]byte{'w', 2}, 1)
	change := func(fn func(k, v []byte) []byte) {
		t.Helper()
		err := records.Update(context.Background(), kv.Account(w.account), func(tx kv.Tx) error {
			it := tx.Iterate(block, append(block[:len(block):len(block)], 0xff))
			defer it.Close()
			if !it.Next() {
				t.Fatal("no block")
			}
			v, err := it.Value()
			if err != nil {
				return err
			}
			k := append([]byte(nil), it.Key()...)
			return tx.Set(k, fn(k, append([]byte(nil), v...)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	change(func(_, v []byte) []byte { return v[:len(v)-3] }) // an entry less
	if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	change(func(_, v []byte) []byte { return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} })
	if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	w.agree("first", "second", "text")
	if waiting, _ := w.index.work.take(); !waiting[w.account] {
		t.Error("the damaged index does not wait to be made anew")
	}
	w.index.work.damaged(w.account)
	w.index.Start()
	for range 5000 {
		// The damaged run is gone, and then another is there.
		if r, err := w.index.Verify(t.Context(), w.account, true); err == nil && r.Found == 0 {
			if st, err := w.index.Status(t.Context(), w.account); err == nil && st.Emails == 2 {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
	if err := w.index.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.agree("first", "second", "text")
	if r, err := w.index.Verify(t.Context(), w.account, true); err != nil || r.Found != 0 || r.Emails != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}
