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
//	 4  4  CRC-32C of the segment's salt, the record's offset, and all that follows
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
	var seed [16]byte
	binary.LittleEndian.PutUint64(seed[:], salt)
	binary.LittleEndian.PutUint64(seed[8:], offset)
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, rec[8:])
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

// parseRef is the reverse. What is no reference of this store names no blob.
func parseRef(ref blob.Ref) (sum [32]byte, p place, err error) {
	bad := fmt.Errorf("malformed reference: %w", blob.ErrNotFound)
	if len(ref) < 34 || len(ref) > 64 {
		return sum, p, bad
	}
	copy(sum[:], ref)
	rest := []byte(ref[32:])
	next := func(limit uint64) uint64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > limit {
			rest, n = nil, 0
			err = bad
			return 0
		}
		rest = rest[n:]
		return v
	}
	p.segment = uint32(next(1<<32 - 1))
	if p.segment != 0 {
		p.offset = uint32(next(1<<32 - 1))
		p.length = next(1<<32 - 1)
	} else {
		p.length = next(1<<63 - 1)
	}
	if len(rest) > 0 {
		err = bad
	}
	return sum, p, err
}
