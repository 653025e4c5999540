package disk

import "sync/atomic"

type stats struct {
	puts, batches, large, givenUp, corrupt, freed, moved atomic.Int64
}

// Metrics is the state of a store; sizes are octets, counts are since Open.
type Metrics struct {
	Segments   int64
	LogSize    int64 // records in the log, live and dead
	MovedFiles int64
	MovedRows  int64

	Puts    int64 // records written to the log
	Batches int64 // synced writes that they took
	Large   int64 // large blobs stored
	GivenUp int64 // segments ended by a failed write or sync
	Corrupt int64 // damaged blobs met by Read
	Refused int64 // refused for want of room
	Freed   int64 // by Collect
	Moved   int64 // rewritten by Collect

	FreeSpace int64 // of the volume at the last look, 0 if unknown
	Reserve   int64 // free space below which blobs are refused
}

// Metrics returns the present state.
func (s *Store) Metrics() Metrics {
	m := Metrics{
		Puts: s.stats.puts.Load(), Batches: s.stats.batches.Load(), Large: s.stats.large.Load(),
		GivenUp: s.stats.givenUp.Load(), Corrupt: s.stats.corrupt.Load(), Refused: s.space.refused.Load(),
		Freed: s.stats.freed.Load(), Moved: s.stats.moved.Load(),
		FreeSpace: s.space.room.Free(), Reserve: s.space.reserve,
	}
	for _, seg := range s.segs.all() {
		m.Segments++
		m.LogSize += seg.durable.Load()
	}
	s.moved.mu.RLock()
	defer s.moved.mu.RUnlock()
	for _, t := range s.moved.tables {
		m.MovedFiles++
		m.MovedRows += int64(t.info.count)
	}
	return m
}
