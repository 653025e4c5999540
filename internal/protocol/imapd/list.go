package imapd

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// node is a name in the hierarchy of mailboxes: of one that exists, one that is subscribed to, or
// one that others are below.
type node struct {
	name       string
	mailbox    *place // nil: there is no such mailbox
	subscribed bool
	parent     bool // mailboxes are below it
	selected   bool // by the selection options
	below      bool // a name below it is selected
	noAccess   bool // it can be seen, but what NOTIFY asks for of it cannot be told
}

// list is LIST (RFC 9051 section 6.3.9, RFC 5258, 5819, 6154) and LSUB (RFC 3501 section 6.3.9).
func (s *session) list(c *listCommand) outcome {
	if !c.extended && !c.lsub && c.patterns[0] == "" {
		s.raw("* LIST (\\Noselect) \"/\" \"\"\r\n") // the root, RFC 9051 section 6.3.9
		return done()
	}
	nodes, err := s.hierarchy(c)
	if err != nil {
		return s.failed(err, "")
	}
	for i, pattern := range c.patterns {
		c.patterns[i] = canonicalInbox(c.reference + pattern)
	}
	for _, n := range nodes {
		if !c.matches(n.name) || !c.wants(n) {
			continue
		}
		s.tellNode(c, n)
		if n.mailbox == nil {
			continue
		}
		if c.returnMyRights { // RFC 8440 section 3
			s.tellMyRights(n.mailbox)
		}
		if c.returnStatus != 0 && n.mailbox.rights.Has(store.RightRead) {
			if err := s.tellStatus(n.mailbox, c.returnStatus); err != nil {
				return s.failed(err, n.name)
			}
		}
		if c.returnMetadata != nil && n.mailbox.mayReadMetadata() {
			if _, err := s.tellMetadata(n.mailbox, n.name, c.returnMetadata); err != nil {
				return s.failed(err, n.name)
			}
		}
		s.flushIfFull()
	}
	return done()
}

// hierarchy returns all names by name, INBOX first, each with what the selection options make of
// it.
func (s *session) hierarchy(c *listCommand) ([]*node, error) {
	mailboxes, err := s.visible()
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*node, len(mailboxes))
	at := func(name string) *node {
		n := byName[name]
		if n == nil {
			n = &node{name: name}
			byName[name] = n
		}
		return n
	}
	for i := range mailboxes {
		m := &mailboxes[i]
		n := at(m.Name)
		n.mailbox, n.subscribed = m, m.Subscribed
		for up := range superiors(m.Name) {
			at(up).parent = true
		}
	}
	if c.subscribed || len(mailboxes) > 0 && mailboxes[len(mailboxes)-1].isForeign() {
		names, err := s.store.Subscriptions(s.ctx, s.conn.Account)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if c.subscribed || byName[name] != nil {
				at(name).subscribed = true
			}
		}
	}
	for _, n := range byName {
		n.selected = (!c.subscribed || n.subscribed) && (!c.specialUse || specialUse(n) != "")
	}
	c.lookBelow(byName, at)
	return sorted(byName), nil
}

// visible returns the mailboxes that the client can see, its own first, others' last.
func (s *session) visible() ([]place, error) {
	own, err := s.store.Mailboxes(s.ctx, s.conn.Account)
	if err != nil {
		return nil, err
	}
	shared, err := s.shared(store.RightLookup)
	list := make([]place, 0, len(own)+len(shared))
	for i := range own {
		list = append(list, place{s.conn.Account, store.AllRights, "", own[i]})
	}
	return append(list, shared...), err
}

// lookBelow notes above which names others are selected. For LSUB with "%" these stand for names
// below that the pattern itself does not show (RFC 3501 section 6.3.9).
func (c *listCommand) lookBelow(byName map[string]*node, at func(string) *node) {
	if !c.recursiveMatch && !c.lsub {
		return
	}
	var selected []string
	for name, n := range byName {
		if n.selected {
			selected = append(selected, name)
		}
	}
	for _, name := range selected {
		for up := range superiors(name) {
			at(up).below = true
		}
	}
}

