package imapd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/protocol/imapd/deflate"
)

// buffer is a pooled slice.
type buffer struct{ b []byte }

const (
	inputSize  = 4 << 10   // room for one read of commands
	keepBuffer = 256 << 10 // larger ones are not pooled
)

// pools are the buffers that sessions share.
type pools struct {
	inputs, outputs, messages sync.Pool
	deflate                   deflate.Pool
}

func (p *pools) input() *buffer {
	if b, ok := p.inputs.Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, inputSize)}
}

func (p *pools) output() *buffer {
	if b, ok := p.outputs.Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 0, inputSize)}
}

// message returns a buffer for n octets, at most putWhole. Give it back to messages.
func (p *pools) message(n int) *buffer {
	b, ok := p.messages.Get().(*buffer)
	if !ok {
		b = &buffer{make([]byte, putWhole)}
	}
	b.b = b.b[:n]
	return b
}

// input reads from the client. It has a buffer only while there is something in it: ten thousand
// clients that say nothing cost no buffers.
type input struct {
	src   net.Conn
	pools *pools
	buf   *buffer // nil: nothing is buffered
	r, w  int     // buf.b[r:w] is not read yet
	// first takes the first octets after a wait. Most commands fit.
	first [128]byte
}

var errLineTooLong = errors.New("imapd: line too long")

// buffered reports how many octets are there to be read without waiting.
func (in *input) buffered() int { return in.w - in.r }

// release gives an empty buffer back.
func (in *input) release() {
	if in.buf == nil || in.buffered() > 0 {
		return
	}
	if len(in.buf.b) == inputSize {
		in.pools.inputs.Put(in.buf)
	}
	in.buf, in.r, in.w = nil, 0, 0
}

// wait blocks until something can be read. The buffer must be empty.
func (in *input) wait() error {
	in.release()
	n, err := in.src.Read(in.first[:])
	if n > 0 {
		in.buf = in.pools.input()
		in.w = copy(in.buf.b, in.first[:n])
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// fill reads more behind what is buffered, making room if need be.
func (in *input) fill() error {
	if in.buf == nil {
		return in.wait()
	}
	if in.r > 0 {
		copy(in.buf.b, in.buf.b[in.r:in.w])
		in.w -= in.r
		in.r = 0
	}
	if in.w == len(in.buf.b) {
		grown := make([]byte, 2*len(in.buf.b))
		copy(grown, in.buf.b)
		in.buf = &buffer{grown}
	}
	n, err := in.src.Read(in.buf.b[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// line reads up to the next LF and returns what is before it and the CR before that. The slice is
// valid until the next read. A line of more than limit octets is errLineTooLong; what was read of
// it is returned and stays buffered.
func (in *input) line(limit int) ([]byte, error) {
	for scanned := 0; ; {
		if in.buf != nil {
			if i := bytes.IndexByte(in.buf.b[in.r+scanned:in.w], '\n'); i >= 0 {
				line := in.buf.b[in.r : in.r+scanned+i]
				in.r += scanned + i + 1
				if len(line) > limit {
					return line, errLineTooLong
				}
				return bytes.TrimSuffix(line, []byte("\r")), nil
			}
			scanned = in.buffered()
			if scanned > limit {
				return in.buf.b[in.r:in.w], errLineTooLong
			}
		}
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
}

// discardLine drops what is left of a line, if it ends within limit octets.
func (in *input) discardLine(limit int) error {
	for dropped := 0; dropped <= limit; {
		if in.buf != nil {
			if i := bytes.IndexByte(in.buf.b[in.r:in.w], '\n'); i >= 0 {
				in.r += i + 1
				return nil
			}
			dropped += in.buffered()
			in.r, in.w = 0, 0
		}
		if err := in.fill(); err != nil {
			return err
		}
	}
	return errLineTooLong
}

// Read reads what is buffered, otherwise straight from the client.
func (in *input) Read(p []byte) (int, error) {
	if in.buffered() > 0 {
		n := copy(p, in.buf.b[in.r:in.w])
		in.r += n
		return n, nil
	}
	return in.src.Read(p)
}

// discard drops n octets.
func (in *input) discard(n uint64) error {
	b := in.pools.input()
	defer in.pools.inputs.Put(b)
	for n > 0 {
		m, err := in.Read(b.b[:min(n, uint64(len(b.b)))])
		if m == 0 && err != nil {
			return err
		}
		n -= uint64(m)
	}
	return nil
}

// waker lets other goroutines interrupt a session that waits for its client, and no session that
// is at work. It uses the read deadline, which TLS survives.
type waker struct {
	mu       sync.Mutex
	conn     net.Conn
	waiting  bool
	noticed  bool // something to look at
	stopping bool // the server ends
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// notice tells the session that its mailbox may have changed. It never blocks.
func (w *waker) notice() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noticed = true
	w.interrupt()
}

// stop tells the session that the server ends.
func (w *waker) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	w.interrupt()
}

func (w *waker) interrupt() {
	if w.waiting {
		w.conn.SetReadDeadline(aLongTimeAgo)
	}
}

// begin starts a wait that ends at the deadline. It reports false if there is something to look at
// already.
func (w *waker) begin(deadline time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.noticed || w.stopping {
		return false, nil
	}
	w.waiting = true
	return true, w.conn.SetReadDeadline(deadline)
}

// end ends a wait and tells what came meanwhile.
func (w *waker) end() (noticed, stopping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	noticed, w.noticed = w.noticed, false
	return noticed, w.stopping
}

func (w *waker) isStopping() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopping
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
