package imapd

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// storeStep is how many messages one change of flags touches: few enough for one transaction of
// the store, so that its mod-sequence tells our own changes from those of others.
const storeStep = 4000

// storeFlags is STORE and UID STORE (RFC 9051 section 6.4.6, RFC 7162 section 3.1.3).
func (s *session) storeFlags(c *storeCommand) outcome {
	sel := s.selected
	set, o := sel.messages(c.uid, c.set)
	if o.refused != nil {
		return o
	}
	if o := s.mayChange(0); o.refused != nil {
		return o
	}
	change := store.FlagChange{Op: c.op, System: c.flags.system, Keywords: c.flags.keywords}
	if o := s.permitted(c, &change); o.refused != nil {
		return o
	}
	if c.unchangedSince != nil {
		s.enableCondstore()
	}
	set = s.newest(set)
	var modified uid.Set
	for _, step := range s.steps(set, storeStep) {
		if s.err != nil {
			break
		}
		stored, err := s.storeStep(c, change, step)
		if err != nil {
			return s.failedFlags(err)
		}
		modified = modified.Union(stored.Modified)
		if junk, said := change.SaysJunk(); said {
			s.note(Event{Kind: EventMarked, Into: sel.id, UIDs: step.Minus(stored.Modified), Junk: junk}, sel.account, "")
		}
	}
	if !modified.Empty() {
		return doneWith(s.appendModified([]byte("MODIFIED "), c.uid, modified))
	}
	if !c.uid {
		if gone, err := s.vanished(set); err != nil {
			return s.failed(err, sel.view.Mailbox.Name)
		} else if gone {
			return refuse(cause.Refuse(cause.MessageNotFound))
		}
	}
	return done()
}

// storeStep changes flags and tells the new ones: of all messages, or with .SILENT only the
// mod-sequences to a client that follows them.
func (s *session) storeStep(c *storeCommand, change store.FlagChange, set uid.Set) (store.Stored, error) {
	sel := s.selected
	change.Since = sel.view.Mailbox.HighestModSeq
	stored, err := s.store.StoreFlags(s.ctx, sel.account, sel.id, set, change, c.unchangedSince)
	if err != nil {
		return stored, err
	}
	own := stored
	if c.silent { // what others changed before has not been told yet, and must be
		own.Changed = own.Changed.Minus(stored.Over)
	}
	sel.ownChanged(&own)
	if err := s.newKeywords(c); err != nil {
		return stored, err
	}
	w := s.fetchWriter(0)
	switch {
	case !c.silent:
		w.items = fetchFlags
		set = set.Minus(stored.Modified)
	case s.condstore:
		set = stored.Changed
	default:
		return stored, nil
	}
	w.items |= s.unasked()
	if c.uid {
		w.items |= fetchUID
	}
	return stored, w.all(set)
}

// newKeywords tells of keywords that a STORE made, before the first message that has one.
func (s *session) newKeywords(c *storeCommand) error {
	sel := s.selected
	for _, name := range c.flags.keywords {
		if _, ok := sel.view.Keywords.Lookup(name); ok {
			continue
		}
		k, err := s.store.Keywords(s.ctx, s.selected.account)
		if err != nil {
			return err
		}
		if k.Len() != sel.view.Keywords.Len() {
			view := *sel.view
			view.Keywords = k
			sel.view, sel.flags = &view, nil
			s.describeFlags()
		}
		return nil
	}
	return nil
}

// failedFlags maps an error of changing flags.
func (s *session) failedFlags(err error) outcome {
	o := s.failed(err, s.selected.view.Mailbox.Name)
	if o.refused.Cause == cause.MailboxLimit {
		return refuse(cause.Refuse(cause.MailboxLimit, cause.Count("limit", store.MaxKeywords)).As("keywords"))
	}
	return o
}

// appendModified writes the messages that UNCHANGEDSINCE left alone, as the command names them.
func (s *session) appendModified(b []byte, byUID bool, set uid.Set) []byte {
	if !byUID {
		set = s.selected.asNumbers(set)
	}
	return set.AppendTo(b)
}

// asNumbers turns UIDs that are in the view into their message numbers, as a set of the same kind.
func (m *selected) asNumbers(set uid.Set) (numbers uid.Set) {
	for _, r := range set {
		first, begins := m.view.UIDs.Seq(r.First)
		last, ends := m.view.UIDs.Seq(r.Last)
		if begins && ends && last-first == r.Len()-1 { // no gap
			numbers = numbers.AddRange(uid.UID(first), uid.UID(last))
			continue
		}
		for u := range (uid.Set{r}).All() {
			if seq, ok := m.view.UIDs.Seq(u); ok {
				numbers = numbers.Add(uid.UID(seq))
			}
		}
	}
	return numbers
}
