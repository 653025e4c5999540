package imapd

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// notifier is what NOTIFY asked for (RFC 5465): to be told of changes as they happen, also of
// mailboxes that are not selected.
type notifier struct {
	groups   []notifyGroup
	selected *notifyGroup // of the mailbox that is selected; nil: nothing outside of commands
	// watched are the accounts whose mailboxes can be told of, each with what ends its notices.
	watched map[store.AccountID]func()
	at      uint64 // the store's counts of changes when was looked last
	// What the client was told: mailboxes, and the names it subscribes to.
	mailboxes     map[store.Place]place
	subscriptions map[string]bool
	annotations   annotationSums // nil if the client does not want to hear of them
	annotatedAt   uint64         // the store's count of their changes when was looked last
	// What the client did itself since then, and need not be told of (RFC 5465 section 5): names, those
	// of RENAME once more with a separator, and messages in the mailbox that is selected.
	own     map[string]bool
	brought uid.Set
}

// maxNotified is how many mailboxes can change at once before the client must look for itself.
const maxNotified = 500

// notify is NOTIFY (RFC 5465 section 3.1).
func (s *session) notify(c *notifyCommand) outcome {
	s.stopNotify()
	if c.none {
		return done()
	}
	n := &notifier{groups: c.groups}
	for i := range n.groups {
		if g := &n.groups[i]; (g.filter == filterSelected || g.filter == filterDelayed) && g.events != 0 {
			n.selected = g
		}
	}
	s.notifier = n
	n.watch(s, nil)
	n.at = n.changes(s)
	list, err := n.look(s)
	if err == nil && n.wants(eventMailboxMetadata|eventServerMetadata) {
		n.annotatedAt = n.annotationChanges(s)
		n.annotations, err = n.annotationSums(s)
	}
	if err != nil {
		s.stopNotify()
		return s.failed(err, "")
	}
	for i := range list {
		m := &list[i]
		events := n.eventsOf(m)
		switch {
		case !m.rights.Has(store.RightRead):
			if events&^(eventName|eventSubscription) != 0 {
				s.tellNoAccess(list, m)
			}
		case c.status && events&eventNew != 0 && !s.hasSelected(m):
			s.tellNotifyStatus(m, events)
		}
		s.flushIfFull()
	}
	return done()
}

// stopNotify ends NOTIFY.
func (s *session) stopNotify() {
	if s.notifier != nil {
		for _, cancel := range s.notifier.watched {
			cancel()
		}
		s.notifier = nil
	}
}

// watch begins to hear of changes of the account itself and of those that may share something with
// it, and of no other any more.
func (n *notifier) watch(s *session, sharers []store.AccountID) {
	before := n.watched
	n.watched = make(map[store.AccountID]func(), len(sharers)+1)
	for _, a := range append([]store.AccountID{s.conn.Account}, sharers...) {
		cancel, ok := before[a]
		if !ok {
			cancel = s.store.Watch(a, s.waker.notice)
		}
		n.watched[a] = cancel
		delete(before, a)
	}
	for _, cancel := range before {
		cancel()
	}
}

// changes is a number that is another one after every change that the client may be told of.
func (n *notifier) changes(s *session) (sum uint64) {
	for a := range n.watched {
		sum += s.store.Changes(a)
	}
	return sum
}

func (s *session) hasSelected(p *place) bool {
	return s.selected != nil && s.selected.id == p.ID && s.selected.account == p.account
}

// look reads all mailboxes and takes them for told.
func (n *notifier) look(s *session) ([]place, error) {
	sharers, err := s.store.Sharers(s.ctx, s.conn.Account)
	if err != nil {
		return nil, err
	}
	n.watch(s, sharers) // before the look, so that nothing is missed
	list, err := s.visible()
	if err != nil {
		return nil, err
	}
	names, err := s.store.Subscriptions(s.ctx, s.conn.Account)
	if err != nil {
		return nil, err
	}
	n.subscriptions = make(map[string]bool, len(names))
	for _, name := range names {
		n.subscriptions[name] = true
	}
	n.mailboxes = make(map[store.Place]place, len(list))
	for i := range list {
		m := &list[i]
		if m.isForeign() {
			m.Subscribed = n.subscriptions[m.Name]
		}
		n.mailboxes[m.at()] = *m
	}
	return list, nil
}

