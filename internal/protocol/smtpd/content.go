package smtpd

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// content is the content of a message on its way from the client to the Message.
type content struct {
	begun   bool    // Session.Data was asked
	message Message // nil before, and after a fault
	lines   lines
	binary  bool           // BODY=BINARYMIME: lines do not matter
	size    int64          // octets so far
	dropped int64          // octets read since the fault
	fault   cause.Decision // why the message is refused; allows while it is not
	until   time.Time      // when all of it must be there
}

// begin asks the session for a Message.
func (c *conn) begin(ctx context.Context) cause.Decision {
	t := &c.tx.content
	*t = content{
		begun:  true,
		lines:  lines{limit: c.server.options.Limits.Line},
		binary: c.tx.mail.Body == BodyBinaryMIME,
		until:  time.Now().Add(c.server.options.Timeouts.Message),
	}
	message, d := c.session.Data(ctx)
	if d.Allowed() {
		t.message = message
	}
	return d
}

// fail refuses the message; the first reason counts.
func (t *content) fail(d cause.Decision) {
	if !t.fault.Allowed() {
		return
	}
	t.fault = d
	if t.message != nil {
		t.message.Abort(d)
		t.message = nil
	}
}

// take gives octets to the Message, after lines has read them; used is how many the client sent for
// them. It reports whether it is worth reading on.
func (t *content) take(p []byte, used int, limits *Limits) bool {
	t.size += int64(len(p))
	switch {
	case !t.fault.Allowed():
		t.dropped += int64(used)
		return t.dropped <= limits.Swallow
	case t.lines.bare:
		t.fail(cause.Refuse(cause.ContentMalformed).As("bare-newline"))
	case t.lines.tooLong:
		t.fail(cause.Refuse(cause.ContentMalformed).As("line-too-long"))
	case t.size > limits.Message: // RFC 1870 section 6.2
		t.fail(tooLarge(t.size, limits.Message))
	case len(p) > 0:
		if _, err := t.message.Write(p); err != nil {
			t.fail(writeFailed(err))
		}
	}
	return true
}

// writeFailed is what the client is told of an error of Message.Write.
func writeFailed(err error) cause.Decision {
	if r, ok := errors.AsType[*Refused](err); ok && !r.Decision.Allowed() {
		return r.Decision
	}
	return later(cause.ProviderStorageFailed)
}

// data is DATA, RFC 5321 section 4.1.1.4.
func (c *conn) data(ctx context.Context, args []byte) {
	switch {
	case len(args) > 0:
		c.protocolError("arguments", "DATA")
		return
	case !c.tx.open || c.tx.content.begun || c.tx.mail.Body == BodyBinaryMIME: // RFC 3030 section 3
		c.protocolError("sequence", "DATA")
		return
	case c.tx.accepted == 0:
		c.noRecipients("DATA")
		return
	}
	if d := c.begin(ctx); !d.Allowed() {
		c.refuseTraced(d, c.session.Trace())
		c.tx.end(c.session)
		return
	}
	c.reply("354 End with a dot on a line of its own\r\n")
	t := &c.tx.content
	for {
		buf := c.in.unread()
		n, used, end := t.lines.unstuff(buf)
		if !t.take(buf[:n], used, &c.server.options.Limits) {
			c.refuseTraced(t.fault, c.session.Trace())
			c.stopFor(ReasonErrors)
			return
		}
		c.in.skip(used)
		if end {
			c.finish(ctx)
			return
		}
		if err := c.awaitContent(t.until); err != nil {
			c.contentLost(err)
			return
		}
	}
}

// noRecipients refuses content for nobody (RFC 5321 section 3.3).
func (c *conn) noRecipients(command string) {
	if c.tx.refused == 0 {
		c.protocolError("sequence", command)
		return
	}
	c.refuse(cause.Refuse(cause.RecipientNone))
}

// contentLost ends a session whose content does not come to its end.
func (c *conn) contentLost(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		limit := c.server.options.Timeouts.Block
		c.refuse(later(cause.ClientIdleTimeout, cause.Span("limit", limit)))
		c.end = ReasonTimeout
		return
	}
	c.stopFor(ReasonLost)
}

