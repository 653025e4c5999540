package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// Collect implements blob.Store. A segment is rewritten in this order: its live
// records are appended to the log and synced, a moved file that names their new
// places is synced, the segment is removed. A crash between two steps leaves
// records twice, never none.
//
// It goes on after a segment that is damaged or finds no room, which it leaves
// as it is, and reports it at the end.
func (s *Store) Collect(ctx context.Context, opt blob.CollectOptions) (res blob.CollectResult, err error) {
	if err := s.enter(ctx); err != nil {
		return res, err
	}
	defer s.gate.Leave()
	// It never waits: a waiting writer would block a second reader, and who
	// backs up holds twice.
	if !s.collecting.TryLock() {
		return res, blob.ErrBusy
	}
	defer s.collecting.Unlock()
	c := &collector{s: s, ctx: ctx, opt: opt, now: s.opt.Now()}
	err = c.run()
	s.space.room.Changed()
	s.stats.freed.Add(c.res.Freed)
	s.stats.moved.Add(c.res.Moved)
	return c.res, err
}

// collector is one run of Collect.
type collector struct {
	s   *Store
	ctx context.Context
	opt blob.CollectOptions
	now time.Time
	res blob.CollectResult
}

// tally is what a segment holds.
type tally struct {
	seg              *segment
	records, deleted int64
	live, dead       int64 // octets
}

// worth reports whether the segment is to be rewritten.
func (c *collector) worth(t tally) bool {
	return t.dead > 0 && float64(t.dead) >= c.opt.MinDead*float64(t.dead+t.live)
}

func (c *collector) run() error {
	segs := c.s.segs.all()
	var work []tally
	var errs []error
	for _, seg := range segs {
		t, err := c.count(seg)
		if errors.Is(err, blob.ErrCorrupt) {
			errs = append(errs, err)
			continue
		}
		if err != nil {
			return err
		}
		c.res.Examined += t.records
		if c.worth(t) {
			work = append(work, t)
		}
	}
	// Those with the least to copy come first: on a full volume they make the
	// room that the others need. The one that is written to needs a new one
	// first, so it is the last.
	newest := c.s.segs.newest()
	slices.SortFunc(work, func(a, b tally) int {
		if (a.seg.id == newest) != (b.seg.id == newest) {
			return cmp.Compare(a.seg.id, b.seg.id)
		}
		return cmp.Compare(a.live, b.live)
	})
	for _, t := range work {
		err := c.rewrite(t, t.seg.id == newest)
		if errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrNoSpace) {
			errs = append(errs, err)
			continue
		}
		if err != nil {
			return err
		}
	}
	if err := c.collectLarge(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// dead reports whether a blob stored at that time may go.
func (c *collector) dead(sum [32]byte, stored int64) bool {
	return c.now.Unix()-stored >= c.opt.GraceSeconds && !c.opt.Live(sum)
}

func (c *collector) count(seg *segment) (tally, error) {
	t := tally{seg: seg}
	err := c.s.segs.entries(seg, func(e entry) error {
		if t.records++; t.records%1024 == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		if c.dead(e.sum, int64(e.time)) {
			t.deleted++
			t.dead += e.size()
		} else {
			t.live += e.size()
		}
		return nil
	})
	return t, err
}

// rewrite moves the live records of a segment to the end of the log and removes
// the segment. The segment with the highest number stays, since its number must
// not be used again.
func (c *collector) rewrite(t tally, newest bool) error {
	seg := t.seg
	if !c.s.space.roomToMove(t.live) {
		return fmt.Errorf("blob: rewrite segment %d: %w", seg.id, blob.ErrNoSpace)
	}
	if newest {
		if err := c.s.log.rotate(); err != nil {
			return err
		}
		if seg.id == c.s.segs.newest() {
			return nil
		}
	}
	// Sealing may still run, or may have failed for want of room.
	if err := c.s.segs.seal(seg); err != nil {
		return err
	}
	live, deleted, err := c.living(seg)
	if err != nil {
		return err
	}
	rows, err := c.copyRecords(seg, live)
	if err != nil {
		return err
	}
	if err := c.s.moved.add(rows); err != nil {
		return err
	}
	size, err := c.remove(seg)
	if err != nil {
		return err
	}
	c.res.Deleted += deleted
	for _, r := range rows {
		size -= recordHead + int64(r.length)
		c.res.Moved += recordHead + int64(r.length)
	}
	c.res.Freed += size
	return nil
}

// living returns the records to copy, in the order of their places: one of
// each blob, and none that an earlier run has copied.
func (c *collector) living(seg *segment) (live []entry, deleted int64, err error) {
	var last entry
	err = c.s.segs.entries(seg, func(e entry) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if c.dead(e.sum, int64(e.time)) {
			deleted++
			return nil
		}
		if len(live) > 0 && last.sum == e.sum {
			return nil
		}
		p, ok, err := c.s.moved.lookup(e.sum)
		if err != nil || ok && p.segment != seg.id {
			return err
		}
		last = e
		live = append(live, e)
		return nil
	})
	slices.SortFunc(live, func(a, b entry) int { return cmp.Compare(a.offset, b.offset) })
	return live, deleted, err
}

