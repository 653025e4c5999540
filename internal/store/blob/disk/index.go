package disk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// An index is a table of the records of a sealed segment, a moved file one of
// records that are no longer where their references say. Both are, in
// little-endian order: magic, 8 octets; count, 4; newest time, 4; durable length
// of the segment, 8; the rows by ascending SHA-256; CRC-32C of all before, 4.
//
// A row is the SHA-256, 32 octets, then segment, offset, length and time, 4 each.
const (
	tableMagic = "PJTABL01"
	tableHead  = 24
	tableRow   = 48
	tableTail  = 4
)

type row struct {
	sum                            [32]byte
	segment, offset, length, stamp uint32
}

func (r row) place() place {
	return place{segment: r.segment, offset: r.offset, length: uint64(r.length)}
}

func encodeRow(buf []byte, r row) []byte {
	buf = append(buf, r.sum[:]...)
	for _, v := range [...]uint32{r.segment, r.offset, r.length, r.stamp} {
		buf = binary.LittleEndian.AppendUint32(buf, v)
	}
	return buf
}

func decodeRow(p []byte) (r row) {
	copy(r.sum[:], p)
	r.segment = binary.LittleEndian.Uint32(p[32:])
	r.offset = binary.LittleEndian.Uint32(p[36:])
	r.length = binary.LittleEndian.Uint32(p[40:])
	r.stamp = binary.LittleEndian.Uint32(p[44:])
	return r
}

type tableInfo struct {
	count, newest uint32
	durable       int64
}

func (t tableInfo) size() int64 { return tableHead + int64(t.count)*tableRow + tableTail }

func (t tableInfo) encode() []byte {
	buf := append(make([]byte, 0, tableHead), tableMagic...)
	buf = binary.LittleEndian.AppendUint32(buf, t.count)
	buf = binary.LittleEndian.AppendUint32(buf, t.newest)
	return binary.LittleEndian.AppendUint64(buf, uint64(t.durable))
}

// writeTable writes a table under a temporary name, syncs it and renames it.
// rows calls its argument exactly info.count times, in order.
func (s *Store) writeTable(info tableInfo, rows func(add func(row) error) error, dir, name string) (err error) {
	tmp := s.path("tmp", name)
	f, err := s.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("blob: write %s: %w", name, noSpace(err))
	}
	defer func() {
		if err != nil {
			_ = s.fs.Remove(tmp) // or it goes away at the next Open
			err = fmt.Errorf("blob: write %s: %w", name, noSpace(err))
		}
	}()
	err = fillTable(f, info, rows)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = s.fs.Rename(tmp, s.path(dir, name)); err != nil {
		return err
	}
	return s.syncDir(dir)
}

func fillTable(f io.Writer, info tableInfo, rows func(add func(row) error) error) error {
	sum := crc32.New(castagnoli)
	w := bufio.NewWriterSize(f, int(min(info.size(), 128<<10)))
	both := io.MultiWriter(w, sum)
	if _, err := both.Write(info.encode()); err != nil {
		return err
	}
	buf := make([]byte, 0, tableRow)
	var n uint32
	err := rows(func(r row) error {
		n++
		_, err := both.Write(encodeRow(buf[:0], r))
		return err
	})
	if err != nil {
		return err
	}
	if n != info.count {
		return fmt.Errorf("%d rows, %d announced", n, info.count)
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32())); err != nil {
		return err
	}
	return w.Flush()
}

// openTable opens a table and checks that it is complete.
func (s *Store) openTable(dir, name string) (vfs.File, tableInfo, error) {
	f, err := s.fs.Open(s.path(dir, name))
	if err != nil {
		return nil, tableInfo{}, fmt.Errorf("blob: open %s: %w", name, err)
	}
	info, err := readTableInfo(f)
	if err != nil {
		return nil, info, errors.Join(fmt.Errorf("blob: open %s: %w", name, err), f.Close())
	}
	return f, info, nil
}

func readTableInfo(f vfs.File) (info tableInfo, err error) {
	var head [tableHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return info, err
	}
	info.count = binary.LittleEndian.Uint32(head[8:])
	info.newest = binary.LittleEndian.Uint32(head[12:])
	info.durable = int64(binary.LittleEndian.Uint64(head[16:]))
	stat, err := f.Stat()
	if err != nil {
		return info, err
	}
	if string(head[:8]) != tableMagic || stat.Size() != info.size() {
		return info, blob.ErrCorrupt
	}
	return info, nil
}

