package uid

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sort"
)

// ChunkBits says how many low bits of a UID count inside a chunk: the index of
// a mailbox is kept in chunks of 4096 UIDs, so that a new or expunged message
// changes one small record whatever the size of the mailbox.
const ChunkBits = 12

const (
	chunkSize  = 1 << ChunkBits
	chunkWords = chunkSize / 64
)

// ChunkOf returns the number of the chunk that holds u.
func ChunkOf(u UID) uint32 { return uint32(u) >> ChunkBits }

// Chunk is the UIDs of a mailbox with the same high bits, as one immutable
// value: a single run where the UIDs have no gap, else a bitmap.
type Chunk struct {
	number uint32
	// first and last bound the UIDs; without bitmap all between exist.
	first, last uint16
	count       uint16 // 1 to 4096
	bitmap      *[chunkWords]uint64
}

// Number is the chunk's number: its UIDs shifted right by ChunkBits.
func (c Chunk) Number() uint32 { return c.number }

// Len is the number of UIDs in the chunk.
func (c Chunk) Len() int { return int(c.count) }

// NewChunk returns the chunk with that number holding those UIDs of s that
// belong to it.
func NewChunk(number uint32, s Set) Chunk {
	c := Chunk{number: number}
	base := UID(number) << ChunkBits
	return c.Add(s.Intersect(Set{{max(base, 1), base + chunkSize - 1}}))
}

// Add returns the chunk with the UIDs of s, all of which must belong to it.
func (c Chunk) Add(s Set) Chunk {
	for i, r := range s {
		first, last := low(r.First), low(r.Last)
		switch {
		case c.count == 0:
			c.first, c.last, c.count = first, last, last-first+1
		case c.bitmap == nil && first == c.last+1:
			c.last, c.count = last, c.count+last-first+1
		default:
			return c.setBits(s[i:], true)
		}
	}
	return c
}

// Remove returns the chunk without the UIDs of s, all of which must belong to
// it by number.
func (c Chunk) Remove(s Set) Chunk {
	if c.count == 0 || len(s) == 0 {
		return c
	}
	return c.setBits(s, false)
}

// setBits copies the bitmap, changes it, and goes back to a run if it is one.
func (c Chunk) setBits(s Set, on bool) Chunk {
	m := c.words()
	for _, r := range s {
		first, last := low(r.First), low(r.Last)
		for w := first / 64; w <= last/64; w++ {
			if on {
				m[w] |= bitsOf(w, first, last)
			} else {
				m[w] &^= bitsOf(w, first, last)
			}
		}
	}
	return fromWords(c.number, &m)
}

func (c Chunk) words() (m [chunkWords]uint64) {
	if c.bitmap != nil {
		return *c.bitmap
	}
	if c.count > 0 {
		for w := c.first / 64; w <= c.last/64; w++ {
			m[w] = bitsOf(w, c.first, c.last)
		}
	}
	return m
}

// low is the part of a UID that counts inside its chunk.
func low(u UID) uint16 { return uint16(u & (chunkSize - 1)) }

// bitsOf returns which bits of the w-th word lie from first to last, at least
// one of them in the word.
func bitsOf(w, first, last uint16) uint64 {
	low, high := max(first, w*64)%64, min(last, w*64+63)%64
	return ^uint64(0) << low & (^uint64(0) >> (63 - high))
}

// ChunkWords is a set of UIDs of a chunk by their low bits, the least bit of the first word first.
type ChunkWords [chunkWords]uint64

// ChunkOfWords returns the chunk with those UIDs. It holds on to m.
func ChunkOfWords(number uint32, m *ChunkWords) Chunk {
	return fromWords(number, (*[chunkWords]uint64)(m))
}

func fromWords(number uint32, m *[chunkWords]uint64) Chunk {
	c := Chunk{number: number}
	for w, word := range m {
		if word == 0 {
			continue
		}
		if c.count == 0 {
			c.first = uint16(w*64 + bits.TrailingZeros64(word))
		}
		c.last = uint16(w*64 + 63 - bits.LeadingZeros64(word))
		c.count += uint16(bits.OnesCount64(word))
	}
	if c.count > 0 && int(c.last)-int(c.first)+1 != int(c.count) {
		c.bitmap = m
	}
	return c
}

