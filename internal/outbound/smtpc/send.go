package smtpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Message is a message to send, with its envelope.
type Message struct {
	From       string // the return path without brackets, "" is the null path
	Recipients []Recipient
	EnvID, Ret string // RFC 3461; EnvID not in xtext
	Size       int64  // octets of the content
	Content    io.ReaderAt
	EightBit   bool // the content needs 8BITMIME
	Binary     bool // the content needs BINARYMIME
	UTF8       bool // the envelope or the header needs SMTPUTF8
	RequireTLS bool // RFC 8689: only over verified TLS, to servers that promise the same

	// BeforeEnd, if not nil, is called right before the octets go out with which
	// the server has the whole message. An error ends the session without them;
	// after it the server may have the message, whatever goes wrong.
	BeforeEnd func() error
}

// Recipient is one recipient of a Message.
type Recipient struct {
	To     string // without brackets
	Notify string // RFC 3461: "NEVER", "SUCCESS,FAILURE" ..., "" if not given
	ORcpt  string // RFC 3461: type, ";" and the address, not in xtext; "" if not given
}

// Answer is what the server said of one recipient: the reply that decided, and
// where. A Reply without code means that the session ended before.
type Answer struct {
	Accepted bool
	Stage    Stage
	Reply    Reply
}

// Errors of Send before anything is sent: the server lacks what the message
// needs. The session goes on.
var (
	ErrNeedsUTF8       = errors.New("smtpc: the server has no SMTPUTF8")
	ErrNeedsEightBit   = errors.New("smtpc: the server takes no 8-bit or binary content")
	ErrNeedsRequireTLS = errors.New("smtpc: the server cannot promise TLS all the way")
)

// ErrContent is wrapped by an Error of Send where the content could not be read.
var ErrContent = errors.New("smtpc: cannot read the content")

// TooLargeError reports a message larger than the server takes. The session
// goes on.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("smtpc: the server takes at most %d octets", e.Limit)
}

// Send sends a message and returns an answer for each recipient, in order. An
// *Error means that the session ended; the answers tell what was known by then.
// The content's line ends go out as CRLF however they are stored, unless it is
// binary, so that no line of it can be taken for its end.
func (c *Client) Send(ctx context.Context, m *Message) ([]Answer, error) {
	answers := make([]Answer, len(m.Recipients))
	if err := c.suits(m); err != nil {
		return answers, err
	}
	defer c.bind(ctx)()
	t := transaction{c: c, m: m, answers: answers}
	err := t.run()
	if err != nil {
		c.abandon()
		return answers, c.explain(ctx, err)
	}
	if c.broken { // 421: the answers tell why
		c.abandon()
		return answers, &Error{Stage: t.last.Stage, Reply: t.last.Reply}
	}
	return answers, nil
}

// suits reports whether the server has what the message needs.
func (c *Client) suits(m *Message) error {
	switch {
	case m.RequireTLS && (c.tls == nil || c.unproven != nil || !c.ext.RequireTLS):
		return ErrNeedsRequireTLS
	case m.UTF8 && !c.ext.SMTPUTF8:
		return ErrNeedsUTF8
	case m.Binary && !c.ext.BinaryMIME, m.EightBit && !c.ext.EightBitMIME && !m.Binary:
		return ErrNeedsEightBit
	case c.ext.Size > 0 && m.Size > c.ext.Size:
		return &TooLargeError{c.ext.Size}
	}
	return nil
}

// transaction is one MAIL with all that follows.
type transaction struct {
	c        *Client
	m        *Message
	answers  []Answer
	accepted int
	last     Answer // the reply that came last
}

// run sends the envelope and the content.
func (t *transaction) run() error {
	c := t.c
	small := c.ext.Pipelining && c.ext.Chunking && t.m.Size <= blockSize
	var chunk []byte
	if small {
		var err error
		if chunk, err = t.whole(); err != nil {
			return err
		}
	}
	if done, err := t.envelope(chunk); err != nil || done {
		return err
	}
	switch {
	case small:
		return t.finish(c.opt.Timeouts.Message)
	case c.ext.Chunking:
		return t.sendChunks()
	}
	return t.sendData()
}

