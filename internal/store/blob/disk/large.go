package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// large keeps each large blob in a file named by its SHA-256. A file is
// complete and synced before it gets its name. To store a blob again replaces
// the file by its equal, which makes it young for Collect.
type large struct {
	s    *Store
	mu   sync.Mutex      // held while a name is made or removed
	dirs map[string]bool // made and synced
	temp atomic.Uint64
}

// openLarge removes what a crash left of unfinished blobs.
func openLarge(s *Store) (*large, error) {
	names, err := s.fs.List(s.path("tmp"))
	if err != nil {
		return nil, fmt.Errorf("blob: list temporary files: %w", err)
	}
	for _, name := range names {
		if err := s.fs.Remove(s.path("tmp", name)); err != nil {
			return nil, fmt.Errorf("blob: remove temporary file: %w", err)
		}
	}
	return &large{s: s, dirs: make(map[string]bool)}, nil
}

func (l *large) path(sum [32]byte) (dir, path string) {
	name := hex.EncodeToString(sum[:])
	return name[:2], l.s.path("large", name[:2], name)
}

func (l *large) put(data []byte) (ref blob.Ref, err error) {
	w := &writer{s: l.s, hash: sha256.New()}
	defer w.Abort()
	if _, err := w.hash.Write(data); err != nil {
		return "", err
	}
	if err := w.spill(data); err != nil {
		return "", err
	}
	w.size = int64(len(data))
	return w.commitLarge(w.sum())
}

func (l *large) open(sum [32]byte, size uint64) (blobReader, error) {
	_, path := l.path(sum)
	f, err := l.s.fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return blobReader{}, fmt.Errorf("%x: %w", sum, blob.ErrNotFound)
	}
	if err != nil {
		return blobReader{}, fmt.Errorf("blob: open: %w", err)
	}
	info, err := f.Stat()
	if err == nil && uint64(info.Size()) != size {
		err = fmt.Errorf("%x has %d octets, not %d: %w", sum, info.Size(), size, blob.ErrCorrupt)
	}
	if err != nil {
		return blobReader{}, errors.Join(err, f.Close())
	}
	return blobReader{file: f, sum: sum, size: info.Size()}, nil
}

// name gives a synced temporary file its name.
func (l *large) name(tmp string, sum [32]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	dir, path := l.path(sum)
	if !l.dirs[dir] {
		if err := l.s.fs.MkdirAll(l.s.path("large", dir), 0o700); err != nil {
			return err
		}
		if err := l.s.syncDir("large"); err != nil {
			return err
		}
		l.dirs[dir] = true
	}
	if err := l.s.fs.Rename(tmp, path); err != nil {
		return err
	}
	return l.s.syncDir("large", dir)
}

// list calls fn for each large blob with the time of its storing.
func (l *large) list(fn func(sum [32]byte, size int64, stored time.Time) error) error {
	dirs, err := l.s.fs.List(l.s.path("large"))
	if err != nil {
		return fmt.Errorf("blob: list: %w", err)
	}
	for _, dir := range dirs {
		names, err := l.s.fs.List(l.s.path("large", dir))
		if err != nil {
			return fmt.Errorf("blob: list: %w", err)
		}
		for _, name := range names {
			raw, err := hex.DecodeString(name)
			if err != nil || len(raw) != 32 {
				continue
			}
			info, err := l.s.fs.Stat(l.s.path("large", dir, name))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("blob: list: %w", err)
			}
			if err := fn([32]byte(raw), info.Size(), info.ModTime()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context) (blob.Writer, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.gate.Leave()
	if err := s.space.admit(0); err != nil {
		return nil, err
	}
	return &writer{s: s, ctx: ctx, hash: sha256.New()}, nil
}

// writer keeps the first octets in memory and spills to a temporary file. It is
// for one goroutine.
type writer struct {
	s    *Store
	ctx  context.Context // of Create
	hash hash.Hash
	buf  []byte
	size int64
	file vfs.File // once spilled
	tmp  string
	err  error // sticks
	done bool

	spilled int64
}

var errDone = errors.New("blob: write after commit or abort")

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errDone
	}
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return 0, w.err
	}
	if _, w.err = w.hash.Write(p); w.err != nil {
		return 0, w.err
	}
	w.size += int64(len(p))
	if w.file == nil && len(w.buf)+len(p) <= w.s.opt.SpoolSize {
		w.buf = append(w.buf, p...)
		return len(p), nil
	}
	if w.file == nil {
		if w.err = w.spill(w.buf); w.err != nil {
			return 0, w.err
		}
		w.buf = nil
	}
	if w.err = w.write(p); w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// spill makes the temporary file and begins it with p.
func (w *writer) spill(p []byte) error {
	w.tmp = w.s.path("tmp", "blob-"+strconv.FormatUint(w.s.large.temp.Add(1), 10))
	f, err := w.s.fs.OpenReadWrite(w.tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("blob: create: %w", noSpace(err))
	}
	w.file = f
	return w.write(p)
}

func (w *writer) write(p []byte) error {
	size := int64(len(p))
	if err := w.s.space.admit(size); err != nil {
		return err
	}
	defer w.s.space.landed(size)
	if _, err := w.file.WriteAt(p, w.spilled); err != nil { // Write of package vfs may change p
		return fmt.Errorf("blob: write: %w", noSpace(err))
	}
	w.spilled += size
	return nil
}

func (w *writer) sum() [32]byte { return [32]byte(w.hash.Sum(nil)) }

func (w *writer) Commit() (blob.Ref, error) {
	if w.done {
		return "", errDone
	}
	defer w.Abort() // removes the temporary file if it still has its name
	if w.err != nil {
		return "", w.err
	}
	if err := w.s.enter(w.ctx); err != nil {
		return "", err
	}
	defer w.s.gate.Leave()
	switch {
	case w.file == nil && w.size < w.s.opt.LargeSize:
		return w.s.putSmall(w.buf, w.sum())
	case w.file == nil:
		return w.s.large.put(w.buf)
	case w.size < w.s.opt.LargeSize:
		data := make([]byte, w.size)
		if n, err := w.file.ReadAt(data, 0); n < len(data) {
			return "", errors.Join(io.ErrUnexpectedEOF, err)
		}
		return w.s.putSmall(data, w.sum())
	}
	return w.commitLarge(w.sum())
}

func (w *writer) commitLarge(sum [32]byte) (blob.Ref, error) {
	err := w.file.Sync()
	err = errors.Join(err, w.file.Close())
	w.file = nil
	if err == nil {
		err = w.s.large.name(w.tmp, sum)
	}
	if err != nil {
		return "", fmt.Errorf("blob: commit: %w", noSpace(err))
	}
	w.tmp = ""
	w.s.stats.large.Add(1)
	return makeRef(sum, place{length: uint64(w.size)}), nil
}

// Abort implements blob.Writer. What it cannot remove goes away at the next Open.
func (w *writer) Abort() {
	w.done = true
	w.buf = nil
	if w.file != nil {
		_ = w.file.Close()
		w.file = nil
	}
	if w.tmp != "" {
		_ = w.s.fs.Remove(w.tmp)
		w.tmp = ""
	}
}
