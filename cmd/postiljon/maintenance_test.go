package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// kept is a store with a clock that the test sets.
type kept struct {
	*maintenance
	blobs   *disk.Store
	now     time.Time
	account store.AccountID
	room    int64 // free octets
}

func openKept(t *testing.T) *kept {
	t.Helper()
	dir := t.TempDir()
	k := &kept{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local), room: 1 << 40}
	clock := func() time.Time { return k.now }
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), MemTableSize: 1 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	if k.blobs, err = disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), Reserve: -1, Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.blobs.Close() })
	st, err := store.Open(t.Context(), store.Options{Records: records, Blobs: k.blobs, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.New(journal.Options{Store: st, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	k.account = storetest.Account(t, st, "anna@demo.test").ID
	k.maintenance = &maintenance{
		store: st, journal: j, log: slog.New(slog.DiscardHandler), reserve: 1 << 30,
		keep:     func() time.Duration { return 30 * 24 * time.Hour },
		sessions: func(context.Context) error { return nil },
		free:     func() int64 { return k.room }, random: func(n time.Duration) time.Duration { return n / 2 },
	}
	return k
}

// deleted stores messages and expunges them.
func (k *kept) deleted(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if _, err := k.store.Append(t.Context(), k.account, store.InboxID, []store.NewEmail{storetest.Email(t, k.store, storetest.Text(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := k.store.Expunge(t.Context(), k.account, store.InboxID, uid.All(), false); err != nil {
		t.Fatal(err)
	}
}

func (k *kept) count(t *testing.T) (n int) {
	t.Helper()
	if err := k.blobs.List(t.Context(), func(blob.Ref, int64) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNightlyMaintenance sleeps until the night.
func TestNightlyMaintenance(t *testing.T) {
	k, ctx := openKept(t), t.Context()
	k.begin(ctx)
	if want := time.Date(2026, 11, 23, 3, 30, 0, 0, time.Local); !k.next.Equal(want) {
		t.Errorf("the night is at %v, want %v", k.next, want)
	}
	old := store.Event{Account: k.account, Time: k.now.AddDate(0, 0, -40), Kind: "x"}
	if err := k.store.RecordEvents(ctx, []store.Event{old}); err != nil {
		t.Fatal(err)
	}
	k.deleted(t, 10)
	k.step(ctx)
	if n := k.count(t); n != 10 {
		t.Errorf("%d messages are left at noon", n)
	}
	// A backup that runs puts it off, but not the rest.
	k.now = k.next
	release := k.blobs.Hold()
	k.step(ctx)
	if want := k.now.Add(busyAgain); k.count(t) != 10 || !k.next.Equal(want) {
		t.Errorf("while a backup runs: %d messages, next at %v, want %v", k.count(t), k.next, want)
	}
	events := 0
	if err := k.store.Events(ctx, k.account, time.Time{}, k.now, func(*store.Event) error { events++; return nil }); err != nil || events != 0 {
		t.Errorf("%d old events are left, %v", events, err)
	}
	release()
	k.now = k.next
	k.step(ctx)
	if n := k.count(t); n != 0 || k.next.Sub(k.now) < 20*time.Hour {
		t.Errorf("after the night: %d messages, next at %v", n, k.next)
	}
}

// TestMissedNight makes up for a night that was slept through.
func TestMissedNight(t *testing.T) {
	k, ctx := openKept(t), t.Context()
	k.nightly(ctx, k.now)
	k.now = k.now.Add(30 * time.Hour)
	k.begin(ctx)
	if k.next.Sub(k.now) < time.Hour {
		t.Errorf("30 hours after the last the next is at %v", k.next)
	}
	k.now = k.now.Add(10 * time.Hour)
	k.begin(ctx)
	if got := k.next.Sub(k.now); got < afterStart || got > 2*afterStart {
		t.Errorf("after a missed night the next is in %v", got)
	}
}

// TestMaintenanceOfAFullVolume makes room at once, but not again and again.
func TestMaintenanceOfAFullVolume(t *testing.T) {
	k, ctx := openKept(t), t.Context()
	k.begin(ctx)
	k.deleted(t, 10)
	k.now = k.now.Add(time.Minute)
	k.room = k.reserve
	k.step(ctx)
	if n := k.count(t); n != 0 {
		t.Errorf("%d messages are left on a full volume", n)
	}
	k.deleted(t, 10)
	k.now = k.now.Add(hurryEvery - time.Second)
	k.step(ctx)
	if n := k.count(t); n != 10 {
		t.Errorf("room was made again too soon: %d messages", n)
	}
	k.now = k.now.Add(time.Second)
	k.step(ctx)
	if n := k.count(t); n != 0 {
		t.Errorf("%d messages are left ten minutes later", n)
	}
}