// whole reads and prepares the content of a small message.
func (t *transaction) whole() ([]byte, error) {
	raw, err := t.block(0)
	if err != nil || t.m.Binary {
		return raw, err
	}
	var l lines
	t.c.content = l.end(l.append(t.c.content[:0], raw))
	return t.c.content, nil
}

// envelope sends MAIL and RCPT, and with pipelining DATA or the whole small
// message behind them (RFC 2920 section 3.1, RFC 3030 section 4.2). done is
// true if there is nobody left to send the content to.
func (t *transaction) envelope(chunk []byte) (done bool, err error) {
	c := t.c
	c.out = append(c.out[:0], t.mail()...)
	if !c.ext.Pipelining {
		return t.envelopeInSteps()
	}
	for i := range t.m.Recipients {
		c.out = append(c.out, t.rcpt(i)...)
	}
	switch {
	case chunk != nil:
		c.out = appendBDAT(c.out, len(chunk), true)
		c.out = append(c.out, chunk...)
		if err := t.beforeEnd(); err != nil {
			return true, err
		}
	case !c.ext.Chunking:
		c.out = append(c.out, "DATA\r\n"...)
	}
	if err := c.flush(StageMail, c.opt.Timeouts.Block); err != nil {
		return true, err
	}
	refused, err := t.readMail()
	if err != nil {
		return true, err
	}
	for i := range t.m.Recipients {
		if err := t.readRcpt(i, refused); err != nil {
			return true, err
		}
	}
	switch {
	case c.broken:
		t.takeBack()
		return true, nil
	case t.accepted > 0:
		return false, nil
	case chunk != nil:
		r, err := t.read(StageMessage, c.opt.Timeouts.Message)
		if err != nil || r.Positive() {
			return true, err
		}
	case !c.ext.Chunking:
		if ended, err := t.dropData(); err != nil || ended {
			return true, err
		}
	}
	if refused {
		return true, nil // there was no transaction
	}
	return true, t.reset() // servers hold on to the sender, Exim among them
}

// envelopeInSteps waits for each answer.
func (t *transaction) envelopeInSteps() (done bool, err error) {
	c := t.c
	if err := c.flush(StageMail, c.opt.Timeouts.Command); err != nil {
		return true, err
	}
	if refused, err := t.readMail(); err != nil || refused {
		return true, err
	}
	for i := range t.m.Recipients {
		c.out = append(c.out[:0], t.rcpt(i)...)
		if err := c.flush(StageRcpt, c.opt.Timeouts.Command); err != nil {
			return true, err
		}
		if err := t.readRcpt(i, false); err != nil {
			return true, err
		}
		if c.broken {
			t.takeBack()
			return true, nil
		}
	}
	if t.accepted == 0 {
		return true, t.reset()
	}
	if c.ext.Chunking {
		return false, nil
	}
	c.out = append(c.out[:0], "DATA\r\n"...)
	return false, c.flush(StageData, c.opt.Timeouts.Data)
}

func (t *transaction) read(stage Stage, timeout time.Duration) (Reply, error) {
	r, err := t.c.reply(stage, timeout)
	if err == nil {
		t.last = Answer{Stage: stage, Reply: r}
	}
	return r, err
}

// readMail reads the answer to MAIL; a refusal is that of every recipient.
func (t *transaction) readMail() (refused bool, err error) {
	r, err := t.read(StageMail, t.c.opt.Timeouts.Command)
	if err != nil || r.Positive() {
		return false, err
	}
	for i := range t.answers {
		t.answers[i] = Answer{Stage: StageMail, Reply: r}
	}
	return true, nil
}

