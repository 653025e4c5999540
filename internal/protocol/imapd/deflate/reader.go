package deflate

import (
	"errors"
	"io"
)

// ErrCorrupt reports a stream that is not deflated.
var ErrCorrupt = errors.New("deflate: stream is corrupt")

// errMore asks for more input. What was read of an unfinished element is not used up.
var errMore = errors.New("deflate: more input")

const (
	inputSize   = 2 << 10
	firstWindow = 1 << 10
	maxWindow   = 32 << 10 // RFC 1951 section 2
)

// Reader inflates a stream (RFC 1951). It hands out every octet as soon as it is known, whatever
// way the sender flushes. Errors of its source are returned and not kept: after a timeout reading
// can go on.
type Reader struct {
	src  io.Reader
	in   []byte // what is not decoded yet is in[r:]
	r    int
	room []byte // of in, once received is used up
	bits uint64 // the next nbits bits of the stream, the first is the lowest
	n    uint
	err  error // ErrCorrupt or io.EOF, for good

	step  func(*Reader) error
	final bool // the block is the last one
	out   []byte
	done  int // octets of out that are filled

	window []byte // the last octets, a ring whose size is a power of two
	total  int    // octets that were ever decoded

	left     int // octets of a stored block, or of a match
	distance int

	codes, wanted     int // lengths of codes: how many are read, how many are to be
	literals, lengths int // of how many symbols a dynamic block has codes
	size              [320]uint8
	lit, dist         huffman
}

// NewReader returns a reader of a source; received is what was read from that already.
func NewReader(src io.Reader, received []byte) *Reader {
	return &Reader{src: src, in: received, step: (*Reader).header}
}

// Read implements io.Reader.
func (d *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	d.out, d.done = p, 0
	for {
		for d.err == nil && d.done < len(p) {
			if err := d.step(d); err == errMore {
				break
			} else if err != nil {
				d.err = err
			}
		}
		if d.done > 0 {
			d.out = nil
			return d.done, nil
		}
		if d.err != nil {
			return 0, d.err
		}
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
}

// fill reads from the source.
func (d *Reader) fill() error {
	if d.room == nil {
		d.room = make([]byte, inputSize)
	}
	n, err := d.src.Read(d.room)
	d.in, d.r = d.room[:n], 0
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	if n > 0 {
		return nil // the error comes again
	}
	return err
}

// load fills the bits: 57 of them, or all that there are.
func (d *Reader) load() {
	for d.n <= 56 && d.r < len(d.in) {
		d.bits |= uint64(d.in[d.r]) << d.n
		d.r++
		d.n += 8
	}
}

// take reads k bits, or none if there are fewer.
func (d *Reader) take(k uint) (int, bool) {
	if d.load(); d.n < k {
		return 0, false
	}
	v := int(d.bits & (1<<k - 1))
	d.bits >>= k
	d.n -= k
	return v, true
}

// emit hands out an octet and remembers it.
func (d *Reader) emit(c byte) {
	if d.total == len(d.window) && len(d.window) < maxWindow {
		grown := make([]byte, max(firstWindow, 2*len(d.window)))
		copy(grown, d.window)
		d.window = grown
	}
	d.window[d.total&(len(d.window)-1)] = c
	d.total++
	d.out[d.done] = c
	d.done++
}

// header reads the header of a block (section 3.2.3).
func (d *Reader) header() error {
	if d.final {
		return io.EOF
	}
	v, ok := d.take(3)
	if !ok {
		return errMore
	}
	d.final = v&1 != 0
	switch v >> 1 {
	case 0:
		d.step = (*Reader).storedHeader
		d.take(d.n % 8)
	case 1:
		d.fixed()
		d.step = (*Reader).symbol
	case 2:
		d.step = (*Reader).dynamicHeader
	default:
		return ErrCorrupt
	}
	return nil
}

// storedHeader reads the length of a block that is not compressed (section 3.2.4).
func (d *Reader) storedHeader() error {
	v, ok := d.take(32)
	if !ok {
		return errMore
	}
	d.left = v & 0xffff
	if d.left != v>>16^0xffff {
		return ErrCorrupt
	}
	d.step = (*Reader).stored
	return nil
}

func (d *Reader) stored() error {
	for ; d.left > 0; d.left-- {
		if d.done == len(d.out) {
			return nil
		}
		c, ok := d.take(8)
		if !ok {
			return errMore
		}
		d.emit(byte(c))
	}
	d.step = (*Reader).header
	return nil
}

// fixed makes the codes of section 3.2.6.
func (d *Reader) fixed() {
	for i := range 288 {
		switch {
		case i < 144, i >= 280:
			d.size[i] = 8
		case i < 256:
			d.size[i] = 9
		default:
			d.size[i] = 7
		}
	}
	d.lit.build(d.size[:288])
	for i := range 30 {
		d.size[i] = 5
	}
	d.dist.build(d.size[:30])
}

// dynamicHeader reads how many codes a block has (section 3.2.7).
func (d *Reader) dynamicHeader() error {
	v, ok := d.take(14)
	if !ok {
		return errMore
	}
	d.literals, d.lengths = 257+v&0x1f, 1+v>>5&0x1f
	d.codes, d.wanted = 0, 4+v>>10
	if d.literals > 286 || d.lengths > 30 {
		return ErrCorrupt
	}
	clear(d.size[:])
	d.step = (*Reader).codeLengths
	return nil
}

// order is that of the lengths of the codes for lengths of codes.
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (d *Reader) codeLengths() error {
	for ; d.codes < d.wanted; d.codes++ {
		v, ok := d.take(3)
		if !ok {
			return errMore
		}
		d.size[order[d.codes]] = uint8(v)
	}
	if !d.dist.build(d.size[:19]) {
		return ErrCorrupt
	}
	d.codes, d.wanted = 0, d.literals+d.lengths
	d.step = (*Reader).codeSizes
	return nil
}

// codeSizes reads the lengths of the codes of a block, which are coded themselves.
func (d *Reader) codeSizes() error {
	for d.codes < d.wanted {
		d.load()
		symbol, used, err := d.dist.decode(d.bits, d.n)
		if err != nil {
			return err
		}
		repeat, value, extra := 1, uint8(symbol), uint(0)
		switch symbol {
		case 16:
			if d.codes == 0 {
				return ErrCorrupt
			}
			repeat, value, extra = 3, d.size[d.codes-1], 2
		case 17:
			repeat, value, extra = 3, 0, 3
		case 18:
			repeat, value, extra = 11, 0, 7
		}
		if d.n < used+extra {
			return errMore
		}
		repeat += int(d.bits >> used & (1<<extra - 1))
		d.bits >>= used + extra
		d.n -= used + extra
		if d.codes+repeat > d.wanted {
			return ErrCorrupt
		}
		for ; repeat > 0; repeat-- {
			d.size[d.codes] = value
			d.codes++
		}
	}
	return d.dynamicCodes()
}

// dynamicCodes makes the codes of a block.
func (d *Reader) dynamicCodes() error {
	if d.size[256] == 0 || !d.lit.build(d.size[:d.literals]) || !d.dist.build(d.size[d.literals:d.wanted]) {
		return ErrCorrupt
	}
	d.step = (*Reader).symbol
	return nil
}

// The lengths and distances of section 3.2.5: where each symbol begins, and how many bits more.
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83,
		99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12,
		13, 13}
)

