// Package deflate compresses a connection in both directions (RFC 4978, RFC 1951). It is made for
// many connections that are silent for most of the time: what compresses is borrowed for the
// length of a write, what decompresses holds the memory that its client's stream has filled, at
// most 32 KiB, and can be interrupted by a deadline at any octet and go on later.
package deflate

import (
	"bytes"
	"compress/flate"
	"net"
	"sync"
)

// Pool lends what connections need to compress. The zero Pool is ready.
type Pool struct{ writers, buffers sync.Pool }

// keepBuffer is the size up to which buffers are kept for others.
const keepBuffer = 256 << 10

// Conn is a compressed connection. Only Read and Write differ from those of the connection below.
type Conn struct {
	net.Conn
	pool *Pool
	r    *Reader
}

// New compresses a connection from now on. received is what was read from it already and belongs
// to the compressed stream.
func New(nc net.Conn, pool *Pool, received []byte) *Conn {
	return &Conn{Conn: nc, pool: pool, r: NewReader(nc, received)}
}

// Read implements net.Conn. After a timeout it can be called again.
func (c *Conn) Read(p []byte) (int, error) { return c.r.Read(p) }

// Write implements net.Conn: it compresses p and sends it so that the other side can read all of
// it. Each write stands for itself: nothing in it refers to what was sent before, so that no
// memory of that is kept.
func (c *Conn) Write(p []byte) (int, error) {
	buf, ok := c.pool.buffers.Get().(*bytes.Buffer)
	if !ok {
		buf = &bytes.Buffer{}
	}
	buf.Reset()
	if err := c.pool.compress(buf, p); err != nil {
		return 0, err
	}
	_, err := c.Conn.Write(buf.Bytes())
	if buf.Cap() <= keepBuffer {
		c.pool.buffers.Put(buf)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// compress writes p as blocks that end at an octet, none of them the last of the stream.
func (p *Pool) compress(dst *bytes.Buffer, src []byte) (err error) {
	w, ok := p.writers.Get().(*flate.Writer)
	if !ok {
		if w, err = flate.NewWriter(dst, flate.BestSpeed); err != nil {
			return err
		}
	} else {
		w.Reset(dst)
	}
	if _, err = w.Write(src); err != nil {
		return err
	}
	if err = w.Flush(); err != nil {
		return err
	}
	p.writers.Put(w)
	return nil
}
