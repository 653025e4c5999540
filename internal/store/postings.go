package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// What is here keeps the search index of package index: which emails have which
// pieces of text. All of it can be made anew from the emails. An index is made
// of runs, each over a span of emails; a run never changes, it is replaced.

// PostingRun describes a run of the index: emails from First to before End.
type PostingRun struct {
	ID         uint64
	First, End EmailID
	Emails     int64 // looked at
	Text       int64 // octets of their folded texts
	Size       int64 // octets of the blocks
	// Always are the emails that postings do not tell of, so that they must be
	// looked at whatever is searched.
	Always []EmailID
}

// PostingBlock is a piece of a run: postings in a form that package index knows,
// with the least key that it has.
type PostingBlock struct {
	Key  uint32
	Data []byte
}

// PostingState is what an account's index covers.
type PostingState struct {
	// Format is that of the blocks; 0 where there is no index.
	Format uint64
	// Next is the first email that is not in the index, End the first that does
	// not exist yet: what lies between is to be looked at one by one.
	Next, End EmailID
	Runs      []PostingRun // ascending, apart
}

// postings are the parts of tablePostings.
const (
	postingsState = 0 // w 0: format, next email, next run
	postingsRun   = 1 // w 1 run: PostingRun
	postingsBlock = 2 // w 2 run key: block
)

func postings(part byte) key { return append(table(tablePostings), part) }

// PostingReader reads an index as it was at one moment.
type PostingReader struct {
	PostingState
	it kv.Iterator
}

// Block returns the block of a run that has a key, or would have it, and nil
// where the key lies before the first. It is valid until the next call.
func (p *PostingReader) Block(run uint64, at uint32) (PostingBlock, error) {
	t := postings(postingsBlock).number(run)
	if !p.it.SeekLT(t.chunk(at + 1)) {
		return PostingBlock{}, nil
	}
	k := p.it.Key()
	if len(k) != len(t)+4 || string(k[:len(t)]) != string(t) {
		return PostingBlock{}, nil
	}
	b, err := p.it.Value()
	return PostingBlock{tail32(k), b}, err
}

// Postings calls fn with an account's index.
func (s *Store) Postings(ctx context.Context, a AccountID, fn func(*PostingReader) error) error {
	return s.view(ctx, "read index", a, func(r kv.Reader) (err error) {
		p := &PostingReader{}
		if p.PostingState, _, err = readPostings(r); err != nil {
			return err
		}
		t := postings(postingsBlock)
		p.it = r.Iterate(t, t.after())
		defer func() { err = errors.Join(err, p.it.Close()) }()
		return fn(p)
	})
}

// PostingBlocks calls fn for the blocks of a run in ascending order.
func (s *Store) PostingBlocks(ctx context.Context, a AccountID, run uint64, fn func(PostingBlock) error) error {
	return s.view(ctx, "read index", a, func(r kv.Reader) error {
		t := postings(postingsBlock).number(run)
		return scan(r, t, t.after(), func(k, b []byte) error { return fn(PostingBlock{tail32(k), b}) })
	})
}

// SomePostingBlocks returns blocks of a run in ascending order, the first at or behind a key, that
// together have about so many octets, and at least one if there is one.
func (s *Store) SomePostingBlocks(ctx context.Context, a AccountID, run uint64, from uint32, octets int) (blocks []PostingBlock, err error) {
	err = s.view(ctx, "read index", a, func(r kv.Reader) error {
		t := postings(postingsBlock).number(run)
		return scan(r, append(key(nil), t...).chunk(from), t.after(), func(k, b []byte) error {
			if octets <= 0 {
				return errStepFull
			}
			octets -= len(b)
			blocks = append(blocks, PostingBlock{tail32(k), append([]byte(nil), b...)})
			return nil
		})
	})
	if errors.Is(err, errStepFull) {
		err = nil
	}
	return blocks, err
}

