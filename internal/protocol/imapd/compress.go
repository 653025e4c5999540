package imapd

import (
	"bytes"
	"time"

	"github.com/postiljon/postiljon/internal/protocol/imapd/deflate"
)

// compress is COMPRESS DEFLATE (RFC 4978): from the next octet on both sides compress. The answer
// is the last that is not.
func (s *session) compress(c *compressCommand) outcome {
	switch {
	case c.mechanism != "DEFLATE":
		return refuseProtocol("arguments")
	case s.compressed:
		return refuseProtocol("compressed")
	}
	s.raw(c.tag)
	s.raw(" OK DEFLATE begins\r\n")
	s.flush()
	if s.err != nil {
		return outcome{silent: true}
	}
	conn := deflate.New(s.nc, &s.server.pools.deflate, s.in.take())
	s.nc, s.in.src, s.compressed = conn, conn, true
	return outcome{silent: true}
}

// take returns what is buffered and forgets it.
func (in *input) take() []byte {
	if in.buffered() == 0 {
		return nil
	}
	b := bytes.Clone(in.buf.b[in.r:in.w])
	in.r, in.w = 0, 0
	return b
}

// unauthenticate is UNAUTHENTICATE (RFC 8437): the connection is as it was before anyone signed in
// on it. On a compressed connection it is not offered.
func (s *session) unauthenticate(*command) outcome {
	switch {
	case s.server.options.NoUnauthenticate:
		return refuseProtocol("unimplemented")
	case s.compressed:
		return refuseProtocol("compressed")
	}
	s.leave()
	s.stopIdle()
	s.stopNotify()
	s.server.options.Backend.SignedOut(&s.conn)
	s.conn.Account, s.conn.Name, s.conn.JMAP = 0, "", ""
	s.rev2, s.utf8, s.condstore, s.qresync, s.uidOnly = false, false, false, false, false
	s.anonymous = time.Now()
	return doneWith(s.appendCapabilities([]byte("CAPABILITY ")))
}

// These are offered only while the connection is not compressed.
const capabilityCompress, capabilityUnauthenticate = " COMPRESS=DEFLATE", " UNAUTHENTICATE"