// Contains reports whether u, which must belong to the chunk by number, is in it.
func (c Chunk) Contains(u UID) bool { return c.contains(low(u)) }

// Set returns the chunk's UIDs.
func (c Chunk) Set() Set {
	base := UID(c.number) << ChunkBits
	if c.count == 0 {
		return nil
	}
	if c.bitmap == nil {
		return Set{{base | UID(c.first), base | UID(c.last)}}
	}
	var s Set
	for w, word := range c.bitmap {
		for word != 0 {
			start := bits.TrailingZeros64(word)
			run := bits.TrailingZeros64(^(word >> start))
			first := base | UID(w*64+start)
			s = s.AddRange(first, first+UID(run)-1)
			if start+run >= 64 {
				break
			}
			word &^= (1<<run - 1) << start
		}
	}
	return s
}

// rank is the number of UIDs in the chunk below the one with these low bits.
func (c Chunk) rank(low uint16) int {
	if c.bitmap == nil {
		return int(min(max(low, c.first), c.last+1) - c.first)
	}
	n := 0
	for w := range int(low / 64) {
		n += bits.OnesCount64(c.bitmap[w])
	}
	return n + bits.OnesCount64(c.bitmap[low/64]&(1<<(low%64)-1))
}

// at returns the low bits of the chunk's n-th UID, counted from 0.
func (c Chunk) at(n int) uint16 {
	if c.bitmap == nil {
		return c.first + uint16(n)
	}
	for w, word := range c.bitmap {
		k := bits.OnesCount64(word)
		if n >= k {
			n -= k
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return uint16(w*64 + bits.TrailingZeros64(word))
	}
	return c.last
}

func (c Chunk) contains(low uint16) bool {
	if c.bitmap == nil {
		return c.count > 0 && low >= c.first && low <= c.last
	}
	return c.bitmap[low/64]>>(low%64)&1 == 1
}

// AppendBinary appends the chunk as the store keeps it: its bounds, and the
// bitmap between them where there are gaps.
func (c Chunk) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.first))
	b = binary.AppendUvarint(b, uint64(c.last))
	if c.bitmap != nil {
		for w := c.first / 64; w <= c.last/64; w++ {
			b = binary.LittleEndian.AppendUint64(b, c.bitmap[w])
		}
	}
	return b
}

var errChunk = errors.New("uid: chunk is damaged")

// ParseChunk reads what AppendBinary wrote; it never holds on to b.
func ParseChunk(number uint32, b []byte) (Chunk, error) {
	first, n := binary.Uvarint(b)
	last, k := binary.Uvarint(b[max(n, 0):])
	if n <= 0 || k <= 0 || first > last || last >= chunkSize {
		return Chunk{}, fmt.Errorf("%w: chunk %d: bounds", errChunk, number)
	}
	b = b[n+k:]
	if len(b) == 0 {
		return Chunk{number: number, first: uint16(first), last: uint16(last), count: uint16(last - first + 1)}, nil
	}
	low, high := int(first/64), int(last/64)
	if len(b) != 8*(high-low+1) {
		return Chunk{}, fmt.Errorf("%w: chunk %d: bitmap of %d octets", errChunk, number, len(b))
	}
	var m [chunkWords]uint64
	for w := low; w <= high; w++ {
		m[w] = binary.LittleEndian.Uint64(b[8*(w-low):])
	}
	return fromWords(number, &m), nil
}

// Index is all UIDs of a mailbox in order, immutable and shared between
// sessions. It turns sequence numbers into UIDs and back in O(log n) and takes
// a few hundred octets where a mailbox has no gaps, an eighth of an octet a UID
// and less where it has.
type Index struct {
	chunks []Chunk
	before []int // before[i] is the number of UIDs in the chunks before i
	count  int
}

