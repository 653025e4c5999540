package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// tx is a kv.Tx, or with a snapshot as its source a kv.Reader.
//
// Writes go to a plain batch. A key that is read after a few writes is looked for
// among them, one by one. Only when there are many, or something is iterated
// over, is the batch indexed, once; most transactions read first and write then.
type tx struct {
	db      *DB
	source  pebble.Reader // the database under the account's lock, or a snapshot
	account [8]byte
	recent  *recent       // of the account whose lock is held, nil with a snapshot
	batch   *pebble.Batch // nil until the first write
	indexed bool
	ranged  bool  // the batch deletes ranges of keys
	err     error // of a write: the transaction must not commit
	arena   arena
	key     []byte // scratch, at first in room
	room    [48]byte
	open    []*iterator
	ended   bool
}

var errEnded = errors.New("kv: transaction used after its end")

func newTx(db *DB, a kv.Account, source pebble.Reader, recent *recent) *tx {
	t := &tx{db: db, source: source, recent: recent}
	binary.BigEndian.PutUint64(t.account[:], uint64(a))
	t.key = t.room[:0]
	return t
}

// take hands the batch over to the caller.
func (t *tx) take() *pebble.Batch {
	b := t.batch
	t.batch = nil
	return b
}

// end closes the iterators that fn left open. It comes before the batch is
// committed or closed, because they may read from it.
func (t *tx) end() {
	for _, it := range t.open {
		_ = it.it.Close() // the walk's own error is the business of who walked
		it.it = nil
	}
	t.open, t.ended = nil, true
}

// full returns the key as it is on disk, valid until the next call.
func (t *tx) full(key []byte) []byte {
	t.key = append(append(t.key[:0], t.account[:]...), key...)
	return t.key
}

// reader returns what reads see: the source, and own writes over it.
func (t *tx) reader() (pebble.Reader, error) {
	if t.ended {
		return nil, errEnded
	}
	if t.batch == nil || t.batch.Empty() {
		return t.source, nil
	}
	if !t.indexed {
		b := t.db.pdb.NewIndexedBatch()
		if err := b.Apply(t.batch, nil); err != nil {
			return nil, fmt.Errorf("kv: index transaction: %w", err)
		}
		_ = t.batch.Close()
		t.batch, t.indexed = b, true
	}
	return t.batch, nil
}

// Get copies the value, which is cheaper than to hold its block until the end.
func (t *tx) Get(key []byte) ([]byte, bool, error) {
	full, r := t.full(key), t.source
	if t.looksThrough() {
		if v, ok, written, err := t.own(full); written || err != nil {
			return v, ok, err
		}
		if v, ok := t.recent.get(key); ok {
			return v, true, nil
		}
	} else {
		var err error
		if r, err = t.reader(); err != nil {
			return nil, false, err
		}
	}
	v, closer, err := r.Get(full)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("kv: get: %w", err)
	}
	v = t.arena.copy(v)
	if err := closer.Close(); err != nil {
		return nil, false, fmt.Errorf("kv: get: %w", err)
	}
	t.recent.note(key)
	return v, true, nil
}

// fewWrites is up to how many writes a batch is looked through.
const fewWrites = 16

// looksThrough reports whether what this transaction wrote is known without an index of the batch.
func (t *tx) looksThrough() bool {
	return !t.ended && !t.indexed && !t.ranged && (t.batch == nil || t.batch.Count() <= fewWrites)
}

// own looks for what the transaction itself wrote last under a key as it is on disk; ok is false if it deleted the key.
func (t *tx) own(full []byte) (v []byte, ok, written bool, err error) {
	if t.batch == nil {
		return nil, false, false, nil
	}
	r := t.batch.Reader()
	for n := t.batch.Count(); n > 0; n-- {
		kind, key, value, _, err := r.Next()
		if err != nil {
			return nil, false, false, fmt.Errorf("kv: read own writes: %w", err)
		}
		if bytes.Equal(key, full) {
			v, ok, written = value, kind == pebble.InternalKeyKindSet, true
		}
	}
	if !ok {
		return nil, false, written, nil
	}
	return t.arena.copy(v), true, true, nil // the batch moves when it grows
}

func (t *tx) Iterate(from, to []byte) kv.Iterator {
	r, err := t.reader()
	if err != nil {
		return &iterator{err: err}
	}
	lower, upper := t.bounds(from, to)
	if from != nil && to != nil && string(from) >= string(to) {
		upper = lower
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return &iterator{err: fmt.Errorf("kv: iterate: %w", err)}
	}
	i := &iterator{tx: t, it: it}
	t.open = append(t.open, i)
	return i
}

