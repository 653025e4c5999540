// Package backup keeps copies of a running service: each is a whole data
// folder, what did not change since the one before is shared with it by hard
// links, and any of them can be restored.
//
// A backup folder looks like this:
//
//	20261122T101500Z/records/    the records, as of one moment
//	20261122T101500Z/blobs/      the messages that those records name, and a few newer
//	20261122T101500Z/...         the other files of the data folder: keys, certificates
//	20261122T101500Z/config/     files from elsewhere: the configuration, its certificate
//	20261122T101500Z/BACKUP.json what it is, written last: without it a backup is not whole
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv"
)

const (
	recordsDir   = "records"
	blobsDir     = "blobs"
	configDir    = "config"
	manifestFile = "BACKUP.json"
	partial      = ".partial-"
	restoring    = ".restoring"
	checkpoint   = ".checkpoint"
	timeLayout   = "20060102T150405Z"
)

// formatVersion is raised when an older program could not restore a backup.
const formatVersion = 1

// Source is what is backed up.
type Source struct {
	Records kv.DB
	Blobs   *disk.Store
	// Data is the data folder: its other files are copied, too.
	Data string
	// Skip names what in the data folder is left out, beside records and blobs:
	// sockets, locks, what is made anew.
	Skip []string
	// Config names files from elsewhere that belong to the installation, by the
	// name that they get in the backup. It may be nil.
	Config func() map[string]string
}

// Snapshot is one backup.
type Snapshot struct {
	Dir     string    `json:"-"`
	Version int       `json:"version"`
	Taken   time.Time `json:"taken"`
	Copied  int64     `json:"copied"` // octets that were not shared with the one before
	Took    float64   `json:"took_seconds"`
	// SameVolume is whether it lies on the volume of the data folder, and is lost
	// with it.
	SameVolume bool `json:"same_volume,omitempty"`
}

// Name is the name of the folder of a backup that was taken at a time.
func Name(taken time.Time) string { return taken.UTC().Format(timeLayout) }

// Progress is told how many octets were copied, of how many if that is known.
type Progress func(done, total int64)

// Run makes a backup below dir while the service goes on. What is in it: every
// change that was acknowledged before Run began, and nothing half.
func Run(ctx context.Context, src Source, dir string, now time.Time, progress Progress) (Snapshot, error) {
	snap := Snapshot{Version: formatVersion, Taken: now.UTC().Truncate(time.Second)}
	name := Name(snap.Taken)
	snap.Dir = filepath.Join(dir, name)
	if within(dir, src.Data) {
		return snap, ErrInside
	}
	old, err := List(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return snap, err
	}
	if _, err := os.Stat(snap.Dir); err == nil {
		return snap, fmt.Errorf("backup %s is there already; wait a second", snap.Dir)
	}
	r := &run{ctx: ctx, src: src, dir: filepath.Join(dir, partial+name), tell: progress}
	if len(old) > 0 {
		r.old = old[len(old)-1].Dir
	}
	started := time.Now()
	if err := errors.Join(removePartial(dir), os.MkdirAll(r.dir, 0o700)); err != nil {
		return snap, fmt.Errorf("backup: %w", err)
	}
	if err := r.all(); err != nil {
		return snap, fmt.Errorf("backup to %s: %w", dir, errors.Join(err, os.RemoveAll(r.dir)))
	}
	snap.Copied, snap.Took = r.copied, time.Since(started).Seconds()
	snap.SameVolume = device(r.dir) == device(src.Data)
	if err := writeManifest(r.dir, snap); err != nil {
		return snap, fmt.Errorf("backup to %s: %w", dir, err)
	}
	return snap, errors.Join(os.Rename(r.dir, snap.Dir), syncDir(dir))
}

// ErrInside reports a folder of backups inside the data folder.
var ErrInside = errors.New("the folder of the backups lies inside the data folder")

// within reports whether a path, which need not exist, lies in a folder.
func within(path, folder string) bool {
	rest := ""
	real, err := filepath.EvalSymlinks(path)
	for err != nil && path != filepath.Dir(path) {
		rest = filepath.Join(filepath.Base(path), rest)
		path = filepath.Dir(path)
		real, err = filepath.EvalSymlinks(path)
	}
	if folder, ferr := filepath.EvalSymlinks(folder); ferr == nil {
		rel, err := filepath.Rel(folder, filepath.Join(real, rest))
		return err == nil && filepath.IsLocal(rel)
	}
	return false
}

