// Package pebble keeps the records of package kv in an embedded Pebble
// database: one directory, one process.
//
// A key on disk is the account as eight big-endian octets followed by the key,
// so the key space of an account is contiguous and accounts are in order.
//
// Transactions of an account run one after the other under the account's lock,
// but the lock is given up as soon as the writes are in the log's queue: the
// next transaction of the account may share the sync with the one before it.
// What it read was not durable then, but the log is synced in order, so it
// cannot become durable alone.
package pebble

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/gate"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/volume"
)

// Options say where and how a database is kept. The zero value of each but Dir
// means its default.
type Options struct {
	// Dir is the database's directory; it is made if it does not exist.
	Dir string
	// FS is the file system, by default the operating system's.
	FS vfs.FS
	// CacheSize is the size of the block cache in octets, by default 64 MiB. While
	// there is but one memory table, the cache takes the room of another.
	CacheSize int64
	// MemTableSize is the size in octets at which recent writes go to a table
	// file, by default 64 MiB and less on a small volume.
	MemTableSize int64
	// Reserve is the free space in octets below which writes are refused with
	// kv.ErrNoSpace: by default 5 % of the volume, at most 256 MiB, and at
	// least two MemTableSize. Negative means none.
	Reserve int64
	// RoomGrace is how long Open and Close wait for room on a full volume before
	// they fail with kv.ErrNoSpace, by default 5 seconds. What was acknowledged
	// is safe in any case.
	RoomGrace time.Duration
	// Logger receives what the operator should know, by default slog.Default.
	Logger *slog.Logger
}

// DB is a database; it implements kv.DB.
type DB struct {
	pdb      *pebble.DB
	fs       *diskFS
	log      *slog.Logger
	space    *space
	grace    time.Duration
	accounts accounts
	gate     gate.Gate
	lazy     lazySyncer
	stats    stats
	failure  atomic.Pointer[error] // why nothing can be written any more
}

var _ kv.DB = (*DB)(nil)

// Open opens the database in opt.Dir, which no other process may have open, and
// replays what the last process had written. Errors are those of the file
// system, or of a damaged database; kv.ErrNoSpace if the volume is so full that
// giving the ballast away does not help.
func Open(opt Options) (*DB, error) {
	if opt.FS == nil {
		opt.FS = vfs.Default
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.RoomGrace <= 0 {
		opt.RoomGrace = 5 * time.Second
	}
	if opt.CacheSize <= 0 {
		opt.CacheSize = 64 << 20
	}
	if err := opt.FS.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("kv: make directory: %w", err)
	}
	db := &DB{log: opt.Logger, grace: opt.RoomGrace}
	db.accounts.init()
	db.space = newSpace(opt)
	db.fs = newDiskFS(opt.FS, opt.Dir, db)
	if err := db.fs.prepareBallast(db.space.ballast); err != nil {
		return nil, fmt.Errorf("kv: make ballast: %w", err)
	}
	if err := db.openPebble(opt); err != nil {
		db.fs.close()
		if volume.IsFull(err) {
			err = errors.Join(kv.ErrNoSpace, err)
		}
		return nil, fmt.Errorf("kv: open %s: %w", opt.Dir, err)
	}
	db.lazy.start(db)
	return db, nil
}

// openPebble opens the database unless it finds no room; if it opens later it
// is closed again.
func (db *DB) openPebble(opt Options) error {
	opened := make(chan *pebble.DB, 1)
	err := db.fs.unlessFull(opt.RoomGrace, func() error {
		pdb, err := pebble.Open(opt.Dir, db.pebbleOptions(opt))
		opened <- pdb
		return err
	})
	if errors.Is(err, kv.ErrNoSpace) {
		go func() {
			if pdb := <-opened; pdb != nil {
				_ = pdb.Close() // nobody is left to tell
			}
		}()
		return err
	}
	db.pdb = <-opened
	return err
}

// pebbleOptions are measured choices for many small transactions on a machine
// of few cores; the package's benchmarks show them.
func (db *DB) pebbleOptions(opt Options) *pebble.Options {
	log := &logger{db: db}
	o := &pebble.Options{
		FS:            db.fs,
		Logger:        log,
		EventListener: log.listener(),
		// Pebble takes the room of memory tables from the cache: of the one that is
		// written to, and one that is being flushed or kept for later.
		CacheSize:                   opt.CacheSize + 2*db.space.memTable,
		MemTableSize:                uint64(db.space.memTable),
		MemTableStopWritesThreshold: memTables,
		BytesPerSync:                1 << 20,
		WALBytesPerSync:             0, // every group is synced anyway
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               int64(db.space.memTable),
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		FormatMajorVersion:          pebble.FormatNewest,
	}
	filter := bloom.FilterPolicy(10)
	o.Filters = map[string]pebble.FilterPolicy{filter.Name(): filter}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = filter
	}
	// Most keys of the last level are looked for because they are there.
	o.Levels[len(o.Levels)-1].FilterPolicy = pebble.NoFilterPolicy
	return o
}

