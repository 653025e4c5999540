package disk

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// draft is a file that grows. Its state is its length and that of its hash, so
// that going on needs no reading. What lies in the file behind the length was
// never told to anybody, and is written over.
type draft struct {
	s    *Store
	ctx  context.Context // of Draft
	name string
	file vfs.File
	hash hash.Hash
	size int64
	err  error // sticks until Rewind
}

// maxDraftName bounds the name of a draft, in octets.
const maxDraftName = 100

func draftName(name string) error {
	bad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	if name == "" || len(name) > maxDraftName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("blob: %q is no name of a draft", name)
	}
	return nil
}

// Draft implements blob.Store.
func (s *Store) Draft(ctx context.Context, name string, state []byte) (blob.Draft, error) {
	if err := draftName(name); err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.gate.Leave()
	d := &draft{s: s, ctx: ctx, name: name, hash: sha256.New()}
	if err := d.restore(state); err != nil {
		return nil, err
	}
	path := s.path("drafts", name)
	if d.size > 0 {
		info, err := s.fs.Stat(path)
		if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() < d.size {
			return nil, fmt.Errorf("draft %s of %d octets: %w", name, d.size, blob.ErrNotFound)
		}
		if err != nil {
			return nil, fmt.Errorf("blob: open draft: %w", err)
		}
	} else if err := s.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("blob: begin draft: %w", err)
	}
	var err error
	if d.file, err = s.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified); err != nil {
		return nil, fmt.Errorf("blob: open draft: %w", noSpace(err))
	}
	if d.size == 0 {
		if err := s.syncDir("drafts"); err != nil {
			return nil, errors.Join(err, d.file.Close())
		}
	}
	return d, nil
}

// restore takes length and hash from a state.
func (d *draft) restore(state []byte) error {
	d.size, d.err = 0, nil
	d.hash.Reset()
	if len(state) == 0 {
		return nil
	}
	if len(state) < 8 {
		return fmt.Errorf("blob: state of draft %s: %w", d.name, blob.ErrCorrupt)
	}
	if err := d.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state[8:]); err != nil {
		return fmt.Errorf("blob: state of draft %s: %w: %w", d.name, blob.ErrCorrupt, err)
	}
	d.size = int64(binary.BigEndian.Uint64(state))
	return nil
}

func (d *draft) state() ([]byte, error) {
	return d.hash.(encoding.BinaryAppender).AppendBinary(binary.BigEndian.AppendUint64(nil, uint64(d.size)))
}

func (d *draft) Size() int64   { return d.size }
func (d *draft) Sum() [32]byte { return [32]byte(d.hash.Sum(nil)) }

// Write implements io.Writer. After an error the draft must be rewound or closed.
func (d *draft) Write(p []byte) (int, error) {
	if d.err == nil {
		d.err = d.ctx.Err()
	}
	if d.err == nil {
		d.err = d.write(p)
	}
	if d.err != nil {
		return 0, d.err
	}
	return len(p), nil
}

func (d *draft) write(p []byte) error {
	if err := d.s.enter(d.ctx); err != nil {
		return err
	}
	defer d.s.gate.Leave()
	size := int64(len(p))
	if err := d.s.space.admit(size); err != nil {
		return err
	}
	defer d.s.space.landed(size)
	if _, err := d.file.WriteAt(p, d.size); err != nil { // Write of package vfs may change p
		return fmt.Errorf("blob: write draft: %w", noSpace(err))
	}
	d.hash.Write(p) // never fails
	d.size += size
	return nil
}

// Sync implements blob.Draft. What a failed Write left is not in the state.
func (d *draft) Sync() ([]byte, error) {
	if err := d.file.SyncData(); err != nil {
		d.err = fmt.Errorf("blob: sync draft: %w", noSpace(err))
		return nil, d.err
	}
	return d.state()
}

func (d *draft) Rewind(state []byte) error { return d.restore(state) }

// Commit implements blob.Draft. A large one becomes a blob without being
// copied: its file gets a second name.
func (d *draft) Commit() (blob.Ref, error) {
	if d.err != nil {
		return "", d.err
	}
	// What was asked for is done even if who asked goes away meanwhile.
	if err := d.s.enter(context.WithoutCancel(d.ctx)); err != nil {
		return "", err
	}
	defer d.s.gate.Leave()
	info, err := d.file.Stat()
	if err == nil && info.Size() != d.size {
		err = fmt.Errorf("has %d octets behind its end", info.Size()-d.size)
	}
	if err != nil {
		return "", fmt.Errorf("blob: commit draft %s: %w", d.name, err)
	}
	if d.size < d.s.opt.LargeSize {
		data := make([]byte, d.size)
		if n, err := d.file.ReadAt(data, 0); n < len(data) {
			return "", errors.Join(io.ErrUnexpectedEOF, err)
		}
		return d.s.putSmall(data, d.Sum())
	}
	if err := d.file.Sync(); err != nil {
		return "", fmt.Errorf("blob: commit draft: %w", noSpace(err))
	}
	tmp := d.s.path("tmp", "draft-"+strconv.FormatUint(d.s.large.temp.Add(1), 10))
	path := d.s.path("drafts", d.name)
	err = d.s.fs.Link(path, tmp)
	if err != nil { // a file system without links
		tmp, err = path, nil
	}
	if err = d.s.large.name(tmp, d.Sum()); err != nil {
		return "", fmt.Errorf("blob: commit draft: %w", noSpace(err))
	}
	// Of two names of one file the first stays if it is given the second again.
	if tmp != path {
		if err := d.s.fs.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("blob: commit draft: %w", err)
		}
	}
	d.s.stats.large.Add(1)
	return makeRef(d.Sum(), place{length: uint64(d.size)}), nil
}

func (d *draft) Close() error { return d.file.Close() }

// RemoveDraft implements blob.Store.
func (s *Store) RemoveDraft(ctx context.Context, name string) error {
	if err := draftName(name); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := s.fs.Remove(s.path("drafts", name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("blob: remove draft: %w", err)
	}
	s.space.room.Changed()
	return nil
}

// Drafts implements blob.Store.
func (s *Store) Drafts(ctx context.Context, fn func(name string, size int64, changed time.Time) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.Leave()
	names, err := s.fs.List(s.path("drafts"))
	if err != nil {
		return fmt.Errorf("blob: list drafts: %w", err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := s.fs.Stat(s.path("drafts", name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("blob: list drafts: %w", err)
		}
		if err := fn(name, info.Size(), info.ModTime()); err != nil {
			return err
		}
	}
	return nil
}

// Fits implements blob.Store.
func (s *Store) Fits(size int64) error {
	if s.space.limited && s.space.room.Left()-size < s.space.reserve {
		s.space.refused.Add(1)
		return blob.ErrNoSpace
	}
	return nil
}