// bounds returns the limits on disk of from <= key < to in this account. The
// last account of all has no upper bound.
func (t *tx) bounds(from, to []byte) (lower, upper []byte) {
	lower = append(t.account[:8:8], from...)
	if to != nil {
		return lower, append(t.account[:8:8], to...)
	}
	next := binary.BigEndian.Uint64(t.account[:]) + 1
	if next == 0 {
		return lower, nil
	}
	return lower, binary.BigEndian.AppendUint64(nil, next)
}

func (t *tx) Set(key, value []byte) error {
	if err := t.begin(len(key), len(value)); err != nil {
		return err
	}
	op := t.batch.SetDeferred(8+len(key), len(value))
	copy(op.Key, t.account[:])
	copy(op.Key[8:], key)
	copy(op.Value, value)
	return t.written(op.Finish())
}

func (t *tx) Delete(key []byte) error {
	if err := t.begin(len(key), 0); err != nil {
		return err
	}
	op := t.batch.DeleteDeferred(8 + len(key))
	copy(op.Key, t.account[:])
	copy(op.Key[8:], key)
	return t.written(op.Finish())
}

func (t *tx) DeleteRange(from, to []byte) error {
	if err := t.begin(max(len(from), len(to)), 0); err != nil {
		return err
	}
	lower, upper := t.bounds(from, to)
	if to != nil && string(from) >= string(to) {
		return nil
	}
	if upper == nil { // above all keys of the last account, which are limited
		upper = make([]byte, 8+kv.MaxKey+1)
		for i := range upper {
			upper[i] = 0xff
		}
	}
	t.ranged = true
	return t.written(t.batch.DeleteRange(lower, upper, nil))
}

// begin checks the limits and makes the batch. An error sticks: a transaction
// whose writes are not all there must not commit.
func (t *tx) begin(key, value int) error {
	if t.ended {
		return errEnded
	}
	if t.batch == nil {
		t.batch = t.db.pdb.NewBatch()
	}
	if key > kv.MaxKey || value > kv.MaxValue || t.batch.Len()+key+value > kv.MaxTransaction {
		t.err = kv.ErrTooLarge
	}
	return t.err
}

func (t *tx) written(err error) error {
	if err != nil {
		t.err = fmt.Errorf("kv: write: %w", err)
	}
	return t.err
}

// iterator adds to Pebble's the place before the first and after the last key.
type iterator struct {
	tx     *tx
	it     *pebble.Iterator // nil if it could not be made or is closed
	err    error
	placed bool
	seek   []byte
}

func (i *iterator) Next() bool {
	if i.it == nil {
		return false
	}
	if !i.placed {
		i.placed = true
		return i.it.First()
	}
	return i.it.Next()
}

func (i *iterator) Prev() bool {
	if i.it == nil {
		return false
	}
	if !i.placed {
		i.placed = true
		return i.it.Last()
	}
	return i.it.Prev()
}

func (i *iterator) SeekGE(key []byte) bool {
	if i.it == nil {
		return false
	}
	i.placed = true
	return i.it.SeekGE(i.full(key))
}

func (i *iterator) SeekLT(key []byte) bool {
	if i.it == nil {
		return false
	}
	i.placed = true
	return i.it.SeekLT(i.full(key))
}

func (i *iterator) full(key []byte) []byte {
	i.seek = append(append(i.seek[:0], i.tx.account[:]...), key...)
	return i.seek
}

func (i *iterator) Key() []byte {
	if i.it == nil || !i.it.Valid() {
		return nil
	}
	return i.it.Key()[8:]
}

func (i *iterator) Value() ([]byte, error) {
	if i.it == nil || !i.it.Valid() {
		return nil, errors.Join(i.err, errors.New("kv: value of no key"))
	}
	v, err := i.it.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("kv: value: %w", err)
	}
	return v, nil
}

func (i *iterator) Close() error {
	if i.it == nil {
		return i.err
	}
	if err := i.it.Close(); err != nil {
		i.err = fmt.Errorf("kv: iterate: %w", err)
	}
	i.it = nil
	for n, o := range i.tx.open {
		if o == i {
			last := len(i.tx.open) - 1
			i.tx.open[n] = i.tx.open[last]
			i.tx.open = i.tx.open[:last]
			break
		}
	}
	return i.err
}

// arena keeps copies of small values together until the transaction ends. Its
// blocks double in size, since most transactions read one value or many.
type arena struct{ free []byte }

func (a *arena) copy(v []byte) []byte {
	const first, last, small = 256, 16 << 10, 1 << 10
	if len(v) > small {
		return append([]byte(nil), v...)
	}
	if len(v) > cap(a.free)-len(a.free) {
		a.free = make([]byte, 0, max(min(2*cap(a.free), last), first, len(v)))
	}
	n := len(a.free)
	a.free = append(a.free, v...)
	return a.free[n : n+len(v) : n+len(v)]
}
