package imapd

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// selected is the mailbox that a session has open: what the client knows of it.
type selected struct {
	account  store.AccountID // whose mailbox it is
	id       store.MailboxID
	prefix   string       // as in place; "": an own mailbox
	rights   store.Rights // as they were when the last command began
	lost     bool         // it cannot be read any more
	rightsAt [2]uint64    // the store's version of rights
	readOnly bool         // opened by EXAMINE
	// view is the state that the client was told. Message numbers are those of its index. It
	// moves on in sync only.
	view *store.View
	// fresh is a newer state that was read during the command, nil if none was.
	fresh *store.View
	// viewAt and freshAt are what the store's count of changes was before each was read: while it
	// is the same there is nothing newer.
	viewAt, freshAt uint64
	// saved is the result of the last SEARCH with SAVE (RFC 5182), as UIDs.
	saved uid.Set
	// watched are searches whose results the client follows, described the messages that were
	// described to it because they came into them, in the sync that goes on.
	watched   []*watched
	described uid.Set
	// own are the changes of flags that the client made itself after view and knows of.
	own []ownChange
	// fetched are the messages whose text was sent, since the journal was told.
	fetched uid.Set
	// flags has lists of flags as they are written, for the keywords of view.
	flags map[store.Flags]string
}

// ownChange is one transaction of this session.
type ownChange struct {
	modSeq store.ModSeq
	uids   uid.Set
}

// selectMailbox is SELECT and EXAMINE (RFC 9051 sections 6.3.2 and 6.3.3).
func (s *session) selectMailbox(c *selectCommand) outcome {
	if c.qresync != nil && !s.qresync {
		return refuseProtocol("sequence") // RFC 7162 section 3.2.5
	}
	if s.selected != nil {
		s.leave()
		s.raw("* OK [CLOSED] Previous mailbox is closed\r\n")
	}
	var o outcome
	if s.selected, o = s.openMailbox(c.mailbox); o.refused != nil {
		return o
	}
	s.selected.readOnly = c.readOnly
	view, rights := s.selected.view, s.selected.rights
	if c.condstore || c.qresync != nil {
		s.condstore = true
	}
	s.describe()
	if c.qresync != nil && c.qresync.uidValidity == view.Mailbox.UIDValidity {
		if err := s.resync(c.qresync); err != nil {
			s.leave()
			return s.failed(err, c.mailbox)
		}
	}
	if c.readOnly || !rights.Any(changeRights) {
		return outcome{code: "READ-ONLY"}
	}
	return outcome{code: "READ-WRITE"}
}

// openMailbox looks at the mailbox with a name; nil if the command is refused.
func (s *session) openMailbox(name string) (*selected, outcome) {
	sel := &selected{account: s.conn.Account, rights: store.AllRights}
	if isForeign(name) {
		m, o := s.reach(name, store.RightRead)
		if o.refused != nil {
			return nil, o
		}
		sel.account, sel.prefix, sel.rights, sel.id = m.account, m.prefix, m.rights, m.ID
	}
	var err error
	sel.viewAt = s.store.Changes(sel.account)
	if sel.prefix == "" {
		sel.view, err = s.store.ViewByName(s.ctx, sel.account, name)
	} else {
		sel.view, err = s.look(sel.account, sel.id, sel.prefix)
	}
	if err != nil {
		return nil, s.failed(err, name)
	}
	sel.id = sel.view.Mailbox.ID
	return sel, done()
}

