package pebble

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/postiljon/postiljon/internal/store/volume"
)

// logger turns what Pebble says into structured records: what it does is for
// who debugs, what fails is for the operator.
type logger struct{ db *DB }

func (l *logger) Infof(format string, args ...any) {
	l.db.log.Debug("records: " + fmt.Sprintf(format, args...))
}

func (l *logger) Errorf(format string, args ...any) {
	l.db.log.Error("records: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble calls it when its state is beyond repair, and
// what is durable is safe only if it stops here.
func (l *logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.db.fail(err)
	panic(err)
}

func (l *logger) listener() *pebble.EventListener {
	db := l.db
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			switch {
			case volume.IsFull(err):
				db.space.room.Full()
				db.log.Warn("records: background work waits for room", "err", err)
			case errors.Is(err, pebble.ErrCancelledCompaction):
			default:
				db.log.Error("records: background work failed, will be tried again", "err", err)
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			db.stats.corruptions.Add(1)
			db.log.Error("records: damaged file", "path", info.Path, "err", info.Details)
		},
		FlushEnd: func(info pebble.FlushInfo) {
			db.space.flushed(info.Err != nil && volume.IsFull(info.Err))
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			db.stats.stalls.Add(1)
			db.log.Warn("records: writes wait for background work", "reason", info.Reason)
		},
	}
}