// View runs fn on a snapshot and then waits until the account's last commit
// that the snapshot can show is synced; there is none when the account is idle.
func (db *DB) View(ctx context.Context, a kv.Account, fn func(kv.Reader) error) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()

	snap := db.pdb.NewSnapshot()
	last := db.accounts.lastCommit(a) // after the snapshot: it sees no later one
	if err := db.read(snap, a, fn); err != nil {
		return err
	}
	return db.await(ctx, last)
}

func (db *DB) read(snap *pebble.Snapshot, a kv.Account, fn func(kv.Reader) error) (err error) {
	r := newTx(db, a, snap, nil)
	defer func() {
		r.end()
		if cerr := snap.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("kv: close snapshot: %w", cerr)
		}
	}()
	return fn(r)
}

// Update implements kv.DB.
func (db *DB) Update(ctx context.Context, a kv.Account, fn func(kv.Tx) error) error {
	return db.transact(ctx, a, fn, true)
}

// Write implements kv.DB.
func (db *DB) Write(ctx context.Context, a kv.Account, fn func(kv.Tx) error) error {
	return db.transact(ctx, a, fn, false)
}

func (db *DB) transact(ctx context.Context, a kv.Account, fn func(kv.Tx) error, durable bool) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	if err := db.space.admit(ctx, 0); err != nil {
		return err
	}
	acc := db.accounts.acquire(a)
	if err := acc.lock(ctx); err != nil {
		db.accounts.release(acc)
		return err
	}
	locked := []*account{acc}
	returned := false
	defer func() {
		if !returned { // fn panics: the account must not stay locked
			db.unlock(locked)
			db.release(locked)
		}
	}()
	b, err := db.call(acc, fn)
	returned = true
	return db.commit(ctx, locked, b, err, durable)
}

// call runs fn and returns what it wrote, which may be nil.
func (db *DB) call(acc *account, fn func(kv.Tx) error) (*pebble.Batch, error) {
	acc.recent.begin()
	tx := newTx(db, acc.id, db.pdb, &acc.recent)
	defer tx.end()
	err := fn(tx)
	if err == nil {
		err = tx.err
	}
	return tx.take(), err
}

// UpdateEach takes the accounts' locks in ascending order, so that two calls
// never wait for each other, and commits what the functions wrote as one batch.
func (db *DB) UpdateEach(ctx context.Context, ids []kv.Account, fn func(kv.Tx, int) error) []error {
	errs := make([]error, len(ids))
	switch len(ids) {
	case 0:
		return errs
	case 1: // as most mail has one recipient: nothing to join
		errs[0] = db.transact(ctx, ids[0], func(tx kv.Tx) error { return fn(tx, 0) }, true)
		return errs
	}
	err := db.updateEach(ctx, ids, fn, errs)
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

func (db *DB) updateEach(ctx context.Context, ids []kv.Account, fn func(kv.Tx, int) error, errs []error) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	if err := db.space.admit(ctx, 0); err != nil {
		return err
	}
	locked, err := db.accounts.lockAll(ctx, ids)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned { // fn panics: the accounts must not stay locked
			db.unlock(locked)
			db.release(locked)
		}
	}()
	all := db.pdb.NewBatch()
	for i, a := range ids {
		at, _ := slices.BinarySearchFunc(locked, a, func(acc *account, a kv.Account) int { return cmp.Compare(acc.id, a) })
		b, err := db.call(locked[at], func(tx kv.Tx) error { return fn(tx, i) })
		if err == nil && b != nil {
			err = appendBatch(all, b)
		}
		if b != nil {
			_ = b.Close() // never committed: it only goes back to its pool
		}
		errs[i] = err
	}
	returned = true
	return db.commit(ctx, locked, all, nil, true)
}

// appendBatch adds b to all if the sum stays within a transaction's limit times
// the accounts that share it; Pebble's own limit is 4 GiB.
func appendBatch(all, b *pebble.Batch) error {
	if all.Len()+b.Len() > 4*kv.MaxTransaction {
		return kv.ErrTooLarge
	}
	if err := all.Apply(b, nil); err != nil {
		return fmt.Errorf("kv: join transactions: %w", err)
	}
	return nil
}

// commit writes b, which may be nil, gives up the accounts' locks and waits
// until b, or for an empty one whatever its transaction may have read, is
// durable. With an error it only cleans up.
func (db *DB) commit(ctx context.Context, accs []*account, b *pebble.Batch, err error, durable bool) error {
	if err != nil || b == nil || b.Empty() {
		return db.commitNothing(ctx, accs, b, err, durable)
	}
	size := int64(b.Len())
	if err := db.space.admit(ctx, size); err != nil {
		db.unlock(accs)
		db.release(accs)
		_ = b.Close()
		return err
	}
	defer db.space.landed(size)
	if !durable {
		return db.apply(accs[0], b)
	}
	return db.applySync(accs, b)
}