// copyRecords appends records to the log, some at a time, and returns their new
// places by SHA-256.
func (c *collector) copyRecords(seg *segment, live []entry) ([]row, error) {
	if len(live) == 0 {
		return nil, nil
	}
	h, err := c.s.segs.acquire(seg.id)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(live))
	for len(live) > 0 && err == nil {
		n, size := 0, int64(0)
		for n < len(live) && n < 256 && (n == 0 || size < batchBytes/2) {
			size += live[n].size()
			n++
		}
		rows, err = c.copySome(h, live[:n], rows)
		live = live[n:]
	}
	if err = errors.Join(err, c.s.segs.release(h)); err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b row) int { return slices.Compare(a.sum[:], b.sum[:]) })
	return rows, nil
}

func (c *collector) copySome(h *handle, some []entry, rows []row) ([]row, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	rs := make([]*request, len(some))
	for i, e := range some {
		b := c.s.segs.reader(h, e.sum, e.place(h.id))
		data, err := b.read(nil, 0, b.size)
		if err != nil {
			return nil, fmt.Errorf("blob: rewrite segment %d: %w", h.id, err)
		}
		rs[i] = &request{data: data, sum: e.sum, time: e.time, wake: make(chan bool, 1)}
	}
	c.s.log.submit(rs...)
	for _, r := range rs {
		if r.err != nil {
			return nil, r.err
		}
		rows = append(rows, row{r.sum, r.at.segment, r.at.offset, uint32(r.at.length), r.time})
	}
	return rows, nil
}

// remove removes a segment and returns its size. Who has it open keeps it.
func (c *collector) remove(seg *segment) (int64, error) {
	path := c.s.path("log", segmentName(seg.id))
	info, err := c.s.fs.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("blob: remove segment %d: %w", seg.id, err)
	}
	c.s.segs.forget(seg.id)
	if err := c.s.fs.Remove(path); err != nil {
		return 0, fmt.Errorf("blob: remove segment %d: %w", seg.id, err)
	}
	if err := c.s.fs.Remove(c.s.path("log", indexName(seg.id))); err != nil {
		return 0, fmt.Errorf("blob: remove index %d: %w", seg.id, err)
	}
	return info.Size(), nil
}

func (c *collector) collectLarge() error {
	l := c.s.large
	return l.list(func(sum [32]byte, size int64, stored time.Time) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		c.res.Examined++
		if !c.dead(sum, stored.Unix()) {
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		_, path := l.path(sum)
		// It may have been stored again meanwhile.
		if info, err := c.s.fs.Stat(path); err != nil || !info.ModTime().Equal(stored) {
			return nil
		}
		if err := c.s.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("blob: remove %x: %w", sum, err)
		}
		c.res.Deleted++
		c.res.Freed += size
		return nil
	})
}