// events are those that the client wants of a name. What the groups that match it ask for adds up;
// one that asks for nothing ends that.
func (n *notifier) events(name string, role store.Role, subscribed bool) (e notifyEvents) {
	for i := range n.groups {
		g := &n.groups[i]
		if !g.matches(name, role, subscribed) {
			continue
		}
		if g.events == 0 {
			break
		}
		e |= g.events
	}
	return e
}

func (n *notifier) eventsOf(m *place) notifyEvents {
	return n.events(m.Name, m.Role, m.Subscribed)
}

// matches reports whether a group is about a mailbox (RFC 5465 section 6).
func (g *notifyGroup) matches(name string, role store.Role, subscribed bool) bool {
	switch g.filter {
	case filterInboxes: // where mail is delivered
		return role == store.RoleInbox || role == store.RoleJunk
	case filterPersonal:
		return !isForeign(name)
	case filterSubscribed:
		return subscribed
	case filterSubtree:
		return slices.ContainsFunc(g.mailboxes, func(top string) bool {
			return name == top || strings.HasPrefix(name, top+store.Separator)
		})
	case filterMailboxes:
		return slices.Contains(g.mailboxes, name)
	}
	return false
}

// tellNotify tells what NOTIFY asked for, if anything changed. It is called whenever the session is
// about to wait for its client.
func (s *session) tellNotify() {
	n := s.notifier
	if n == nil || s.err != nil || s.over {
		return
	}
	at := n.changes(s)
	if at == n.at {
		return
	}
	n.at = at
	s.claimOut()
	err := s.tellSelected(n)
	if err == nil {
		err = s.tellOthers(n)
	}
	if err != nil {
		o := s.failed(err, "")
		s.bye(*o.refused)
	}
}

// tellSelected tells of the mailbox that is selected, at once.
func (s *session) tellSelected(n *notifier) error {
	if n.selected == nil || s.selected == nil {
		return nil
	}
	sel := s.selected
	next, at, err := s.freshView()
	if err != nil {
		return err
	}
	if next.UIDs == sel.view.UIDs && n.selected.events&eventFlags == 0 {
		return nil // flags alone wait for a command
	}
	sel.fresh, sel.freshAt = next, at
	if n.selected.filter == filterDelayed {
		if gone := sel.view.UIDs.Minus(next.UIDs); !gone.Empty() {
			// What is gone stays until a command lets it go: the count of changes is left as it is, so
			// that this is found out again.
			held := *next
			held.UIDs = joined(sel.view.UIDs, next.UIDs)
			sel.fresh, sel.freshAt = &held, sel.viewAt
		}
	}
	return s.sync(true)
}

// joined is an index of the UIDs of both.
func joined(a, b *uid.Index) *uid.Index {
	all := a.Set().Union(b.Set())
	var chunks []uid.Chunk
	for len(all) > 0 {
		number := uid.ChunkOf(all[0].First)
		base := uid.UID(number) << uid.ChunkBits
		within := uid.Set{{First: base, Last: base | (1<<uid.ChunkBits - 1)}}
		chunks = append(chunks, uid.NewChunk(number, all.Intersect(within)))
		all = all.Minus(within)
	}
	return uid.NewIndex(chunks)
}

// tellNew sends what the client wants to know of each new message (RFC 5465 section 5.2).
func (s *session) tellNew(old *store.View) error {
	if s.notifier == nil || s.notifier.selected == nil || s.notifier.selected.fetch == nil {
		return nil
	}
	came := newSince(old, s.selected.view)
	if came.Empty() {
		return nil
	}
	fetch := s.notifier.selected.fetch
	w := s.fetchWriter(fetch.items | s.unasked())
	w.sections, w.upTo = fetch.sections, s.selected.view.Mailbox.HighestModSeq
	own := s.notifier.brought
	s.notifier.brought = own.Minus(came)
	return w.all(came.Minus(own).Minus(s.selected.described))
}

// unasked are the items that FETCH responses have beside what was asked for, since the client uses CONDSTORE or
// QRESYNC (RFC 7162 sections 3.1 and 3.2.4): those that tell of changes.
func (s *session) unasked() (items fetchItems) {
	if s.condstore {
		items |= fetchModSeq
	}
	if s.qresync {
		items |= fetchUID
	}
	return items
}

// brought notes messages that the client itself put into a mailbox: it knows them (RFC 5465 section
// 5.2).
func (s *session) brought(p *place, uids []uid.UID) {
	if n := s.notifier; n != nil && n.selected != nil && n.selected.fetch != nil && s.hasSelected(p) {
		n.brought = n.brought.Union(uid.Of(uids...))
	}
}

