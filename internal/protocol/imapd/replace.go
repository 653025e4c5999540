package imapd

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// replace is REPLACE and UID REPLACE (RFC 8508): a new message takes the place of an old one, which
// is gone for good, in one step. The new one is told before the old one goes.
func (s *session) replace(c *appendCommand) outcome {
	old, o := s.replaced(c)
	if o.refused != nil {
		return s.skip(c.rest, o)
	}
	a, o := s.readMessages(c, old)
	if o.refused != nil || o.silent {
		return o
	}
	sel := s.selected
	from := store.Place{Account: sel.account, Mailbox: sel.id}
	done, err := s.store.ReplaceBetween(s.ctx, from, old, a.target.at(), a.emails[0])
	if err != nil {
		return s.failedTarget(err, a.target.Name)
	}
	if len(done.UIDs) == 0 {
		return refuse(cause.Refuse(cause.MessageNotFound)) // another session was faster
	}
	s.raw("* OK [")
	s.out = append(s.out, s.appended(a, &done)...)
	s.raw("] Replacement is stored\r\n")
	s.note(Event{Kind: EventExpunged, Mailbox: sel.view.Mailbox.Name, UIDs: uid.Of(old)}, sel.account, sel.prefix)
	if !s.condstore {
		return outcome{}
	}
	return s.highestModSeq() // as UID EXPUNGE answers (RFC 8508 section 4.5)
}

// replaced finds the message that is to go.
func (s *session) replaced(c *appendCommand) (uid.UID, outcome) {
	sel := s.selected
	if o := s.mayChange(store.RightTrash | store.RightExpunge); o.refused != nil {
		return 0, o
	}
	set, o := sel.messages(c.uid, seqSet{ranges: []seqRange{{c.number, c.number}}})
	if o.refused != nil {
		return 0, o
	}
	if set.Empty() || !sel.view.UIDs.Contains(set[0].First) {
		return 0, refuse(cause.Refuse(cause.MessageNotFound))
	}
	return set[0].First, done()
}