// readPostings returns what an index covers, and the number of its next run.
func readPostings(r kv.Reader) (p PostingState, nextRun uint64, err error) {
	h, err := readHead(r)
	if err != nil {
		return p, 0, err
	}
	p.Next, p.End = 1, h.nextEmail
	b, ok, err := r.Get(postings(postingsState))
	if err != nil || !ok {
		return p, 1, err
	}
	f := record{b: b}
	p.Format = f.uint()
	p.Next = EmailID(f.uint())
	nextRun = f.uint()
	if f.bad {
		return p, 0, fmt.Errorf("state of the index: %w", errDamaged)
	}
	t := postings(postingsRun)
	err = scan(r, t, t.after(), func(k, b []byte) error {
		run := PostingRun{ID: binary.BigEndian.Uint64(k[len(k)-8:])}
		if err := run.decode(b); err != nil {
			return fmt.Errorf("run %d of the index: %w", run.ID, err)
		}
		p.Runs = append(p.Runs, run)
		return nil
	})
	slices.SortFunc(p.Runs, func(x, y PostingRun) int { return int(int64(x.First) - int64(y.First)) })
	return p, nextRun, err
}

func (run *PostingRun) encode() []byte {
	var r record
	r.putUint(uint64(run.First))
	r.putUint(uint64(run.End))
	r.putInt(run.Emails)
	r.putInt(run.Text)
	r.putInt(run.Size)
	last := run.First
	for _, e := range run.Always {
		r.putUint(uint64(e - last))
		last = e
	}
	return r.b
}

func (run *PostingRun) decode(b []byte) error {
	r := record{b: b}
	run.First, run.End = EmailID(r.uint()), EmailID(r.uint())
	run.Emails, run.Text, run.Size = r.int(), r.int(), r.int()
	for last := run.First; len(r.b) > 0; {
		last += EmailID(r.uint())
		run.Always = append(run.Always, last)
	}
	return r.err()
}

// ErrPostingsChanged reports that an index is not as the caller took it to be.
var ErrPostingsChanged = errors.New("store: index was changed meanwhile")

// ReplacePostings takes the runs old out of an index and puts one in their
// place, or none if its First is its End, with these blocks and, if it has an ID,
// with those that it has already; what the index covers grows to next. It
// does not wait to be durable: what a crash takes is made again. Kinds:
// KindNoSpace; ErrPostingsChanged if the index does not have the runs or does
// not end where they do.
func (s *Store) ReplacePostings(ctx context.Context, a AccountID, format uint64, old []uint64, next EmailID, run PostingRun, blocks []PostingBlock) error {
	err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		state, id, err := readPostings(tx)
		if err != nil {
			return err
		}
		if next < state.Next || next > state.End || state.Format != 0 && state.Format != format ||
			len(old) == 0 && run.First != run.End && run.First < state.Next {
			return ErrPostingsChanged
		}
		for _, o := range old {
			if !slices.ContainsFunc(state.Runs, func(r PostingRun) bool { return r.ID == o }) {
				return ErrPostingsChanged
			}
			if err := dropRun(tx, o); err != nil {
				return err
			}
		}
		switch {
		case run.First == run.End:
		case run.ID == 0:
			run.ID = id
			id++
		case run.ID >= id || slices.ContainsFunc(state.Runs, func(r PostingRun) bool { return r.ID == run.ID }):
			return ErrPostingsChanged
		}
		if run.First != run.End {
			if err := putRun(tx, run.ID, &run, blocks); err != nil {
				return err
			}
		}
		return putPostings(tx, format, next, id)
	})
	return wrap("write index", err)
}

// putPostings writes the state of an index.
func putPostings(tx kv.Tx, format uint64, next EmailID, nextRun uint64) error {
	r := record{}
	r.putUint(format)
	r.putUint(uint64(next))
	r.putUint(nextRun)
	return tx.Set(postings(postingsState), r.b)
}

