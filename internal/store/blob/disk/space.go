package disk

import (
	"errors"
	"sync/atomic"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/volume"
)

// space refuses blobs while there is still room for the records that explain
// why.
type space struct {
	room    *volume.Room
	limited bool // false: the file system cannot tell, or no reserve is wanted
	reserve int64
	refused atomic.Int64
}

func newSpace(opt Options) *space {
	s := &space{room: volume.Watch(opt.FS, opt.Dir), reserve: opt.Reserve}
	s.limited = s.room.Total() > 0 && opt.Reserve >= 0
	if s.limited && s.reserve == 0 {
		s.reserve = min(512<<20, s.room.Total()/10)
	}
	return s
}

// admit counts size octets as about to be written, or refuses them.
func (s *space) admit(size int64) error {
	if !s.limited {
		return nil
	}
	if s.room.Left()-size < s.reserve {
		s.refused.Add(1)
		return blob.ErrNoSpace
	}
	s.room.Begin(size)
	return nil
}

// roomToMove reports whether size octets can be written to free more: they may
// go below the reserve, but leave the records a part of it.
func (s *space) roomToMove(size int64) bool {
	return !s.limited || size == 0 || s.room.Left()-size >= s.reserve/4
}

// landed ends what admit began.
func (s *space) landed(size int64) {
	if s.limited {
		s.room.Written(size)
	}
}

// noSpace makes an error of a full volume or quota a blob.ErrNoSpace.
func noSpace(err error) error {
	if volume.IsFull(err) {
		return errors.Join(blob.ErrNoSpace, err)
	}
	return err
}
