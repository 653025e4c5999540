package store_test

import (
	"context"
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
)

// photographer takes a picture of the disk right before each transaction: what a loss of power then would leave.
type photographer struct {
	kv.DB
	take func()
}

func (p *photographer) Update(ctx context.Context, a kv.Account, fn func(kv.Tx) error) error {
	p.take()
	return p.DB.Update(ctx, a, fn)
}

// TestDeletionSurvivesACrash deletes an account on a file system that forgets what was not synced, and loses power before each of its
// transactions and behind the last. At the next start the account is there with all its mail, or gone with all of it.
func TestDeletionSurvivesACrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(1, 2))
	s, records := openOn(t, fs)
	anna, bjorn := storetest.Account(t, s, "anna@demo.test"), storetest.Account(t, s, "bjorn@demo.test")
	for n := range 20 {
		for _, a := range []store.AccountID{anna.ID, bjorn.ID} {
			if _, err := s.Append(t.Context(), a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(n))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var deleting *store.Store
	var disks []*vfs.MemFS
	take := func() {
		agrees(t, deleting, "while it goes")
		for _, percent := range []int{0, 50, 100} {
			disks = append(disks, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
		}
	}
	if err := s.RecordEvents(t.Context(), []store.Event{named(anna.ID, time.Now().Add(-3*time.Hour), "old@demo.test")}); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepMentions(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	deleting, err = store.Open(t.Context(), store.Options{Records: &photographer{records, take}, Blobs: s.Blobs()})
	if err != nil {
		t.Fatal(err)
	}
	if err := deleting.DeleteAccount(t.Context(), anna.ID); err != nil {
		t.Fatal(err)
	}
	take()
	finished := 0
	for i, disk := range disks {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			after, records := openOn(t, disk)
			n, err := after.FinishDeletions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			finished += n
			_, err = after.Account(t.Context(), anna.ID)
			if there := recordsOf(t, records, anna.ID); there != (err == nil) || err != nil && store.KindOf(err) != store.KindNotFound {
				t.Errorf("the account: %v; are its records there? %v", err, there)
			}
			if usage, err := after.Usage(t.Context(), bjorn.ID); err != nil || usage.Emails != 20 {
				t.Errorf("the other account has %+v, %v", usage, err)
			}
			agrees(t, after, "at the next start")
			if n, err := after.FinishDeletions(t.Context()); n > 0 || err != nil {
				t.Errorf("and %d once more, %v", n, err)
			}
		})
	}
	if finished == 0 {
		t.Error("no crash broke a deletion off")
	}
}

// openOn opens a store on a file system.
func openOn(t *testing.T, fs vfs.FS) (*store.Store, kv.DB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	records, err := pebble.Open(pebble.Options{Dir: "/records", FS: fs, MemTableSize: 1 << 20, Reserve: -1, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	blobs, err := disk.Open(disk.Options{Dir: "/blobs", FS: fs, SegmentSize: 1 << 20, Reserve: -1, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	s, err := store.Open(t.Context(), store.Options{Records: records, Blobs: blobs, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return s, records
}

// recordsOf reports whether there are any records of an account.
func recordsOf(t *testing.T, db kv.DB, a store.AccountID) (there bool) {
	t.Helper()
	err := db.Accounts(t.Context(), func(one kv.Account) error {
		there = there || store.AccountID(one) == a
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
