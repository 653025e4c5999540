package imapd

import (
	"slices"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// sync tells the client what changed in its mailbox since view, and moves view on: messages that
// are gone, how many there are, flags that others changed. Where the protocol does not let
// messages go (expunge is false) and some did, nothing is told: a client that heard of later
// changes first could take its copy for more complete than it is (RFC 7162 section 3.2.9).
func (s *session) sync(expunge bool) error {
	sel, old := s.selected, s.selected.view
	if sel.prefix != "" {
		if err := s.refreshRights(); err != nil {
			return err
		}
		if sel.lost {
			sel.fresh = nil
		}
	}
	next, at := sel.fresh, sel.freshAt
	sel.fresh = nil
	if next == nil {
		var err error
		if next, at, err = s.freshView(); err != nil {
			return err
		}
	}
	if next.UIDs == old.UIDs && next.Mailbox.HighestModSeq == old.Mailbox.HighestModSeq {
		sel.viewAt = at
		return nil
	}
	var gone uid.Set
	if next.UIDs != old.UIDs {
		if gone = old.UIDs.Minus(next.UIDs); !gone.Empty() && !expunge {
			return nil
		}
	}
	s.tellLeft(gone)
	sel.view, sel.viewAt = next, at
	if next.Keywords.Len() != old.Keywords.Len() {
		sel.flags = nil
		s.describeFlags()
	}
	s.tellGone(old, gone)
	if next.UIDs.Len() > old.UIDs.Len()-gone.Len() {
		s.raw("* ")
		s.out = appendUint(s.out, next.UIDs.Len())
		s.raw(" EXISTS\r\n")
	}
	err := s.tellResults(old, s.tellFlags(old))
	if err == nil { // behind what comes into results (RFC 5465 section 5.2)
		err = s.tellNew(old)
	}
	sel.described = nil
	return err
}

// freshView is the mailbox as it is now, and the count of changes before the look at it. If
// someone deleted it, or the client may not read it any more, its messages are gone.
func (s *session) freshView() (v *store.View, at uint64, err error) {
	sel := s.selected
	if at = s.store.Changes(sel.account); at == sel.viewAt && !sel.lost {
		return sel.view, at, nil
	}
	if !sel.lost {
		v, err = s.look(sel.account, sel.id, sel.prefix)
		if err == nil || store.KindOf(err) != store.KindNotFound {
			return v, at, err
		}
	}
	empty := *s.selected.view
	if empty.UIDs.Len() > 0 {
		empty.UIDs = uid.NewIndex(nil)
	}
	return &empty, at, nil
}

// tellGone tells which messages of a view are gone: by UID if the client speaks QRESYNC (RFC 7162
// section 3.2.10), else by number, from the last to the first so that none changes the next.
func (s *session) tellGone(old *store.View, gone uid.Set) {
	if gone.Empty() {
		return
	}
	if s.qresync || s.uidOnly { // RFC 9586 section 3
		s.raw("* VANISHED ")
		s.out = gone.AppendTo(s.out)
		s.raw("\r\n")
		return
	}
	for _, r := range slices.Backward(gone) {
		last, _ := old.UIDs.Seq(r.Last)
		first := last - r.Len() + 1
		for seq := last; seq >= first; seq-- {
			s.raw("* ")
			s.out = appendUint(s.out, seq)
			s.raw(" EXPUNGE\r\n")
			s.flushIfFull()
		}
	}
}

// tellFlags tells the flags that changed since a view, but for new messages, whose flags the
// client must ask for anyway, and for what the client did itself.
func (s *session) tellFlags(old *store.View) error {
	sel := s.selected
	now := sel.view.Mailbox.HighestModSeq
	if now == old.Mailbox.HighestModSeq {
		return nil
	}
	changed, err := s.changed(old.Mailbox.HighestModSeq, func(p *store.Placement) bool {
		return p.UID < old.Mailbox.UIDNext && !sel.isOwn(p)
	})
	sel.own = slices.DeleteFunc(sel.own, func(o ownChange) bool { return o.modSeq <= now })
	if err != nil {
		return err
	}
	w := s.fetchWriter(fetchFlags | fetchUID)
	if s.condstore {
		w.items |= fetchModSeq
		w.upTo, w.changes = now, true
	}
	return w.all(changed)
}

// changed returns the UIDs of the messages that changed after a mod-sequence and are wanted.
func (s *session) changed(since store.ModSeq, wanted func(*store.Placement) bool) (set uid.Set, err error) {
	err = s.store.ChangedSince(s.ctx, s.selected.account, s.selected.id, since, func(p *store.Placement) error {
		if wanted(p) {
			set = set.Add(p.UID)
		}
		return nil
	})
	return set, err
}

// isOwn reports whether the client itself made the last change of a message.
func (m *selected) isOwn(p *store.Placement) bool {
	return slices.ContainsFunc(m.own, func(o ownChange) bool {
		return o.modSeq == p.ModSeq && o.uids.Contains(p.UID)
	})
}

// vanished reports whether messages of a set, which the client still sees, are gone. The view it
// reads for that serves the sync at the end of the command, too: nothing may change the mailbox
// in between.
func (s *session) vanished(set uid.Set) (bool, error) {
	sel := s.selected
	next, at, err := s.freshView()
	if err != nil {
		return false, err
	}
	sel.fresh, sel.freshAt = next, at
	if next.UIDs == sel.view.UIDs {
		return false, nil
	}
	return !sel.view.UIDs.Minus(next.UIDs).Intersect(set).Empty(), nil
}
