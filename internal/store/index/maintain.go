package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
)

// Status is how far the index of an account has come, and what it takes.
type Status struct {
	Waiting int64 // at most how many emails are not indexed yet
	Emails  int64 // indexed; some may be deleted since
	Runs    int
	Always  int   // emails that every search looks at
	Text    int64 // octets of the folded texts
	Size    int64 // octets of the postings
}

// Status tells how the index of an account is.
func (x *Index) Status(ctx context.Context, a store.AccountID) (st Status, err error) {
	state, err := x.state(ctx, a)
	if err != nil {
		return st, err
	}
	st.Waiting = int64(state.End - min(state.Next, state.End))
	st.Runs = len(state.Runs)
	for i := range state.Runs {
		r := &state.Runs[i]
		st.Emails += r.Emails
		st.Always += len(r.Always)
		st.Text += r.Text
		st.Size += r.Size
	}
	return st, nil
}

// Rebuild makes the index of an account anew and returns when it is up to date; progress, if not
// nil, is told after each batch how many emails it has. Searches go on meanwhile and read what is
// not indexed yet.
func (x *Index) Rebuild(ctx context.Context, a store.AccountID, progress func(emails int64)) error {
	if err := x.drop(ctx, a); err != nil {
		return err
	}
	return x.Update(ctx, a, progress)
}

// Update brings the index of an account up to date at once.
func (x *Index) Update(ctx context.Context, a store.AccountID, progress func(emails int64)) error {
	b := newBuilder(x.Store)
	done := int64(0)
	for more := true; more; {
		var err error
		b.run.Emails = 0
		if more, err = x.update(ctx, a, b, 1); err != nil {
			return err
		}
		if done += b.run.Emails; progress != nil {
			progress(done)
		}
	}
	return nil
}

// Report is what Verify looked at and found.
type Report struct {
	Emails   int64
	Problems []string // the first maxProblems
	Found    int64
}

const maxProblems = 100

// verifySpan is how many emails are compared at a time, with full as many as have verifyPairs pairs
// of gram and email.
const (
	verifySpan  = 256
	verifyPairs = 4 << 20
)

// Verify makes postings anew from the messages and compares them with the index: for all emails
// that are indexed, or with full unset for the last of each run. A message that cannot be read is
// no fault of the index. Mail may come and go meanwhile.
func (x *Index) Verify(ctx context.Context, a store.AccountID, full bool) (Report, error) {
	var r Report
	state, err := x.state(ctx, a)
	if errors.Is(err, errDamaged) {
		r.problem("%v", err)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	b := newBuilder(x.Store)
	b.limit = math.MaxInt32
	for i := range state.Runs {
		run := &state.Runs[i]
		first := run.First
		if !full && run.End-first > verifySpan {
			first = run.End - verifySpan
		}
		for first < run.End {
			if first, err = x.verifySpan(ctx, a, b, run, first, &r); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

func (r *Report) problem(format string, args ...any) {
	if r.Found++; r.Found <= maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// verifySpan compares some emails of a run and returns the first that it did not look at.
func (x *Index) verifySpan(ctx context.Context, a store.AccountID, b *builder, run *store.PostingRun, first store.EmailID, r *Report) (end store.EmailID, err error) {
	b.begin(run.First)
	looked, end := newSpan(run.First, run.End), run.End
	err = x.Store.Emails(ctx, a, first, end, func(e *store.Email) error {
		if len(b.pairs)+len(b.words.pairs) > verifyPairs {
			end = e.ID
			return errFull
		}
		if slices.Contains(run.Always, e.ID) {
			return nil
		}
		r.Emails++
		before := len(b.run.Always)
		if err := b.add(ctx, e); err != nil {
			return err
		}
		if len(b.run.Always) == before {
			looked.add(uint32(e.ID - run.First))
		}
		return nil
	})
	if store.KindOf(err) == store.KindCorrupt {
		return min(first+verifySpan, run.End), nil // an email's record, which is not the index's to tell
	}
	if err != nil && !errors.Is(err, errFull) {
		return end, err
	}
	have, wrong, err := x.said(ctx, a, run, looked, b.words.checker())
	if errors.Is(err, errDamaged) || store.KindOf(err) == store.KindCorrupt {
		return end, x.blame(ctx, a, run, r, "postings of emails %d to %d: %v", run.First, run.End-1, err)
	}
	if err != nil {
		return end, err
	}
	b.words.begin(0) // which words are kept depends on the whole batch
	_, want := b.finish()
	if wrong || !slices.EqualFunc(have, want, func(x, y store.PostingBlock) bool { return x.Key == y.Key && bytes.Equal(x.Data, y.Data) }) {
		return end, x.blame(ctx, a, run, r, "postings of emails %d to %d are not those of their messages", first, end-1)
	}
	return end, nil
}

// said returns what a run says of the grams of some emails, in the form in which they are built, and
// whether it says of one that it has a word which it has not.
func (x *Index) said(ctx context.Context, a store.AccountID, run *store.PostingRun, of span, hasWord func(gram, []byte, span) bool) (blocks []store.PostingBlock, wrong bool, err error) {
	w, set := blockWriter{}, newSpan(run.First, run.End)
	var numbers []uint16
	err = x.Store.PostingBlocks(ctx, a, run.ID, func(block store.PostingBlock) error {
		e := readBlock(block)
		for e.next() {
			clear(set)
			if err := e.emails(set); err != nil {
				return err
			}
			if !set.and(of) {
				continue
			}
			if e.gram.isWord() {
				wrong = wrong || !hasWord(e.gram, e.suffix, set)
				continue
			}
			numbers = set.appendTo(numbers[:0])
			w.add(e.gram, nil, numbers)
		}
		if e.bad {
			return errDamaged
		}
		return nil
	})
	w.flush()
	return w.blocks, wrong, err
}

// blame notes a problem of a run, if it was not replaced while it was looked at.
func (x *Index) blame(ctx context.Context, a store.AccountID, run *store.PostingRun, r *Report, format string, args ...any) error {
	state, err := x.state(ctx, a)
	if err != nil {
		return err
	}
	same := func(now store.PostingRun) bool {
		return now.ID == run.ID && now.First == run.First && now.End == run.End && now.Size == run.Size
	}
	if slices.ContainsFunc(state.Runs, same) {
		r.problem(format, args...)
	}
	return nil
}
