package imapd

import (
	"strings"

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
	if c.move { // RFC 6851 section 4.4: it is a COPY, a STORE of \Deleted and an EXPUNGE
		if o := s.mayChange(store.RightTrash | store.RightExpunge); o.refused != nil {
			return o
		}
	}
	if !c.move && sel.isTooMany(set, s.server.options.Limits.Messages) {
		return s.tooManyOf(set) // COPY is all or nothing (RFC 9051 section 6.4.7)
	}
	target, o := s.reachTarget(c.mailbox)
	if o.refused != nil {
		return o
	}
	if !c.uid {
		if gone, err := s.vanished(set); err != nil {
			return s.failed(err, c.mailbox)
		} else if gone {
			return refuse(cause.Refuse(cause.MessageNotFound))
		}
		sel.fresh = nil // it may be about to change
	}
	if c.move { // within a domain, whose mail is no more for it
		return s.moveTo(s.newest(set), &target)
	}
	if o := s.claimFor(set, &target); o.refused != nil {
		return o
	}
	copied, err := s.store.CopyBetween(s.ctx, sel.copying(set, &target))
	if err != nil {
		return s.failedTarget(err, c.mailbox)
	}
	if len(copied.From) == 0 {
		return done()
	}
	s.noteFiled(&copied, &target)
	if target.isForeign() {
		s.note(Event{Kind: EventAppended, Mailbox: target.Name, UIDs: uid.Of(copied.To...)}, target.account, target.prefix)
	}
	s.brought(&target, copied.To)
	return doneWith(appendCopyUID(nil, &copied))
}

// claimFor takes room for copies in the mailbox of another account.
func (s *session) claimFor(set uid.Set, target *place) outcome {
	if target.account == s.selected.account || s.server.options.Room == nil {
		return done()
	}
	owner, err := s.store.Account(s.ctx, target.account)
	if err != nil {
		return s.failedTarget(err, target.Name)
	}
	size, err := s.sizeOf(set)
	if err != nil {
		return s.failed(err, target.Name)
	}
	return s.claim(&owner, size)
}

// moveTo moves messages. Where they went is told before they are gone (RFC 6851 section 4.3).
func (s *session) moveTo(set uid.Set, target *place) outcome {
	sel := s.selected
	s.tellFetched() // while they can be named
	moved, err := s.store.MoveBetween(s.ctx, sel.copying(set, target))
	if len(moved.From) > 0 {
		s.raw("* OK [")
		s.out = appendCopyUID(s.out, &moved)
		s.raw("] Moved\r\n")
		s.noteMoved(&moved, target)
		s.noteFiled(&moved, target)
	}
	if err != nil {
		return s.failedTarget(err, target.Name)
	}
	if len(moved.From) == 0 || !s.condstore {
		return done()
	}
	return s.highestModSeq()
}

// copying is a copy of messages of the mailbox that is selected, without the flags that the rights
// on the target do not cover (RFC 4314 section 4).
func (m *selected) copying(set uid.Set, target *place) store.Copying {
	return store.Copying{
		From: store.Place{Account: m.account, Mailbox: m.id}, To: target.at(), Set: set, Lose: target.rights.Fixed(),
	}
}

// noteFiled tells where messages of an account lie now, if their role is another: that is how people say what is junk.
func (s *session) noteFiled(copied *store.Copied, target *place) {
	sel := s.selected
	if target.account != sel.account || target.Role == sel.view.Mailbox.Role {
		return
	}
	s.note(Event{Kind: EventFiled, From: sel.view.Mailbox.Role, To: target.Role, Into: target.ID, UIDs: uid.Of(copied.To...)}, sel.account, "")
}

// noteMoved tells the journals of both owners.
func (s *session) noteMoved(moved *store.Copied, target *place) {
	sel := s.selected
	e := Event{Kind: EventMoved, Mailbox: sel.view.Mailbox.Name, Target: target.Name, UIDs: uid.Of(moved.From...)}
	e.MessageIDs = s.identify(target.account, target.ID, uid.Of(moved.To...))
	switch {
	case target.account == sel.account:
		e.Target = strings.TrimPrefix(e.Target, target.prefix)
	case sel.account != s.conn.Account: // the owner of one mailbox does not know the names of the other
		e.Target += " (" + s.conn.Name + ")"
	}
	s.note(e, sel.account, sel.prefix)
	if target.account != sel.account {
		s.note(Event{Kind: EventAppended, Mailbox: target.Name, UIDs: uid.Of(moved.To...)}, target.account, target.prefix)
	}
}

// identify returns the identifiers by which the trace of a message finds what was done with it. Without them it is told all the same.
func (s *session) identify(account store.AccountID, mailbox store.MailboxID, set uid.Set) []string {
	ids, err := s.store.MessageIDs(s.ctx, account, mailbox, set, store.MaxEventMessages)
	if err != nil {
		s.server.options.Log.Warn("imapd: messages of an event not named", "account", account, "err", err)
	}
	return ids
}

// highestModSeq is OK with the mailbox's mod-sequence as it is now (RFC 7162 section 3.2.8).
func (s *session) highestModSeq() outcome {
	m, err := s.store.Mailbox(s.ctx, s.selected.account, s.selected.id)
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
