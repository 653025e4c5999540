package imapd

import (
	"io"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// maxAppended is how many messages one APPEND can bring.
const maxAppended = 1000

// appending reads what APPEND and REPLACE say behind the mailbox, line by line: descriptions of
// messages, each followed by the message itself, which is not kept but stored as it comes.
type appending struct {
	s *session
	c *appendCommand
	// line is the current line, p what is not read of it. If the line announces a literal, that is
	// not read yet: who reads it reads the next line, too.
	line   []byte
	p      parser
	target place
	// quota and used are octets; quota is 0 where only the store can tell.
	quota, used int64
	owner       store.Account // of the target
	freed       int64         // octets that REPLACE gives free where it takes room
	old         uid.UID       // that REPLACE replaces
	emails      []store.NewEmail
}

// appendMessage is APPEND (RFC 9051 section 6.3.12), with several messages of which all are kept
// or none (RFC 3502), and with messages put together from others (RFC 4469).
func (s *session) appendMessage(c *appendCommand) outcome {
	a, o := s.readMessages(c, 0)
	if o.refused != nil || o.silent {
		return o
	}
	appended, err := s.store.Append(s.ctx, a.target.account, a.target.ID, a.emails)
	if err != nil {
		return s.failedTarget(err, a.target.Name)
	}
	return doneWith(s.appended(a, &appended))
}

// appended notes new messages in the journal and returns APPENDUID.
func (s *session) appended(a *appending, done *store.Appended) []byte {
	uids := uid.Of(done.UIDs...)
	s.brought(&a.target, done.UIDs)
	s.note(Event{Kind: EventAppended, Mailbox: a.target.Name, UIDs: uids}, a.target.account, a.target.prefix)
	code := appendUint([]byte("APPENDUID "), done.UIDValidity)
	return uids.AppendTo(append(code, ' '))
}

// readMessages reads and stores the messages of a command. If it is refused, what its client sends
// without waiting is read and dropped.
func (s *session) readMessages(c *appendCommand, old uid.UID) (*appending, outcome) {
	a := &appending{s: s, c: c, old: old, line: c.rest, p: parser{b: c.rest}}
	o := a.run()
	switch {
	case s.err != nil || s.over:
		return a, outcome{silent: true}
	case o.refused != nil:
		return a, s.skip(a.line, o)
	}
	return a, o
}

func (a *appending) run() outcome {
	var o outcome
	if a.target, o = a.s.reachTarget(a.c.mailbox); o.refused != nil {
		return o
	}
	if o := a.measureRoom(); o.refused != nil {
		return o
	}
	for {
		if limit := a.s.server.options.Limits.Messages; limit > 0 && len(a.emails) == limit {
			return a.s.tooMany()
		}
		if len(a.emails) == maxAppended {
			return refuse(cause.Refuse(cause.LimitRequest, cause.Count("limit", maxAppended)))
		}
		if o := a.message(); o.refused != nil || a.s.err != nil || a.s.over {
			return o
		}
		if a.p.err == nil && len(a.p.b) == 0 {
			return done()
		}
		if a.c.replace {
			a.p.fail("REPLACE with several messages") // RFC 8508 section 3.1
		}
		a.p.sp()
	}
}

// measureRoom looks how much the quota leaves. REPLACE gives room as well as it takes it: only the
// store can tell.
func (a *appending) measureRoom() outcome {
	s := a.s
	account, err := s.store.Account(s.ctx, a.target.account)
	if err != nil {
		return s.failed(err, a.c.mailbox)
	}
	a.owner = account
	if a.c.replace {
		return a.measureFreed()
	}
	if account.Quota == 0 {
		return done()
	}
	usage, err := s.store.Usage(s.ctx, a.target.account)
	if err != nil {
		return s.failed(err, a.c.mailbox)
	}
	a.quota, a.used = account.Quota, usage.Size
	return done()
}

// measureFreed looks how much the message holds that is to be replaced.
func (a *appending) measureFreed() outcome {
	var err error
	a.freed, err = a.s.sizeOf(uid.Of(a.old))
	if err != nil {
		return a.s.failed(err, a.c.mailbox)
	}
	return done()
}

// message reads the flags, the date and the text of one message.
func (a *appending) message() (o outcome) {
	n := store.NewEmail{}
	p := &a.p
	if p.peek() == '(' {
		f := p.flagList()
		n.Flags = f.system.Without(a.target.rights.Fixed()) // RFC 4314 section 4
		if a.target.rights.Has(store.RightWrite) {
			n.Keywords = f.keywords
		}
		p.sp()
	}
	if p.peek() == '"' {
		n.Received = p.dateTime()
		p.sp()
	}
	switch p.peek() {
	case 'U', 'u':
		o = a.utf8(&n)
	case 'C', 'c':
		o = a.catenate(&n)
	default:
		p.accept('~')
		o = a.whole(&n)
	}
	if o.refused == nil && p.err != nil {
		o = a.s.unparsed(p.err)
	}
	if o.refused == nil && !o.silent {
		a.emails = append(a.emails, n)
		a.used += n.Summary.Size
	}
	return o
}

// utf8 reads UTF8 (~{n} ...) (RFC 6855 section 4).
func (a *appending) utf8(n *store.NewEmail) outcome {
	p := &a.p
	if p.word() != "UTF8" {
		p.fail("want UTF8")
	}
	p.sp()
	p.expect('(')
	p.expect('~')
	if p.err == nil && !a.s.utf8 {
		return refuseProtocol("sequence")
	}
	o := a.whole(n)
	if o.refused == nil {
		p.expect(')')
	}
	return o
}

// announced reads the head of a literal, which ends its line: "{n}" or "{n+}".
func (a *appending) announced() (size uint64, nonSync bool, o outcome) {
	p := &a.p
	p.expect('{')
	size = p.number64()
	nonSync = p.accept('+')
	p.expect('}')
	p.end()
	if p.err != nil {
		return 0, false, a.s.unparsed(p.err)
	}
	return size, nonSync, done()
}

// begin lets the client send a literal that was announced.
func (a *appending) begin(nonSync bool) {
	if !nonSync {
		a.s.raw("+ Ready for the message\r\n")
		a.s.flush()
	}
	a.s.extend()
}

// next reads the line behind a literal.
func (a *appending) next() outcome {
	line, ok := a.s.tail()
	if !ok {
		return outcome{silent: true}
	}
	a.line, a.p.b = line, line
	return done()
}

// tail reads the line behind a literal; false if the connection is over.
func (s *session) tail() ([]byte, bool) {
	if s.err != nil || s.over {
		return nil, false
	}
	line, err := s.in.line(s.commandLimit())
	switch {
	case err == errLineTooLong:
		s.err = err
	case err != nil:
		s.broken(err)
	}
	return line, err == nil
}

// skip reads what is left of a command that is refused and whose current line is given. A client
// that waits for "+" hears the refusal instead. One that does not is read to the end, or its
// session ends if that is too much (RFC 7888 section 4).
func (s *session) skip(line []byte, o outcome) outcome {
	most := uint64(s.swallow())
	if s.conn.Account != 0 {
		most = max(most, uint64(s.server.options.Limits.Message))
	}
	for {
		head := literalHead(line)
		if head < 0 || line[len(line)-2] != '+' {
			return o
		}
		p := parser{b: line[head+1:]}
		size := p.number64()
		if p.err != nil || size > most {
			s.bye(*o.refused)
			return outcome{silent: true}
		}
		if err := s.drop(size); err != nil {
			s.broken(err)
			return outcome{silent: true}
		}
		var ok bool
		if line, ok = s.tail(); !ok {
			return outcome{silent: true}
		}
	}
}

// drop reads n octets of a message and forgets them.
func (s *session) drop(n uint64) error {
	for n > 0 {
		s.extend()
		step := min(n, 1<<20)
		if err := s.in.discard(step); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// admit decides on a message of a size before it is sent. The store decides on the quota again
// when it is there.
func (a *appending) admit(size uint64) outcome {
	limit := a.s.server.options.Limits.Message
	switch {
	case size == 0: // also how a client calls several messages off (RFC 3502 section 6.3.11)
		return refuse(cause.Refuse(cause.ContentMalformed))
	case size > uint64(limit):
		return refuse(cause.Refuse(cause.ContentTooLargeOwn,
			cause.Size("size", int64(min(size, 1<<62))), cause.Size("limit", limit)))
	case a.quota > 0 && a.used+int64(size) > a.quota:
		return refuse(cause.Wait(a.full(), time.Time{}, cause.Size("used", a.used), cause.Size("limit", a.quota)))
	}
	return done()
}

// full is what it means that there is no room. Whoever has just sent a message and finds no room for its copy must not think that it
// was not sent.
func (a *appending) full() cause.ID {
	sent := a.s.server.options.Sent
	if a.target.Role == store.RoleSent && sent != nil && sent(a.s.ctx, &a.owner) {
		return cause.QuotaSentCopyFailed
	}
	return cause.QuotaMailboxFull
}

// claim takes room for a message that the quota of its account admits. What replaces another brings only what it is
// larger: mailboxes are shared within a domain alone.
func (a *appending) claim(size uint64) outcome {
	return a.s.claim(&a.owner, int64(size)-a.freed)
}

// claim takes room for so many octets more in what an account shares with others.
func (s *session) claim(owner *store.Account, size int64) outcome {
	if s.server.options.Room == nil || size <= 0 {
		return done()
	}
	if d := s.server.options.Room(s.ctx, owner, size); !d.Allowed() {
		return refuse(d)
	}
	return done()
}

// sizeOf adds up messages of the selected mailbox.
func (s *session) sizeOf(set uid.Set) (size int64, err error) {
	err = s.store.Placements(s.ctx, s.selected.account, s.selected.id, set, func(p *store.Placement) error {
		size += p.Size
		return nil
	})
	return size, err
}

// putWhole is the size up to which a message is stored in one piece.
const putWhole = 64 << 10

// whole reads a message that is sent as one literal, stores its blob and summarises it.
func (a *appending) whole(n *store.NewEmail) outcome {
	size, nonSync, o := a.announced()
	if o.refused == nil {
		o = a.admit(size)
	}
	if o.refused == nil {
		o = a.claim(size)
	}
	if o.refused != nil {
		return o
	}
	a.begin(nonSync)
	var err error
	if size <= putWhole {
		err = a.s.receiveWhole(int(size), n)
	} else {
		err = a.s.receiveStream(int64(size), n)
	}
	if o := a.next(); o.silent {
		return o
	}
	if err != nil {
		return a.s.failed(err, a.c.mailbox)
	}
	return done()
}

func (s *session) receiveWhole(size int, email *store.NewEmail) (err error) {
	b := s.server.pools.message(size)
	defer s.server.pools.messages.Put(b)
	if _, err := io.ReadFull(&s.in, b.b); err != nil {
		s.broken(err)
		return nil
	}
	email.Summary = message.Summarize(b.b)
	email.Blob, err = s.store.Blobs().Put(s.ctx, b.b)
	return err
}

// receiveStream stores a message in pieces. Where storing fails the rest is read all the same, so
// that the session can go on.
func (s *session) receiveStream(size int64, email *store.NewEmail) error {
	w, err := s.newAssembly()
	if err != nil {
		if e := s.drop(uint64(size)); e != nil {
			s.broken(e)
		}
		return err
	}
	defer w.Abort()
	err = s.pump(size, w)
	if err != nil || s.err != nil || s.over {
		return err
	}
	return w.finish(email)
}

// assembly is a message that is being stored.
type assembly struct {
	blob.Writer
	scanner *message.Scanner
	size    int64
}

func (s *session) newAssembly() (*assembly, error) {
	w, err := s.store.Blobs().Create(s.ctx)
	if err != nil {
		return nil, err
	}
	return &assembly{Writer: w, scanner: message.NewScanner(message.Limits{})}, nil
}

// Write implements io.Writer.
func (w *assembly) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err == nil {
		_, err = w.scanner.Write(p)
	}
	w.size += int64(n)
	return n, err
}

// finish makes the message durable.
func (w *assembly) finish(email *store.NewEmail) (err error) {
	email.Summary = w.scanner.Finish()
	email.Blob, err = w.Commit()
	return err
}

// pump moves octets from the client into a message.
func (s *session) pump(size int64, w io.Writer) (err error) {
	b := s.server.pools.message(putWhole)
	defer s.server.pools.messages.Put(b)
	for size > 0 {
		s.extend()
		n, readErr := s.in.Read(b.b[:min(size, putWhole)])
		size -= int64(n)
		if n == 0 && readErr != nil {
			s.broken(readErr)
			return err
		}
		if err == nil {
			_, err = w.Write(b.b[:n])
		}
	}
	return err
}
