package pebble

import (
	"context"
	"sync/atomic"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/volume"
)

// memTables is how many memory tables may wait for a flush.
const memTables = 4

// space decides whether there is room to write. Pebble cannot go on after a
// failed write to its log, so a write is refused while there is still room for
// the log, a flush and a compaction.
type space struct {
	room     *volume.Room
	limited  bool  // false: the file system cannot tell, or no reserve is wanted
	reserve  int64 // free octets below which writes are refused
	hard     int64 // the same for work that frees room
	ballast  int64 // size of the ballast file
	memTable int64

	stuck   atomic.Bool  // flushes fail for want of room
	unsaved atomic.Int64 // written since then: it stays in memory
	refused atomic.Int64 // how often a write was refused
}

func newSpace(opt Options) *space {
	s := &space{room: volume.Watch(opt.FS, opt.Dir), memTable: opt.MemTableSize, reserve: opt.Reserve}
	total := s.room.Total()
	s.limited = total > 0 && opt.Reserve >= 0
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
	return s
}

// admit counts size octets as about to be written, or refuses them with
// kv.ErrNoSpace. Size zero asks before the work is done.
func (s *space) admit(ctx context.Context, size int64) error {
	if !s.limited {
		return nil
	}
	need := s.reserve
	reserve := kv.UsesReserve(ctx)
	if reserve {
		need = s.hard
	}
	left := s.room.Left() - size
	if left < need || s.stuck.Load() && (!reserve || s.unsaved.Load() > (memTables-2)*s.memTable) {
		s.refused.Add(1)
		return kv.ErrNoSpace
	}
	s.room.Begin(size)
	return nil
}

// landed ends what admit began.
func (s *space) landed(size int64) {
	if !s.limited {
		return
	}
	s.room.Written(size)
	if s.stuck.Load() {
		s.unsaved.Add(size)
	}
}

// flushed notes how a flush ended. Pebble holds all writes when too many memory
// tables wait, so they are refused before.
func (s *space) flushed(noRoom bool) {
	s.stuck.Store(noRoom)
	if !noRoom {
		s.unsaved.Store(0)
	}
}
