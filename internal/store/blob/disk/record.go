package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// A record is, in little-endian order:
//
//	 0  4  magic
//	 4  4  CRC-32C of all that follows, begun with a seed of the segment's salt
//	       and the record's offset
//	 8  4  length of the blob
//	12  4  time of storing, seconds since 1970
//	16 32  SHA-256 of the blob
//	48     the blob
//
// Salt and offset make a record valid at one place only, so that old octets
// are never taken for a record.
const (
	recordHead  = 48
	recordMagic = 0x31424a50 // "PJB1"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type recordHeader struct {
	magic, crc, length, time uint32
	sum                      [32]byte
}

// appendRecord appends the record of data at the given offset of the segment.
func appendRecord(buf, data []byte, sum [32]byte, time uint32, salt, offset uint64) []byte {
	start := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, recordMagic)
	buf = append(buf, 0, 0, 0, 0)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(data)))
	buf = binary.LittleEndian.AppendUint32(buf, time)
	buf = append(buf, sum[:]...)
	buf = append(buf, data...)
	binary.LittleEndian.PutUint32(buf[start+4:], recordCRC(buf[start:], salt, offset))
	return buf
}

func recordCRC(rec []byte, salt, offset uint64) uint32 {
	seed := (salt + offset) * 0x9e3779b97f4a7c15 // spreads every bit to the upper half
	return crc32.Update(uint32(seed>>32), castagnoli, rec[8:])
}

// parseRecordHead reads a header; rec has at least recordHead octets.
func parseRecordHead(rec []byte) (h recordHeader) {
	h.magic = binary.LittleEndian.Uint32(rec)
	h.crc = binary.LittleEndian.Uint32(rec[4:])
	h.length = binary.LittleEndian.Uint32(rec[8:])
	h.time = binary.LittleEndian.Uint32(rec[12:])
	copy(h.sum[:], rec[16:])
	return h
}

// valid reports whether rec, the whole record, is what was written there.
func (h recordHeader) valid(rec []byte, salt, offset uint64) bool {
	return h.magic == recordMagic && len(rec) == recordHead+int(h.length) && h.crc == recordCRC(rec, salt, offset)
}

// place is where a record lies. Segment 0 is a large file.
type place struct {
	segment uint32
	offset  uint32
	length  uint64
}

// makeRef returns the SHA-256 followed by segment, offset and length as varints;
// for a large file by zero and the length.
func makeRef(sum [32]byte, p place) blob.Ref {
	buf := make([]byte, 0, 32+3*binary.MaxVarintLen32+5)
	buf = append(buf, sum[:]...)
	buf = binary.AppendUvarint(buf, uint64(p.segment))
	if p.segment != 0 {
		buf = binary.AppendUvarint(buf, uint64(p.offset))
	}
	return blob.Ref(binary.AppendUvarint(buf, p.length))
}

// errBadRef reports what is no reference of this store: it names no blob.
var errBadRef = fmt.Errorf("malformed reference: %w", blob.ErrNotFound)

// parseRef is the reverse.
func parseRef(ref blob.Ref) (sum [32]byte, p place, err error) {
	if len(ref) < 34 || len(ref) > 64 {
		return sum, p, errBadRef
	}
	copy(sum[:], ref)
	var buf [32]byte
	rest := buf[:copy(buf[:], ref[32:])]
	segment, rest, ok := cutUvarint(rest, 1<<32-1)
	offset, limit := uint64(0), uint64(1<<63-1)
	if ok && segment != 0 {
		offset, rest, ok = cutUvarint(rest, 1<<32-1)
		limit = 1<<32 - 1
	}
	if ok {
		p.length, rest, ok = cutUvarint(rest, limit)
	}
	if !ok || len(rest) > 0 {
		return sum, place{}, errBadRef
	}
	p.segment, p.offset = uint32(segment), uint32(offset)
	return sum, p, nil
}

// cutUvarint takes a number of at most limit from the front of p.
func cutUvarint(p []byte, limit uint64) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(p)
	if n <= 0 || v > limit {
		return 0, nil, false
	}
	return v, p[n:], true
}