// Prune removes the oldest whole backups below dir but keep, and returns the
// names of those that are gone.
func Prune(dir string, keep int) (gone []string, err error) {
	list, err := List(dir)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(list)-max(keep, 1); i++ {
		name := filepath.Base(list[i].Dir)
		// One that is half removed is no backup any more, and the next run clears
		// it away.
		half := filepath.Join(dir, partial+name)
		if err := errors.Join(os.Rename(list[i].Dir, half), os.RemoveAll(half)); err != nil {
			return gone, fmt.Errorf("remove backup %s: %w", name, err)
		}
		gone = append(gone, name)
	}
	return gone, nil
}

// removePartial clears away backups that were cut off.
func removePartial(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, partial+"*"))
	for _, l := range left {
		err = errors.Join(err, os.RemoveAll(l))
	}
	return err
}

// run is one backup that is being made.
type run struct {
	ctx    context.Context
	src    Source
	dir    string // where it is made
	old    string // the backup before, "" if there is none
	owner  bool   // files get the owner that they have in the backup
	copied int64
	tell   Progress
}

// all copies the records first, then the blobs: whatever the records name is
// then among the blobs. Nothing is collected meanwhile.
func (r *run) all() error {
	defer r.src.Blobs.Hold()()
	if err := r.records(); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if err := r.blobs(); err != nil {
		return fmt.Errorf("blobs: %w", err)
	}
	return r.others()
}

// records takes a checkpoint beside the records, where it costs links only, and
// moves it over.
func (r *run) records() error {
	dir := filepath.Join(r.src.Data, checkpoint)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := r.src.Records.Checkpoint(r.ctx, dir); err != nil {
		return err
	}
	return r.tree(dir, recordsDir, func(name string) bool { return strings.HasSuffix(name, ".sst") })
}

// tree copies a folder. Files that never change once written are shared with
// the backup before if it has the same.
func (r *run) tree(from, to string, immutable func(name string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(r.dir, to, rel)
		switch {
		case d.IsDir():
			err = os.MkdirAll(target, 0o700)
		case !d.Type().IsRegular():
			return nil
		case immutable(d.Name()) && r.share(filepath.Join(to, rel), path):
			return nil
		default:
			err = r.copy(path, target)
		}
		if err != nil || !r.owner {
			return err
		}
		return sameOwner(path, target)
	})
}

// share links a file to that of the backup before, if it is the same one.
func (r *run) share(rel, now string) bool {
	if r.old == "" {
		return false
	}
	before, err := os.Stat(filepath.Join(r.old, rel))
	if err != nil {
		return false
	}
	info, err := os.Stat(now)
	if err != nil || info.Size() != before.Size() || !info.ModTime().Equal(before.ModTime()) {
		return false
	}
	return os.Link(filepath.Join(r.old, rel), filepath.Join(r.dir, rel)) == nil
}

func (r *run) copy(from, to string) error {
	n, err := copyFile(r.ctx, from, to)
	r.copied += n
	if r.tell != nil {
		r.tell(r.copied, 0)
	}
	return err
}

// blobs begins with the blobs of the backup before, shared, and lets the store
// copy the difference. A segment that was still written to then is copied: it
// grows, and the older backup must not.
func (r *run) blobs() error {
	to := filepath.Join(r.dir, blobsDir)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	if r.old != "" {
		if err := r.begin(filepath.Join(r.old, blobsDir), to); err != nil {
			return err
		}
	}
	last := int64(0)
	return r.src.Blobs.BackupTo(r.ctx, to, func(done, total int64) {
		r.copied += done - last
		last = done
		if r.tell != nil {
			r.tell(r.copied, r.copied+total-done)
		}
	})
}

func (r *run) begin(from, to string) error {
	sealed := map[string]bool{}
	indexes, err := filepath.Glob(filepath.Join(from, "log", "*.idx"))
	if err != nil {
		return err
	}
	for _, i := range indexes {
		sealed[strings.TrimSuffix(filepath.Base(i), ".idx")] = true
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		grows := filepath.Ext(path) == ".seg" && !sealed[strings.TrimSuffix(d.Name(), ".seg")]
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case grows || filepath.Dir(rel) == ".": // the manifest is written anew
			_, err := copyFile(r.ctx, path, target)
			return err
		}
		return os.Link(path, target)
	})
}

