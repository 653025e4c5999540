package imapd

import (
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Whoever asks where a message is wants to know whether a program has fetched it. An event for each FETCH would cost more than the
// FETCH: what was fetched is told when the client rests or does something else with the mailbox.

// maxFetched is how many ranges of messages are remembered before they are told.
const maxFetched = 64

// noteFetched remembers that the text of messages was sent, whole or in parts; of fields and sizes nothing is told.
func (s *session) noteFetched(c *fetchCommand, set uid.Set) {
	if !c.readsText() || s.err != nil {
		return
	}
	sel := s.selected
	for _, r := range sel.view.UIDs.Intersect(set) {
		sel.fetched = sel.fetched.AddRange(r.First, r.Last)
	}
	if len(sel.fetched) > maxFetched {
		s.tellFetched()
	}
}

func (c *fetchCommand) readsText() bool {
	for _, sec := range c.sections {
		if sec.what == sectionBody || sec.what == sectionText || sec.what == sectionBinary {
			return true
		}
	}
	return false
}

// tellFetched tells the journal what was fetched since it was told last. The newest messages are named: they are asked about.
func (s *session) tellFetched() {
	sel := s.selected
	if sel == nil || sel.fetched.Empty() {
		return
	}
	e := Event{Kind: EventFetched, Mailbox: sel.view.Mailbox.Name, UIDs: sel.fetched}
	sel.fetched = nil
	if s.ctx.Err() == nil {
		e.MessageIDs = s.identify(sel.account, sel.id, lastOf(e.UIDs, store.MaxEventMessages))
	}
	s.note(e, sel.account, sel.prefix)
}

// lastOf is the n highest members of a set, or all.
func lastOf(set uid.Set, n int) uid.Set {
	for i := len(set) - 1; i >= 0; i-- {
		if r := set[i]; r.Len() >= n {
			return append(uid.Set{{First: r.Last - uid.UID(n-1), Last: r.Last}}, set[i+1:]...)
		}
		n -= set[i].Len()
	}
	return set
}
