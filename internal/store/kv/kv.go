// Package kv is the interface to durable records: an ordered key-value store
// whose transactions are scoped to one account, so that no transaction ever
// spans machines and an account can move.
//
// Implementations are in kv/pebble (embedded) and later kv/postgres; all of
// them pass the suite of package kvtest unchanged.
package kv

import (
	"context"
	"errors"
)

// Account is the scope of a transaction. Every key lies inside one account's
// key space; the implementation keeps the spaces apart.
type Account uint64

// System is the key space of what belongs to no account: the directory of
// domains, addresses and accounts, and events that concern nobody's mail.
const System Account = 0

// ErrNoSpace reports that the volume is full (or below its reserve): nothing
// was written, reads go on, and writes succeed again once there is room.
var ErrNoSpace = errors.New("kv: no space left")

// ErrClosed reports use after Close.
var ErrClosed = errors.New("kv: closed")

// ErrTooLarge reports a key, value or transaction above its limit: the
// transaction that tried it writes nothing.
var ErrTooLarge = errors.New("kv: key, value or transaction too large")

// Limits in octets.
const (
	MaxKey         = 1 << 10
	MaxValue       = 16 << 20
	MaxTransaction = 256 << 20
)

type reserveKey struct{}

// WithReserve marks ctx as that of work which frees room (deletes, the
// queue's bookkeeping): its transactions may go below the reserve of free
// space that refuses others with ErrNoSpace, down to a smaller hard reserve.
func WithReserve(ctx context.Context) context.Context {
	return context.WithValue(ctx, reserveKey{}, true)
}

// UsesReserve reports whether ctx was made by WithReserve. It is for
// implementations.
func UsesReserve(ctx context.Context) bool {
	return ctx.Value(reserveKey{}) != nil
}

// DB is an ordered key-value store.
//
// Keys are at most MaxKey, values at most MaxValue, the writes of a transaction
// together at most MaxTransaction octets. Keys and values passed in are not
// kept; slices handed out by Get are valid until the transaction ends and must
// not be changed. A transaction belongs to the goroutine that runs fn, and fn
// must not begin another Update, UpdateEach or Write.
type DB interface {
	// View runs fn on a consistent snapshot of one account. All that the
	// snapshot shows is durable by the time View returns nil, so that nothing
	// told to a client can be lost by a crash. Readers never block writers.
	View(ctx context.Context, a Account, fn func(r Reader) error) error

	// Update runs fn in a serializable transaction of one account and returns
	// nil when its writes are durable. Transactions of one account are serial;
	// those of different accounts run at once and share synced commits. If fn
	// returns an error nothing is written and the error is returned as it is.
	// fn may be run again after a conflict: it must not act outside the
	// transaction.
	Update(ctx context.Context, a Account, fn func(tx Tx) error) error

	// UpdateEach runs fn once for each account, each in a transaction of its
	// own, and makes them durable together: one commit where the
	// implementation can. Accounts must be distinct. An error of fn for one
	// account drops that account's writes only. errs has an error or nil for
	// each account, in order.
	UpdateEach(ctx context.Context, accounts []Account, fn func(tx Tx, i int) error) (errs []error)

	// Write is Update without the wait for durability, for records that can be
	// lost in a crash or rebuilt (events of refusals, search postings). It
	// keeps the order of commits: a later Update that returned implies that
	// this write is durable, too.
	Write(ctx context.Context, a Account, fn func(tx Tx) error) error

	// Accounts calls fn for each account that has any key, in ascending order,
	// System included.
	Accounts(ctx context.Context, fn func(a Account) error) error

	// Checkpoint makes a consistent copy of the database in dir, which must not
	// exist, without stopping writers; by hard links where possible.
	Checkpoint(ctx context.Context, dir string) error

	// Close ends the database after all running transactions.
	Close() error
}

// Reader reads one account's keys.
type Reader interface {
	// Get returns a key's value; ok is false if it does not exist.
	Get(key []byte) (value []byte, ok bool, err error)

	// Iterate returns an iterator over from <= key < to; nil bounds are the
	// ends of the account's key space. It shows the keys as they were when it
	// was made, own writes included. Close it before the transaction ends.
	Iterate(from, to []byte) Iterator
}

// Tx is a transaction: it sees its own writes.
type Tx interface {
	Reader
	Set(key, value []byte) error
	Delete(key []byte) error
	// DeleteRange deletes from <= key < to.
	DeleteRange(from, to []byte) error
}

// Iterator walks keys in order. It begins before the first key: call Next,
// Prev (which begins after the last), SeekGE or SeekLT. Key and Value are valid
// until the next move.
type Iterator interface {
	Next() bool
	Prev() bool
	// SeekGE moves to the first key at or after key, SeekLT to the last key
	// before it.
	SeekGE(key []byte) bool
	SeekLT(key []byte) bool
	Key() []byte
	Value() ([]byte, error)
	// Close releases the iterator and returns any error that ended a walk.
	Close() error
}