// describe tells the client about the mailbox it has just selected.
func (s *session) describe() {
	m := &s.selected.view.Mailbox
	s.describeFlags()
	s.raw("* ")
	s.out = appendUint(s.out, s.selected.view.UIDs.Len())
	s.raw(" EXISTS\r\n")
	if !s.rev2 {
		s.raw("* 0 RECENT\r\n")
	}
	s.raw("* OK [UIDVALIDITY ")
	s.out = appendUint(s.out, m.UIDValidity)
	s.raw("] UIDs are valid\r\n* OK [UIDNEXT ")
	s.out = appendUint(s.out, uint32(m.UIDNext))
	s.raw("] Next UID\r\n* OK [HIGHESTMODSEQ ")
	s.out = appendUint(s.out, m.HighestModSeq)
	s.raw("] Highest mod-sequence\r\n* OK [MAILBOXID (")
	s.out = s.appendID(s.out, s.selected.account, 'F', uint64(m.ID))
	s.raw(")] Mailbox identifier\r\n")
	if s.rev2 {
		s.raw("* LIST () \"/\" ")
		s.out = s.appendMailbox(s.out, m.Name)
		s.raw("\r\n")
	}
}

// describeFlags tells which flags there are and which the client can change for good.
func (s *session) describeFlags() {
	v := s.selected.view
	all := store.SystemFlags
	for _, name := range v.Keywords.All() {
		if f, ok := v.Keywords.Lookup(name); ok {
			all = all.With(f)
		}
	}
	s.raw("* FLAGS ")
	s.out = appendFlags(s.out, all, v.Keywords)
	rights := s.selected.rights
	if s.selected.readOnly || !rights.Any(flagRights) {
		s.raw("\r\n* OK [PERMANENTFLAGS ()] Read-only mailbox\r\n")
		return
	}
	s.raw("\r\n* OK [PERMANENTFLAGS ")
	s.out = appendFlags(s.out, all.Without(rights.Fixed()), v.Keywords)
	if !rights.Has(store.RightWrite) { // RFC 4314 section 5.1.1
		s.raw("] Flags permitted\r\n")
		return
	}
	s.out = append(s.out[:len(s.out)-1], ` \*)] Flags permitted`+"\r\n"...)
}

// leave closes the mailbox that is selected, without expunging.
func (s *session) leave() {
	s.tellFetched()
	s.selected = nil
}

// unselect is UNSELECT (RFC 9051 section 6.4.2).
func (s *session) unselect(*command) outcome {
	s.leave()
	return done()
}

// closeMailbox is CLOSE (RFC 9051 section 6.4.1): an expunge that is not told, then UNSELECT.
func (s *session) closeMailbox(*command) outcome {
	if s.selected.readOnly || s.selected.lost || !s.selected.rights.Has(store.RightExpunge) { // RFC 4314 section 4
		s.leave()
		return done()
	}
	sel := s.selected
	m := sel.view.Mailbox
	gone, names, at, err := s.expungeDeleted(sel.known())
	told := err == nil && s.knowsAllBut(gone)
	s.leave()
	if err != nil && store.KindOf(err) != store.KindNotFound {
		return s.failed(err, m.Name)
	}
	o := s.expunged(sel, gone, names, at)
	if !told {
		o.code = ""
	}
	return o
}

// knowsAllBut reports whether the client was told of all changes of its mailbox but the expunge
// that it has just asked for. Only then can it take the mod-sequence of now for its own.
func (s *session) knowsAllBut(gone uid.Set) bool {
	sel := s.selected
	since := sel.view.Mailbox.HighestModSeq
	vanished, complete, err := s.store.VanishedSince(s.ctx, sel.account, sel.id, since)
	if err != nil || !complete || !vanished.Minus(gone).Empty() {
		return false
	}
	changed, err := s.changed(since, func(*store.Placement) bool { return true })
	return err == nil && changed.Empty()
}

// expunge is EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9). What is gone is told by
// sync, as are messages that others expunged.
func (s *session) expunge(c *command) outcome {
	if o := s.mayChange(store.RightExpunge); o.refused != nil {
		return o
	}
	set := s.selected.known()
	if args, ok := c.args.(*expungeCommand); ok {
		var err error
		if set, err = s.deletedNewest(s.selected.uids(args.set)); err != nil {
			return s.failed(err, s.selected.view.Mailbox.Name)
		}
	}
	sel := s.selected
	gone, names, at, err := s.expungeDeleted(set)
	if err != nil {
		return s.failed(err, sel.view.Mailbox.Name)
	}
	return s.expunged(sel, gone, names, at)
}

