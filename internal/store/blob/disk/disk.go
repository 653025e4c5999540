// Package disk keeps the blobs of package blob in a directory: small ones in an
// append-only log of segments, large ones each in a file of its own.
//
//	LOCK                one process at a time
//	log/00000001.seg    a segment: header, then records in the order of arrival
//	log/00000001.idx    the same segment's records by hash, once it is sealed
//	moved/00000001.mov  where the records of removed segments are now, by hash
//	large/ab/ab12...    a large blob, named by its SHA-256 in hexadecimal
//	drafts/name         a blob that is written over days; its state is the caller's
//	tmp/                blobs that are being written; emptied at Open
//
// Only the last segment is written to, and only at its end; all other files are
// complete and synced before they get their name, and never change. So a
// backup needs to copy only names it does not have, and the end of the last
// segment.
//
// A reference holds the segment, offset and length of its record. When a
// segment is rewritten by Collect its references stay valid through the moved
// files. Segment numbers are never used twice.
package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/gate"
)

// Options say where and how blobs are kept. The zero value of each but Dir
// means its default.
type Options struct {
	// Dir is the store's directory; it is made if it does not exist.
	Dir string
	// FS is the file system, by default the operating system's.
	FS vfs.FS
	// SegmentSize is the size in octets at which a segment is sealed, by
	// default 256 MiB, at most 1 GiB.
	SegmentSize int64
	// LargeSize is the size in octets from which a blob is a file of its own,
	// by default 1 MiB, at most 64 MiB.
	LargeSize int64
	// SpoolSize is how many octets of a blob of unknown size are kept in
	// memory, by default 256 KiB.
	SpoolSize int
	// ZeroStep is how many octets of the active segment are zeroed ahead of the
	// records: to sync octets that overwrite others is about twice as fast as to
	// sync those that make the file longer. By default 1 MiB; negative is none.
	ZeroStep int64
	// OpenFiles is how many segments are kept open for reading, by default 256.
	OpenFiles int
	// Reserve is the free space in octets below which blobs are refused with
	// blob.ErrNoSpace: by default 10 % of the volume, at most 512 MiB, which is
	// more than that of the records so that blobs are refused first. Negative
	// means none.
	Reserve int64
	// Logger receives what the operator should know, by default slog.Default.
	Logger *slog.Logger
	// Now is the clock that stamps records, by default time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = 256 << 20
	}
	o.SegmentSize = min(o.SegmentSize, 1<<30)
	if o.LargeSize <= 0 {
		o.LargeSize = 1 << 20
	}
	o.LargeSize = min(o.LargeSize, 64<<20)
	if o.SpoolSize <= 0 {
		o.SpoolSize = 256 << 10
	}
	if o.ZeroStep == 0 {
		o.ZeroStep = 1 << 20
	}
	if o.OpenFiles <= 0 {
		o.OpenFiles = 256
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Store is a directory of blobs; it implements blob.Store.
type Store struct {
	opt   Options
	fs    vfs.FS
	lock  io.Closer
	space *space
	segs  *segments
	log   *appender
	moved *moved
	large *large
	gate  gate.Gate
	stats stats
	// collecting is held by Collect, and shared by who needs that nothing is
	// removed meanwhile.
	collecting sync.RWMutex
}

var _ blob.Store = (*Store)(nil)

// Open opens the store in opt.Dir, which no other process may have open. Of
// what a crash left it reads the segments that are not sealed, usually one.
func Open(opt Options) (*Store, error) {
	opt.setDefaults()
	fs := opt.FS
	for _, dir := range []string{"log", "moved", "large", "drafts", "tmp"} {
		if err := makeDir(fs, fs.PathJoin(opt.Dir, dir)); err != nil {
			return nil, fmt.Errorf("blob: make directory: %w", err)
		}
	}
	lock, err := fs.Lock(fs.PathJoin(opt.Dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("blob: lock %s: %w", opt.Dir, err)
	}
	s := &Store{opt: opt, fs: fs, lock: lock, space: newSpace(opt)}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Store) load() (err error) {
	if s.large, err = openLarge(s); err != nil {
		return err
	}
	if s.moved, err = openMoved(s); err != nil {
		return err
	}
	if s.segs, err = openSegments(s); err != nil {
		return errors.Join(err, s.moved.close())
	}
	if s.log, err = openAppender(s); err != nil {
		return errors.Join(err, s.segs.close(), s.moved.close())
	}
	return nil
}

// makeDir makes a directory and what is missing above it, durably.
func makeDir(fs vfs.FS, dir string) error {
	_, err := fs.Stat(dir)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	d, err := fs.OpenDir(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, data []byte) (blob.Ref, error) {
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.gate.Leave()
	if int64(len(data)) >= s.opt.LargeSize {
		return s.large.put(data)
	}
	return s.putSmall(data, sha256.Sum256(data))
}

func (s *Store) putSmall(data []byte, sum [32]byte) (blob.Ref, error) {
	size := int64(recordHead + len(data))
	if err := s.space.admit(size); err != nil {
		return "", err
	}
	defer s.space.landed(size)
	p, err := s.log.append(data, sum, uint32(s.opt.Now().Unix()))
	if err != nil {
		return "", err
	}
	return makeRef(sum, p), nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, ref blob.Ref) (blob.Blob, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.gate.Leave()
	b, err := s.open(ref)
	if err != nil {
		return nil, err
	}
	return &openBlob{blobReader: b}, nil
}

// open finds the file that holds a blob. The caller must close it.
func (s *Store) open(ref blob.Ref) (blobReader, error) {
	sum, p, err := parseRef(ref)
	if err != nil {
		return blobReader{}, err
	}
	if p.segment == 0 {
		return s.large.open(sum, p.length)
	}
	// A segment can be removed between the look for it and its opening; its
	// records have moved then.
	for range 3 {
		h, at, err := s.find(sum, p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return blobReader{}, err
		}
		return s.segs.reader(h, sum, at), nil
	}
	return blobReader{}, fmt.Errorf("segment %d: %w", p.segment, blob.ErrNotFound)
}

// find opens the segment in which the record is now.
func (s *Store) find(sum [32]byte, p place) (*handle, place, error) {
	h, err := s.segs.acquire(p.segment)
	if err == nil || !errors.Is(err, errNoSegment) {
		return h, p, err
	}
	p, ok, err := s.moved.lookup(sum)
	if err != nil {
		return nil, p, err
	}
	if !ok {
		return nil, p, blob.ErrNotFound
	}
	h, err = s.segs.acquire(p.segment)
	return h, p, err
}

// Read implements blob.Store. A record that is read whole is checked.
func (s *Store) Read(ctx context.Context, dst []byte, ref blob.Ref, off, n int64) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return dst, err
	}
	defer s.gate.Leave()
	b, err := s.open(ref)
	if err != nil {
		return dst, err
	}
	dst, err = b.read(dst, off, n)
	if errors.Is(err, blob.ErrCorrupt) {
		s.stats.corrupt.Add(1)
	}
	return dst, errors.Join(err, b.close())
}

// Check implements blob.Store.
func (s *Store) Check(ctx context.Context, ref blob.Ref) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.Leave()
	b, err := s.open(ref)
	if err != nil {
		return err
	}
	return errors.Join(b.check(ctx), b.close())
}

