package pebble

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

type stats struct {
	commits, stalls, waits, corruptions atomic.Int64
}

// Metrics is the state of a database; sizes are octets, counts are since Open.
type Metrics struct {
	Commits     int64 // committed transactions that wrote
	Refused     int64 // refused for want of room
	Stalls      int64 // times all writes waited for a flush or compaction
	Waits       int64 // times a write to the volume found it full and waited
	Corruptions int64 // damaged files met

	DiskSize      int64 // all files
	LogSize       int64 // write-ahead log in use
	LogWritten    int64
	Tables        int64
	MemTables     int64 // octets in memory tables
	Flushes       int64
	Compactions   int64
	Compacting    int64 // now
	Debt          int64 // octets that wait for compaction
	ReadAmp       int   // sorted runs that a read may have to look at
	CacheHits     int64
	CacheMisses   int64
	CacheSize     int64
	FreeSpace     int64                // of the volume at the last look, 0 if unknown
	Reserve       int64                // free space below which writes are refused
	SyncLatency   prometheus.Histogram // of the log, in nanoseconds; nil before the first sync
	FlushedBytes  int64
	CompactedSize int64 // octets written by compactions
}

// Metrics returns the present state, and zeros after Close.
func (db *DB) Metrics() Metrics {
	m := Metrics{
		Commits: db.stats.commits.Load(), Refused: db.space.refused.Load(),
		Stalls: db.stats.stalls.Load(), Waits: db.stats.waits.Load(), Corruptions: db.stats.corruptions.Load(),
		FreeSpace: db.space.room.Free(), Reserve: db.space.reserve,
	}
	if !db.gate.Enter() {
		return m
	}
	defer db.gate.Leave()
	p := db.pdb.Metrics()
	m.DiskSize = int64(p.DiskSpaceUsage())
	m.LogSize, m.LogWritten = int64(p.WAL.Size), int64(p.WAL.BytesWritten)
	m.MemTables = int64(p.MemTable.Size)
	m.Flushes, m.Compactions = p.Flush.Count, p.Compact.Count
	m.Compacting, m.Debt = p.Compact.NumInProgress, int64(p.Compact.EstimatedDebt)
	m.ReadAmp = p.ReadAmp()
	m.CacheHits, m.CacheMisses, m.CacheSize = p.BlockCache.Hits, p.BlockCache.Misses, p.BlockCache.Size
	m.SyncLatency = p.LogWriter.FsyncLatency
	for _, l := range p.Levels {
		m.Tables += l.TablesCount
		m.FlushedBytes += int64(l.TableBytesFlushed)
		m.CompactedSize += int64(l.TableBytesCompacted)
	}
	return m
}
