package disk

import (
	"bytes"
	"cmp"
	"container/list"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A segment begins with a header, in little-endian order: magic, 8 octets; its
// number, 4; reserved, 4; salt, 8; CRC-32C of those, 4; zeros up to 64.
const (
	segmentHead  = 64
	segmentMagic = "PJSEGM01"
	scanBuffer   = 1 << 20
)

// errNoSegment reports a segment that does not exist (any more).
var errNoSegment = fmt.Errorf("no such segment: %w", os.ErrNotExist)

// segment is one file of the log.
type segment struct {
	id   uint32
	salt uint64

	sealing sync.Mutex // held while the index is written
	mu      sync.Mutex
	list    []entry // of a segment that is not sealed
	sealed  bool
	newest  uint32 // time of the newest record, known once sealed or scanned
	durable atomic.Int64
}

// entry tells where in its segment a record lies.
type entry struct {
	sum    [32]byte
	offset uint32
	length uint32
	time   uint32
}

func (e entry) place(segment uint32) place {
	return place{segment: segment, offset: e.offset, length: uint64(e.length)}
}

func (e entry) size() int64 { return recordHead + int64(e.length) }

func segmentName(id uint32) string { return fmt.Sprintf("%08d.seg", id) }
func indexName(id uint32) string   { return fmt.Sprintf("%08d.idx", id) }

// parseName returns the number in a name such as 00000001.seg.
func parseName(name, ext string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, ext)
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), ok && err == nil && n > 0 && len(digits) >= 8
}

func encodeSegmentHead(id uint32, salt uint64) []byte {
	buf := make([]byte, segmentHead)
	copy(buf, segmentMagic)
	binary.LittleEndian.PutUint32(buf[8:], id)
	binary.LittleEndian.PutUint64(buf[16:], salt)
	binary.LittleEndian.PutUint32(buf[24:], crc32.Checksum(buf[:24], castagnoli))
	return buf
}

// readSegmentHead returns the salt; ok is false if there is no valid header.
func readSegmentHead(f io.ReaderAt, id uint32) (salt uint64, ok bool, err error) {
	var buf [segmentHead]byte
	if _, err := f.ReadAt(buf[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			return 0, false, nil
		}
		return 0, false, err
	}
	salt = binary.LittleEndian.Uint64(buf[16:])
	return salt, bytes.Equal(buf[:28], encodeSegmentHead(id, salt)[:28]), nil
}

// segments knows all segments and keeps some of them open for reading.
type segments struct {
	s    *Store
	mu   sync.Mutex
	m    map[uint32]*segment
	open map[uint32]*handle
	used list.List // of the open *handle, the longest unused first
	last uint32    // highest number ever used
}

// handle is a segment open for reading; the file is closed when it is removed
// from the table and nobody uses it.
type handle struct {
	file  vfs.File
	id    uint32
	salt  uint64
	users int
	elem  *list.Element // in used
	drop  bool
}

// openSegments lists the segments. Those without an index are read through; all
// of these but the last, if that can be written on, are sealed.
func openSegments(s *Store) (*segments, error) {
	ss := &segments{s: s, m: make(map[uint32]*segment), open: make(map[uint32]*handle)}
	names, err := s.fs.List(s.path("log"))
	if err != nil {
		return nil, fmt.Errorf("blob: list segments: %w", err)
	}
	indexed := make(map[uint32]bool)
	for _, name := range names {
		if id, ok := parseName(name, ".seg"); ok {
			ss.m[id] = &segment{id: id}
			ss.last = max(ss.last, id)
		} else if id, ok := parseName(name, ".bad"); ok {
			ss.last = max(ss.last, id)
		} else if id, ok := parseName(name, ".idx"); ok {
			indexed[id] = true
		}
	}
	for id := range indexed {
		seg := ss.m[id]
		if seg == nil { // a crash came between the removal of the two
			if err := s.fs.Remove(s.path("log", indexName(id))); err != nil {
				return nil, fmt.Errorf("blob: remove index: %w", err)
			}
			continue
		}
		if err := ss.loadSealed(seg); err != nil {
			return nil, err
		}
	}
	return ss, nil
}

// acquire opens a segment for reading; release it.
func (ss *segments) acquire(id uint32) (*handle, error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	h := ss.open[id]
	if h == nil {
		if ss.m[id] == nil {
			return nil, errNoSegment
		}
		var err error
		if h, err = ss.openHandle(id); err != nil {
			return nil, err
		}
	}
	ss.used.MoveToBack(h.elem)
	h.users++
	return h, nil
}

