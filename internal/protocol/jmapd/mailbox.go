package jmapd

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// mailboxProperties are those of RFC 8621 section 2.
var mailboxProperties = []string{
	"id", "name", "parentId", "role", "sortOrder", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed",
}

// sortOrders put mailboxes with a role in front of the others.
var sortOrders = map[store.Role]int{
	store.RoleInbox: 1, store.RoleOutbox: 2, store.RoleDrafts: 3, store.RoleSent: 4, store.RoleArchive: 5, store.RoleJunk: 6, store.RoleTrash: 7,
}

func sortOrder(r store.Role) int {
	if n, ok := sortOrders[r]; ok {
		return n
	}
	return 10
}

// role is the role of a mailbox by the registry of IMAP mailbox name attributes, which has none for the Outbox.
func role(r store.Role) any {
	if r == store.RoleNone || r == store.RoleOutbox {
		return nil
	}
	return string(r)
}

func (b *box) object() object {
	parent := any(nil)
	if b.parent != 0 {
		parent = mailboxID(b.parent)
	}
	return object{
		"id": mailboxID(b.ID), "name": b.name, "parentId": parent, "role": role(b.Role), "sortOrder": sortOrder(b.Role),
		"totalEmails": b.emails, "unreadEmails": b.unread, "totalThreads": b.threads, "unreadThreads": b.unreadThreads,
		"isSubscribed": b.Subscribed, "myRights": b.rights(),
	}
}

// rights are those of RFC 8621 section 2. Nobody but the queue puts anything into the Outbox, and the INBOX stays.
func (b *box) rights() object {
	return object{
		"mayReadItems": true, "mayAddItems": b.Role != store.RoleOutbox, "mayRemoveItems": true, "maySetSeen": true, "maySetKeywords": true,
		"mayCreateChild": true, "mayRename": b.ID != store.InboxID, "mayDelete": b.ID != store.InboxID, "maySubmit": true,
	}
}

// mailboxGet is Mailbox/get (RFC 8621 section 2.1).
func mailboxGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(func(p string) bool { return slices.Contains(mailboxProperties, p) })
	if err != nil {
		return nil, err
	}
	p, err := c.server.picture(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	if g.all {
		for _, m := range p.ordered() {
			g.ids = append(g.ids, mailboxID(m.ID))
		}
		if len(g.ids) > c.server.options.Limits.Get {
			return nil, &methodError{Type: "requestTooLarge", Description: "maxObjectsInGet"}
		}
	}
	var list []object
	var missing []string
	for _, id := range g.ids {
		if b, ok := p.mailbox(id); ok {
			list = append(list, g.pick(b.object()))
		} else {
			missing = append(missing, id)
		}
	}
	return c.got(p.mailboxState(), list, missing), nil
}

func (p *picture) mailbox(id string) (*box, bool) {
	m, ok := parseID[store.MailboxID]('F', id)
	b := p.boxes[m]
	return b, ok && b != nil
}

