// Package volume knows how much room there is to write, without asking the file system at every
// write, and which errors tell that there is none.
package volume

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// What the file system said is good for so long, or for so many octets written since.
	sampleAge   = 50 * time.Millisecond
	sampleBytes = 8 << 20
)

// Room is the free space of a volume: what it was when last asked, less what was written since and
// what is being written. It is safe for concurrent use.
type Room struct {
	usage func() (vfs.DiskUsage, error)
	total int64

	mu      sync.Mutex   // held by who asks
	sampled atomic.Int64 // when, as nanoseconds
	free    atomic.Int64 // at that time
	written atomic.Int64 // since then
	writing atomic.Int64
}

// Watch makes a Room of the volume that has a directory.
func Watch(fs vfs.FS, dir string) *Room {
	r := &Room{usage: func() (vfs.DiskUsage, error) { return fs.GetDiskUsage(dir) }}
	u, err := r.usage()
	if err != nil {
		return r
	}
	r.total = int64(u.TotalBytes)
	r.free.Store(int64(u.AvailBytes))
	r.sampled.Store(time.Now().UnixNano())
	return r
}

// Total is the size of the volume in octets, 0 if the file system cannot tell.
func (r *Room) Total() int64 { return r.total }

// Free is the free space when last asked, in octets.
func (r *Room) Free() int64 { return r.free.Load() }

// Left is how many octets can be written now.
func (r *Room) Left() int64 {
	r.sample()
	return r.free.Load() - r.written.Load() - r.writing.Load()
}

// Begin counts octets that are about to be written.
func (r *Room) Begin(size int64) { r.writing.Add(size) }

// Written ends what Begin began.
func (r *Room) Written(size int64) {
	r.written.Add(size)
	r.writing.Add(-size)
}

// sample asks the volume if the last answer is old. One caller asks, others go on with what is
// known.
func (r *Room) sample() {
	if time.Now().UnixNano()-r.sampled.Load() < int64(sampleAge) && r.written.Load() < sampleBytes {
		return
	}
	if r.mu.TryLock() {
		defer r.mu.Unlock()
		_ = r.ask() // what was known stays, less what is written
	}
}

// Ask returns the free space as the file system tells it now, in octets.
func (r *Room) Ask() (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.ask()
	return r.free.Load(), err
}

// ask must be called with mu held.
func (r *Room) ask() error {
	now := time.Now().UnixNano()
	u, err := r.usage()
	if err != nil {
		return fmt.Errorf("volume: ask for free space: %w", err)
	}
	r.written.Store(0)
	r.free.Store(int64(u.AvailBytes))
	r.sampled.Store(now)
	return nil
}

// Changed has the volume asked by whoever wants to know next: files were removed.
func (r *Room) Changed() { r.sampled.Store(0) }

// Full notes that the volume refused a write: it has no room until it says otherwise.
func (r *Room) Full() {
	r.free.Store(0)
	r.sampled.Store(time.Now().UnixNano())
}

// IsFull reports whether an error tells of a volume or a quota without room.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