func (ss *segments) openHandle(id uint32) (*handle, error) {
	f, err := ss.s.fs.Open(ss.s.path("log", segmentName(id)), vfs.RandomReadsOption)
	if err != nil {
		return nil, fmt.Errorf("blob: open segment %d: %w", id, err)
	}
	salt, ok, err := readSegmentHead(f, id)
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("blob: segment %d has no valid header", id), err, f.Close())
	}
	h := &handle{file: f, id: id, salt: salt}
	h.elem = ss.used.PushBack(h)
	ss.open[id] = h
	for e := ss.used.Front(); len(ss.open) > ss.s.opt.OpenFiles && e != h.elem; {
		old := e.Value.(*handle)
		e = e.Next()
		if old.users == 0 {
			_ = ss.discard(old) // read only: nothing can be lost
		}
	}
	return h, nil
}

func (ss *segments) release(h *handle) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	h.users--
	if h.users == 0 && h.drop {
		return h.file.Close()
	}
	return nil
}

// forget takes a segment out of the table; who has it open keeps it.
func (ss *segments) forget(id uint32) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.m, id)
	if h := ss.open[id]; h != nil {
		_ = ss.discard(h)
	}
}

// discard takes a handle out of the table. Its last user closes the file.
func (ss *segments) discard(h *handle) error {
	delete(ss.open, h.id)
	ss.used.Remove(h.elem)
	h.drop = true
	if h.users > 0 {
		return nil
	}
	return h.file.Close()
}

func (ss *segments) close() (err error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, h := range ss.open {
		err = errors.Join(err, ss.discard(h))
	}
	return err
}

// exists reports whether a segment is there.
func (ss *segments) exists(id uint32) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.m[id] != nil
}

// newest returns the highest number of a segment that is there.
func (ss *segments) newest() (id uint32) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for n := range ss.m {
		id = max(id, n)
	}
	return id
}

// all returns the segments in ascending order.
func (ss *segments) all() []*segment {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	list := make([]*segment, 0, len(ss.m))
	for _, seg := range ss.m {
		list = append(list, seg)
	}
	slices.SortFunc(list, func(a, b *segment) int { return cmp.Compare(a.id, b.id) })
	return list
}

// create makes the file of the next segment; its header is not synced yet.
func (ss *segments) create() (*segment, vfs.File, error) {
	ss.mu.Lock()
	ss.last++
	seg := &segment{id: ss.last, salt: rand.Uint64()}
	ss.mu.Unlock()
	path := ss.s.path("log", segmentName(seg.id))
	f, err := ss.s.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, nil, fmt.Errorf("blob: create segment %d: %w", seg.id, noSpace(err))
	}
	_, err = f.WriteAt(encodeSegmentHead(seg.id, seg.salt), 0)
	if err == nil {
		err = ss.s.syncDir("log")
	}
	if err != nil {
		_ = f.Close() // the file goes away
		_ = ss.s.fs.Remove(path)
		return nil, nil, fmt.Errorf("blob: create segment %d: %w", seg.id, noSpace(err))
	}
	seg.durable.Store(segmentHead)
	ss.mu.Lock()
	ss.m[seg.id] = seg
	ss.mu.Unlock()
	return seg, f, nil
}

// scan reads a segment that has no index. It returns the octet after the last
// record and whether only zeros follow. After a damaged record it goes on at
// the next octets that are a record: damage must not hide what follows it.
func (ss *segments) scan(seg *segment) (end int64, clean bool, err error) {
	path := ss.s.path("log", segmentName(seg.id))
	f, err := ss.s.fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return 0, false, fmt.Errorf("blob: scan segment %d: %w", seg.id, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, false, fmt.Errorf("blob: scan segment %d: %w", seg.id, err)
	}
	salt, ok, err := readSegmentHead(f, seg.id)
	if err != nil || !ok {
		return 0, false, err
	}
	seg.salt = salt
	sc := &scanner{f: f, size: info.Size(), seg: seg}
	end, clean, err = sc.run()
	if err != nil {
		return 0, false, fmt.Errorf("blob: scan segment %d: %w", seg.id, err)
	}
	seg.durable.Store(end)
	return end, clean, nil
}

