package pebble

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/volume"
)

const (
	ballastName = "BALLAST"
	// roomPoll is how often a write that must not fail is tried again on a full
	// volume, and what a flush or compaction waits before it fails, since Pebble
	// tries it again at once.
	roomPoll = 100 * time.Millisecond
	// failGrace lets calls that were past the check for a failed database end
	// before Pebble learns that its log is broken, which it does not survive.
	failGrace = 50 * time.Millisecond
)

// diskFS stands between Pebble and the volume. Pebble ends the process when its
// log or its manifest cannot be written, and tries flushes and compactions
// again without a pause. So on a full volume diskFS first gives the ballast
// away; then log and manifest wait for room, while flushes and compactions fail
// slowly and give back what they took. Any other error of log or manifest marks
// the database as failed.
type diskFS struct {
	vfs.FS
	dir  string
	db   *DB
	stop chan struct{} // closed by Close: flushes and compactions do not wait
	once sync.Once
	full atomic.Int64 // since when a vital write waits, in nanoseconds since 1970

	mu      sync.Mutex
	ballast int64 // its size, 0 if none is wanted
	held    bool  // the ballast file exists
	wg      sync.WaitGroup
}

func newDiskFS(inner vfs.FS, dir string, db *DB) *diskFS {
	return &diskFS{FS: inner, dir: dir, db: db, stop: make(chan struct{})}
}

// prepareBallast makes the ballast file if there is room for it, and again
// whenever there is room after it was given away.
func (fs *diskFS) prepareBallast(size int64) error {
	fs.ballast = size
	path := fs.FS.PathJoin(fs.dir, ballastName)
	if err := fs.FS.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if size == 0 {
		return nil
	}
	fs.restoreBallast()
	fs.wg.Add(1)
	go fs.keepBallast()
	return nil
}

func (fs *diskFS) keepBallast() {
	defer fs.wg.Done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fs.restoreBallast()
		case <-fs.stop:
			return
		}
	}
}

func (fs *diskFS) restoreBallast() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.held {
		return
	}
	free, err := fs.db.space.room.Ask()
	if err != nil || free < fs.db.space.reserve+2*fs.ballast {
		return
	}
	path := fs.FS.PathJoin(fs.dir, ballastName)
	f, err := fs.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return
	}
	err = f.Preallocate(0, fs.ballast)
	if cerr := f.Close(); err != nil || cerr != nil {
		_ = fs.FS.Remove(path) // tried again in a second
		return
	}
	fs.held = true
}

// dropBallast reports whether there was a ballast to give away.
func (fs *diskFS) dropBallast() bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if !fs.held {
		return false
	}
	fs.held = false
	fs.db.log.Warn("volume full: ballast file of the records given away")
	return fs.FS.Remove(fs.FS.PathJoin(fs.dir, ballastName)) == nil
}

// stopWaiting makes waiting flushes and compactions fail.
func (fs *diskFS) stopWaiting() { fs.once.Do(func() { close(fs.stop) }) }

func (fs *diskFS) close() {
	fs.stopWaiting()
	fs.wg.Wait()
}

// again reports whether a write that failed with err is to be tried once more.
func (fs *diskFS) again(err error, vital bool) bool {
	if !volume.IsFull(err) {
		if vital {
			fs.broken(err)
		}
		return false
	}
	if fs.dropBallast() {
		return true
	}
	fs.db.space.room.Full()
	fs.db.stats.waits.Add(1)
	if vital {
		fs.full.CompareAndSwap(0, time.Now().UnixNano())
		time.Sleep(roomPoll)
		return true
	}
	select {
	case <-fs.stop:
	case <-time.After(roomPoll):
	}
	return false
}

// succeeded notes that a vital write found room.
func (fs *diskFS) succeeded(vital bool) {
	if vital && fs.full.Load() != 0 {
		fs.full.Store(0)
	}
}

// unlessFull runs do and returns its error, or kv.ErrNoSpace if it has found no
// room for the grace period. It goes on in the background then, until there is
// room: Pebble does not survive the failure of what it waits for.
func (fs *diskFS) unlessFull(grace time.Duration, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	tick := time.NewTicker(roomPoll)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			since := fs.full.Load()
			if since != 0 && time.Now().UnixNano()-since > int64(grace) {
				return kv.ErrNoSpace
			}
		}
	}
}

// broken marks the database as failed.
func (fs *diskFS) broken(err error) {
	fs.db.fail(err)
	time.Sleep(failGrace)
}

// vital reports whether Pebble cannot live without the file: all but tables.
func vital(name string) bool {
	ext := filepath.Ext(name)
	return ext != ".sst" && ext != ".blob" && !strings.HasSuffix(name, ballastName)
}

func (fs *diskFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	for {
		f, err := fs.FS.Create(name, c)
		if err == nil {
			fs.succeeded(vital(name))
			return fs.wrap(f, name), nil
		}
		if !fs.again(err, vital(name)) {
			return nil, err
		}
	}
}

func (fs *diskFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	for {
		f, err := fs.FS.ReuseForWrite(from, to, c)
		if err == nil {
			return fs.wrap(f, to), nil
		}
		if !volume.IsFull(err) || !fs.again(err, true) {
			return nil, err
		}
	}
}

func (fs *diskFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	if err != nil {
		return nil, err
	}
	return fs.wrap(f, name), nil
}

func (fs *diskFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return fs.wrap(f, name), nil
}

func (fs *diskFS) Rename(from, to string) error {
	for {
		err := fs.FS.Rename(from, to)
		if err == nil || !volume.IsFull(err) || !fs.again(err, true) {
			return err
		}
	}
}

func (fs *diskFS) Unwrap() vfs.FS { return fs.FS }

func (fs *diskFS) wrap(f vfs.File, name string) vfs.File {
	return &diskFile{File: f, fs: fs, vital: vital(name)}
}

type diskFile struct {
	vfs.File
	fs    *diskFS
	vital bool
}

// Write goes on where a full volume cut it off.
func (f *diskFile) Write(p []byte) (int, error) {
	done := 0
	for {
		n, err := f.File.Write(p[done:])
		done += n
		if err == nil {
			f.fs.succeeded(f.vital)
			return done, nil
		}
		if !f.fs.again(err, f.vital) {
			return done, err
		}
	}
}

// Sync is never tried again: after a failed one the system may have dropped the
// octets and call the next one a success.
func (f *diskFile) Sync() error { return f.synced(f.File.Sync()) }

func (f *diskFile) SyncData() error { return f.synced(f.File.SyncData()) }

func (f *diskFile) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	return full, f.synced(err)
}

func (f *diskFile) synced(err error) error {
	if err != nil && f.vital {
		f.fs.broken(err)
	}
	return err
}