// ordered are all mailboxes in the order of their ids.
func (p *picture) ordered() []*box {
	var list []*box
	for _, b := range p.boxes {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b *box) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// mailboxChanges is Mailbox/changes (RFC 8621 section 2.2).
func mailboxChanges(ctx context.Context, c *call) (any, error) {
	old, most, err := c.changesArgs()
	if err != nil {
		return nil, err
	}
	p, err := c.server.picture(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	since, had, ok := parseMailboxState(old)
	if !ok {
		return nil, errCannotCalculate
	}
	mail, ok, err := c.server.since(ctx, c.account.ID, p, since, 0)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errCannotCalculate
	}
	touched := map[store.MailboxID]bool{}
	for t := range mail.threads {
		for _, l := range p.threads[t] {
			for i := range l.At {
				touched[l.At[i].Mailbox] = true
			}
		}
	}
	var created, updated, destroyed []string
	for u := range had.All() {
		if p.boxes[store.MailboxID(u)] == nil {
			destroyed = append(destroyed, mailboxID(store.MailboxID(u)))
		}
	}
	for id := range p.boxes {
		if !had.Contains(uid.UID(id)) {
			created = append(created, mailboxID(id))
		}
	}
	reshaped := len(created)+len(destroyed) > 0
	for id, b := range p.boxes {
		// A mailbox that came or went can be another parent of what is below it.
		nested := reshaped && strings.Contains(b.Name, store.Separator)
		if had.Contains(uid.UID(id)) && (b.HighestModSeq > since || touched[id] || nested) {
			updated = append(updated, mailboxID(id))
		}
	}
	answer, err := c.changed(old, p.mailboxState(), most, created, updated, destroyed)
	if err != nil {
		return nil, err
	}
	answer["updatedProperties"] = nil // names may have changed with the counts
	return answer, nil
}

// mailboxQuery is Mailbox/query (RFC 8621 section 2.3).
func mailboxQuery(ctx context.Context, c *call) (any, error) {
	q, err := c.query("sortAsTree", "filterAsTree")
	if err != nil {
		return nil, err
	}
	var sortTree, filterTree bool
	if err := c.args.read("sortAsTree", &sortTree); err != nil {
		return nil, err
	}
	if err := c.args.read("filterAsTree", &filterTree); err != nil {
		return nil, err
	}
	keep, err := parseFilter(c.args["filter"], mailboxCondition)
	if err != nil {
		return nil, err
	}
	order, err := mailboxOrder(q.sort)
	if err != nil {
		return nil, err
	}
	p, err := c.server.picture(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	wanted := map[store.MailboxID]bool{}
	list := p.ordered()
	for _, b := range list {
		wanted[b.ID] = keep(b)
	}
	slices.SortStableFunc(list, order)
	if sortTree {
		list = p.asTree(list)
	}
	var ids []string
	for _, b := range list {
		if wanted[b.ID] && (!filterTree || p.above(b, wanted)) {
			ids = append(ids, mailboxID(b.ID))
		}
	}
	return q.answer(c, ids, p.mailboxState())
}

// above reports whether all mailboxes above one are wanted.
func (p *picture) above(b *box, wanted map[store.MailboxID]bool) bool {
	for at := b.parent; at != 0; at = p.boxes[at].parent {
		if !wanted[at] {
			return false
		}
	}
	return true
}

// asTree puts each mailbox right behind its parent and those below its elder siblings.
func (p *picture) asTree(list []*box) []*box {
	below := map[store.MailboxID][]*box{}
	for _, b := range list {
		below[b.parent] = append(below[b.parent], b)
	}
	var out []*box
	var walk func(store.MailboxID)
	walk = func(m store.MailboxID) { // no deeper than store.MaxMailboxDepth
		for _, b := range below[m] {
			out = append(out, b)
			walk(b.ID)
		}
	}
	walk(0)
	return out
}

// mailboxCondition is a FilterCondition of RFC 8621 section 2.3.
func mailboxCondition(name string, raw json.RawMessage) (func(*box) bool, error) {
	var text *string
	var flag bool
	bad := func() error { return invalid("filter: %s has the wrong type", name) }
	switch name {
	case "name", "parentId", "role":
		if json.Unmarshal(raw, &text) != nil || name == "name" && text == nil {
			return nil, bad()
		}
	case "hasAnyRole", "isSubscribed":
		if unmarshal(raw, &flag) != nil {
			return nil, bad()
		}
	}
	switch name {
	case "name":
		want := strings.ToLower(*text)
		return func(b *box) bool { return strings.Contains(strings.ToLower(b.name), want) }, nil
	case "parentId":
		return func(b *box) bool {
			return text == nil && b.parent == 0 || text != nil && b.parent != 0 && mailboxID(b.parent) == *text
		}, nil
	case "role":
		return func(b *box) bool {
			r := role(b.Role)
			return text == nil && r == nil || text != nil && r == *text
		}, nil
	case "hasAnyRole":
		return func(b *box) bool { return (role(b.Role) != nil) == flag }, nil
	case "isSubscribed":
		return func(b *box) bool { return b.Subscribed == flag }, nil
	}
	return nil, &methodError{Type: "unsupportedFilter", Description: name}
}

// mailboxOrder sorts by the properties of RFC 8621 section 2.3.
func mailboxOrder(by []comparator) (func(a, b *box) int, error) {
	for _, s := range by {
		if s.Property != "sortOrder" && s.Property != "name" {
			return nil, &methodError{Type: "unsupportedSort", Description: s.Property}
		}
	}
	return func(a, b *box) int {
		for _, s := range by {
			n := cmp.Compare(sortOrder(a.Role), sortOrder(b.Role))
			if s.Property == "name" {
				n = cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
			}
			if n != 0 {
				return s.turned(n)
			}
		}
		return 0
	}, nil
}
