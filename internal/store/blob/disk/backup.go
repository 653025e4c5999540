package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// manifestName is the file of a backup that lists its segments and how many
// octets of each are in it, durably.
const manifestName = "BACKUP"

const copyStep = 1 << 20

// Hold implements blob.Store. Who backs up records and then blobs holds from
// before the one until after the other.
func (s *Store) Hold() (release func()) {
	s.collecting.RLock()
	return s.collecting.RUnlock
}

// BackupTo makes dir a copy of the store as it is now, while writers go on. If
// dir holds an older copy only the difference is copied: segments grow at their
// end only, all other files never change. On the same file system, files that
// are complete are linked instead. What the store no longer has is removed from
// the copy at the end.
//
// dir has the layout of a store: to restore is to open it, or a copy of it.
// progress, which may be nil, is told the octets copied and to copy in all.
func (s *Store) BackupTo(ctx context.Context, dir string, progress func(done, total int64)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.Leave()
	defer s.Hold()()
	b := &backup{s: s, ctx: ctx, dir: dir, progress: progress}
	if err := b.run(); err != nil {
		return fmt.Errorf("blob: back up to %s: %w", dir, noSpace(err))
	}
	return nil
}

type backup struct {
	s           *Store
	ctx         context.Context
	dir         string
	progress    func(done, total int64)
	done, total int64
	had         map[string]int64 // the older copy's manifest
}

// backupFile is a file of the store, named relative to its directory.
type backupFile struct {
	name   string
	length int64
	grows  bool // a segment that is written to
	from   int64
}

func (b *backup) run() error {
	for _, d := range []string{"log", "moved", "large", "tmp"} {
		if err := makeDir(b.s.fs, b.s.fs.PathJoin(b.dir, d)); err != nil {
			return err
		}
	}
	var err error
	if b.had, err = b.readManifest(); err != nil {
		return err
	}
	files, err := b.list()
	if err != nil {
		return err
	}
	for i := range files {
		if err := b.compare(&files[i]); err != nil {
			return err
		}
	}
	dirs := map[string]bool{"log": true, "moved": true, "large": true}
	for _, f := range files {
		dirs[path.Dir(f.name)] = true
		if f.from == f.length {
			continue
		}
		if err := b.copy(f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	for _, d := range slices.Sorted(maps.Keys(dirs)) {
		if err := b.syncDir(d); err != nil {
			return err
		}
	}
	if err := b.writeManifest(files); err != nil {
		return err
	}
	return b.prune(files, dirs)
}

// list returns the files of the store and their lengths.
func (b *backup) list() (files []backupFile, err error) {
	s := b.s
	for _, seg := range s.segs.all() {
		seg.mu.Lock()
		sealed := seg.sealed
		seg.mu.Unlock()
		files = append(files, backupFile{name: path.Join("log", segmentName(seg.id)), length: seg.durable.Load(), grows: !sealed})
		if !sealed {
			continue
		}
		info, err := s.fs.Stat(s.path("log", indexName(seg.id)))
		if err != nil {
			return nil, err
		}
		files = append(files, backupFile{name: path.Join("log", indexName(seg.id)), length: info.Size()})
	}
	for _, t := range s.moved.tables { // only Collect changes the list
		files = append(files, backupFile{name: path.Join("moved", movedName(t.id)), length: t.info.size()})
	}
	err = s.large.list(func(sum [32]byte, size int64, _ time.Time) error {
		dir, file := s.large.path(sum)
		files = append(files, backupFile{name: path.Join("large", dir, s.fs.PathBase(file)), length: size})
		return nil
	})
	return files, err
}

// compare finds out how much of a file the copy has. Of a segment it has what
// the manifest says: a longer file may be of a backup that was cut off.
func (b *backup) compare(f *backupFile) error {
	info, err := b.s.fs.Stat(b.path(f.name))
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case strings.HasSuffix(f.name, ".seg"):
		f.from = min(b.had[f.name], info.Size(), f.length)
	case info.Size() == f.length:
		f.from = f.length
	}
	b.total += f.length - f.from
	return nil
}

func (b *backup) path(name string) string {
	return b.s.fs.PathJoin(append([]string{b.dir}, strings.Split(name, "/")...)...)
}

// copy makes the copy's file as long as that of the store.
func (b *backup) copy(f backupFile) error {
	from, to := b.s.path(strings.Split(f.name, "/")...), b.path(f.name)
	if err := makeDir(b.s.fs, b.s.fs.PathDir(to)); err != nil {
		return err
	}
	if f.from > 0 { // a segment that was copied when it was shorter, never a link
		return b.extend(from, to, f)
	}
	if err := b.s.fs.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if !f.grows && b.s.fs.Link(from, to) == nil {
		return b.advance(f.length)
	}
	if strings.HasSuffix(f.name, ".seg") {
		return b.extend(from, to, f)
	}
	tmp := b.path("tmp/copy")
	if err := b.s.fs.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := b.extend(from, tmp, f); err != nil {
		return err
	}
	return b.s.fs.Rename(tmp, to)
}

// extend copies the octets from f.from on and syncs them.
func (b *backup) extend(from, to string, f backupFile) (err error) {
	src, err := b.s.fs.Open(from, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := b.s.fs.OpenReadWrite(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	buf := make([]byte, min(copyStep, f.length-f.from))
	for off := f.from; off < f.length; {
		p := buf[:min(int64(len(buf)), f.length-off)]
		if n, err := src.ReadAt(p, off); n < len(p) {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if _, err := dst.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
		if err := b.advance(int64(len(p))); err != nil {
			return err
		}
	}
	return dst.Sync()
}

func (b *backup) advance(n int64) error {
	b.done += n
	if b.progress != nil {
		b.progress(b.done, b.total)
	}
	return b.ctx.Err()
}

func (b *backup) syncDir(name string) error {
	d, err := b.s.fs.OpenDir(b.path(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeManifest replaces the manifest: a line for each segment with its name
// and length.
func (b *backup) writeManifest(files []backupFile) error {
	var text strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f.name, ".seg") {
			fmt.Fprintf(&text, "%s %d\n", f.name, f.length)
		}
	}
	tmp := b.path("tmp/" + manifestName)
	f, err := b.s.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text.String()))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := b.s.fs.Rename(tmp, b.path(manifestName)); err != nil {
		return err
	}
	return b.syncDir("")
}

// readManifest returns what the manifest lists; without one, nothing.
func (b *backup) readManifest() (map[string]int64, error) {
	had := make(map[string]int64)
	f, err := b.s.fs.Open(b.path(manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return had, nil
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, length, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseInt(length, 10, 64)
		if err != nil || n < 0 {
			break // what follows is copied again
		}
		had[name] = n
	}
	return had, errors.Join(lines.Err(), f.Close())
}

// prune removes the files that the store no longer has.
func (b *backup) prune(files []backupFile, dirs map[string]bool) error {
	keep := make(map[string]bool, len(files))
	for _, f := range files {
		keep[f.name] = true
	}
	old, err := b.s.fs.List(b.path("large"))
	if err != nil {
		return err
	}
	for _, d := range old {
		dirs[path.Join("large", d)] = true
	}
	delete(dirs, "large") // holds directories only
	for d := range dirs {
		names, err := b.s.fs.List(b.path(d))
		if err != nil {
			return err
		}
		for _, name := range names {
			if name = path.Join(d, name); keep[name] {
				continue
			}
			if err := b.s.fs.Remove(b.path(name)); err != nil {
				return err
			}
		}
	}
	return nil
}
