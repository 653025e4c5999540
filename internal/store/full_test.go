package store_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// fullDB is records on a volume that can be full: then only work that may use
// the reserve writes.
type fullDB struct {
	kv.DB
	full atomic.Bool
}

func (db *fullDB) refused(ctx context.Context) error {
	if db.full.Load() && !kv.UsesReserve(ctx) {
		return kv.ErrNoSpace
	}
	return nil
}

func (db *fullDB) Update(ctx context.Context, a kv.Account, fn func(kv.Tx) error) error {
	if err := db.refused(ctx); err != nil {
		return err
	}
	return db.DB.Update(ctx, a, fn)
}

func (db *fullDB) Write(ctx context.Context, a kv.Account, fn func(kv.Tx) error) error {
	if err := db.refused(ctx); err != nil {
		return err
	}
	return db.DB.Write(ctx, a, fn)
}

// TestFullVolume takes back what there is on a full volume, and gives the room
// free.
func TestFullVolume(t *testing.T) {
	inner, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	db := &fullDB{DB: records}
	s, err := store.Open(t.Context(), store.Options{Records: db, Blobs: inner.Blobs()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, a := t.Context(), storetest.Account(t, s, "anna@demo.test").ID
	bjorn := storetest.Account(t, s, "bjorn@demo.test").ID
	work := must[store.Mailbox](t)(s.CreateMailbox(ctx, a, "Work", store.RoleNone))
	var emails []store.NewEmail
	for i := range 20 {
		emails = append(emails, storetest.Email(t, s, storetest.Text(i)))
	}
	must[store.Appended](t)(s.Append(ctx, a, store.InboxID, emails))
	must[store.Appended](t)(s.Append(ctx, a, work.ID, emails[:5]))
	sub := store.Submission{Account: a, ID: store.NewTraceID(time.Now()), Blob: emails[0].Blob}
	if err := s.CreateSubmission(ctx, sub); err != nil {
		t.Fatal(err)
	}
	db.full.Store(true)
	_, err = s.Append(ctx, a, store.InboxID, emails[:1])
	wantKind(t, "append", err, store.KindNoSpace)
	for what, do := range map[string]func() error{
		"store flags": func() error {
			_, err := s.StoreFlags(ctx, a, store.InboxID, uid.Of(1, 2), store.FlagChange{System: store.FlagDeleted}, nil)
			return err
		},
		"move": func() error { _, err := s.Move(ctx, a, store.InboxID, uid.Of(20), work.ID); return err },
		"update submission": func() error {
			_, err := s.UpdateSubmission(ctx, a, sub.ID, func(*store.Submission) error { return nil })
			return err
		},
		"trim events": func() error { return s.TrimEvents(ctx, time.Now()) },
		"forget":      func() error { return s.Forget(ctx, time.Hour) },
	} {
		if err := do(); err != nil {
			t.Errorf("%s on a full volume: %v", what, err)
		}
	}
	if _, _, err := s.Expunge(ctx, a, store.InboxID, uid.All(), false); err != nil {
		t.Errorf("expunge on a full volume: %v", err)
	}
	if err := s.DeleteMailbox(ctx, a, "Work"); err != nil {
		t.Errorf("delete mailbox on a full volume: %v", err)
	}
	if err := s.DeleteSubmission(ctx, a, sub.ID); err != nil {
		t.Errorf("delete submission on a full volume: %v", err)
	}
	freed, err := s.Collect(ctx, store.CollectOptions{})
	if err != nil || freed.Freed == 0 {
		t.Errorf("collected %+v, %v", freed, err)
	}
	db.full.Store(false)
	if err := s.DeleteAccount(ctx, bjorn); err != nil {
		t.Error(err)
	}
	verify(t, s, ctx)
}

// TestCollectWhileHeld leaves a store alone that is being copied.
func TestCollectWhileHeld(t *testing.T) {
	dir := t.TempDir()
	held, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	release := held.Hold()
	none := func([32]byte) bool { return false }
	if _, err := held.Collect(t.Context(), blob.CollectOptions{Live: none}); store.KindOf(err) != store.KindInUse {
		t.Errorf("collected while it is held: %v", err)
	}
	// Who holds may copy, also while somebody tries to collect.
	if err := held.BackupTo(t.Context(), filepath.Join(dir, "copy"), nil); err != nil {
		t.Error(err)
	}
	release()
	if _, err := held.Collect(t.Context(), blob.CollectOptions{Live: none}); err != nil {
		t.Error(err)
	}
}