// BeginPostings returns the number of a run that is to be written by AddPostings, in several
// transactions, before ReplacePostings puts it into the index. It drops what was begun before and
// came to no end: one run is written at a time.
func (s *Store) BeginPostings(ctx context.Context, a AccountID) (run uint64, err error) {
	err = s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		var state PostingState
		if state, run, err = readPostings(tx); err != nil {
			return err
		}
		ids := make([]uint64, 0, len(state.Runs)+1)
		for _, r := range state.Runs {
			ids = append(ids, r.ID)
		}
		slices.Sort(ids)
		from := postings(postingsBlock)
		for _, id := range append(ids, math.MaxUint64) {
			t := postings(postingsBlock).number(id)
			it := tx.Iterate(from, t)
			some := it.Next()
			if err := it.Close(); err != nil {
				return err
			}
			if some {
				if err := tx.DeleteRange(from, t); err != nil {
					return err
				}
			}
			from = t.after()
		}
		return putPostings(tx, state.Format, state.Next, run+1)
	})
	return run, wrap("write index", err)
}

// AddPostings writes blocks of a run that was begun.
func (s *Store) AddPostings(ctx context.Context, a AccountID, run uint64, blocks []PostingBlock) error {
	err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		state, next, err := readPostings(tx)
		if err != nil {
			return err
		}
		if run >= next || slices.ContainsFunc(state.Runs, func(r PostingRun) bool { return r.ID == run }) {
			return ErrPostingsChanged
		}
		return putBlocks(tx, run, blocks)
	})
	return wrap("write index", err)
}

func putRun(tx kv.Tx, id uint64, run *PostingRun, blocks []PostingBlock) error {
	if err := tx.Set(postings(postingsRun).number(id), run.encode()); err != nil {
		return err
	}
	return putBlocks(tx, id, blocks)
}

func putBlocks(tx kv.Tx, run uint64, blocks []PostingBlock) error {
	for _, b := range blocks {
		if err := tx.Set(postings(postingsBlock).number(run).chunk(b.Key), b.Data); err != nil {
			return err
		}
	}
	return nil
}

func dropRun(tx kv.Tx, id uint64) error {
	if err := tx.Delete(postings(postingsRun).number(id)); err != nil {
		return err
	}
	t := postings(postingsBlock).number(id)
	return tx.DeleteRange(t, t.after())
}

// DropPostings takes an account's index away, and what is prepared for its large
// mailboxes. It works on a full volume.
func (s *Store) DropPostings(ctx context.Context, a AccountID) error {
	err := s.records.Write(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		for _, t := range []key{table(tablePostings), table(tablePrepared)} {
			if err := tx.DeleteRange(t, t.after()); err != nil {
				return err
			}
		}
		return nil
	})
	s.flags.forget(a)
	s.dates.forget(a)
	s.places.forget(a)
	return wrap("drop index", err)
}

// Emails calls fn for the emails from first to before end, in ascending order.
// What fn gets is valid during the call only.
func (s *Store) Emails(ctx context.Context, a AccountID, first, end EmailID, fn func(*Email) error) error {
	return s.view(ctx, "read emails", a, func(r kv.Reader) error {
		var e Email
		return scan(r, table(tableEmail).email(first), table(tableEmail).email(end), func(k, b []byte) error {
			if err := e.decode(EmailID(binary.BigEndian.Uint64(k[1:])), b); err != nil {
				return err
			}
			return fn(&e)
		})
	})
}

// EmailsOf calls fn for each of the given emails that is still there, in their order.
func (s *Store) EmailsOf(ctx context.Context, a AccountID, ids []EmailID, fn func(*Email) error) error {
	return s.view(ctx, "read emails", a, func(r kv.Reader) error {
		for _, id := range ids {
			b, ok, err := r.Get(table(tableEmail).email(id))
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			var e Email
			if err := e.decode(id, b); err != nil {
				return err
			}
			if err := fn(&e); err != nil {
				return err
			}
		}
		return nil
	})
}

// EmailIDs returns which emails there are from first to before end.
func (s *Store) EmailIDs(ctx context.Context, a AccountID, first, end EmailID) (ids []EmailID, err error) {
	err = s.view(ctx, "list emails", a, func(r kv.Reader) (err error) {
		it := r.Iterate(table(tableEmail).email(first), table(tableEmail).email(end))
		defer func() { err = errors.Join(err, it.Close()) }()
		for it.Next() {
			ids = append(ids, EmailID(binary.BigEndian.Uint64(it.Key()[1:])))
		}
		return ctx.Err()
	})
	return ids, err
}