// NewIndex returns the index of the given chunks, which must be in ascending
// order; empty chunks are left out.
func NewIndex(chunks []Chunk) *Index {
	x := &Index{chunks: slices.DeleteFunc(chunks, func(c Chunk) bool { return c.count == 0 })}
	x.before = make([]int, len(x.chunks))
	for i, c := range x.chunks {
		x.before[i] = x.count
		x.count += int(c.count)
	}
	return x
}

// Chunks returns the index's chunks, not to be changed.
func (x *Index) Chunks() []Chunk { return x.chunks }

// Chunk returns the chunk with a number, an empty one if there is none.
func (x *Index) Chunk(number uint32) Chunk {
	if i := x.chunkAt(number); i < len(x.chunks) && x.chunks[i].number == number {
		return x.chunks[i]
	}
	return Chunk{number: number}
}

// Len is the number of UIDs.
func (x *Index) Len() int { return x.count }

// Max is the greatest UID, 0 if there is none.
func (x *Index) Max() UID {
	if x.count == 0 {
		return 0
	}
	c := x.chunks[len(x.chunks)-1]
	return UID(c.number)<<ChunkBits | UID(c.last)
}

// UID returns the UID with a sequence number from 1 to Len, otherwise 0.
func (x *Index) UID(seq int) UID {
	if seq < 1 || seq > x.count {
		return 0
	}
	i := sort.SearchInts(x.before, seq) - 1 // the last chunk that begins before seq
	c := x.chunks[i]
	return UID(c.number)<<ChunkBits | UID(c.at(seq-1-x.before[i]))
}

// Seq returns the sequence number of u; where u is not in the index ok is false
// and seq is the one that the next greater UID has (Len+1 at the end).
func (x *Index) Seq(u UID) (seq int, ok bool) {
	i := x.chunkAt(ChunkOf(u))
	if i == len(x.chunks) {
		return x.count + 1, false
	}
	c := x.chunks[i]
	if c.number != ChunkOf(u) {
		return x.before[i] + 1, false
	}
	return x.before[i] + c.rank(low(u)) + 1, c.contains(low(u))
}

// Contains reports whether u is in the index.
func (x *Index) Contains(u UID) bool {
	_, ok := x.Seq(u)
	return ok
}

// chunkAt is the position of the first chunk with at least that number.
func (x *Index) chunkAt(number uint32) int {
	return sort.Search(len(x.chunks), func(i int) bool { return x.chunks[i].number >= number })
}

// Set returns all UIDs.
func (x *Index) Set() Set {
	var s Set
	for _, c := range x.chunks {
		for _, r := range c.Set() {
			s = s.AddRange(r.First, r.Last)
		}
	}
	return s
}

// Intersect returns the UIDs of s that are in the index.
func (x *Index) Intersect(s Set) Set {
	var out Set
	for _, r := range s {
		for i := x.chunkAt(ChunkOf(r.First)); i < len(x.chunks) && x.chunks[i].number <= ChunkOf(r.Last); i++ {
			for _, q := range x.chunks[i].Set().Intersect(Set{r}) {
				out = out.AddRange(q.First, q.Last)
			}
		}
	}
	return out
}

// Minus returns the UIDs of x that are not in y. Chunks that both share cost
// nothing.
func (x *Index) Minus(y *Index) Set {
	var out Set
	j := 0
	for _, c := range x.chunks {
		for j < len(y.chunks) && y.chunks[j].number < c.number {
			j++
		}
		rest := c.Set()
		if j < len(y.chunks) && y.chunks[j].number == c.number {
			if c.equal(y.chunks[j]) {
				continue
			}
			rest = rest.Minus(y.chunks[j].Set())
		}
		for _, r := range rest {
			out = out.AddRange(r.First, r.Last)
		}
	}
	return out
}

func (c Chunk) equal(d Chunk) bool {
	if c.first != d.first || c.last != d.last || c.count != d.count {
		return false
	}
	return c.bitmap == d.bitmap || c.bitmap != nil && d.bitmap != nil && *c.bitmap == *d.bitmap
}
