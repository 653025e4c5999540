// Package blob is the interface to the bytes of messages and files: each blob
// is written once, never changed, and named by what it is.
//
// Implementations are in blob/disk (an append-only log of segments) and later
// blob/s3; all of them pass the suite of package blobtest unchanged.
package blob

import (
	"context"
	"errors"
	"io"
	"time"
)

// Ref names a stored blob. It is opaque outside the implementation that made
// it, at most 64 octets, and begins with the SHA-256 of the blob's bytes; what
// follows helps the implementation to find it at once.
type Ref string

// Hash is the SHA-256 of the blob's bytes.
func (r Ref) Hash() (sum [32]byte) {
	copy(sum[:], r)
	return sum
}

var (
	// ErrNotFound reports a blob that was deleted or never stored.
	ErrNotFound = errors.New("blob: not found")
	// ErrCorrupt reports a blob whose bytes do not match their checksum.
	ErrCorrupt = errors.New("blob: corrupt")
	// ErrNoSpace reports that the volume is full (or below its reserve):
	// nothing was stored, and storing succeeds again once there is room.
	ErrNoSpace = errors.New("blob: no space left")
	// ErrBusy reports a collection that cannot run now: another one does, or
	// somebody copies the store.
	ErrBusy = errors.New("blob: the store is being copied or collected")
	// ErrClosed reports use after Close.
	ErrClosed = errors.New("blob: closed")
)

// Store keeps blobs.
type Store interface {
	// Put stores a blob that is in memory and returns when it is durable.
	// Concurrent calls share syncs.
	Put(ctx context.Context, data []byte) (Ref, error)

	// Create begins a blob whose size is not known: memory stays bounded
	// whatever its size. End it with Commit or Abort.
	Create(ctx context.Context) (Writer, error)

	// Draft opens a blob that is written bit by bit, over days and restarts, at a
	// state that Sync returned; with a nil state it begins anew. Its name, of a to
	// z, 0 to 9 and "-", is the caller's choice. One goroutine at a time has a
	// draft open. ErrNotFound if there is no draft that has come so far.
	Draft(ctx context.Context, name string, state []byte) (Draft, error)

	// RemoveDraft forgets a draft; one that does not exist is no error.
	RemoveDraft(ctx context.Context, name string) error

	// Drafts calls fn for each draft with the time of its last change.
	Drafts(ctx context.Context, fn func(name string, size int64, changed time.Time) error) error

	// Fits returns ErrNoSpace if a blob of that size could not be stored now.
	Fits(size int64) error

	// Open returns a blob for reading.
	Open(ctx context.Context, ref Ref) (Blob, error)

	// Read appends the octets from off to off+n of the blob to dst, fewer if
	// the blob ends before. It is the short way for small reads.
	Read(ctx context.Context, dst []byte, ref Ref, off, n int64) ([]byte, error)

	// Check reads the whole blob and compares its checksum: nil, ErrNotFound
	// or ErrCorrupt.
	Check(ctx context.Context, ref Ref) error

	// List calls fn for every stored blob.
	List(ctx context.Context, fn func(ref Ref, size int64) error) error

	// Collect frees the room of blobs that are not live and were stored before
	// the grace period. live is asked by hash; it must answer true for every
	// blob that any record names. References handed out before stay valid. It
	// fails with ErrBusy while another collection runs or the store is copied.
	Collect(ctx context.Context, opt CollectOptions) (CollectResult, error)

	// Hold keeps Collect from removing anything until release is called, and
	// waits for one that runs: for who reads records first and what they name
	// later. It may be called again by who holds.
	Hold() (release func())

	// Close ends the store after all running calls.
	Close() error
}

// Writer receives the bytes of a new blob.
type Writer interface {
	io.Writer
	// Commit returns the blob's name when it is durable.
	Commit() (Ref, error)
	// Abort drops what was written; after Commit it does nothing.
	Abort()
}

// Draft is a blob that is not whole yet. It is for one goroutine.
type Draft interface {
	// Write adds to the end.
	io.Writer
	// Size is how many octets it has.
	Size() int64
	// Sum is the SHA-256 of what it has.
	Sum() [32]byte
	// Sync makes what was written durable, and returns what Store.Draft needs to
	// go on from here; at most 128 octets.
	Sync() (state []byte, err error)
	// Rewind drops what was written since a state. What is written again must
	// reach at least as far.
	Rewind(state []byte) error
	// Commit makes a blob of it. The draft stays, as it is, until it is removed:
	// a crash before a record names the blob loses nothing.
	Commit() (Ref, error)
	// Close ends the use of the draft, which stays.
	Close() error
}

// Blob is an open blob. It stays readable until Close even if it is collected.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// CollectOptions says what to collect.
type CollectOptions struct {
	// Live reports whether any record names the blob with this SHA-256.
	Live func(sum [32]byte) bool
	// Grace keeps blobs younger than this many seconds whether live or not: a
	// blob is stored before the record that names it.
	GraceSeconds int64
	// MinDead is the share of dead octets, 0 to 1, from which a unit of storage
	// is rewritten; 0 rewrites every unit with any dead blob.
	MinDead float64
}

// CollectResult says what a collection did.
type CollectResult struct {
	Examined, Deleted int64 // blobs
	Freed             int64 // octets given back
	Moved             int64 // octets rewritten
}
