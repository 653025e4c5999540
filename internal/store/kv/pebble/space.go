package pebble

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/kv"
)

const (
	// memTables is how many memory tables may wait for a flush.
	memTables = 4
	// A sample of the volume's free space is good for so long, or for so many
	// octets written since.
	sampleAge   = 50 * time.Millisecond
	sampleBytes = 8 << 20
)

// space decides whether there is room to write. Pebble cannot go on after a
// failed write to its log, so a write is refused while there is still room for
// the log, a flush and a compaction.
type space struct {
	usage    func() (vfs.DiskUsage, error)
	limited  bool  // false: the file system cannot tell, or no reserve is wanted
	reserve  int64 // free octets below which writes are refused
	hard     int64 // the same for work that frees room
	ballast  int64 // size of the ballast file
	memTable int64

	mu       sync.Mutex // held by who takes a sample
	sampled  atomic.Int64
	free     atomic.Int64 // at the last sample
	written  atomic.Int64 // since the last sample
	inFlight atomic.Int64
	stuck    atomic.Bool  // flushes fail for want of room
	unsaved  atomic.Int64 // written since then: it stays in memory
	refused  atomic.Int64 // how often a write was refused
}

func newSpace(opt Options) *space {
	s := &space{
		usage:    func() (vfs.DiskUsage, error) { return opt.FS.GetDiskUsage(opt.Dir) },
		memTable: opt.MemTableSize,
		reserve:  opt.Reserve,
	}
	u, err := s.usage()
	total := int64(u.TotalBytes)
	s.limited = err == nil && total > 0 && opt.Reserve >= 0
	if s.memTable <= 0 {
		s.memTable = 64 << 20
		if s.limited {
			s.memTable = max(min(s.memTable, total/32), 512<<10)
		}
	}
	if !s.limited {
		return s
	}
	if s.reserve == 0 {
		s.reserve = max(min(256<<20, total/20), 2*s.memTable)
	}
	s.hard = s.reserve / 4
	s.ballast = min(s.reserve/4, 32<<20)
	s.free.Store(int64(u.AvailBytes))
	return s
}

// admit counts size octets as about to be written, or refuses them with
// kv.ErrNoSpace. Size zero asks before the work is done.
func (s *space) admit(ctx context.Context, size int64) error {
	if !s.limited {
		return nil
	}
	s.sample()
	need := s.reserve
	reserve := kv.UsesReserve(ctx)
	if reserve {
		need = s.hard
	}
	left := s.free.Load() - s.written.Load() - s.inFlight.Load() - size
	if left < need || s.stuck.Load() && (!reserve || s.unsaved.Load() > (memTables-2)*s.memTable) {
		s.refused.Add(1)
		return kv.ErrNoSpace
	}
	s.inFlight.Add(size)
	return nil
}

// landed ends what admit began.
func (s *space) landed(size int64) {
	if !s.limited {
		return
	}
	s.written.Add(size)
	s.inFlight.Add(-size)
	if s.stuck.Load() {
		s.unsaved.Add(size)
	}
}

// sample asks the volume if the last answer is old. One caller asks, others go
// on with what is known.
func (s *space) sample() {
	now := time.Now().UnixNano()
	if now-s.sampled.Load() < int64(sampleAge) && s.written.Load() < sampleBytes {
		return
	}
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	u, err := s.usage()
	if err != nil {
		return // what was known stays, less what is written
	}
	s.written.Store(0)
	s.free.Store(int64(u.AvailBytes))
	s.sampled.Store(now)
}

// flushed notes how a flush ended. Pebble holds all writes when too many memory
// tables wait, so they are refused before.
func (s *space) flushed(noRoom bool) {
	s.stuck.Store(noRoom)
	if !noRoom {
		s.unsaved.Store(0)
	}
}

// full notes that the volume refused a write.
func (s *space) full() {
	s.free.Store(0)
	s.sampled.Store(time.Now().UnixNano())
}