// setAside takes away a segment without a valid header. After a crash before its
// first sync that is the rule and nothing is lost; what is not empty is kept for
// who wants to look.
func (ss *segments) setAside(seg *segment) error {
	ss.forget(seg.id)
	path := ss.s.path("log", segmentName(seg.id))
	info, err := ss.s.fs.Stat(path)
	switch {
	case err != nil:
	case info.Size() <= segmentHead:
		err = ss.s.fs.Remove(path)
	default:
		ss.s.opt.Logger.Error("blobs: segment without a valid header set aside", "segment", seg.id)
		err = ss.s.fs.Rename(path, strings.TrimSuffix(path, ".seg")+".bad")
	}
	if err != nil {
		return fmt.Errorf("blob: set segment %d aside: %w", seg.id, err)
	}
	return nil
}

// sync makes durable what a scan found: it may have been written but never
// synced, and from now on it is shown.
func (ss *segments) sync(seg *segment) error {
	f, err := ss.s.fs.OpenReadWrite(ss.s.path("log", segmentName(seg.id)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("blob: sync segment %d: %w", seg.id, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("blob: sync segment %d: %w", seg.id, err)
	}
	return nil
}

// scanner walks the records of a segment with a buffer that holds at least one.
type scanner struct {
	f    io.ReaderAt
	size int64
	seg  *segment
	buf  []byte
	at   int64 // offset of buf in the file
}

// window returns up to n octets at off; they are valid until the next call.
func (sc *scanner) window(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), sc.size-off))
	if n <= 0 {
		return nil, nil
	}
	if off < sc.at || off+int64(n) > sc.at+int64(len(sc.buf)) {
		want := int(min(int64(max(n, scanBuffer)), sc.size-off))
		sc.buf = slices.Grow(sc.buf[:0], want)[:want]
		got, err := sc.f.ReadAt(sc.buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		sc.buf, sc.at = sc.buf[:got], off
		n = min(n, got)
	}
	return sc.buf[off-sc.at:][:n], nil
}

func (sc *scanner) run() (end int64, clean bool, err error) {
	end, clean = segmentHead, true
	for off := end; off < sc.size; {
		e, ok, err := sc.record(off)
		if err != nil {
			return 0, false, err
		}
		if ok {
			sc.seg.list = append(sc.seg.list, e)
			sc.seg.newest = max(sc.seg.newest, e.time)
			off += e.size()
			end = off
			continue
		}
		next, zeros, err := sc.next(off)
		if err != nil {
			return 0, false, err
		}
		clean = clean && zeros
		off = next
	}
	return end, clean, nil
}

// record returns the record at off if there is a whole one.
func (sc *scanner) record(off int64) (e entry, ok bool, err error) {
	head, err := sc.window(off, recordHead)
	if err != nil || len(head) < recordHead {
		return e, false, err
	}
	h := parseRecordHead(head)
	if h.magic != recordMagic || off+recordHead+int64(h.length) > sc.size {
		return e, false, nil
	}
	rec, err := sc.window(off, recordHead+int(h.length))
	if err != nil || !h.valid(rec, sc.seg.salt, uint64(off)) {
		return e, false, err
	}
	return entry{sum: h.sum, offset: uint32(off), length: h.length, time: h.time}, true, nil
}

// next returns the offset of the next magic after off, or the file's end, and
// whether all octets from off to there are zero.
func (sc *scanner) next(off int64) (next int64, zeros bool, err error) {
	magic := binary.LittleEndian.AppendUint32(nil, recordMagic)
	zeros = true
	for off < sc.size {
		w, err := sc.window(off, scanBuffer/2)
		if err != nil {
			return 0, false, err
		}
		if len(w) == 0 {
			break
		}
		if i := bytes.Index(w[min(1, len(w)):], magic); i >= 0 {
			return off + 1 + int64(i), zeros && allZero(w[:i+1]), nil
		}
		zeros = zeros && allZero(w)
		// The magic may lie across the end of the window.
		step := len(w) - len(magic) + 1
		if off+int64(len(w)) >= sc.size || step <= 0 {
			break
		}
		off += int64(step)
	}
	return sc.size, zeros, nil
}

func allZero(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != 0 {
			return false
		}
		p = p[8:]
	}
	for _, c := range p {
		if c != 0 {
			return false
		}
	}
	return true
}
