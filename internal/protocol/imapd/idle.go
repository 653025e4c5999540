package imapd

import (
	"strings"
	"time"
)

// idle is IDLE (RFC 9051 section 6.3.13): until the client says DONE it is told of changes as they
// happen. It is a state of the session, not a wait of its own: see run.
func (s *session) idle(c *command) outcome {
	s.raw("+ Idling\r\n")
	s.tellFetched()
	s.idling = c.tag
	s.conn.Activity.Wait(true)
	if s.selected == nil {
		return outcome{silent: true}
	}
	s.unwatch = s.watchSelected()
	s.tellIdle() // what changed before the watch began
	return outcome{silent: true}
}

// watchSelected hears of changes of the mailbox that is selected; of another's mailbox also of who the client is to its owner, such as a
// member of a group, which is told to the account that is signed in.
func (s *session) watchSelected() (end func()) {
	cancel := s.store.Watch(s.selected.account, s.waker.notice)
	if s.selected.account == s.conn.Account {
		return cancel
	}
	own := s.store.Watch(s.conn.Account, s.waker.notice)
	return func() { cancel(); own() }
}

// tellIdle tells what changed.
func (s *session) tellIdle() {
	if s.idling == "" || s.selected == nil {
		return
	}
	s.claimOut()
	if err := s.sync(true); err != nil {
		o := s.failed(err, s.selected.view.Mailbox.Name)
		s.bye(*o.refused)
	}
}

// endIdle reads DONE.
func (s *session) endIdle() {
	s.claimOut()
	line, err := s.in.line(s.commandLimit())
	if err != nil {
		s.broken(err)
		return
	}
	c := command{tag: s.idling, name: "IDLE"}
	s.stopIdle()
	o := done()
	if !strings.EqualFold(string(line), "DONE") {
		o = refuseProtocol("syntax")
	}
	s.server.options.Metrics.Command(c.name, s.finish(&c, o), time.Duration(0))
}

// stopIdle ends IDLE.
func (s *session) stopIdle() {
	s.idling = ""
	s.conn.Activity.Wait(false)
	if s.unwatch != nil {
		s.unwatch()
		s.unwatch = nil
	}
}