// readRcpt reads the answer to a RCPT. After a refused MAIL it is of no
// interest, and after 421 there is none.
func (t *transaction) readRcpt(i int, refused bool) error {
	if t.c.broken {
		return nil
	}
	r, err := t.read(StageRcpt, t.c.opt.Timeouts.Command)
	if err != nil || refused {
		return err
	}
	t.answers[i] = Answer{Accepted: r.Positive(), Stage: StageRcpt, Reply: r}
	if r.Positive() {
		t.accepted++
	}
	return nil
}

// dropData ends a DATA that was pipelined behind recipients of whom none was
// accepted: if the server asks for the message all the same, it gets an empty
// one (RFC 2920 section 3.1). ended is true if that was the end of the transaction.
func (t *transaction) dropData() (ended bool, err error) {
	r, err := t.read(StageData, t.c.opt.Timeouts.Data)
	if err != nil || r.Code != 354 {
		return false, err
	}
	t.c.out = append(t.c.out[:0], ".\r\n"...)
	if err := t.c.flush(StageData, t.c.opt.Timeouts.Block); err != nil {
		return true, err
	}
	_, err = t.read(StageMessage, t.c.opt.Timeouts.Message)
	return true, err
}

// reset ends the transaction without a message.
func (t *transaction) reset() error {
	if t.c.broken {
		return nil // as after the 421 that refused a chunk
	}
	t.c.out = append(t.c.out[:0], "RSET\r\n"...)
	if err := t.c.flush(StageRcpt, t.c.opt.Timeouts.Command); err != nil {
		return err
	}
	_, err := t.read(StageRcpt, t.c.opt.Timeouts.Command)
	return err
}

// sendData sends the content by DATA.
func (t *transaction) sendData() error {
	c := t.c
	r, err := t.read(StageData, c.opt.Timeouts.Data)
	if err != nil {
		return t.fail(err)
	}
	if r.Code != 354 {
		t.settle(StageData, r)
		return t.reset()
	}
	l := lines{dots: true}
	for off := int64(0); off < t.m.Size; off += blockSize {
		block, err := t.block(off)
		if err != nil {
			return t.fail(err)
		}
		c.out = l.append(c.out[:0], block)
		if err := c.flush(StageData, c.opt.Timeouts.Block); err != nil {
			return t.fail(err)
		}
	}
	c.out = append(l.end(c.out[:0]), ".\r\n"...)
	if err := t.beforeEnd(); err != nil {
		return t.fail(err)
	}
	if err := c.flush(StageMessage, c.opt.Timeouts.Block); err != nil {
		return t.fail(err)
	}
	return t.finish(c.opt.Timeouts.Message)
}

// sendChunks sends the content by BDAT, a block at a time. A server that
// refuses a chunk refuses the message (RFC 3030 section 2).
func (t *transaction) sendChunks() error {
	c := t.c
	var l lines
	content := c.content
	for off := int64(0); ; off += blockSize {
		block, err := t.block(off)
		if err != nil {
			return t.fail(err)
		}
		last := off+blockSize >= t.m.Size
		if t.m.Binary {
			content = block
		} else if content = l.append(content[:0], block); last {
			content = l.end(content)
		}
		c.out = append(appendBDAT(c.out[:0], len(content), last), content...)
		if last {
			if err := t.beforeEnd(); err != nil {
				return t.fail(err)
			}
		}
		if err := c.flush(StageData, c.opt.Timeouts.Block); err != nil {
			return t.fail(err)
		}
		if last {
			return t.finish(c.opt.Timeouts.Message)
		}
		r, err := t.read(StageData, c.opt.Timeouts.Message)
		if err != nil {
			return t.fail(err)
		}
		if !r.Positive() {
			t.settle(StageData, r)
			return t.reset()
		}
	}
}

