package disk

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

const (
	// A sample of the volume's free space is good for so long, or for so many
	// octets written since.
	sampleAge   = 50 * time.Millisecond
	sampleBytes = 8 << 20
)

// space refuses blobs while there is still room for the records that explain
// why.
type space struct {
	usage    func() (vfs.DiskUsage, error)
	limited  bool // false: the file system cannot tell, or no reserve is wanted
	reserve  int64
	mu       sync.Mutex // held by who takes a sample
	sampled  atomic.Int64
	free     atomic.Int64 // at the last sample
	written  atomic.Int64 // since
	inFlight atomic.Int64
	refused  atomic.Int64
}

func newSpace(opt Options) *space {
	s := &space{
		usage:   func() (vfs.DiskUsage, error) { return opt.FS.GetDiskUsage(opt.Dir) },
		reserve: opt.Reserve,
	}
	u, err := s.usage()
	s.limited = err == nil && u.TotalBytes > 0 && opt.Reserve >= 0
	if s.limited && s.reserve == 0 {
		s.reserve = min(512<<20, int64(u.TotalBytes/10))
	}
	return s
}

// admit counts size octets as about to be written, or refuses them.
func (s *space) admit(size int64) error {
	if !s.limited {
		return nil
	}
	s.sample()
	if s.free.Load()-s.written.Load()-s.inFlight.Load()-size < s.reserve {
		s.refused.Add(1)
		return blob.ErrNoSpace
	}
	s.inFlight.Add(size)
	return nil
}

// roomToMove reports whether size octets can be written to free more: they may
// go below the reserve, but leave the records a part of it.
func (s *space) roomToMove(size int64) bool {
	if !s.limited || size == 0 {
		return true
	}
	s.sample()
	return s.free.Load()-s.written.Load()-s.inFlight.Load()-size >= s.reserve/4
}

// landed ends what admit began.
func (s *space) landed(size int64) {
	if s.limited {
		s.written.Add(size)
		s.inFlight.Add(-size)
	}
}

// sample asks the volume if the last answer is old. One caller asks, others go
// on with what is known.
func (s *space) sample() {
	now := time.Now().UnixNano()
	if now-s.sampled.Load() < int64(sampleAge) && s.written.Load() < sampleBytes {
		return
	}
	if s.sampled.Load() == 0 {
		s.mu.Lock() // nothing is known yet
	} else if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	u, err := s.usage()
	if err != nil {
		return
	}
	s.written.Store(0)
	s.free.Store(int64(u.AvailBytes))
	s.sampled.Store(now)
}

// changed makes the next caller ask the volume again, since files were removed.
func (s *space) changed() { s.sampled.Store(1) }

// noSpace makes an error of a full volume or quota a blob.ErrNoSpace.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errors.Join(blob.ErrNoSpace, err)
	}
	return err
}
