package volume

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is a file system with a given amount of room.
type disk struct {
	vfs.FS
	room  uint64
	err   error
	asked int
}

func (d *disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.asked++
	return vfs.DiskUsage{AvailBytes: d.room, TotalBytes: 1000 << 20}, d.err
}

func wantLeft(t *testing.T, r *Room, want int64) {
	t.Helper()
	if got := r.Left(); got != want {
		t.Errorf("%d octets left, want %d", got, want)
	}
}

func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that time stands still
		d := &disk{room: 100 << 20}
		r := Watch(d, "/")
		if r.Total() != 1000<<20 || r.Free() != 100<<20 {
			t.Errorf("%d of %d", r.Free(), r.Total())
		}
		r.Begin(3 << 20)
		wantLeft(t, r, 97<<20)
		d.room = 98 << 20
		r.Written(3 << 20)
		wantLeft(t, r, 97<<20) // nobody has asked again
		if d.asked != 1 {
			t.Errorf("asked %d times", d.asked)
		}
		time.Sleep(sampleAge)
		wantLeft(t, r, 98<<20) // the answer was old
		r.Begin(sampleBytes)
		r.Written(sampleBytes)
		d.room = 80 << 20
		wantLeft(t, r, 80<<20) // too much was written
		d.room = 90 << 20
		wantLeft(t, r, 80<<20)
		r.Changed()
		wantLeft(t, r, 90<<20)
		r.Full()
		wantLeft(t, r, 0)
		time.Sleep(sampleAge)
		wantLeft(t, r, 90<<20)
		d.room = 70 << 20
		if free, err := r.Ask(); free != 70<<20 || err != nil {
			t.Errorf("%d free, %v", free, err)
		}
	})
}

// TestRoomUnknown: while the file system does not answer, what was known stays, less what is written.
func TestRoomUnknown(t *testing.T) {
	d := &disk{room: 100 << 20}
	r := Watch(d, "/")
	d.err = errors.New("no answer")
	r.Begin(20 << 20)
	r.Written(20 << 20)
	wantLeft(t, r, 80<<20)
	if _, err := r.Ask(); !errors.Is(err, d.err) {
		t.Errorf("Ask: %v", err)
	}
	if r := Watch(d, "/"); r.Total() != 0 {
		t.Errorf("a volume that cannot tell has %d octets", r.Total())
	}
}

func TestIsFull(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("write: %w", syscall.ENOSPC): true, syscall.EDQUOT: true, syscall.EIO: false, nil: false,
	} {
		if IsFull(err) != want {
			t.Errorf("%v", err)
		}
	}
}