// tableReader reads the rows of a table in order and checks its sum at the end.
type tableReader struct {
	r    *bufio.Reader
	sum  hash.Hash32
	left uint32
	buf  [tableRow]byte
}

func newTableReader(f io.ReaderAt, info tableInfo) (*tableReader, error) {
	t := &tableReader{
		r:    bufio.NewReaderSize(io.NewSectionReader(f, 0, info.size()), int(min(info.size(), 128<<10))),
		sum:  crc32.New(castagnoli),
		left: info.count,
	}
	if _, err := io.CopyN(t.sum, t.r, tableHead); err != nil {
		return nil, err
	}
	return t, nil
}

// next returns the next row; ok is false after the last.
func (t *tableReader) next() (r row, ok bool, err error) {
	if t.left == 0 {
		if _, err := io.ReadFull(t.r, t.buf[:tableTail]); err != nil {
			return r, false, err
		}
		if binary.LittleEndian.Uint32(t.buf[:]) != t.sum.Sum32() {
			return r, false, blob.ErrCorrupt
		}
		return r, false, nil
	}
	if _, err := io.ReadFull(t.r, t.buf[:]); err != nil {
		return r, false, err
	}
	_, _ = t.sum.Write(t.buf[:]) // a hash never fails
	t.left--
	return decodeRow(t.buf[:]), true, nil
}

// seal writes the index of a segment that is complete, if there is none yet.
func (ss *segments) seal(seg *segment) error {
	seg.sealing.Lock()
	defer seg.sealing.Unlock()
	seg.mu.Lock()
	if seg.sealed {
		seg.mu.Unlock()
		return nil
	}
	list := slices.Clone(seg.list)
	info := tableInfo{count: uint32(len(list)), newest: seg.newest, durable: seg.durable.Load()}
	seg.mu.Unlock()
	slices.SortFunc(list, func(a, b entry) int { return bytes.Compare(a.sum[:], b.sum[:]) })
	err := ss.s.writeTable(info, func(add func(row) error) error {
		for _, e := range list {
			if err := add(row{e.sum, seg.id, e.offset, e.length, e.time}); err != nil {
				return err
			}
		}
		return nil
	}, "log", indexName(seg.id))
	if err != nil {
		return err
	}
	seg.mu.Lock()
	seg.list, seg.sealed = nil, true
	seg.mu.Unlock()
	return nil
}

// loadSealed takes what must be known of a sealed segment from its index. A
// damaged index is made again from the segment.
func (ss *segments) loadSealed(seg *segment) error {
	f, info, err := ss.s.openTable("log", indexName(seg.id))
	if errors.Is(err, blob.ErrCorrupt) {
		ss.s.opt.Logger.Warn("blobs: damaged index is made again", "segment", seg.id)
		return nil
	}
	if err != nil {
		return err
	}
	seg.sealed, seg.newest = true, info.newest
	seg.durable.Store(info.durable)
	return f.Close()
}

// entries calls fn for each record of a segment.
func (ss *segments) entries(seg *segment, fn func(entry) error) error {
	seg.mu.Lock()
	list, sealed := seg.list, seg.sealed
	seg.mu.Unlock()
	if !sealed { // the list only grows; what is there does not change
		for _, e := range list {
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	}
	f, info, err := ss.s.openTable("log", indexName(seg.id))
	if err != nil {
		return err
	}
	err = readEntries(f, info, fn)
	return errors.Join(err, f.Close())
}

func readEntries(f io.ReaderAt, info tableInfo, fn func(entry) error) error {
	t, err := newTableReader(f, info)
	if err != nil {
		return fmt.Errorf("blob: read index: %w", err)
	}
	for {
		r, ok, err := t.next()
		if err != nil {
			return fmt.Errorf("blob: read index: %w", err)
		}
		if !ok {
			return nil
		}
		if err := fn(entry{r.sum, r.offset, r.length, r.stamp}); err != nil {
			return err
		}
	}
}
