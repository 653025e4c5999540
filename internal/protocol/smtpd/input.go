package smtpd

import (
	"io"
	"sync"
)

// The sizes of an input: small between messages, so that idle connections are cheap, and large for
// content, so that reads are few.
const (
	smallInput = 2048
	largeInput = 64 << 10
)

var largeInputs = sync.Pool{New: func() any { return new([largeInput]byte) }}

// input holds what was read from the client and not yet used.
type input struct {
	buf   []byte // small or *large
	r, w  int    // buf[r:w] is unread
	large *[largeInput]byte
	small [smallInput]byte
}

func (in *input) init() { in.buf = in.small[:] }

// unread is what was read and not used, valid until fill.
func (in *input) unread() []byte { return in.buf[in.r:in.w] }

func (in *input) skip(n int) { in.r += n }

// space makes room and returns it.
func (in *input) space() []byte {
	switch {
	case in.r == in.w:
		in.r, in.w = 0, 0
	case in.w == len(in.buf) && in.r > 0:
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	case in.w == len(in.buf):
		in.enlarge()
	}
	return in.buf[in.w:]
}

// fill reads once from r. A large buffer that is full is an io.ErrShortBuffer.
func (in *input) fill(r io.Reader) error {
	space := in.space()
	if len(space) == 0 {
		return io.ErrShortBuffer
	}
	// A Reader may return nothing without an error, but not forever.
	for range 100 {
		n, err := r.Read(space)
		in.w += n
		if n > 0 {
			return nil // an error comes again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// enlarge makes the buffer large.
func (in *input) enlarge() {
	if in.large != nil {
		return
	}
	in.large = largeInputs.Get().(*[largeInput]byte)
	in.w = copy(in.large[:], in.buf[in.r:in.w])
	in.r = 0
	in.buf = in.large[:]
}

// settle makes the buffer small if it is empty.
func (in *input) settle() {
	if in.large != nil && in.r == in.w {
		in.discard()
	}
}

// discard forgets what was read and makes the buffer small.
func (in *input) discard() {
	in.r, in.w = 0, 0
	if in.large != nil {
		in.buf = in.small[:]
		largeInputs.Put(in.large)
		in.large = nil
	}
}
