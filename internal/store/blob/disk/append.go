package disk

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

const (
	batchBytes   = 4 << 20 // of records written and synced together, or one record
	batchRecords = 1024
	// segmentRecords bounds the memory that the records of a segment take until
	// it is sealed.
	segmentRecords = 1 << 18
)

// appender writes the end of the log. There is no goroutine for it: of the
// callers that wait, the first writes and syncs the records of all, wakes them,
// and hands over to the first of those that came meanwhile.
type appender struct {
	s *Store

	mu     sync.Mutex
	queue  []*request
	leader bool // somebody writes

	// The rest belongs to the leader.
	seg    *segment
	file   vfs.File
	off    int64 // where the next record goes
	zeroed int64 // the file is zeroed up to here
	batch  []*request
	buf    []byte
	seals  sync.WaitGroup
	closed bool
}

// request is one record to append.
type request struct {
	data []byte
	sum  [32]byte
	time uint32
	at   place
	err  error
	wake chan bool // true: become the leader, false: done
	own  bool      // of exclusive: no record
}

var requests = sync.Pool{New: func() any { return &request{wake: make(chan bool, 1)} }}

// openAppender goes on in the last segment if nothing but zeros follows its
// records, and seals the other segments that have no index. Torn or damaged
// octets are never written over, so that nothing that could still be read is
// lost.
func openAppender(s *Store) (*appender, error) {
	a := &appender{s: s}
	for _, seg := range s.segs.all() {
		if seg.sealed {
			continue
		}
		end, clean, err := s.segs.scan(seg)
		if err != nil {
			return nil, err
		}
		if end == 0 {
			if err := s.segs.setAside(seg); err != nil {
				return nil, err
			}
			continue
		}
		if clean && seg.id == s.segs.newest() && end < s.opt.SegmentSize {
			if err := a.resume(seg, end); err != nil {
				return nil, err
			}
			continue
		}
		err = s.segs.sync(seg)
		if err == nil {
			err = s.segs.seal(seg)
		}
		if err != nil && !errors.Is(err, blob.ErrNoSpace) {
			return nil, err
		}
	}
	return a, nil
}

func (a *appender) resume(seg *segment, end int64) error {
	f, err := a.s.fs.OpenReadWrite(a.s.path("log", segmentName(seg.id)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("blob: open segment %d: %w", seg.id, err)
	}
	// What the scan found may have been written but never synced; from now on it
	// is shown, so it must stay.
	if err := f.SyncData(); err != nil {
		return errors.Join(fmt.Errorf("blob: sync segment %d: %w", seg.id, err), f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("blob: open segment %d: %w", seg.id, err), f.Close())
	}
	a.seg, a.file, a.off, a.zeroed = seg, f, end, info.Size()
	return nil
}

// append returns where the record of data is when it is durable.
func (a *appender) append(data []byte, sum [32]byte, time uint32) (place, error) {
	r := requests.Get().(*request)
	r.data, r.sum, r.time, r.err = data, sum, time, nil
	a.submit(r)
	at, err := r.at, r.err
	r.data = nil
	requests.Put(r)
	return at, err
}

// submit returns when all of rs are done.
func (a *appender) submit(rs ...*request) {
	a.mu.Lock()
	lead := !a.leader
	a.leader = true
	a.queue = append(a.queue, rs...)
	a.mu.Unlock()
	for _, r := range rs {
		if lead {
			a.lead()
			lead = false
		}
		if <-r.wake {
			a.lead()
			<-r.wake
		}
	}
}

// lead writes one batch, which has the leader's own record as its first, makes
// the first that waits the next leader and wakes those of the batch.
func (a *appender) lead() {
	a.mu.Lock()
	n, bytes := 0, 0
	for n < len(a.queue) && n < batchRecords && (n == 0 || bytes < batchBytes && !a.queue[n].own) {
		bytes += recordHead + len(a.queue[n].data)
		n++
	}
	batch := append(a.batch[:0], a.queue[:n]...)
	rest := copy(a.queue, a.queue[n:])
	clear(a.queue[rest:])
	a.queue = a.queue[:rest]
	a.mu.Unlock()

	err := a.write(batch, bytes)
	for _, r := range batch {
		r.err = err
	}
	a.handOver(batch)
}

func (a *appender) handOver(batch []*request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) > 0 {
		a.queue[0].wake <- true
	} else {
		a.leader = false
	}
	for _, r := range batch {
		r.wake <- false
	}
	clear(batch)
	a.batch = batch[:0]
}

