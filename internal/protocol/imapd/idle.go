package imapd

import (
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// idle is IDLE (RFC 9051 section 6.3.13): until the client says DONE it is told of changes as they
// happen. The session has one goroutine; the store's notice interrupts its wait.
func (s *session) idle(*command) outcome {
	if s.selected != nil {
		cancel := s.store.Watch(s.conn.Account, s.waker.notice)
		defer cancel()
	}
	s.raw("+ Idling\r\n")
	for {
		if s.selected != nil {
			if err := s.sync(true); err != nil {
				return s.failed(err, s.selected.view.Mailbox.Name)
			}
		}
		if s.in.buffered() > 0 {
			return s.endIdle()
		}
		s.flush()
		s.releaseOut()
		if s.err != nil || !s.awaitDone() {
			return outcome{silent: true}
		}
		s.claimOut()
	}
}

// awaitDone waits for the client or for a notice. It reports false when the session is over.
func (s *session) awaitDone() bool {
	deadline := s.deadline()
	ready, err := s.waker.begin(deadline)
	if ready && err == nil {
		err = s.in.wait()
	}
	noticed, stopping := s.waker.end()
	switch {
	case s.in.buffered() > 0:
		s.extend()
	case stopping:
		s.bye(cause.Wait(cause.ProviderMaintenanceStop, time.Time{}))
	case noticed, err == nil:
	case isTimeout(err) && time.Now().Before(deadline):
	case isTimeout(err):
		s.bye(s.timedOut())
	default:
		s.err = err
	}
	return s.err == nil && !s.over
}

// endIdle reads DONE.
func (s *session) endIdle() outcome {
	line, err := s.in.line(s.commandLimit())
	switch {
	case err == errLineTooLong:
		s.err = err
		return outcome{silent: true}
	case err != nil:
		s.broken(err)
		return outcome{silent: true}
	case !strings.EqualFold(string(line), "DONE"):
		return refuseProtocol("syntax")
	}
	return done()
}
