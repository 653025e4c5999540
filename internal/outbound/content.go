package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// content is the message of a submission, open for sending.
type content struct {
	io.ReaderAt
	size   int64  // with what signing put in front
	header []byte // as it was submitted, with the empty line, as far as it is within headSize
	closer io.Closer
}

// sign puts the signatures of a message in front of it.
func (c *content) sign(prefix []byte) {
	if len(prefix) > 0 {
		c.ReaderAt = &prefixed{prefix, c.ReaderAt}
		c.size += int64(len(prefix))
	}
}

// prefixed reads some octets and then what follows them.
type prefixed struct {
	prefix []byte
	rest   io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (p *prefixed) ReadAt(b []byte, off int64) (n int, err error) {
	if off < int64(len(p.prefix)) {
		n = copy(b, p.prefix[off:])
		if n == len(b) {
			return n, nil
		}
	}
	m, err := p.rest.ReadAt(b[n:], off+int64(n)-int64(len(p.prefix)))
	return n + m, err
}

// headSize is how much of a message is looked at for its header, and up to
// where a message is read at once.
const headSize = 64 << 10

// maxHops is how many Received fields mean a loop (RFC 5321 section 6.3).
const maxHops = 100

func openContent(ctx context.Context, blobs blob.Store, sub *store.Submission) (*content, error) {
	head, err := blobs.Read(ctx, nil, sub.Blob, sub.Skip, headSize)
	if err != nil {
		return nil, fmt.Errorf("outbound: read message: %w", err)
	}
	c := &content{ReaderAt: bytes.NewReader(head), size: sub.Size, header: headerOf(head)}
	if sub.Size <= int64(len(head)) {
		return c, nil
	}
	b, err := blobs.Open(ctx, sub.Blob)
	if err != nil {
		return nil, fmt.Errorf("outbound: open message: %w", err)
	}
	if b.Size() < sub.Skip+sub.Size {
		return nil, errors.Join(fmt.Errorf("outbound: message has %d octets of %d", b.Size(), sub.Skip+sub.Size), b.Close())
	}
	c.ReaderAt, c.closer = io.NewSectionReader(b, sub.Skip, sub.Size), b
	return c, nil
}

func (c *content) close() {
	if c.closer != nil {
		_ = c.closer.Close() // it was only read
	}
}

// headerOf returns the header of a message that begins with head.
func headerOf(head []byte) []byte {
	if i := bytes.Index(head, []byte("\r\n\r\n")); i >= 0 {
		return head[:i+4]
	}
	return head
}

// hops counts the servers that the message has been through.
func (c *content) hops() (n int) {
	for f := range message.HeaderFields(c.header) {
		if bytes.EqualFold(f.Name, []byte("Received")) {
			n++
		}
	}
	return n
}

// needsNoTLS reports whether the sender says that encryption does not matter (RFC 8689
// section 5).
func (c *content) needsNoTLS() bool {
	for f := range message.HeaderFields(c.header) {
		if bytes.EqualFold(f.Name, []byte("TLS-Required")) {
			return bytes.EqualFold(bytes.TrimSpace(f.Value()), []byte("No"))
		}
	}
	return false
}

func (c *content) eightBitHeader() bool { return eightBit(c.header) }

// eightBit reads the whole message to see whether it is beyond 7 bits; it is
// asked for servers without 8BITMIME only. What cannot be read counts as such.
func (c *content) eightBit() bool {
	r := io.NewSectionReader(c, 0, c.size)
	block := make([]byte, 32<<10)
	for {
		n, err := r.Read(block)
		if eightBit(block[:n]) {
			return true
		}
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
	}
}

func eightBit(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
