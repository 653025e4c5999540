package netserve

import (
	"net/http"
	"time"
)

// Patient writes an answer over HTTP with a deadline that moves with what goes out: a slow line has all the time that it needs, and one that takes
// nothing in ends the answer.
type Patient struct {
	http.ResponseWriter
	control *http.ResponseController
	wait    time.Duration
	moved   time.Time
	err     error
}

// Patiently returns a writer of an answer that waits so long for a client to take more of it.
func Patiently(w http.ResponseWriter, wait time.Duration) *Patient {
	return &Patient{ResponseWriter: w, control: http.NewResponseController(w), wait: wait}
}

// pieceSize is how much a client must take in at once, in octets.
const pieceSize = 64 << 10

func (p *Patient) Write(b []byte) (n int, err error) {
	for begun := true; begun || len(b) > 0; begun = false {
		if now := time.Now(); now.Sub(p.moved) > p.wait/10 {
			p.moved = now
			_ = p.control.SetWriteDeadline(now.Add(p.wait)) // a connection that cannot has none
		}
		m, err := p.ResponseWriter.Write(b[:min(len(b), pieceSize)])
		if n += m; err != nil {
			p.err = err
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// Err is why the client did not get all that was written, nil if it may have.
func (p *Patient) Err() error { return p.err }

// Abort has the answer end in a way that the client sees: its end cannot be written any more.
func (p *Patient) Abort() { _ = p.control.SetWriteDeadline(time.Unix(1, 0)) }

// Unwrap lets http.ResponseController through.
func (p *Patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