// finish reads the answer to the message, which is that of every recipient
// accepted before.
func (t *transaction) finish(timeout time.Duration) error {
	r, err := t.read(StageMessage, timeout)
	if err != nil {
		return t.fail(err)
	}
	t.settle(StageMessage, r)
	if t.c.ext.Chunking && !r.Positive() {
		return t.reset() // what became of the transaction is not known (RFC 3030 section 2)
	}
	return nil
}

// settle gives the answer to the message to those who were accepted.
func (t *transaction) settle(stage Stage, r Reply) {
	for i := range t.answers {
		if t.answers[i].Accepted {
			t.answers[i] = Answer{Accepted: stage == StageMessage && r.Positive(), Stage: stage, Reply: r}
		}
	}
}

// fail takes the acceptance back from those whose message did not get through.
func (t *transaction) fail(err error) error {
	t.takeBack()
	return err
}

func (t *transaction) takeBack() {
	for i := range t.answers {
		if t.answers[i].Accepted {
			t.answers[i] = Answer{}
		}
	}
}

// block reads the content from off, at most blockSize octets.
func (t *transaction) block(off int64) ([]byte, error) {
	n := min(t.m.Size-off, blockSize)
	t.c.block = slices.Grow(t.c.block[:0], int(n))[:n]
	if _, err := t.m.Content.ReadAt(t.c.block, off); err != nil && !(errors.Is(err, io.EOF)) {
		return nil, &Error{Stage: StageData, Err: fmt.Errorf("%w: %w", ErrContent, err)}
	}
	return t.c.block, nil
}

func (t *transaction) beforeEnd() error {
	if t.m.BeforeEnd == nil {
		return nil
	}
	if err := t.m.BeforeEnd(); err != nil {
		return &Error{Stage: StageData, Err: fmt.Errorf("%w: %w", ErrContent, err)}
	}
	return nil
}

func appendBDAT(dst []byte, n int, last bool) []byte {
	dst = strconv.AppendInt(append(dst, "BDAT "...), int64(n), 10)
	if last {
		dst = append(dst, " LAST"...)
	}
	return append(dst, "\r\n"...)
}

// mail is the MAIL command with the parameters that the server knows.
func (t *transaction) mail() string {
	x, m := &t.c.ext, t.m
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + m.From + ">")
	if x.SizeOffered {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Size, 10))
	}
	switch {
	case m.Binary:
		b.WriteString(" BODY=BINARYMIME")
	case m.EightBit:
		b.WriteString(" BODY=8BITMIME")
	}
	if m.UTF8 {
		b.WriteString(" SMTPUTF8")
	}
	if m.RequireTLS {
		b.WriteString(" REQUIRETLS")
	}
	if x.DSN && m.Ret != "" {
		b.WriteString(" RET=" + m.Ret)
	}
	if x.DSN && m.EnvID != "" {
		b.WriteString(" ENVID=" + xtext(m.EnvID))
	}
	b.WriteString("\r\n")
	return b.String()
}

// rcpt is the RCPT command of a recipient.
func (t *transaction) rcpt(i int) string {
	r := &t.m.Recipients[i]
	s := "RCPT TO:<" + r.To + ">"
	if t.c.ext.DSN {
		if r.Notify != "" {
			s += " NOTIFY=" + r.Notify
		}
		if kind, addr, ok := strings.Cut(r.ORcpt, ";"); ok {
			write := xtext
			if strings.EqualFold(kind, "utf-8") {
				write = unicodeXtext
			}
			s += " ORCPT=" + kind + ";" + write(addr)
		}
	}
	return s + "\r\n"
}

// xtext writes a value as RFC 3461 section 4 does.
func xtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c > ' ' && c <= '~' && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "+%02X", c)
		}
	}
	return b.String()
}

// unicodeXtext writes an address of type utf-8 in ASCII (RFC 6533 section 3).
func unicodeXtext(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c > ' ' && c <= '~' && c != '+' && c != '=' && c != '\\' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, c)
		}
	}
	return b.String()
}
