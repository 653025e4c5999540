package backup_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// folder is an open data folder.
type folder struct {
	*store.Store
	backup.Source
}

func open(t *testing.T, dir string) *folder {
	t.Helper()
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), MemTableSize: 1 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), SegmentSize: 1 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	s, err := store.Open(t.Context(), store.Options{Records: records, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	return &folder{s, backup.Source{Records: records, Blobs: blobs, Data: dir, Skip: []string{"control.sock"}}}
}

func (f *folder) add(t *testing.T, a store.AccountID, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		text := storetest.Text(i) + strings.Repeat("0123456789 filling\r\n", 1500)
		if _, err := f.Append(t.Context(), a, store.InboxID, []store.NewEmail{storetest.Email(t, f.Store, text)}); err != nil {
			t.Error(err)
			return
		}
	}
}

// check restores a backup and expects so many whole messages at least.
func check(t *testing.T, dir string, least, most int) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "restored")
	if _, err := backup.Restore(t.Context(), dir, data, nil); err != nil {
		t.Fatal(err)
	}
	f := open(t, data)
	r, err := f.Verify(t.Context(), store.VerifyOptions{Bodies: true})
	if err != nil || r.Found != 0 {
		t.Fatalf("restored from %s: %+v, %v", dir, r, err)
	}
	if r.Emails < int64(least) || r.Emails > int64(most) {
		t.Errorf("restored from %s: %d emails, want %d to %d", dir, r.Emails, least, most)
	}
	if b, err := os.ReadFile(filepath.Join(data, "tls", "key")); err != nil || string(b) != "secret" {
		t.Errorf("key %q, %v", b, err)
	}
	// The restored folder lives on.
	accounts, err := f.Accounts(t.Context(), "")
	if err != nil || len(accounts) != 1 {
		t.Fatal(accounts, err)
	}
	f.add(t, accounts[0].ID, 9000, 3)
}

func TestEveryBackupCanBeRestored(t *testing.T) {
	dir := t.TempDir()
	data, backups := filepath.Join(dir, "data"), filepath.Join(dir, "backups")
	if err := os.MkdirAll(filepath.Join(data, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "tls", "key"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, data)
	a := storetest.Account(t, f.Store, "anna@demo.test").ID
	at := time.Now()
	var snaps []backup.Snapshot
	for round := range 4 {
		f.add(t, a, round*100, 100)
		if round == 2 { // what is deleted and collected stays in the older backups
			if _, _, err := f.Expunge(t.Context(), a, store.InboxID, uid.Set{{First: 1, Last: 150}}, false); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Collect(t.Context(), store.CollectOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		// While it is made, mail goes on coming.
		var wg sync.WaitGroup
		wg.Go(func() { f.add(t, a, 5000+round*10, 5) })
		snap, err := backup.Run(t.Context(), f.Source, backups, at.Add(time.Duration(round)*time.Minute), nil)
		wg.Wait()
		if err != nil {
			t.Fatal(err)
		}
		snaps = append(snaps, snap)
	}
	emails := []int{100, 205, 160, 265}
	for i, s := range snaps {
		check(t, s.Dir, emails[i], emails[i]+5)
	}
	check(t, backups, emails[3], emails[3]+5)
	if list, err := backup.List(backups); err != nil || len(list) != 4 || list[0].Dir != snaps[0].Dir {
		t.Errorf("list %+v, %v", list, err)
	}
}

func TestNothingNewCostsLittle(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "data"))
	a := storetest.Account(t, f.Store, "anna@demo.test").ID
	f.add(t, a, 0, 300) // 9 MiB
	var copied []int64
	for i := range 2 {
		s, err := backup.Run(t.Context(), f.Source, filepath.Join(dir, "b"), time.Now().Add(time.Duration(i)*time.Minute), nil)
		if err != nil {
			t.Fatal(err)
		}
		copied = append(copied, s.Copied)
	}
	if copied[1] > 4<<20 {
		t.Errorf("copied %d octets, then %d with nothing new", copied[0], copied[1])
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(full, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := open(t, filepath.Join(dir, "data"))
	storetest.Account(t, f.Store, "anna@demo.test")
	s, err := backup.Run(t.Context(), f.Source, filepath.Join(dir, "b"), time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), s.Dir, full, nil); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restore over other files: %v", err)
	}
	if _, err := backup.Restore(t.Context(), filepath.Join(dir, "nothing"), filepath.Join(dir, "new"), nil); err == nil {
		t.Error("nothing was restored")
	}
	if err := os.Remove(filepath.Join(s.Dir, "BACKUP.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), s.Dir, filepath.Join(dir, "new"), nil); err == nil || !strings.Contains(err.Error(), "not a whole backup") {
		t.Errorf("restore of half a backup: %v", err)
	}
	if _, err := os.Stat(fmt.Sprint(filepath.Join(dir, "new"))); err == nil {
		t.Error("a refused restore left a folder")
	}
}

func TestConfigIsKeptApart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "postiljon.toml")
	if err := os.WriteFile(file, []byte("hostname"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := open(t, filepath.Join(dir, "data"))
	f.Config = func() map[string]string { return map[string]string{"postiljon.toml": file} }
	s, err := backup.Run(t.Context(), f.Source, filepath.Join(dir, "b"), time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "restored")
	// What a restore that was cut off has left does not stand in the way.
	if err := os.MkdirAll(filepath.Join(data, ".restoring", "records"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), s.Dir, data, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(data, "config", "postiljon.toml"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the configuration has mode %v, %v", info, err)
	}
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "blobs config records" {
		t.Errorf("restored %s", got)
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "data"))
	a := storetest.Account(t, f.Store, "anna@demo.test").ID
	backups := filepath.Join(dir, "b")
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for i := range 4 {
		f.add(t, a, i*10, 10)
		if _, err := backup.Run(t.Context(), f.Source, backups, at.Add(time.Duration(i)*time.Hour), nil); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := backup.Prune(backups, 2)
	if err != nil || fmt.Sprint(gone) != "[20261122T100000Z 20261122T110000Z]" {
		t.Errorf("pruned %v, %v", gone, err)
	}
	entries, err := os.ReadDir(backups)
	if err != nil || len(entries) != 2 {
		t.Errorf("left %v, %v", entries, err)
	}
	// What the older ones shared with them is still there.
	for i, s := range []string{"20261122T120000Z", "20261122T130000Z"} {
		if err := os.MkdirAll(filepath.Join(backups, s, "tls"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(backups, s, "tls", "key"), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, filepath.Join(backups, s), 30+i*10, 30+i*10)
	}
}

func TestBackupInsideTheData(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "data"))
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "data"), link); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{filepath.Join(dir, "data"), filepath.Join(dir, "data", "x", "y"), filepath.Join(link, "b")} {
		if _, err := backup.Run(t.Context(), f.Source, to, time.Now(), nil); !errors.Is(err, backup.ErrInside) {
			t.Errorf("backup to %s: %v", to, err)
		}
	}
	if _, err := backup.Run(t.Context(), f.Source, filepath.Join(dir, "data.backup"), time.Now(), nil); err != nil {
		t.Error(err)
	}
}
