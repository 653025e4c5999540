package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// moved finds records whose segment was removed. It is a few sorted files, the
// newer ones first; nothing of them is kept in memory. SHA-256 values are
// evenly spread, so the place of one in a sorted file can be computed: a lookup
// is a read or two a file.
type moved struct {
	s      *Store
	mu     sync.RWMutex
	tables []*movedTable // newest first
	last   uint32        // highest number ever used
}

type movedTable struct {
	id   uint32
	f    vfs.File
	info tableInfo
}

func movedName(id uint32) string { return fmt.Sprintf("%08d.mov", id) }

func openMoved(s *Store) (*moved, error) {
	m := &moved{s: s}
	names, err := s.fs.List(s.path("moved"))
	if err != nil {
		return nil, fmt.Errorf("blob: list moved files: %w", err)
	}
	for _, name := range names {
		id, ok := parseName(name, ".mov")
		if !ok {
			continue
		}
		f, info, err := s.openTable("moved", name)
		if err != nil {
			return nil, errors.Join(err, m.close())
		}
		m.tables = append(m.tables, &movedTable{id, f, info})
		m.last = max(m.last, id)
	}
	slices.SortFunc(m.tables, func(a, b *movedTable) int { return int(b.id) - int(a.id) })
	return m, nil
}

func (m *moved) close() (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tables {
		err = errors.Join(err, t.f.Close())
	}
	m.tables = nil
	return err
}

// lookup returns where the record of a blob is now, if it moved.
func (m *moved) lookup(sum [32]byte) (p place, ok bool, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, t := range m.tables {
		r, ok, err := t.lookup(sum)
		if err != nil {
			return p, false, fmt.Errorf("blob: look up moved record: %w", err)
		}
		if ok {
			return r.place(), m.s.segs.exists(r.segment), nil
		}
	}
	return p, false, nil
}

// lookupRows is how many rows a lookup reads at once.
const lookupRows = 64

// lookup narrows the rows lo to hi that can hold sum. Each step reads rows
// about where sum should be, or after some steps in the middle, should the
// values not be spread evenly.
func (t *movedTable) lookup(sum [32]byte) (r row, ok bool, err error) {
	lo, hi := 0, int(t.info.count)
	buf := make([]byte, lookupRows*tableRow)
	for step := 0; lo < hi; step++ {
		at := (lo + hi - lookupRows) / 2
		if step < 3 {
			at = t.guess(sum) - lookupRows/2
		}
		at = max(lo, min(at, hi-lookupRows))
		n := min(lookupRows, hi-at)
		rows := buf[:n*tableRow]
		if got, err := t.f.ReadAt(rows, tableHead+int64(at)*tableRow); got < len(rows) {
			return r, false, errors.Join(err, io.ErrUnexpectedEOF, blob.ErrCorrupt)
		}
		switch {
		case bytes.Compare(sum[:], rows[:32]) < 0:
			hi = at
		case bytes.Compare(sum[:], rows[(n-1)*tableRow:][:32]) > 0:
			lo = at + n
		default:
			r, ok = searchRows(rows, sum)
			return r, ok, nil
		}
	}
	return r, false, nil
}

// guess returns the row where sum lies if all are spread evenly.
func (t *movedTable) guess(sum [32]byte) int {
	at, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), uint64(t.info.count))
	return int(at)
}

func searchRows(rows []byte, sum [32]byte) (r row, ok bool) {
	for ; len(rows) > 0; rows = rows[tableRow:] {
		if bytes.Equal(rows[:32], sum[:]) {
			return decodeRow(rows), true
		}
	}
	return r, false
}

// add makes rows, which are sorted and newer than all others, findable. So that
// the number of files stays near the logarithm of the number of rows, newer
// files that are not much larger are merged with them.
func (m *moved) add(rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	sum, n := len(rows), 0
	for n < len(m.tables) && int(m.tables[n].info.count) <= 2*sum {
		sum += int(m.tables[n].info.count)
		n++
	}
	old := m.tables[:n] // only Collect changes the list, and it runs alone
	t, err := m.merge(rows, old)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.tables = append([]*movedTable{t}, m.tables[n:]...)
	m.mu.Unlock()
	for _, t := range old {
		err = errors.Join(err, t.f.Close(), m.s.fs.Remove(m.s.path("moved", movedName(t.id))))
	}
	if err != nil {
		return fmt.Errorf("blob: remove merged file: %w", err)
	}
	return nil
}

// merge writes rows and those of the old tables that still lead somewhere.
func (m *moved) merge(rows []row, old []*movedTable) (*movedTable, error) {
	var info tableInfo
	err := m.each(rows, old, func(row) error { info.count++; return nil })
	if err != nil {
		return nil, err
	}
	m.last++
	name := movedName(m.last)
	err = m.s.writeTable(info, func(add func(row) error) error { return m.each(rows, old, add) }, "moved", name)
	if err != nil {
		return nil, err
	}
	f, info, err := m.s.openTable("moved", name)
	if err != nil {
		return nil, err
	}
	return &movedTable{m.last, f, info}, nil
}

// each calls fn for the newest row of each blob, in order, if its segment is
// still there.
func (m *moved) each(rows []row, old []*movedTable, fn func(row) error) error {
	heads := make([]rowSource, 0, 1+len(old))
	heads = append(heads, rowSource{rows: rows})
	for _, t := range old {
		r, err := newTableReader(t.f, t.info)
		if err != nil {
			return fmt.Errorf("blob: merge moved files: %w", err)
		}
		heads = append(heads, rowSource{table: r})
	}
	for i := range heads {
		if err := heads[i].advance(); err != nil {
			return err
		}
	}
	for {
		least := -1
		for i := range heads {
			if heads[i].ok && (least < 0 || bytes.Compare(heads[i].row.sum[:], heads[least].row.sum[:]) < 0) {
				least = i
			}
		}
		if least < 0 {
			return nil
		}
		r := heads[least].row
		for i := range heads {
			for heads[i].ok && heads[i].row.sum == r.sum {
				if err := heads[i].advance(); err != nil {
					return err
				}
			}
		}
		if !m.s.segs.exists(r.segment) {
			continue
		}
		if err := fn(r); err != nil {
			return err
		}
	}
}

// rowSource is a slice or a file of sorted rows, with the first one taken out.
type rowSource struct {
	rows  []row
	table *tableReader
	row   row
	ok    bool
}

func (s *rowSource) advance() (err error) {
	if s.table != nil {
		if s.row, s.ok, err = s.table.next(); err != nil {
			return fmt.Errorf("blob: merge moved files: %w", err)
		}
		return nil
	}
	s.ok = len(s.rows) > 0
	if s.ok {
		s.row, s.rows = s.rows[0], s.rows[1:]
	}
	return nil
}