// symbol reads one literal, one match or the end of a block. A match of at most 48 bits is read
// whole or not at all.
func (d *Reader) symbol() error {
	d.load()
	symbol, used, err := d.lit.decode(d.bits, d.n)
	if err != nil {
		return err
	}
	bits, n := d.bits>>used, d.n-used
	switch {
	case symbol < 256:
		d.bits, d.n = bits, n
		d.emit(byte(symbol))
		return nil
	case symbol == 256:
		d.bits, d.n = bits, n
		d.step = (*Reader).header
		return nil
	case symbol >= 257+len(lengthBase):
		return ErrCorrupt
	}
	length, bits, n, ok := extra(lengthBase[symbol-257], lengthBits[symbol-257], bits, n)
	if !ok {
		return errMore
	}
	if symbol, used, err = d.dist.decode(bits, n); err != nil {
		return err
	}
	if symbol >= len(distBase) {
		return ErrCorrupt
	}
	distance, bits, n, ok := extra(distBase[symbol], distBits[symbol], bits>>used, n-used)
	if !ok {
		return errMore
	}
	if distance > min(d.total, maxWindow) {
		return ErrCorrupt
	}
	d.bits, d.n = bits, n
	d.left, d.distance = length, distance
	d.step = (*Reader).match
	return nil
}

// extra adds the bits that follow a symbol to its base.
func extra(base uint16, k uint8, bits uint64, n uint) (int, uint64, uint, bool) {
	if n < uint(k) {
		return 0, 0, 0, false
	}
	return int(base) + int(bits&(1<<k-1)), bits >> k, n - uint(k), true
}

// match repeats what is so far back.
func (d *Reader) match() error {
	for ; d.left > 0; d.left-- {
		if d.done == len(d.out) {
			return nil
		}
		d.emit(d.window[(d.total-d.distance)&(len(d.window)-1)])
	}
	d.step = (*Reader).symbol
	return nil
}

// huffman is a canonical code (section 3.2.2): how many symbols have codes of each length, and the
// symbols in the order of their codes.
type huffman struct {
	count   [16]uint16
	symbols [288]uint16
}

// build makes the code of the given lengths. It reports false for a code that uses more than there
// is, or less, except that a code of one symbol may be of one bit.
func (h *huffman) build(lengths []uint8) bool {
	h.count = [16]uint16{}
	for _, l := range lengths {
		h.count[l]++
	}
	h.count[0] = 0
	left, symbols := 1, 0
	for _, n := range h.count[1:] {
		symbols += int(n)
		if left = left<<1 - int(n); left < 0 {
			return false
		}
	}
	var at [16]uint16
	for l := 1; l < 15; l++ {
		at[l+1] = at[l] + h.count[l]
	}
	for symbol, l := range lengths {
		if l != 0 {
			h.symbols[at[l]] = uint16(symbol)
			at[l]++
		}
	}
	return left == 0 || symbols == 0 || symbols == 1 && h.count[1] == 1
}

// decode finds the symbol whose code begins the n bits.
func (h *huffman) decode(bits uint64, n uint) (symbol int, used uint, err error) {
	code, first, index := 0, 0, 0
	for length := uint(1); length <= 15; length++ {
		if length > n {
			return 0, 0, errMore
		}
		code |= int(bits & 1)
		bits >>= 1
		count := int(h.count[length])
		if code-count < first {
			return int(h.symbols[index+code-first]), length, nil
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, 0, ErrCorrupt
}
