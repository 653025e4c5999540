package index

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/postiljon/postiljon/internal/store"
)

// gram is three octets of folded text and the field they stand in. Text that holds a needle holds
// each gram of the needle, whatever the language, so that postings of grams never miss a message.
//
// Words (words.go) stand behind the grams, in fields of their own: the gram of a word is its
// first three octets, its suffix the others.
type gram uint32

const (
	gramSize = 3
	gramBits = 27 // three of the field, three octets
	keyBits  = 28 // with the fields of words
)

// isWord reports whether a gram is that of a word.
func (g gram) isWord() bool { return g>>gramBits != 0 }

func gramAt(f Field, b []byte) gram { return gram(f)<<24 | gram(b[0])<<16 | gram(b[1])<<8 | gram(b[2]) }

// maxSpan is how many emails apart the first and last of a run can be: in a run that grows, and in
// one that a few of those were merged to.
const (
	spanBits = 16
	maxSpan  = 1 << 12
	bigSpan  = 1 << spanBits
)

// span is a set of the emails of a run, by their distance from its first; nil is none.
type span []uint64

// newSpan returns the empty set of the emails from first to before end.
func newSpan(first, end store.EmailID) span { return make(span, (end-first+63)/64) }

func (s span) add(n uint32)      { s[n/64] |= 1 << (n % 64) }
func (s span) has(n uint32) bool { return s[n/64]&(1<<(n%64)) != 0 }

func (s span) and(o span) (any bool) {
	rest := uint64(0)
	for i := range s {
		s[i] &= o[i]
		rest |= s[i]
	}
	return rest != 0
}

// holds reports whether all of o is in s.
func (s span) holds(o span) bool {
	for i := range s {
		if o[i]&^s[i] != 0 {
			return false
		}
	}
	return true
}

// with returns what is in one of two sets; it may be made of the first.
func (s span) with(o span) span {
	if s == nil {
		return o
	}
	for i := range o {
		s[i] |= o[i]
	}
	return s
}

func (s span) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// appendTo appends the numbers in the set.
func (s span) appendTo(list []uint16) []uint16 {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			list = append(list, uint16(i*64+bits.TrailingZeros64(w)))
		}
	}
	return list
}

// A block is a sequence of entries in ascending order of grams, words of the same gram in that of
// their suffixes and in the same block:
//
//	gram   uvarint, the distance from the gram before; 0 for the first, which is the block's key
//	length uvarint, of what follows, times two, plus one for a bitmap
//	suffix of a word: an octet of length, and the suffix
//	emails uvarint each: the distance from the one before less one, the first as it is;
//	       or a bitmap, least bit of the first octet first
const blockSize = 4 << 10

var errDamaged = errors.New("index: damaged block")

// blockWriter makes the blocks of a run.
type blockWriter struct {
	blocks  []store.PostingBlock
	current []byte
	key     gram
	last    gram
	scratch []byte
	size    int64 // of all
	waiting int   // octets in blocks
	less    int   // how much smaller than blockSize the blocks are
}

// add writes the emails of a gram, or of the word with that suffix, which are ascending and at
// least one.
func (w *blockWriter) add(g gram, suffix []byte, emails []uint16) {
	if len(w.current) >= blockSize-w.less && g != w.last {
		w.flush()
	}
	if len(w.current) == 0 {
		w.key, w.last = g, g
	}
	w.scratch = w.scratch[:0]
	if g.isWord() {
		w.scratch = append(append(w.scratch, byte(len(suffix))), suffix...)
	}
	from := len(w.scratch)
	bitmap := 0
	if n := int(emails[len(emails)-1])/8 + 1; n < len(emails) {
		bitmap = 1
		w.scratch = append(w.scratch, make([]byte, n)...)
		for _, e := range emails {
			w.scratch[from+int(e/8)] |= 1 << (e % 8)
		}
	} else {
		next := uint16(0)
		for _, e := range emails {
			w.scratch = binary.AppendUvarint(w.scratch, uint64(e-next))
			next = e + 1
		}
	}
	w.current = binary.AppendUvarint(w.current, uint64(g-w.last))
	w.current = binary.AppendUvarint(w.current, uint64(len(w.scratch)<<1|bitmap))
	w.current = append(w.current, w.scratch...)
	w.last = g
}

func (w *blockWriter) flush() {
	if len(w.current) == 0 {
		return
	}
	w.blocks = append(w.blocks, store.PostingBlock{Key: uint32(w.key), Data: append([]byte(nil), w.current...)})
	w.size += int64(len(w.current))
	w.waiting += len(w.current)
	w.current = w.current[:0]
}

// entries walks a block.
type entries struct {
	b      []byte
	gram   gram
	suffix []byte // of a word
	data   []byte
	bitmap bool
	bad    bool
}

func readBlock(b store.PostingBlock) entries { return entries{b: b.Data, gram: gram(b.Key)} }

// next goes to the next entry and reports whether there is one.
func (e *entries) next() bool {
	if len(e.b) == 0 {
		return false
	}
	distance, n := binary.Uvarint(e.b)
	if n <= 0 || distance > 1<<keyBits {
		return e.damaged()
	}
	length, m := binary.Uvarint(e.b[n:])
	if m <= 0 || length>>1 > uint64(len(e.b)-n-m) {
		return e.damaged()
	}
	e.gram += gram(distance)
	e.bitmap = length&1 != 0
	e.data, e.b = e.b[n+m:n+m+int(length>>1)], e.b[n+m+int(length>>1):]
	if e.suffix = nil; e.gram.isWord() {
		if len(e.data) == 0 || int(e.data[0]) >= len(e.data) {
			return e.damaged()
		}
		e.suffix, e.data = e.data[1:1+e.data[0]], e.data[1+e.data[0]:]
	}
	return true
}

func (e *entries) damaged() bool {
	e.bad, e.b = true, nil
	return false
}

// emails adds the emails of the entry to a set.
func (e *entries) emails(to span) error {
	if e.bitmap {
		if len(e.data) > len(to)*8 {
			return errDamaged
		}
		for i, c := range e.data {
			to[i/8] |= uint64(c) << (i % 8 * 8)
		}
		return nil
	}
	at := uint64(0)
	for b := e.data; len(b) > 0; at++ {
		d, n := binary.Uvarint(b)
		if n <= 0 || at+d >= uint64(len(to))*64 {
			return errDamaged
		}
		at += d
		to.add(uint32(at))
		b = b[n:]
	}
	return nil
}