// commitNothing ends a transaction without writes: what it read must be durable
// before its caller acts on it.
func (db *DB) commitNothing(ctx context.Context, accs []*account, b *pebble.Batch, err error, durable bool) error {
	defer db.release(accs)
	last := make([]*commit, len(accs))
	for i, acc := range accs {
		last[i] = acc.last.Load()
	}
	db.unlock(accs)
	if b != nil {
		_ = b.Close() // never committed: it only goes back to its pool
	}
	for _, c := range last {
		if err == nil && durable {
			err = db.await(ctx, c)
		}
	}
	return err
}

// applySync queues b, lets the next transactions of its accounts go on, and
// waits for the sync.
func (db *DB) applySync(accs []*account, b *pebble.Batch) error {
	c := newCommit()
	for _, acc := range accs {
		acc.last.Store(c) // before b can be seen, so that who sees it waits
	}
	err := db.pdb.ApplyNoSyncWait(b, pebble.Sync)
	if err == nil {
		for _, acc := range accs {
			acc.wrote(b)
		}
	}
	db.unlock(accs)
	if err == nil {
		err = b.SyncWait()
	}
	c.finish(db.commitError(err))
	db.release(accs)
	if c.err == nil {
		db.stats.commits.Add(1)
		_ = b.Close()
	}
	return c.err
}

// apply queues b for the log without asking for a sync. The account stays
// known until a sync has passed, so that a View can ask for one.
func (db *DB) apply(acc *account, b *pebble.Batch) error {
	c := newCommit()
	c.lazy = true
	acc.last.Store(c)
	err := db.commitError(db.pdb.Apply(b, pebble.NoSync))
	if err == nil {
		acc.wrote(b)
	}
	acc.unlock()
	if err != nil {
		c.finish(err)
		db.accounts.release(acc)
		return err
	}
	db.lazy.add(acc, c)
	db.stats.commits.Add(1)
	return b.Close()
}

func (db *DB) unlock(accs []*account) {
	for _, acc := range accs {
		acc.unlock()
	}
}

func (db *DB) release(accs []*account) {
	for _, acc := range accs {
		db.accounts.release(acc)
	}
}

// await returns when c is durable.
func (db *DB) await(ctx context.Context, c *commit) error {
	if c == nil {
		return nil
	}
	if c.lazy {
		db.lazy.hurry(c)
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter begins a call: it fails after Close, after a fatal error and when ctx
// is done.
func (db *DB) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := db.failed(); err != nil {
		return err
	}
	if !db.gate.Enter() {
		return kv.ErrClosed
	}
	return nil
}

// fail ends all use of the database: once the log could not be written, what
// memory shows is not what the disk holds. The first cause is kept.
func (db *DB) fail(err error) {
	err = fmt.Errorf("kv: database failed, restart needed: %w", err)
	if db.failure.CompareAndSwap(nil, &err) {
		db.log.Error("database failed, no further use until restart", "err", err)
	}
}

func (db *DB) failed() error {
	if p := db.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Failed returns the error that ended all use of the database, if any: the
// process should be restarted then.
func (db *DB) Failed() error { return db.failed() }

func (db *DB) commitError(err error) error {
	if err != nil {
		db.fail(err)
	}
	return db.failed()
}

// Accounts steps from account to account without reading what is between.
func (db *DB) Accounts(ctx context.Context, fn func(kv.Account) error) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	it, err := db.pdb.NewIterWithContext(ctx, nil)
	if err != nil {
		return fmt.Errorf("kv: list accounts: %w", err)
	}
	var next [8]byte
	for ok := it.First(); ok && err == nil; {
		a := binary.BigEndian.Uint64(it.Key())
		if err = ctx.Err(); err == nil {
			err = fn(kv.Account(a))
		}
		if a == ^uint64(0) {
			break
		}
		binary.BigEndian.PutUint64(next[:], a+1)
		ok = it.SeekGE(next[:])
	}
	if cerr := it.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("kv: list accounts: %w", cerr)
	}
	return err
}

// Checkpoint implements kv.DB: table files are linked, the log is synced and
// copied.
func (db *DB) Checkpoint(ctx context.Context, dir string) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	if err := db.pdb.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("kv: checkpoint: %w", err)
	}
	return nil
}

// Close waits for running calls, syncs and closes the database. A second call
// returns kv.ErrClosed. On a full volume it gives up after a grace period with
// kv.ErrNoSpace; nothing acknowledged is lost by that.
func (db *DB) Close() error {
	idle := db.gate.Close()
	if idle == nil {
		return kv.ErrClosed
	}
	db.fs.stopWaiting()
	if err := db.fs.unlessFull(db.grace, func() error { <-idle; return db.close() }); err != nil {
		return fmt.Errorf("kv: close: %w", err)
	}
	return nil
}

func (db *DB) close() error {
	lerr := db.lazy.stop()
	err := db.pdb.Close()
	db.fs.close()
	return errors.Join(lerr, err)
}