// List implements blob.Store. A blob that was stored more than once may be
// listed as often.
func (s *Store) List(ctx context.Context, fn func(ref blob.Ref, size int64) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.Leave()
	s.collecting.RLock()
	defer s.collecting.RUnlock()
	for _, seg := range s.segs.all() {
		err := s.segs.entries(seg, func(e entry) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return fn(makeRef(e.sum, e.place(seg.id)), int64(e.length))
		})
		if err != nil {
			return err
		}
	}
	return s.large.list(func(sum [32]byte, size int64, _ time.Time) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(makeRef(sum, place{length: uint64(size)}), size)
	})
}

// Close implements blob.Store. Open blobs stay readable until they are closed;
// writers that are not committed yet fail.
func (s *Store) Close() error {
	idle := s.gate.Close()
	if idle == nil {
		return blob.ErrClosed
	}
	<-idle
	return errors.Join(s.log.close(), s.segs.close(), s.moved.close(), s.lock.Close())
}

func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.gate.Enter() {
		return blob.ErrClosed
	}
	return nil
}

func (s *Store) path(elem ...string) string {
	return s.fs.PathJoin(append([]string{s.opt.Dir}, elem...)...)
}

// syncDir makes the names in a directory of the store durable.
func (s *Store) syncDir(elem ...string) error {
	d, err := s.fs.OpenDir(s.path(elem...))
	if err != nil {
		return fmt.Errorf("blob: sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("blob: sync directory: %w", err)
	}
	return nil
}

// blobReader reads one blob in the file that holds it.
type blobReader struct {
	segs   *segments
	handle *handle // of the segment, or nil: the file is the blob
	file   vfs.File
	sum    [32]byte
	record place
	off    int64 // of the blob in the file
	size   int64
}

func (ss *segments) reader(h *handle, sum [32]byte, at place) blobReader {
	return blobReader{
		segs: ss, handle: h, file: h.file, sum: sum, record: at,
		off: int64(at.offset) + recordHead, size: int64(at.length),
	}
}

func (b *blobReader) close() error {
	if b.handle != nil {
		return b.segs.release(b.handle)
	}
	return b.file.Close()
}

func (b *blobReader) Size() int64 { return b.size }

// ReadAt implements io.ReaderAt within the blob.
func (b *blobReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("blob: negative offset")
	}
	if off >= b.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > b.size-off
	if short {
		p = p[:b.size-off]
	}
	n, err := b.file.ReadAt(p, b.off+off)
	if n < len(p) && (err == nil || errors.Is(err, io.EOF)) {
		return n, fmt.Errorf("blob ends early: %w", blob.ErrCorrupt)
	}
	if n == len(p) {
		err = nil
		if short {
			err = io.EOF
		}
	}
	return n, err
}

