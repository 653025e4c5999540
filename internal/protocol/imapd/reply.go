package imapd

import (
	"errors"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// outcome is how a command ended: with OK, or refused for a cause.
type outcome struct {
	refused *cause.Decision // nil: OK
	code    string          // response code without brackets; for OK, or in place of the cause's own
	silent  bool            // everything was said already
	no      bool            // refused with NO, although the client is at fault
}

// done is a command that ended with OK.
func done() outcome { return outcome{} }

// doneWith is a command that ended with OK and a response code.
func doneWith(code []byte) outcome { return outcome{code: string(code)} }

func refuse(d cause.Decision) outcome { return outcome{refused: &d} }

// refuseProtocol is a command that the protocol does not allow, answered with BAD.
func refuseProtocol(variant string) outcome {
	return refuse(cause.Refuse(cause.ClientProtocolError).As(variant))
}

// failed maps an error of the store to its cause. mailbox is the one the command is about.
func (s *session) failed(err error, mailbox string) outcome {
	name := cause.Text("mailbox", mailbox)
	switch store.KindOf(err) {
	case store.KindNotFound:
		return refuse(cause.Refuse(cause.MailboxNotFound, name))
	case store.KindExists:
		return refuse(cause.Refuse(cause.MailboxExists, name))
	case store.KindInvalid:
		return refuse(cause.Refuse(cause.MailboxNameInvalid, name))
	case store.KindOverQuota:
		return refuse(cause.Wait(cause.QuotaMailboxFull, time.Time{}))
	case store.KindLimit:
		return refuse(cause.Refuse(cause.MailboxLimit))
	case store.KindInUse:
		return refuse(cause.Refuse(cause.MailboxInUse, name))
	}
	s.server.options.Log.Error("imapd: command failed", "conn", s.conn.ID, "account", s.conn.Account, "err", err)
	switch store.KindOf(err) {
	case store.KindNoSpace:
		return refuse(cause.Wait(cause.ProviderStorageFailed, time.Time{}))
	case store.KindCorrupt:
		return refuse(cause.Refuse(cause.ProviderStorageFailed).As("corruption"))
	case store.KindClosed:
		return refuse(cause.Wait(cause.ProviderMaintenanceStop, time.Time{}))
	}
	return refuse(cause.Wait(cause.ProviderBackendBroken, time.Time{}))
}

// failedTarget is failed for a command that puts messages into a mailbox: if that does not exist,
// the client is told that it can create it (RFC 9051 section 6.3.12).
func (s *session) failedTarget(err error, mailbox string) outcome {
	o := s.failed(err, mailbox)
	if o.refused.Cause == cause.MailboxNotFound {
		o.refused.Variant = "try-create"
	}
	return o
}

// unparsed maps an error of the parser to its cause.
func (s *session) unparsed(err error) outcome {
	switch {
	case errors.Is(err, errName):
		return refuse(cause.Refuse(cause.MailboxNameInvalid))
	case errors.Is(err, errCharset):
		o := refuse(cause.Refuse(cause.ContentUnreadable).As("charset"))
		o.code = "BADCHARSET (UTF-8)"
		return o
	case errors.Is(err, errEvent):
		o := refuseProtocol("event")
		o.code, o.no = knownEvents, true
		return o
	case errors.Is(err, errUnknown):
		return refuseProtocol("unknown-command")
	}
	if limit, ok := errors.AsType[tooManyError](err); ok {
		return refuse(cause.Refuse(cause.LimitRequest, cause.Count("limit", int64(limit))))
	}
	s.server.options.Log.Debug("imapd: cannot read command", "conn", s.conn.ID, "err", err)
	return refuseProtocol("syntax")
}

// finish tells what changed, as far as the command lets it, and writes the tagged response (RFC
// 9051 section 7.1). It returns the status.
func (s *session) finish(c *command, o outcome) string {
	o = s.withLimit(o)
	if o.refused != nil && o.refused.Cause == cause.ClientProtocolError && !o.no {
		s.bad++
		s.refused(c.tag, "BAD", o)
		if s.bad >= s.server.options.Limits.Errors {
			s.bye(cause.Wait(cause.ClientProtocolError, time.Time{}).As("too-many-errors"))
		}
		return "BAD"
	}
	s.bad = 0
	if s.notifier != nil && o.refused == nil {
		s.notifier.did(c)
	}
	if s.selected != nil && !o.silent {
		if err := s.sync(mayExpunge(c.name)); err != nil && o.refused == nil {
			o = s.failed(err, s.selected.view.Mailbox.Name)
		}
	}
	switch {
	case o.refused != nil:
		s.loseSaved(c)
		s.refused(c.tag, "NO", o)
		return "NO"
	case !o.silent:
		s.raw(c.tag)
		s.raw(" OK ")
		if o.code != "" {
			s.raw("[")
			s.raw(o.code)
			s.raw("] ")
		}
		s.raw(c.name)
		s.raw(" completed\r\n")
	}
	return "OK"
}

// mayExpunge reports whether messages may be told to be gone in the answer to a command (RFC 9051
// section 7.5.1).
func mayExpunge(name string) bool {
	switch name {
	case "FETCH", "STORE", "SEARCH", "SORT", "THREAD": // RFC 5256 section 3 for the last two
		return false
	}
	return true
}

// refused writes a response that refuses; an empty tag makes it untagged.
func (s *session) refused(tag, status string, o outcome) {
	r := s.server.options.Catalogue.IMAP(*o.refused)
	if o.code != "" {
		r.Code = o.code
	}
	if tag == "" {
		tag = "*"
	}
	s.raw(tag)
	s.raw(" ")
	s.raw(status)
	s.raw(" ")
	if r.Code != "" {
		s.raw("[")
		s.raw(r.Code)
		s.raw("] ")
	}
	s.raw(r.Text)
	s.raw("\r\n")
}

// bye ends the session for a cause (RFC 9051 section 7.1.5).
func (s *session) bye(d cause.Decision) {
	s.refused("*", "BYE", refuse(d))
	s.over = true
}

// flushSize is how much output is collected before it is sent.
const flushSize = 64 << 10

// raw writes text as it stands.
func (s *session) raw(text string) {
	s.claimOut()
	s.out = append(s.out, text...)
}

// claimOut makes sure that there is an output buffer.
func (s *session) claimOut() {
	if s.outBuf == nil {
		s.outBuf = s.server.pools.output()
		s.out = s.outBuf.b[:0]
	}
}

// releaseOut gives the output buffer back; what is in it is lost.
func (s *session) releaseOut() {
	if s.outBuf == nil {
		return
	}
	if cap(s.out) <= keepBuffer {
		s.outBuf.b = s.out[:0]
		s.server.pools.outputs.Put(s.outBuf)
	}
	s.out, s.outBuf = nil, nil
}

// flushIfFull sends the output if there is much of it.
func (s *session) flushIfFull() {
	if len(s.out) >= flushSize {
		s.flush()
	}
}

// flush sends the output.
func (s *session) flush() {
	if len(s.out) == 0 {
		return
	}
	if s.err == nil {
		if err := s.nc.SetWriteDeadline(time.Now().Add(s.server.options.Timeouts.Write)); err != nil {
			s.err = err
		} else if _, err := s.nc.Write(s.out); err != nil {
			s.err = err
		}
	}
	s.out = s.out[:0]
	s.flushes++
}