// write makes a batch durable, in a second segment if the first one fails.
func (a *appender) write(batch []*request, size int) (err error) {
	for range 2 {
		if err = a.room(int64(size)); err != nil {
			return err
		}
		if err = a.writeHere(batch); err == nil {
			a.publish(batch)
			return nil
		}
		if errors.Is(noSpace(err), blob.ErrNoSpace) && !errors.Is(err, errSync) {
			// What was written of the batch lies after the end and is written
			// over by the next one.
			return fmt.Errorf("blob: write segment %d: %w", a.seg.id, noSpace(err))
		}
		err = fmt.Errorf("blob: write segment %d: %w", a.seg.id, noSpace(err))
		a.s.stats.givenUp.Add(1)
		a.s.opt.Logger.Error("blobs: segment given up", "segment", a.seg.id, "err", err)
		a.leave()
	}
	return err
}

// room makes sure that there is a segment with room for size octets.
func (a *appender) room(size int64) error {
	if a.closed {
		return blob.ErrClosed
	}
	full := a.off+size > a.s.opt.SegmentSize && a.off > segmentHead
	if a.seg != nil && (full || len(a.seg.list) >= segmentRecords) {
		a.leave()
	}
	if a.seg != nil {
		return nil
	}
	seg, f, err := a.s.segs.create()
	if err != nil {
		return err
	}
	a.seg, a.file, a.off, a.zeroed = seg, f, segmentHead, segmentHead
	return nil
}

// leave ends the active segment and seals it in the background. After a failed
// sync no more is written to it: the system may have dropped octets that it
// would call synced the next time.
func (a *appender) leave() {
	seg := a.seg
	if err := a.file.Close(); err != nil {
		a.s.opt.Logger.Warn("blobs: close segment", "segment", seg.id, "err", err)
	}
	a.seg, a.file = nil, nil
	a.seals.Go(func() {
		if err := a.s.segs.seal(seg); err != nil {
			a.s.opt.Logger.Warn("blobs: index is made at the next start", "segment", seg.id, "err", err)
		}
	})
}

// errSync marks the failure of a sync.
var errSync = errors.New("sync failed")

// writeHere writes and syncs a batch at the end of the active segment.
func (a *appender) writeHere(batch []*request) error {
	buf := a.buf[:0]
	off := a.off
	for _, r := range batch {
		r.at = place{segment: a.seg.id, offset: uint32(off), length: uint64(len(r.data))}
		buf = appendRecord(buf, r.data, r.sum, r.time, a.seg.salt, uint64(off))
		off += recordHead + int64(len(r.data))
	}
	a.buf = buf
	if cap(a.buf) > 2*batchBytes {
		a.buf = nil
	}
	a.zeroAhead(off)
	if _, err := a.file.WriteAt(buf, a.off); err != nil {
		return err
	}
	if err := a.file.SyncData(); err != nil {
		return errors.Join(errSync, err)
	}
	a.off = off
	a.s.stats.batches.Add(1)
	a.s.stats.puts.Add(int64(len(batch)))
	return nil
}

// zeroAhead makes the file longer by a step when the batch that ends at end
// would. It is no loss if it fails.
func (a *appender) zeroAhead(end int64) {
	step := a.s.opt.ZeroStep
	if step <= 0 || end <= a.zeroed {
		return
	}
	to := min(end+step, a.s.opt.SegmentSize)
	for a.zeroed = max(a.zeroed, end); a.zeroed < to; {
		n, err := a.file.WriteAt(zeros[:min(int64(len(zeros)), to-a.zeroed)], a.zeroed)
		if a.zeroed += int64(n); err != nil {
			return
		}
	}
}

var zeros [64 << 10]byte // never written to

// publish makes the durable records of a batch known.
func (a *appender) publish(batch []*request) {
	seg := a.seg
	seg.mu.Lock()
	defer seg.mu.Unlock()
	for _, r := range batch {
		seg.list = append(seg.list, entry{r.sum, r.at.offset, uint32(r.at.length), r.time})
		seg.newest = max(seg.newest, r.time)
	}
	seg.durable.Store(a.off)
}

// rotate ends the active segment, so that it can be collected.
func (a *appender) rotate() error {
	return a.exclusive(func() error {
		if a.closed || a.seg == nil || a.off == segmentHead {
			return nil
		}
		a.leave()
		a.seals.Wait()
		return a.room(0)
	})
}

// exclusive runs fn as the leader, between two batches.
func (a *appender) exclusive(fn func() error) error {
	r := &request{wake: make(chan bool, 1), own: true}
	a.mu.Lock()
	if a.leader {
		a.queue = append(a.queue, r)
		a.mu.Unlock()
		<-r.wake // true: it leads now, as the first in the queue
		a.mu.Lock()
		a.queue = a.queue[:copy(a.queue, a.queue[1:])]
	}
	a.leader = true
	a.mu.Unlock()
	err := fn()
	a.handOver(a.batch[:0])
	return err
}

func (a *appender) close() error {
	err := a.exclusive(func() (err error) {
		a.closed = true
		if a.file != nil {
			err = a.file.Close()
			a.seg, a.file = nil, nil
		}
		return err
	})
	a.seals.Wait()
	return err
}