func sorted(byName map[string]*node) []*node {
	nodes := make([]*node, 0, len(byName))
	for _, n := range byName {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *node) int {
		if (a.name == "INBOX") != (b.name == "INBOX") {
			if a.name == "INBOX" {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return nodes
}

// superiors yields the names above a name, the nearest first.
func superiors(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for {
			i := strings.LastIndex(name, store.Separator)
			if i <= 0 {
				return
			}
			if name = name[:i]; !yield(name) {
				return
			}
		}
	}
}

// wants reports whether a name that matches a pattern is to be told.
func (c *listCommand) wants(n *node) bool {
	switch {
	case n.selected:
		return n.mailbox != nil || n.parent || n.subscribed
	case c.recursiveMatch:
		return n.below
	case c.lsub:
		return n.below && strings.HasSuffix(c.patterns[0], "%")
	}
	return false
}

func (c *listCommand) matches(name string) bool {
	return slices.ContainsFunc(c.patterns, func(p string) bool { return matchName(p, name) })
}

// matchName reports whether a name matches a pattern: "*" is any text, "%" any without the
// separator. INBOX as the first level matches in any case.
func matchName(pattern, name string) bool {
	fold := 0
	if name == "INBOX" || strings.HasPrefix(name, "INBOX"+store.Separator) {
		fold = len("INBOX")
	}
	p, n := 0, 0
	star, percent := -1, -1 // where to go on in the pattern after a wildcard took one octet more
	starName, percentName := 0, 0
	for {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			p++
			star, starName, percent = p, n, -1
			continue
		case p < len(pattern) && pattern[p] == '%':
			p++
			percent, percentName = p, n
			continue
		case n == len(name) && p == len(pattern):
			return true
		case n < len(name) && p < len(pattern) && sameOctet(pattern[p], name[n], n < fold):
			p, n = p+1, n+1
			continue
		}
		switch {
		case percent >= 0 && percentName < len(name) && name[percentName] != '/':
			percentName++
			p, n = percent, percentName
		case star >= 0 && starName < len(name):
			starName++
			p, n, percent = star, starName, -1
		default:
			return false
		}
	}
}

func sameOctet(a, b byte, fold bool) bool {
	return a == b || fold && a|0x20 == b|0x20 && 'a' <= a|0x20 && a|0x20 <= 'z'
}

// specialUse returns the attribute of RFC 6154 that a name has, or "".
func specialUse(n *node) string {
	if n.mailbox == nil {
		return ""
	}
	switch n.mailbox.Role {
	case store.RoleSent:
		return `\Sent`
	case store.RoleDrafts:
		return `\Drafts`
	case store.RoleJunk:
		return `\Junk`
	case store.RoleTrash:
		return `\Trash`
	case store.RoleArchive:
		return `\Archive`
	}
	return ""
}

// tellNode writes a LIST or LSUB response.
func (s *session) tellNode(c *listCommand, n *node) {
	b := append(s.out, "* LIST ("...)
	if c.lsub {
		b = append(s.out, "* LSUB ("...)
	}
	start := len(b)
	for _, a := range s.attributes(c, n) {
		if a != "" {
			b = append(b, a...)
			b = append(b, ' ')
		}
	}
	if len(b) > start {
		b = b[:len(b)-1]
	}
	b = append(b, `) "/" `...)
	b = s.appendMailbox(b, n.name)
	if c.recursiveMatch && n.below {
		b = append(b, ` ("CHILDINFO" ("SUBSCRIBED"))`...) // RFC 5258 section 3.5
	}
	s.out = append(b, "\r\n"...)
}

// attributes are the mailbox attributes of a name, "" for those that it does not have.
func (s *session) attributes(c *listCommand, n *node) (list [4]string) {
	if c.lsub {
		if !n.selected {
			list[0] = `\Noselect`
		}
		return list
	}
	if n.mailbox == nil {
		list[0] = `\NonExistent`
		if !s.rev2 && !c.extended {
			list[0] = `\NonExistent \Noselect` // for clients that know only the older
		}
	}
	if n.noAccess {
		list[0] = `\NoAccess` // RFC 5465 section 3.1
	}
	if list[1] = `\HasNoChildren`; n.parent {
		list[1] = `\HasChildren`
	}
	list[2] = specialUse(n)
	if n.subscribed && (c.subscribed || c.returnSubscribed) {
		list[3] = `\Subscribed`
	}
	return list
}
