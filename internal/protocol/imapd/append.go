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

// appendMessage is APPEND (RFC 9051 section 6.3.12). The message goes straight into the store of
// blobs while it is read and summarised, whatever its size.
func (s *session) appendMessage(c *appendCommand) outcome {
	m, o := s.admitAppend(c)
	if o.refused != nil {
		return s.refuseAppend(c, o)
	}
	if !c.nonSync {
		s.raw("+ Ready for the message\r\n")
		s.flush()
	}
	email := store.NewEmail{Received: c.date, Flags: c.flags.system, Keywords: c.flags.keywords}
	if o := s.receive(c, &email); o.refused != nil || s.err != nil || s.over {
		return o
	}
	appended, err := s.store.Append(s.ctx, s.conn.Account, m.ID, []store.NewEmail{email})
	if err != nil {
		return s.failedTarget(err, m.Name)
	}
	uids := uid.Of(appended.UIDs...)
	s.server.options.Backend.Event(&s.conn, Event{Kind: EventAppended, Mailbox: m.Name, UIDs: uids})
	code := appendUint([]byte("APPENDUID "), appended.UIDValidity)
	return doneWith(uids.AppendTo(append(code, ' ')))
}

// admitAppend decides on a message before it is sent.
func (s *session) admitAppend(c *appendCommand) (m store.Mailbox, o outcome) {
	limit := s.server.options.Limits.Message
	switch {
	case c.utf8 && !s.utf8:
		return m, refuseProtocol("sequence") // RFC 6855 section 4
	case c.size == 0:
		return m, refuse(cause.Refuse(cause.ContentMalformed))
	case c.size > uint64(limit):
		return m, refuse(cause.Refuse(cause.ContentTooLargeOwn,
			cause.Size("size", int64(min(c.size, 1<<62))), cause.Size("limit", limit)))
	}
	m, err := s.store.MailboxByName(s.ctx, s.conn.Account, c.mailbox)
	if err != nil {
		return m, s.failedTarget(err, c.mailbox)
	}
	return m, s.admitSize(c)
}

// admitSize decides whether a message fits the quota. The store decides again when it is there.
func (s *session) admitSize(c *appendCommand) outcome {
	account, err := s.store.Account(s.ctx, s.conn.Account)
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	if account.Quota == 0 {
		return done()
	}
	used, err := s.store.Usage(s.ctx, s.conn.Account)
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	if used.Size+int64(c.size) > account.Quota {
		return refuse(cause.Wait(cause.QuotaMailboxFull, time.Time{},
			cause.Size("used", used.Size), cause.Size("limit", account.Quota)))
	}
	return done()
}

// refuseAppend refuses a message that is not read yet. One that comes without waiting for "+" is
// dropped, or ends the session if it is too large for that (RFC 7888 section 4).
func (s *session) refuseAppend(c *appendCommand, o outcome) outcome {
	if !c.nonSync {
		return o
	}
	if c.size > uint64(max(maxSwallow, s.server.options.Limits.Message)) {
		s.bye(*o.refused)
		return outcome{silent: true}
	}
	if err := s.drop(c.size); err != nil {
		s.broken(err)
		return outcome{silent: true}
	}
	if err := s.in.discardLine(s.commandLimit()); err != nil {
		s.broken(err)
		return outcome{silent: true}
	}
	return o
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

// putWhole is the size up to which a message is stored in one piece.
const putWhole = 64 << 10

// receive reads the message, stores its blob and summarises it.
func (s *session) receive(c *appendCommand, email *store.NewEmail) (o outcome) {
	var err error
	s.extend()
	if c.size <= putWhole {
		err = s.receiveWhole(int(c.size), email)
	} else {
		err = s.receiveStream(int64(c.size), email)
	}
	if s.err != nil || s.over {
		return outcome{silent: true}
	}
	// The command goes on behind the message: with ")" for UTF8, then it ends.
	line, lineErr := s.in.line(s.commandLimit())
	if lineErr == errLineTooLong {
		s.err = lineErr
		return outcome{silent: true}
	}
	if lineErr != nil {
		s.broken(lineErr)
		return outcome{silent: true}
	}
	if want := map[bool]string{true: ")"}[c.utf8]; string(line) != want {
		return refuseProtocol("syntax")
	}
	if err != nil {
		return s.failed(err, c.mailbox)
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
	w, err := s.store.Blobs().Create(s.ctx)
	if err != nil {
		if e := s.drop(uint64(size)); e != nil {
			s.broken(e)
		}
		return err
	}
	defer w.Abort()
	scanner := message.NewScanner(message.Limits{})
	err = s.pump(size, w, scanner)
	if err != nil || s.err != nil || s.over {
		return err
	}
	email.Summary = scanner.Finish()
	email.Blob, err = w.Commit()
	return err
}

// pump moves a message from the client into the blob and the scanner.
func (s *session) pump(size int64, w blob.Writer, scanner *message.Scanner) (err error) {
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
		if err == nil {
			_, err = scanner.Write(b.b[:n])
		}
	}
	return err
}