// read appends octets off to off+n to dst.
func (b *blobReader) read(dst []byte, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 {
		return dst, errors.New("blob: negative offset or length")
	}
	n = min(n, b.size-off)
	if n <= 0 && b.size > 0 {
		return dst, nil
	}
	if b.handle != nil && n == b.size {
		return b.readRecord(dst)
	}
	start := len(dst)
	dst = slices.Grow(dst, int(n))[:start+int(n)]
	if _, err := b.ReadAt(dst[start:], off); err != nil && !errors.Is(err, io.EOF) {
		return dst[:start], fmt.Errorf("blob: read: %w", err)
	}
	return dst, nil
}

// readRecord reads header and blob in one go and checks them.
func (b *blobReader) readRecord(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, recordHead+int(b.size))
	rec := dst[start:][:recordHead+b.size]
	if n, err := b.file.ReadAt(rec, b.off-recordHead); n < len(rec) {
		if err == nil || errors.Is(err, io.EOF) {
			err = blob.ErrCorrupt
		}
		return dst[:start], fmt.Errorf("blob: read: %w", err)
	}
	h := parseRecordHead(rec)
	if h.sum != b.sum || int64(h.length) != b.size || !h.valid(rec, b.handle.salt, uint64(b.record.offset)) {
		return dst[:start], fmt.Errorf("segment %d, offset %d: %w", b.record.segment, b.record.offset, blob.ErrCorrupt)
	}
	copy(rec, rec[recordHead:])
	return dst[:start+int(b.size)], nil
}

// check compares the blob's SHA-256 with its name.
func (b *blobReader) check(ctx context.Context) error {
	if b.handle != nil {
		if _, err := b.read(nil, 0, b.size); err != nil {
			return err
		}
	}
	h := sha256.New()
	r := io.NewSectionReader(b, 0, b.size)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := io.CopyN(h, r, 1<<20)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("blob: check: %w", err)
		}
	}
	if !bytes.Equal(h.Sum(nil), b.sum[:]) {
		return fmt.Errorf("%x: %w", b.sum, blob.ErrCorrupt)
	}
	return nil
}

// openBlob is a blobReader in the hands of a caller.
type openBlob struct {
	blobReader
	once sync.Once
}

func (b *openBlob) Close() (err error) {
	b.once.Do(func() { err = b.close() })
	return err
}
