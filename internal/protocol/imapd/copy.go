package imapd

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// copyMessages is COPY, MOVE and their UID forms (RFC 9051 sections 6.4.7 and 6.4.8).
func (s *session) copyMessages(c *copyCommand) outcome {
	sel := s.selected
	set, o := sel.messages(c.uid, c.set)
	if o.refused != nil {
		return o
	}
	if c.move && sel.readOnly {
		return s.readOnly()
	}
	target, err := s.store.MailboxByName(s.ctx, s.conn.Account, c.mailbox)
	if err != nil {
		return s.failedTarget(err, c.mailbox)
	}
	if !c.uid {
		if gone, err := s.vanished(set); err != nil {
			return s.failed(err, c.mailbox)
		} else if gone {
			return refuse(cause.Refuse(cause.MessageNotFound))
		}
		sel.fresh = nil // it may be about to change
	}
	if c.move {
		return s.moveTo(set, &target)
	}
	copied, err := s.store.Copy(s.ctx, s.conn.Account, sel.id, set, target.ID)
	if err != nil {
		return s.failedTarget(err, c.mailbox)
	}
	if len(copied.From) == 0 {
		return done()
	}
	return doneWith(appendCopyUID(nil, &copied))
}

// moveTo moves messages. Where they went is told before they are gone (RFC 6851 section 4.3).
func (s *session) moveTo(set uid.Set, target *store.Mailbox) outcome {
	sel := s.selected
	moved, err := s.store.Move(s.ctx, s.conn.Account, sel.id, set, target.ID)
	if len(moved.From) > 0 {
		s.raw("* OK [")
		s.out = appendCopyUID(s.out, &moved)
		s.raw("] Moved\r\n")
		s.server.options.Backend.Event(&s.conn, Event{Kind: EventMoved,
			Mailbox: sel.view.Mailbox.Name, Target: target.Name, UIDs: uid.Of(moved.From...)})
	}
	if err != nil {
		return s.failedTarget(err, target.Name)
	}
	if len(moved.From) == 0 || !s.condstore {
		return done()
	}
	return s.highestModSeq()
}

// highestModSeq is OK with the mailbox's mod-sequence as it is now (RFC 7162 section 3.2.8).
func (s *session) highestModSeq() outcome {
	m, err := s.store.Mailbox(s.ctx, s.conn.Account, s.selected.id)
	if err != nil {
		return done()
	}
	return doneWith(appendUint([]byte("HIGHESTMODSEQ "), m.HighestModSeq))
}

// appendCopyUID writes COPYUID (RFC 9051 section 7.1): both lists in the order of the copies.
func appendCopyUID(b []byte, c *store.Copied) []byte {
	b = append(b, "COPYUID "...)
	b = appendUint(b, c.UIDValidity)
	b = append(b, ' ')
	b = appendUIDs(b, c.From)
	b = append(b, ' ')
	return appendUIDs(b, c.To)
}

// appendUIDs writes UIDs as a set in their order, runs as ranges.
func appendUIDs(b []byte, uids []uid.UID) []byte {
	for i := 0; i < len(uids); {
		j := i + 1
		for j < len(uids) && uids[j] == uids[j-1]+1 {
			j++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendUint(b, uint32(uids[i]))
		if j-i > 1 {
			b = append(b, ':')
			b = appendUint(b, uint32(uids[j-1]))
		}
		i = j
	}
	return b
}
