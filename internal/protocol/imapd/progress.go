package imapd

import (
	"strings"
	"time"
)

// progress keeps a client company during a long command: it tells how far the command is (RFC
// 9585) and notices when nobody waits for the answer any more. The zero value does nothing.
type progress struct {
	s    *session
	tag  string
	goal int // messages to look at in all, 0 if that is not known
	done int // of them

	looked, told time.Time
}

// lookEvery is how long a command goes on before it looks whether the client is there.
const lookEvery = time.Second

// progress begins to keep the client company for the command with a tag.
func (s *session) progress(tag string) progress {
	now := time.Now()
	return progress{s: s, tag: tag, looked: now, told: now}
}

// add notes that n more messages were looked at. The error is that the client is gone.
func (p *progress) add(n int) error {
	if p.done += n; p.s == nil {
		return nil
	}
	every, now := p.s.server.options.Timeouts.Progress, time.Now()
	if now.Sub(p.looked) < min(every, lookEvery) {
		return nil
	}
	if p.looked = now; p.s.isGone() {
		return errBroken
	}
	if now.Sub(p.told) < every || p.done == p.goal { // all but done (RFC 9585 section 4)
		return nil
	}
	p.told = now
	p.tell()
	if p.s.err != nil {
		return errBroken
	}
	return nil
}

// tell writes the response of RFC 9585 section 4: a tag that would end the response code is not
// named, and a goal is only told while it is ahead.
func (p *progress) tell() {
	s := p.s
	tag := "NIL"
	if !strings.Contains(p.tag, "]") {
		tag = quotedTag(p.tag)
	}
	s.raw("* OK [INPROGRESS (" + tag + " ")
	s.out = appendUint(s.out, p.done)
	if p.goal > p.done {
		s.out = appendUint(append(s.out, ' '), p.goal)
	} else {
		s.raw(" NIL")
	}
	s.raw(")] Still working\r\n")
	s.flush()
}

// isGone reports whether the client closed the connection. It may read what the client sent
// meanwhile into the buffer where the command is: nothing of the command may point there any more.
func (s *session) isGone() bool {
	if s.err != nil || s.in.buffered() > 0 {
		return s.err != nil
	}
	err := s.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err == nil {
		if err = s.in.fill(); isTimeout(err) {
			err = nil
		}
	}
	s.extend()
	if err != nil {
		s.err = err
	}
	return s.err != nil
}