// others copies the rest of the data folder: keys, certificates, bans. The
// configuration of a restored folder gives way to the present one.
func (r *run) others() error {
	entries, err := os.ReadDir(r.src.Data)
	if err != nil {
		return err
	}
	skip := append([]string{recordsDir, blobsDir, checkpoint, restoring}, r.src.Skip...)
	if files := r.config(); len(files) > 0 {
		skip = append(skip, configDir)
		if err := r.copyConfig(files); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if slices.Contains(skip, e.Name()) {
			continue
		}
		path := filepath.Join(r.src.Data, e.Name())
		if e.IsDir() {
			err = r.tree(path, e.Name(), func(string) bool { return false })
		} else if e.Type().IsRegular() {
			err = r.copy(path, filepath.Join(r.dir, e.Name()))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // replaced meanwhile
			return err
		}
	}
	return nil
}

func (r *run) config() map[string]string {
	if r.src.Config == nil {
		return nil
	}
	return r.src.Config()
}

// copyConfig copies what belongs to the installation and lies elsewhere, readable
// by the owner of the backup only.
func (r *run) copyConfig(files map[string]string) error {
	if err := os.Mkdir(filepath.Join(r.dir, configDir), 0o700); err != nil {
		return err
	}
	for name, path := range files {
		to := filepath.Join(r.dir, configDir, name)
		if err := errors.Join(r.copy(path, to), os.Chmod(to, 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file with its time and makes it durable.
func copyFile(ctx context.Context, from, to string) (n int64, err error) {
	src, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return 0, err
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(dst, reader{ctx, src})
	if err := errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return n, fmt.Errorf("copy %s: %w", from, err)
	}
	return n, os.Chtimes(to, info.ModTime(), info.ModTime())
}

// reader ends when its context does.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func writeManifest(dir string, s Snapshot) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, manifestFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Sync(), f.Close(), syncDir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// List returns the whole backups below dir, oldest first.
func List(dir string) (list []Snapshot, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, err := time.Parse(timeLayout, e.Name()); err != nil || !e.IsDir() {
			continue
		}
		s, err := read(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func read(dir string) (s Snapshot, err error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return s, fmt.Errorf("%s is not a whole backup: %w", dir, err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", filepath.Join(dir, manifestFile), err)
	}
	if s.Version > formatVersion {
		return s, fmt.Errorf("%s was made by a newer version of Postiljon", dir)
	}
	s.Dir = dir
	return s, nil
}

// ErrNotEmpty reports a data folder in which something is.
var ErrNotEmpty = errors.New("the folder is not empty")

// Restore makes a data folder of a backup: of the one at from, or of the newest
// below it. data must be new or empty; the backup stays as it is. The folder is
// whole or, after an error, as empty as before. Root restores the owners, too.
func Restore(ctx context.Context, from, data string, progress Progress) (Snapshot, error) {
	s, err := read(from)
	if err != nil {
		list, listErr := List(from)
		if errors.Is(listErr, os.ErrNotExist) {
			return s, fmt.Errorf("there is no backup at %s", from)
		}
		if listErr != nil {
			return s, listErr
		}
		if len(list) == 0 {
			return s, err
		}
		s = list[len(list)-1]
	}
	entries, err := os.ReadDir(data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	for _, e := range entries {
		if e.Name() != restoring { // left by one that was cut off
			return s, fmt.Errorf("restore to %s: %w", data, ErrNotEmpty)
		}
	}
	total, err := size(s.Dir)
	if err != nil {
		return s, err
	}
	r := &run{ctx: ctx, dir: filepath.Join(data, restoring), owner: os.Geteuid() == 0}
	if progress != nil {
		r.tell = func(done, _ int64) { progress(done, total) }
	}
	if err := r.restore(s.Dir, data); err != nil {
		return s, fmt.Errorf("restore %s: %w", s.Dir, errors.Join(err, os.RemoveAll(r.dir)))
	}
	return s, nil
}

// size is how many octets the files of a folder have.
func size(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// restore copies all aside first, then moves it into its place; the records
// come last, since without them a folder is no data folder.
func (r *run) restore(from, data string) error {
	err := errors.Join(os.RemoveAll(r.dir), os.MkdirAll(r.dir, 0o700))
	if err != nil {
		return err
	}
	if err := r.tree(from, "", func(string) bool { return false }); err != nil {
		return err
	}
	if r.owner {
		if err := sameOwner(from, data); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(r.dir, manifestFile)); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	names := []string{recordsDir}
	for _, e := range entries {
		if e.Name() != recordsDir {
			names = append(names, e.Name())
		}
	}
	for _, name := range slices.Backward(names) {
		if err := os.Rename(filepath.Join(r.dir, name), filepath.Join(data, name)); err != nil {
			return err
		}
	}
	return errors.Join(os.Remove(r.dir), syncDir(data))
}
