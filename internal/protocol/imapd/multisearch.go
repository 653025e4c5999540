package imapd

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// sources are the mailboxes that ESEARCH looks in (RFC 7377 section 2.2), as RFC 5465 section 6
// names them.
type sources struct {
	selected, inboxes, personal, subscribed bool
	mailboxes, subtrees, subtreesOne        []string
}

// onlySelected reports whether nothing but the mailbox that is selected is asked for.
func (o *sources) onlySelected() bool {
	return o.selected && !o.inboxes && !o.personal && !o.subscribed &&
		len(o.mailboxes)+len(o.subtrees)+len(o.subtreesOne) == 0
}

// esearch reads ESEARCH (RFC 7377 section 4).
func (p *parser) esearch() any {
	c := &searchCommand{uid: true, extended: true, from: &sources{}}
	s := &searchParser{parser: p}
	if s.keyword("IN") {
		p.sp()
		n := 0
		p.list(func() {
			p.source(c.from)
			n++
		})
		if n == 0 {
			p.fail("want source mailboxes")
		}
		p.sp()
	} else {
		c.from.selected = true
	}
	s.returnOptions(c)
	if c.ret == 0 {
		c.ret = returnAll
	}
	s.searchProgram(c)
	return c
}

// source reads filter-mailboxes of RFC 5465 section 8.
func (p *parser) source(o *sources) {
	switch name := p.word(); name {
	case "SELECTED":
		o.selected = true
	case "INBOXES":
		o.inboxes = true
	case "PERSONAL":
		o.personal = true
	case "SUBSCRIBED":
		o.subscribed = true
	case "MAILBOXES":
		o.mailboxes = p.oneOrMoreMailboxes(o.mailboxes)
	case "SUBTREE":
		o.subtrees = p.oneOrMoreMailboxes(o.subtrees)
	case "SUBTREE-ONE":
		o.subtreesOne = p.oneOrMoreMailboxes(o.subtreesOne)
	default:
		p.fail("source of ESEARCH %q", name)
	}
}

func (p *parser) oneOrMoreMailboxes(names []string) []string {
	p.sp()
	if p.peek() != '(' {
		return append(names, p.mailbox())
	}
	before := len(names)
	p.list(func() {
		if names = append(names, p.mailbox()); len(names) > maxNamed {
			p.tooMany(maxNamed)
		}
	})
	if len(names) == before {
		p.fail("want mailboxes")
	}
	return names
}

// multiSearch is ESEARCH: one search in many mailboxes, with a response for each where something
// is found (RFC 7377 section 2.1).
func (s *session) multiSearch(c *searchCommand) outcome {
	if o := s.mayMultiSearch(c); o.refused != nil {
		return o
	}
	if c.key.has(opModSeq) {
		s.enableCondstore()
	}
	list, err := s.sources(c.from)
	if err != nil {
		return s.failed(err, "")
	}
	company := s.progress(c.tag)
	for i := range list {
		m, p := s.selected, &list[i]
		if !s.hasSelected(p) {
			view, err := s.look(p.account, p.ID, p.prefix)
			if store.KindOf(err) == store.KindNotFound {
				continue // deleted meanwhile
			}
			if err != nil {
				return s.failed(err, p.Name)
			}
			m = &selected{account: p.account, id: p.ID, prefix: p.prefix, rights: p.rights, view: view}
		}
		one := *c
		one.key = c.key.clone()
		q := s.query(m, c.tag)
		q.progress = company
		r, err := q.find(&one)
		if err != nil {
			return s.failedSearch(err, m)
		}
		company = q.progress
		s.tellSource(&one, m, r)
	}
	return done()
}

// tellSource answers for one mailbox, and keeps its results as far as the client wants that.
func (s *session) tellSource(c *searchCommand, m *selected, r *found) {
	if c.ret&returnSave != 0 {
		m.saved = r.saved(c)
	}
	if r.len() > 0 {
		s.tellExtended(c, m, r)
		s.flushIfFull()
	}
	if c.ret&returnUpdate != 0 && m == s.selected {
		s.watch(c, r)
	}
}

// mayMultiSearch checks what cannot be asked for of mailboxes that are not selected.
func (s *session) mayMultiSearch(c *searchCommand) outcome {
	only := c.from.onlySelected()
	switch {
	case c.from.selected && s.selected == nil:
		return refuseProtocol("sequence")
	case c.charset && s.utf8 && !s.rev2: // RFC 6855 section 3
		return refuseProtocol("arguments")
	case !only && (c.ret&returnSave != 0 || c.key.hasSaved()):
		return refuseProtocol("arguments")
	case c.ret&returnUpdate == 0:
	case s.selected == nil:
		return refuseProtocol("sequence")
	case s.selected.isWatched(c.tag): // RFC 5267 section 4.3
		return refuseProtocol("arguments")
	}
	return done()
}

// sources returns the mailboxes to look in, each once. Names of no mailbox are passed over: who
// may not see a mailbox must not learn of it either.
func (s *session) sources(o *sources) ([]place, error) {
	list, err := s.visible()
	if err == nil && o.subscribed {
		err = s.markSubscribed(list)
	}
	if sel := s.selected; o.selected && sel.prefix != "" && !slices.ContainsFunc(list, func(m place) bool { return s.hasSelected(&m) }) {
		list = append(list, place{sel.account, sel.rights, sel.prefix, sel.view.Mailbox}) // read, but not seen in lists
	}
	return slices.DeleteFunc(list, func(m place) bool {
		return !m.rights.Has(store.RightRead) || !o.has(&m) && (!o.selected || !s.hasSelected(&m))
	}), err
}

// markSubscribed notes which mailboxes of others the client subscribes to.
func (s *session) markSubscribed(list []place) error {
	names, err := s.store.Subscriptions(s.ctx, s.conn.Account)
	for i := range list {
		if m := &list[i]; m.isForeign() {
			m.Subscribed = slices.Contains(names, m.Name)
		}
	}
	return err
}

// has reports whether a mailbox is asked for, other than as the one that is selected.
func (o *sources) has(m *place) bool {
	if o.personal && !m.isForeign() || o.subscribed && m.Subscribed || o.inboxes && (m.Role == store.RoleInbox || m.Role == store.RoleJunk) {
		return true
	}
	below := func(name string) (string, bool) {
		if m.Name == name {
			return "", true
		}
		return strings.CutPrefix(m.Name, name+store.Separator)
	}
	return slices.Contains(o.mailboxes, m.Name) ||
		slices.ContainsFunc(o.subtrees, func(name string) bool {
			_, ok := below(name)
			return ok
		}) ||
		slices.ContainsFunc(o.subtreesOne, func(name string) bool {
			rest, ok := below(name)
			return ok && !strings.Contains(rest, store.Separator)
		})
}

// clone copies a key, so that it can be prepared for another mailbox.
func (k *searchKey) clone() searchKey {
	c := *k
	c.keys = make([]searchKey, len(k.keys))
	for i := range k.keys {
		c.keys[i] = k.keys[i].clone()
	}
	return c
}

// hasSaved reports whether the key or one below it is about "$".
func (k *searchKey) hasSaved() bool {
	return k.set.saved || slices.ContainsFunc(k.keys, func(k searchKey) bool { return k.hasSaved() })
}