// tellOthers tells of mailboxes that are not selected, and of names.
func (s *session) tellOthers(n *notifier) error {
	before, subscribed := n.mailboxes, n.subscriptions
	list, err := n.look(s)
	if err != nil {
		return err
	}
	names := n.changedNames(s, list, before)
	if names.len() > maxNotified {
		return s.overflow()
	}
	told := names.tell()
	for i := range list {
		m := &list[i]
		old, known := before[m.at()]
		if !known || *m != old {
			told += s.tellMailbox(n, m, &old, known)
		}
		if told > maxNotified {
			return s.overflow()
		}
	}
	told += s.tellSubscriptions(n, list, subscribed)
	n.own = nil
	annotated, err := s.tellAnnotated(n, list)
	if err != nil {
		return err
	}
	told += annotated
	if told > maxNotified {
		return s.overflow()
	}
	return nil
}

// overflow ends NOTIFY: the client must look at the mailboxes itself (RFC 5465 section 5.8).
func (s *session) overflow() error {
	s.stopNotify()
	s.raw("* OK [NOTIFICATIONOVERFLOW] Too much changed at once, nothing more is told\r\n")
	return nil
}

// tellMailbox tells how the messages of a mailbox changed and returns how many responses that took.
func (s *session) tellMailbox(n *notifier, m, old *place, known bool) (told int) {
	events := n.eventsOf(m)
	arrived := uint32(m.UIDNext - max(old.UIDNext, 1))
	left := old.Messages + arrived - m.Messages
	changed := m.HighestModSeq != old.HighestModSeq && arrived == 0 && left == 0 && known &&
		m.Name == old.Name && m.Subscribed == old.Subscribed
	wanted := arrived > 0 && events&eventNew != 0 || left > 0 && events&eventExpunge != 0 || changed && events&eventFlags != 0
	if wanted && m.rights.Has(store.RightRead) && !s.hasSelected(m) {
		s.tellNotifyStatus(m, events)
		told++
	}
	s.flushIfFull()
	return told
}

// tellNotifyStatus writes the STATUS that stands for changes of messages (RFC 5465 sections 5.1 to
// 5.3).
func (s *session) tellNotifyStatus(m *place, events notifyEvents) {
	items := statusMessages | statusUIDNext | statusUIDValidity
	if events&eventFlags != 0 {
		items |= statusUnseen
	}
	if s.condstore {
		items |= statusHighestModSeq
	}
	s.writeStatus(m, items, 0)
}

// tellName writes the LIST that stands for a name that came, went or changed (RFC 5465 sections 5.4
// and 5.5).
func (s *session) tellName(list []place, name string, subscribed bool) {
	s.tellNode(&listCommand{extended: true, returnSubscribed: true}, nodeOf(list, name, subscribed))
}

// tellNoAccess tells that of a mailbox nothing but its name can be told (RFC 5465 section 3.1).
func (s *session) tellNoAccess(list []place, m *place) {
	n := nodeOf(list, m.Name, m.Subscribed)
	n.noAccess = true
	s.tellNode(&listCommand{extended: true, returnSubscribed: true}, n)
}

// nodeOf is what is known of a name.
func nodeOf(list []place, name string, subscribed bool) *node {
	n := &node{name: name, subscribed: subscribed}
	for i := range list {
		switch m := &list[i]; {
		case m.Name == name:
			n.mailbox = m
		case strings.HasPrefix(m.Name, name+store.Separator):
			n.parent = true
		}
	}
	return n
}

// tellSubscriptions tells which names were subscribed to or are not any more.
func (s *session) tellSubscriptions(n *notifier, list []place, before map[string]bool) (told int) {
	tell := func(name string, on bool) {
		role := store.RoleNone
		for i := range list {
			if list[i].Name == name {
				role = list[i].Role
			}
		}
		// A mailbox is among those subscribed to before or after: either makes the change known.
		if n.events(name, role, true)&eventSubscription != 0 && !n.isOwn(name) {
			s.tellName(list, name, on)
			told++
		}
	}
	for _, name := range differing(n.subscriptions, before) {
		tell(name, true)
	}
	for _, name := range differing(before, n.subscriptions) {
		tell(name, false)
	}
	return told
}

// differing returns the names of a that are not in b, in order.
func differing(a, b map[string]bool) (names []string) {
	for name := range a {
		if !b[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
