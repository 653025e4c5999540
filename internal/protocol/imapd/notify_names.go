package imapd

import (
	"maps"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// did notes a name that the client itself changed.
func (n *notifier) did(c *command) {
	var names []string
	switch args := c.args.(type) {
	case *createCommand:
		names = []string{strings.TrimSuffix(args.mailbox, store.Separator)}
	case *renameCommand:
		to := strings.TrimSuffix(args.to, store.Separator)
		names = []string{args.from, args.from + store.Separator, to, to + store.Separator}
	case *mailboxCommand: // DELETE, SUBSCRIBE, UNSUBSCRIBE
		names = []string{args.mailbox}
	}
	for _, name := range names {
		if n.own == nil {
			n.own = map[string]bool{}
		}
		n.own[name] = true
	}
}

// isOwn reports whether the client itself changed a name, or renamed one above it.
func (n *notifier) isOwn(name string) bool {
	if n.own[name] {
		return true
	}
	for i := range len(name) {
		if name[i] == '/' && n.own[name[:i+1]] {
			return true
		}
	}
	return false
}

// nameChanges are the names that came, went or changed since the client was told (RFC 5465 section
// 5.4).
type nameChanges struct {
	s        *session
	n        *notifier
	list     []place           // as it is now
	came     []*place          // new mailboxes
	renamed  map[string]*place // by the old name
	gone     []string
	affected map[string]bool // told already
}

func (n *notifier) changedNames(s *session, list []place, before map[store.Place]place) *nameChanges {
	c := &nameChanges{s: s, n: n, list: list, renamed: map[string]*place{}, affected: map[string]bool{}}
	left := maps.Clone(before)
	for i := range list {
		m := &list[i]
		old, known := before[m.at()]
		delete(left, m.at())
		switch {
		case !known && n.eventsOf(m)&eventName != 0:
			c.came = append(c.came, m)
		case known && m.Name != old.Name && (n.eventsOf(m)|n.eventsOf(&old))&eventName != 0:
			c.renamed[old.Name] = m
		}
	}
	for _, m := range left {
		if n.eventsOf(&m)&eventName != 0 {
			c.gone = append(c.gone, m.Name)
		}
	}
	slices.Sort(c.gone)
	return c
}

func (c *nameChanges) len() int { return len(c.came) + len(c.renamed) + len(c.gone) }

// tell writes a LIST for each name and returns how many that took. What the client did itself it
// knows.
func (c *nameChanges) tell() int {
	for _, m := range c.came {
		c.affect(m.Name, m.Subscribed)
		c.affectParent(m.Name)
	}
	for _, old := range slices.Sorted(maps.Keys(c.renamed)) {
		if m := c.renamed[old]; !c.n.isOwn(old) && !c.isBelowRenamed(old, m.Name) {
			c.s.tellName(c.list, m.Name, m.Subscribed)
			c.s.out = append(c.s.out[:len(c.s.out)-2], ` ("OLDNAME" (`...)
			c.s.out = append(c.s.appendMailbox(c.s.out, old), "))\r\n"...)
			c.affected[m.Name] = true
		}
	}
	for _, name := range c.gone {
		c.affect(name, false)
		c.affectParent(name)
	}
	return len(c.affected)
}

// affect writes a LIST for a name, once.
func (c *nameChanges) affect(name string, subscribed bool) {
	if !c.affected[name] && !c.n.isOwn(name) {
		c.affected[name] = true
		c.s.tellName(c.list, name, subscribed)
		c.s.flushIfFull()
	}
}

// affectParent does it for the parent of a name that came or went, whether it is a mailbox or not.
func (c *nameChanges) affectParent(name string) {
	i := strings.LastIndex(name, store.Separator)
	if i <= 0 || c.n.isOwn(name) {
		return
	}
	parent, role := name[:i], store.RoleNone
	subscribed := c.n.subscriptions[parent]
	for j := range c.list {
		if c.list[j].Name == parent {
			role, subscribed = c.list[j].Role, c.list[j].Subscribed
		}
	}
	if c.n.events(parent, role, subscribed)&eventName != 0 {
		c.affect(parent, subscribed)
	}
}

// isBelowRenamed reports whether a name changed only because one above it did: that is not told.
func (c *nameChanges) isBelowRenamed(from, to string) bool {
	for {
		i, j := strings.LastIndex(from, store.Separator), strings.LastIndex(to, store.Separator)
		if i <= 0 || j <= 0 || from[i:] != to[j:] {
			return false
		}
		from, to = from[:i], to[:j]
		if m, ok := c.renamed[from]; ok && m.Name == to {
			return true
		}
	}
}