// finish answers a message of which all content is here.
func (c *conn) finish(ctx context.Context) {
	t := &c.tx.content
	if !t.fault.Allowed() {
		c.refuseTraced(t.fault, c.session.Trace())
		c.tx.end(c.session)
		return
	}
	message := t.message
	t.message = nil // whatever Commit says, there is nothing left to abort
	receipt, d := message.Commit(ctx)
	if d.Allowed() {
		c.messages, c.idle = c.messages+1, 0
		c.server.options.Metrics.Accepted(c.listener.Name, t.size)
		if receipt.Trace != "" {
			c.reply("250 2.0.0 Ok: kept as ", receipt.Trace, "\r\n")
		} else {
			c.reply("250 2.0.0 Ok\r\n")
		}
	} else {
		c.refuseTraced(d, receipt.Trace)
	}
	c.tx.end(c.session)
}

// bdat is BDAT, RFC 3030 section 2. Its octets follow the command whatever the reply is, so they are
// always read; a size that cannot be read leaves no way to go on.
func (c *conn) bdat(ctx context.Context, args []byte) {
	size, last, ok := parseChunk(args)
	if !ok {
		c.protocolError("syntax", "BDAT")
		c.stopFor(ReasonErrors)
		return
	}
	if !c.beginChunk(ctx) {
		c.dropChunk(size)
		return
	}
	if !c.readChunk(size) {
		return
	}
	t := &c.tx.content
	if last {
		t.lines.finish()
		t.take(nil, 0, &c.server.options.Limits)
		c.finish(ctx)
		return
	}
	if !t.fault.Allowed() {
		c.refuseTraced(t.fault, c.session.Trace())
		return
	}
	c.reply("250 2.0.0 ", strconv.FormatInt(size, 10), " octets\r\n")
}

// parseChunk reads the arguments of BDAT: a size and perhaps LAST.
func parseChunk(args []byte) (size int64, last, ok bool) {
	digits, end, more := bytes.Cut(args, []byte{' '})
	if more && !bytes.EqualFold(end, []byte("LAST")) || !isDigits(string(digits)) {
		return 0, false, false
	}
	size, err := strconv.ParseInt(string(digits), 10, 64)
	return size, more, err == nil && size < math.MaxInt64
}

// beginChunk prepares for a chunk of content, or else replies why there can be none.
func (c *conn) beginChunk(ctx context.Context) bool {
	t := &c.tx.content
	switch {
	case !c.tx.open || !c.info.ESMTP:
		c.protocolError("sequence", "BDAT")
		return false
	case t.begun && !t.fault.Allowed(): // a chunk failed before: section 2 wants RSET
		c.protocolError("sequence", "BDAT")
		return false
	case t.begun:
		return true
	case c.tx.accepted == 0:
		c.noRecipients("BDAT")
		return false
	}
	if d := c.begin(ctx); !d.Allowed() {
		t.fault = d
		c.refuseTraced(d, c.session.Trace())
		return false
	}
	return true
}

// readChunk reads the octets of a chunk. It reports whether the session can go on; if not, it has
// said why.
func (c *conn) readChunk(size int64) bool {
	t := &c.tx.content
	for left := size; left > 0; {
		buf := c.in.unread()
		if int64(len(buf)) > left {
			buf = buf[:left]
		}
		if !t.binary {
			t.lines.check(buf)
		}
		if !t.take(buf, len(buf), &c.server.options.Limits) {
			c.refuseTraced(t.fault, c.session.Trace())
			c.stopFor(ReasonErrors)
			return false
		}
		c.in.skip(len(buf))
		if left -= int64(len(buf)); left == 0 {
			break
		}
		if err := c.awaitContent(t.until); err != nil {
			c.contentLost(err)
			return false
		}
	}
	return true
}

// dropChunk reads the octets of a chunk that was already refused; if they are too many, the session
// ends.
func (c *conn) dropChunk(size int64) {
	if size > c.server.options.Limits.Swallow {
		c.stopFor(ReasonErrors)
	}
	until := time.Now().Add(c.server.options.Timeouts.Message)
	for left := size; left > 0 && c.end == ""; {
		n := min(int64(len(c.in.unread())), left)
		c.in.skip(int(n))
		if left -= n; left == 0 {
			break
		}
		if err := c.awaitContent(until); err != nil {
			c.contentLost(err)
		}
	}
}
