package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
)

// tight is a disk with as much room as the test says.
type tight struct {
	vfs.FS
	room atomic.Int64
}

func (d *tight) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: uint64(d.room.Load()), TotalBytes: 10 << 30}, nil
}

// TestFullDisk refuses what does not fit beside the reserve, before it begins and in its midst, says why, and goes on when there is
// room again.
func TestFullDisk(t *testing.T) {
	volume := &tight{FS: vfs.Default}
	volume.room.Store(1 << 30)
	dir := t.TempDir()
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), MemTableSize: 4 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), FS: volume, Reserve: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	s, err := store.Open(t.Context(), store.Options{Records: records, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldAs(&world{T: t, store: s}, Limits{Size: 4 << 30, Total: 8 << 30, Keep: 24 * time.Hour})

	r, b := w.do("anna", "POST", "/files/?lang=sv", nil, "Upload-Length", fmt.Sprint(600<<20))
	if want(t, r, 507); !strings.Contains(string(b), `"provider.storage-failed"`) || !strings.Contains(string(b), "kan inte spara") {
		t.Errorf("refused with %s", b)
	}
	data := noise(6 << 20)
	path := w.create("anna", len(data), "a")
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(data[:1<<20]), "Content-Type", octets, "Upload-Offset", "0")
	want(t, r, 204, "Upload-Offset", fmt.Sprint(1<<20))
	volume.room.Store(514 << 20)
	time.Sleep(60 * time.Millisecond) // what the disk said is believed for a moment
	r, b = w.do("anna", "PATCH", path, bytes.NewReader(data[1<<20:]), "Content-Type", octets, "Upload-Offset", fmt.Sprint(1<<20))
	if want(t, r, 507); !strings.Contains(string(b), `"provider.storage-failed"`) {
		t.Errorf("refused with %s", b)
	}
	r, _ = w.do("anna", "HEAD", path, nil)
	var at int
	if fmt.Sscan(r.Header.Get("Upload-Offset"), &at); at < 1<<20 || at >= len(data) {
		t.Fatalf("%d octets are there", at)
	}
	volume.room.Store(1 << 30)
	time.Sleep(60 * time.Millisecond)
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(data[at:]), "Content-Type", octets, "Upload-Offset", fmt.Sprint(at))
	want(t, r, 204, "Upload-Offset", fmt.Sprint(len(data)))
	sum := sha256.Sum256(data)
	if f := w.shown("anna", strings.TrimPrefix(path, "/files/")); f.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the file is %+v", f)
	}
}
