package store_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
)

// fileWorld is a store with a clock, and one account.
type fileWorld struct {
	*testing.T
	*store.Store
	now time.Time
	a   store.AccountID
}

func newFileWorld(t *testing.T) *fileWorld {
	t.Helper()
	w := &fileWorld{T: t, now: time.Now()}
	dir := t.TempDir()
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), MemTableSize: 4 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	if w.Store, err = store.Open(t.Context(), store.Options{Records: records, Blobs: blobs, Now: func() time.Time { return w.now }}); err != nil {
		t.Fatal(err)
	}
	if err := w.CreateDomain(t.Context(), store.Domain{Name: "own.example"}); err != nil {
		t.Fatal(err)
	}
	a, err := w.CreateAccount(t.Context(), store.Account{Address: "anna@own.example"})
	if err != nil {
		t.Fatal(err)
	}
	w.a = a.ID
	return w
}

var fileLimits = store.FileLimits{Size: 10 << 20, Total: 20 << 20, Files: 5}

// whole stores a file in two goes, of which the second begins from what the first left.
func (w *fileWorld) whole(data []byte) store.File {
	w.Helper()
	ctx := w.Context()
	f, err := w.CreateFile(ctx, w.a, store.File{Name: "a", Size: int64(len(data)), Expires: w.now.Add(time.Hour)}, fileLimits)
	if err != nil {
		w.Fatal(err)
	}
	state := []byte(nil)
	for _, part := range [][]byte{data[:len(data)/3], data[len(data)/3:]} {
		d, err := w.Blobs().Draft(ctx, f.DraftName(), state)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := d.Write(part); err != nil {
			w.Fatal(err)
		}
		if state, err = d.Sync(); err != nil {
			w.Fatal(err)
		}
		if d.Size() == f.Size {
			ref, err := d.Commit()
			if err != nil {
				w.Fatal(err)
			}
			f, err = w.ChangeFile(ctx, w.a, f.ID, func(f *store.File) error {
				f.Blob, f.Whole, f.Offset = ref, w.now, f.Size
				return nil
			})
			if err != nil {
				w.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			w.Fatal(err)
		}
	}
	if err := w.Blobs().RemoveDraft(ctx, f.DraftName()); err != nil {
		w.Fatal(err)
	}
	return f
}

func (w *fileWorld) agrees() store.VerifyReport {
	w.Helper()
	report, err := w.Verify(w.Context(), store.VerifyOptions{Bodies: true})
	if err != nil || report.Found != 0 {
		w.Fatalf("verify: %v, %v", report.Problems, err)
	}
	return report
}

func (w *fileWorld) readable(f store.File, data []byte) error {
	w.Helper()
	b, err := w.Blobs().Open(w.Context(), f.Blob)
	if err != nil {
		return err
	}
	defer b.Close()
	got := make([]byte, b.Size())
	if _, err := b.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		w.Errorf("the contents are others: %v", err)
	}
	return nil
}

func (w *fileWorld) drafts() (names []string) {
	w.Helper()
	err := w.Blobs().Drafts(w.Context(), func(name string, _ int64, _ time.Time) error {
		names = append(names, name)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return names
}

// TestFilesOutliveCollection has a file with a link stay until its time is over, and everything of it go then.
func TestFilesOutliveCollection(t *testing.T) {
	w := newFileWorld(t)
	ctx := t.Context()
	small, large := bytes.Repeat([]byte("small "), 1000), bytes.Repeat([]byte("large "), 500_000)
	files := []store.File{w.whole(small), w.whole(large)}
	for i, data := range [][]byte{small, large} {
		var err error
		if files[i], err = w.LinkFile(ctx, w.a, files[i].ID, w.now.Add(24*time.Hour), func(*store.File) {}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Collect(ctx, store.CollectOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := w.readable(files[i], data); err != nil {
			t.Fatal(err)
		}
	}
	if report := w.agrees(); report.Files != 2 {
		t.Errorf("%d files were checked", report.Files)
	}

	w.now = w.now.Add(25 * time.Hour)
	if err := w.ExpireFiles(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Collect(ctx, store.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	for i, data := range [][]byte{small, large} {
		if err := w.readable(files[i], data); store.KindOf(err) != store.KindNotFound {
			t.Errorf("file %d is still there: %v", i, err)
		}
		if f, err := w.FileByToken(ctx, files[i].Link.Token); err != nil || f.Gone.IsZero() {
			t.Errorf("its link leads to %+v, %v", f, err)
		}
	}
	w.agrees()
	w.now = w.now.Add(91 * 24 * time.Hour)
	if err := w.ExpireFiles(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.FileByToken(ctx, files[0].Link.Token); store.KindOf(err) != store.KindNotFound {
		t.Errorf("the link still leads somewhere: %v", err)
	}
}

// TestFilesGoWithTheirAccount leaves neither links nor drafts nor contents of an account that is deleted.
func TestFilesGoWithTheirAccount(t *testing.T) {
	w := newFileWorld(t)
	ctx := t.Context()
	data := bytes.Repeat([]byte("x"), 2<<20)
	f, err := w.LinkFile(ctx, w.a, w.whole(data).ID, w.now.Add(24*time.Hour), func(*store.File) {})
	if err != nil {
		t.Fatal(err)
	}
	half, err := w.CreateFile(ctx, w.a, store.File{Size: 10, Expires: w.now.Add(time.Hour)}, fileLimits)
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.Blobs().Draft(ctx, half.DraftName(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteAccount(ctx, w.a); err != nil {
		t.Fatal(err)
	}
	w.agrees()
	if _, err := w.FileByToken(ctx, f.Link.Token); store.KindOf(err) != store.KindNotFound {
		t.Errorf("the link leads somewhere: %v", err)
	}
	w.now = w.now.Add(2 * time.Hour)
	if err := w.ExpireFiles(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Collect(ctx, store.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	if names := w.drafts(); len(names) > 0 {
		t.Errorf("drafts are left: %q", names)
	}
	if err := w.readable(f, data); store.KindOf(err) != store.KindNotFound {
		t.Errorf("the contents are left: %v", err)
	}
}

func TestFileLimits(t *testing.T) {
	w := newFileWorld(t)
	create := func(size int64) error {
		_, err := w.CreateFile(context.Background(), w.a, store.File{Size: size, Expires: w.now.Add(time.Hour)}, fileLimits)
		return err
	}
	if err := create(fileLimits.Size + 1); store.KindOf(err) != store.KindLimit {
		t.Errorf("too large: %v", err)
	}
	for range 2 {
		if err := create(fileLimits.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := create(1); store.KindOf(err) != store.KindOverQuota {
		t.Errorf("beyond the total: %v", err)
	}
	// What is over does not count, even before it is collected.
	w.now = w.now.Add(2 * time.Hour)
	for range fileLimits.Files {
		if err := create(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := create(1); store.KindOf(err) != store.KindLimit {
		t.Errorf("one too many: %v", err)
	}
	if _, err := w.LinkFile(t.Context(), w.a, "nothing", w.now, func(*store.File) {}); store.KindOf(err) != store.KindNotFound {
		t.Errorf("a link of nothing: %v", err)
	}
}
