package uid

import (
	"math/bits"
	"slices"
)

// This file treats an Index as a set that is combined with others chunk by
// chunk. Results share the chunks that they have in common with an operand.

// And returns the UIDs that are in both.
func (x *Index) And(y *Index) *Index {
	if x == y {
		return x
	}
	return x.combine(y, Chunk.and, false, false)
}

// AndNot returns the UIDs of x that are not in y.
func (x *Index) AndNot(y *Index) *Index {
	if y.count == 0 {
		return x
	}
	return x.combine(y, Chunk.andNot, true, false)
}

// Or returns the UIDs that are in one of both.
func (x *Index) Or(y *Index) *Index {
	switch {
	case x == y, y.count == 0:
		return x
	case x.count == 0:
		return y
	}
	return x.combine(y, Chunk.or, true, true)
}

// combine applies op to chunks with the same number. Chunks that only one side
// has are kept if the side says so.
func (x *Index) combine(y *Index, op func(a, b Chunk) Chunk, keepX, keepY bool) *Index {
	chunks := make([]Chunk, 0, len(x.chunks))
	a, b := x.chunks, y.chunks
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].number < b[0].number:
			if keepX {
				chunks = append(chunks, a[0])
			}
			a = a[1:]
		case len(a) == 0 || b[0].number < a[0].number:
			if keepY {
				chunks = append(chunks, b[0])
			}
			b = b[1:]
		default:
			if c := op(a[0], b[0]); c.count > 0 {
				chunks = append(chunks, c)
			}
			a, b = a[1:], b[1:]
		}
	}
	return NewIndex(chunks)
}

// covers reports whether all UIDs of d are in c, as far as that can be told at
// once.
func (c Chunk) covers(d Chunk) bool {
	return c.bitmap == nil && c.first <= d.first && d.last <= c.last || c.bitmap == d.bitmap && c.count == d.count && c.first == d.first
}

// apart reports whether no UID of one lies between those of the other.
func (c Chunk) apart(d Chunk) bool { return c.last < d.first || d.last < c.first }

func (c Chunk) and(d Chunk) Chunk {
	switch {
	case d.covers(c):
		return c
	case c.covers(d):
		return d
	case c.apart(d):
		return Chunk{number: c.number}
	}
	return c.combine(d, func(a, b uint64) uint64 { return a & b })
}

func (c Chunk) andNot(d Chunk) Chunk {
	switch {
	case d.covers(c):
		return Chunk{number: c.number}
	case c.apart(d):
		return c
	}
	return c.combine(d, func(a, b uint64) uint64 { return a &^ b })
}

func (c Chunk) or(d Chunk) Chunk {
	switch {
	case d.covers(c):
		return d
	case c.covers(d):
		return c
	}
	return c.combine(d, func(a, b uint64) uint64 { return a | b })
}

func (c Chunk) combine(d Chunk, op func(a, b uint64) uint64) Chunk {
	m, n := c.words(), d.words()
	count := 0
	for w := range m {
		m[w] = op(m[w], n[w])
		count += bits.OnesCount64(m[w])
	}
	switch {
	case count == 0:
		return Chunk{number: c.number}
	case count == int(c.count) && m == c.words():
		return c
	case count == int(d.count) && m == n:
		return d
	}
	return fromWords(c.number, &m)
}

// Within returns the UIDs of x that are in s.
func (x *Index) Within(s Set) *Index {
	if len(s) == 1 && (x.count == 0 || s[0].First <= x.UID(1) && s[0].Last >= x.Max()) {
		return x
	}
	var chunks []Chunk
	byChunk(s, x.chunkNumbers, func(number uint32, part Set) {
		if i := x.chunkAt(number); i < len(x.chunks) && x.chunks[i].number == number {
			chunks = append(chunks, x.chunks[i].within(part))
		}
	})
	return NewIndex(chunks)
}

func (c Chunk) within(s Set) Chunk {
	if len(s) == 1 && low(s[0].First) <= c.first && low(s[0].Last) >= c.last {
		return c
	}
	return c.and(NewChunk(c.number, s))
}

// Add returns x with the UIDs of s.
func (x *Index) Add(s Set) *Index { return x.change(s, Chunk.Add) }

// Remove returns x without the UIDs of s.
func (x *Index) Remove(s Set) *Index {
	if x.count == 0 {
		return x
	}
	return x.change(s.Intersect(Set{{x.UID(1), x.Max()}}), Chunk.Remove)
}

func (x *Index) change(s Set, op func(Chunk, Set) Chunk) *Index {
	if s.Empty() {
		return x
	}
	chunks := slices.Clone(x.chunks)
	byChunk(s, nil, func(number uint32, part Set) {
		i, found := slices.BinarySearchFunc(chunks, number, func(c Chunk, n uint32) int { return int(int64(c.number) - int64(n)) })
		if !found {
			chunks = slices.Insert(chunks, i, Chunk{number: number})
		}
		chunks[i] = op(chunks[i], part)
	})
	return NewIndex(chunks)
}

// From returns x with other chunks in the place of those from a number on. The
// chunks must be in ascending order.
func (x *Index) From(number uint32, chunks []Chunk) *Index {
	return NewIndex(append(slices.Clone(x.chunks[:x.chunkAt(number)]), chunks...))
}

// chunkNumbers tells which chunks of x lie from one number to another.
func (x *Index) chunkNumbers(first, last uint32) (numbers []uint32) {
	for i := x.chunkAt(first); i < len(x.chunks) && x.chunks[i].number <= last; i++ {
		numbers = append(numbers, x.chunks[i].number)
	}
	return numbers
}

// byChunk calls fn with the parts of s that belong to one chunk each, in
// ascending order. between, if not nil, says which chunks matter from one number
// to another, so that a range of all UIDs costs no more than those.
func byChunk(s Set, between func(first, last uint32) []uint32, fn func(number uint32, part Set)) {
	var part Set
	at := uint32(0)
	add := func(number uint32, r Range) {
		if number != at && len(part) > 0 {
			fn(at, part)
			part = nil
		}
		base := UID(number) << ChunkBits
		at = number
		part = append(part, Range{max(r.First, base), min(r.Last, base|(chunkSize-1))})
	}
	for _, r := range s {
		first, last := ChunkOf(r.First), ChunkOf(r.Last)
		if between != nil && first != last {
			for _, number := range between(first, last) {
				add(number, r)
			}
			continue
		}
		for number := first; ; number++ {
			add(number, r)
			if number == last {
				break
			}
		}
	}
	if len(part) > 0 {
		fn(at, part)
	}
}

// Builder makes an Index of UIDs that come in ascending order.
type Builder struct {
	chunks []Chunk
	number uint32
	words  *[chunkWords]uint64
}

// Add adds a UID that is greater than all before.
func (b *Builder) Add(u UID) {
	if b.words == nil || b.number != ChunkOf(u) {
		b.flush()
		b.number, b.words = ChunkOf(u), new([chunkWords]uint64)
	}
	b.words[low(u)/64] |= 1 << (low(u) % 64)
}

func (b *Builder) flush() {
	if b.words != nil {
		b.chunks = append(b.chunks, fromWords(b.number, b.words))
		b.words = nil
	}
}

// Index returns the UIDs that were added.
func (b *Builder) Index() *Index {
	b.flush()
	return NewIndex(b.chunks)
}

// Footprint is about how many octets of memory x takes.
func (x *Index) Footprint() int {
	n := 48 + len(x.chunks)*32
	for _, c := range x.chunks {
		if c.bitmap != nil {
			n += chunkSize / 8
		}
	}
	return n
}
