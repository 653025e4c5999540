package index

import (
	"bytes"
	"context"

	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of a merge, in octets: how much of each run is in memory at once, and how much one
// transaction writes.
const (
	mergeRead  = 64 << 10
	mergeWrite = 4 << 20
)

// merge makes one run of several that follow each other. With live, only the emails in it are kept.
// What it writes before the last blocks, which it returns, belongs to no run until then.
func (x *Index) merge(ctx context.Context, a store.AccountID, runs []store.PostingRun, live map[store.EmailID]bool) (merged store.PostingRun, last []store.PostingBlock, err error) {
	merged = store.PostingRun{First: runs[0].First, End: runs[len(runs)-1].End}
	cursors := make([]cursor, len(runs))
	for i, run := range runs {
		merged.Emails += run.Emails
		merged.Text += run.Text
		for _, e := range run.Always {
			if live == nil || live[e] {
				merged.Always = append(merged.Always, e)
			}
		}
		cursors[i] = cursor{x: x, ctx: ctx, account: a, run: run.ID, shift: uint32(run.First - merged.First), set: newSpan(run.First, run.End)}
		if err := cursors[i].next(); err != nil {
			return merged, nil, err
		}
	}
	keep := keeper(live, &merged)
	w := blockWriter{less: max(0, blockSize-x.part)}
	var emails []uint16
	for {
		least, suffix, more := leastEntry(cursors)
		if !more {
			break
		}
		suffix = append([]byte(nil), suffix...) // the cursors move on
		emails = emails[:0]
		for i := range cursors {
			if emails, err = cursors[i].take(least, suffix, emails, keep); err != nil {
				return merged, nil, err
			}
		}
		if len(emails) == 0 {
			continue
		}
		if w.add(least, suffix, emails); w.waiting >= x.part {
			if err := x.writePart(ctx, a, &merged, &w); err != nil {
				return merged, nil, err
			}
		}
	}
	w.flush()
	merged.Size = w.size
	return merged, w.blocks, nil
}

// writePart writes the blocks that wait.
func (x *Index) writePart(ctx context.Context, a store.AccountID, run *store.PostingRun, w *blockWriter) (err error) {
	if run.ID == 0 {
		if run.ID, err = x.Store.BeginPostings(ctx, a); err != nil {
			return err
		}
	}
	err = x.Store.AddPostings(ctx, a, run.ID, w.blocks)
	w.blocks, w.waiting = w.blocks[:0], 0
	return err
}

// keeper returns the set of emails that a merge keeps, nil for all, and counts them.
func keeper(live map[store.EmailID]bool, run *store.PostingRun) span {
	if live == nil {
		return nil
	}
	keep := newSpan(run.First, run.End)
	before := run.Emails
	run.Emails = 0
	for e := range live {
		if run.First <= e && e < run.End {
			keep.add(uint32(e - run.First))
			run.Emails++
		}
	}
	if before > 0 {
		run.Text = run.Text * run.Emails / before
	}
	return keep
}

// cursor walks the entries of a run.
type cursor struct {
	x       *Index
	ctx     context.Context
	account store.AccountID
	run     uint64
	shift   uint32 // from the first email of the run to that of the merged one
	blocks  []store.PostingBlock
	from    uint32 // where the blocks after those begin
	end     bool   // there are none
	entries entries
	valid   bool
	set     span // scratch
}

// next moves to the next entry, if there is one.
func (c *cursor) next() error {
	for {
		if c.valid = c.entries.next(); c.valid {
			return nil
		}
		if c.entries.bad {
			return errDamaged
		}
		if len(c.blocks) == 0 && !c.end {
			if err := c.read(); err != nil {
				return err
			}
		}
		if len(c.blocks) == 0 {
			return nil
		}
		c.entries, c.blocks = readBlock(c.blocks[0]), c.blocks[1:]
	}
}

func (c *cursor) read() (err error) {
	c.blocks, err = c.x.Store.SomePostingBlocks(c.ctx, c.account, c.run, c.from, mergeRead)
	if n := len(c.blocks); n > 0 {
		c.from = c.blocks[n-1].Key + 1
	} else {
		c.end = true
	}
	return err
}

// leastEntry returns the gram, and of a word the suffix, that comes first among the cursors.
func leastEntry(cursors []cursor) (least gram, suffix []byte, ok bool) {
	for i := range cursors {
		c := &cursors[i]
		if c.valid && (!ok || c.entries.gram < least || c.entries.gram == least && bytes.Compare(c.entries.suffix, suffix) < 0) {
			least, suffix, ok = c.entries.gram, c.entries.suffix, true
		}
	}
	return least, suffix, ok
}

// take appends the emails of a gram or word if the cursor stands there, and moves on.
func (c *cursor) take(g gram, suffix []byte, emails []uint16, keep span) ([]uint16, error) {
	if !c.valid || c.entries.gram != g || !bytes.Equal(c.entries.suffix, suffix) {
		return emails, nil
	}
	clear(c.set)
	if err := c.entries.emails(c.set); err != nil {
		return nil, err
	}
	from := len(emails)
	emails = c.set.appendTo(emails)
	kept := emails[:from]
	for _, e := range emails[from:] {
		n := uint32(e) + c.shift
		if n >= bigSpan {
			return nil, errDamaged
		}
		if keep == nil || keep.has(n) {
			kept = append(kept, uint16(n))
		}
	}
	return kept, c.next()
}