// expungeDeleted removes the messages of a set that are marked as deleted, and names the first of them.
func (s *session) expungeDeleted(set uid.Set) (gone uid.Set, names []string, at store.ModSeq, err error) {
	sel := s.selected
	s.tellFetched() // while they can be named
	if set, err = s.store.DeletedAmong(s.ctx, sel.account, sel.id, set); err == nil && !set.Empty() {
		names = s.identify(sel.account, sel.id, set)
	}
	if err == nil {
		gone, at, err = s.store.Expunge(s.ctx, sel.account, sel.id, set, true)
	}
	return gone, names, at, err
}

// expunged notes an expunge in the journal and answers with the mailbox's mod-sequence (RFC 7162
// section 3.2.7).
func (s *session) expunged(sel *selected, gone uid.Set, names []string, at store.ModSeq) outcome {
	if gone.Empty() {
		return done()
	}
	s.note(Event{Kind: EventExpunged, Mailbox: sel.view.Mailbox.Name, UIDs: gone, MessageIDs: names}, sel.account, sel.prefix)
	if !s.condstore {
		return done()
	}
	return doneWith(appendUint([]byte("HIGHESTMODSEQ "), at))
}

// readOnly refuses to change a mailbox that was opened by EXAMINE.
func (s *session) readOnly() outcome {
	return refuse(cause.Refuse(cause.AccountAccessDenied,
		cause.Text("mailbox", s.selected.view.Mailbox.Name)).As("read-only"))
}

// known is the set of all UIDs that the client can know of. It may have some that do not exist.
func (m *selected) known() uid.Set {
	if m.view.UIDs.Len() == 0 {
		return nil
	}
	return uid.Set{{First: 1, Last: m.view.UIDs.Max()}}
}

// uids turns a set of UIDs as the client wrote it into one that has only UIDs it can know of; "*"
// is the largest. It may have some that do not exist.
func (m *selected) uids(s seqSet) uid.Set {
	if s.saved {
		return m.saved
	}
	last := uint32(m.view.UIDs.Max())
	if last == 0 {
		return nil
	}
	set := make(uid.Set, 0, len(s.ranges))
	for _, r := range s.ranges {
		from, to := r.resolve(last)
		if from <= last {
			set = append(set, uid.Range{First: uid.UID(from), Last: uid.UID(min(to, last))})
		}
	}
	return uid.FromRanges(set)
}

// resolve orders the ends of a range and replaces star.
func (r seqRange) resolve(last uint32) (from, to uint32) {
	from, to = r.from, r.to
	if from == star {
		from = last
	}
	if to == star {
		to = last
	}
	return min(from, to), max(from, to)
}

// numbers turns a set of message numbers into the set of their UIDs. ok is false if a number is
// beyond the mailbox. In an empty mailbox "*" is no message.
func (m *selected) numbers(s seqSet) (set uid.Set, ok bool) {
	if s.saved {
		return m.saved, true
	}
	last := uint32(m.view.UIDs.Len())
	set = make(uid.Set, 0, len(s.ranges))
	ok = true
	for _, r := range s.ranges {
		from, to := r.resolve(last)
		if last == 0 && (r.from == star || r.to == star) {
			continue
		}
		if to > last {
			ok = false
			to = last
		}
		if from <= to && from > 0 {
			set = append(set, uid.Range{First: m.view.UIDs.UID(int(from)), Last: m.view.UIDs.UID(int(to))})
		}
	}
	return uid.FromRanges(set), ok
}

// messages resolves the set of a command; the outcome is BAD for numbers beyond the mailbox.
func (m *selected) messages(byUID bool, s seqSet) (uid.Set, outcome) {
	if byUID {
		return m.uids(s), done()
	}
	set, ok := m.numbers(s)
	if !ok {
		return nil, refuseProtocol("arguments")
	}
	return set, done()
}
