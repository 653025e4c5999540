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

// sortOrder is where the holder of the account put the mailbox, or where its role does.
func (b *box) sortOrder() int {
	if b.Place > 0 {
		return int(b.Place) - 1
	}
	if n, ok := sortOrders[b.Role]; ok {
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
		parent = b.in.mailboxID(b.parent)
	}
	return object{
		"id": b.in.mailboxID(b.ID), "name": b.name, "parentId": parent, "role": role(b.Role), "sortOrder": b.sortOrder(),
		"totalEmails": b.emails, "unreadEmails": b.unread, "totalThreads": b.threads, "unreadThreads": b.unreadThreads,
		"isSubscribed": b.Subscribed, "myRights": b.rights(),
	}
}

// rights are those of RFC 8621 section 2, by the letters of RFC 4314. Nobody but the queue puts anything into the Outbox, and
// the INBOX stays.
func (b *box) rights() object {
	return object{
		"mayReadItems": b.may.Has(store.RightRead), "mayAddItems": b.mayAdd(), "mayRemoveItems": b.may.Has(removing),
		"maySetSeen": b.may.Has(store.RightSeen), "maySetKeywords": b.may.Has(store.RightWrite), "mayCreateChild": b.may.Has(store.RightCreate),
		"mayRename": b.renamed, "mayDelete": b.mayGo(), "maySubmit": b.may.Has(store.RightPost),
	}
}

// removing are the rights to take emails out of a mailbox.
const removing = store.RightTrash | store.RightExpunge

func (b *box) mayAdd() bool { return b.may.Has(store.RightInsert) && b.Role != store.RoleOutbox }

func (b *box) mayGo() bool { return b.may.Has(store.RightDelete) && b.ID != store.InboxID }

// mailboxGet is Mailbox/get (RFC 8621 section 2.1).
func mailboxGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(func(p string) bool { return slices.Contains(mailboxProperties, p) })
	if err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	if g.all {
		for _, m := range p.ordered() {
			g.ids = append(g.ids, p.sight.mailboxID(m.ID))
		}
		if len(g.ids) > c.server.options.Limits.Get {
			return nil, errTooManyToGet
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
	m, ok := parseIn[store.MailboxID](p.sight, 'F', id)
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

// countProperties are all that changes of a mailbox while mail comes and goes.
var countProperties = []string{"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}

// mailboxChanges is Mailbox/changes (RFC 8621 section 2.2).
func mailboxChanges(ctx context.Context, c *call) (any, error) {
	old, most, err := c.changesArgs()
	if err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	w, ok1 := sweepOf(old, p.mailboxState())
	since, had, ok2 := parseMailboxState(w.base)
	_, until, ok3 := parseMailboxState(w.begun)
	if !ok1 || !ok2 || !ok3 {
		return nil, errCannotCalculate
	}
	touches, ok, err := c.server.touches(ctx, p, since, 0)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errCannotCalculate
	}
	list := p.changedBoxes(since, had, until, touches)
	answer := c.changed(old, p.mailboxState(), w, most, list, func(id uint64) string { return p.sight.mailboxID(store.MailboxID(id)) })
	answer["updatedProperties"] = nil // names may have changed with the counts
	if since >= p.shape {
		answer["updatedProperties"] = countProperties
	}
	return answer, nil
}

// changedBoxes finds out what happened to mailboxes: had are those that a client knows, until those that it hears of.
func (p *picture) changedBoxes(since store.ModSeq, had, until uid.Set, touches []touch) (list []change) {
	counted := map[store.MailboxID]bool{}
	threads := map[store.ThreadID]bool{}
	for _, t := range touches {
		if threads[t.thread] {
			continue
		}
		threads[t.thread] = true
		for _, l := range p.thread(t.thread) {
			for i := range l.At {
				counted[l.At[i].Mailbox] = true
			}
		}
	}
	for u := range had.All() {
		if p.boxes[store.MailboxID(u)] == nil {
			list = append(list, change{uint64(u), destroyed})
		}
	}
	for id, b := range p.boxes {
		switch known := had.Contains(uid.UID(id)); {
		case !known && until.Contains(uid.UID(id)):
			list = append(list, change{uint64(id), created})
		// A mailbox that came or went can be another parent of what is below it.
		case known && (b.HighestModSeq > since || counted[id] || p.shape > since && strings.Contains(b.Name, store.Separator)):
			list = append(list, change{uint64(id), updated})
		}
	}
	return list
}

// boxQuery are the arguments of Mailbox/query and Mailbox/queryChanges that say what is wanted (RFC 8621 section 2.3).
type boxQuery struct {
	keep                 func(*box) bool
	order                func(a, b *box) int
	sortTree, filterTree bool
}

func (c *call) boxQuery(by []comparator) (q boxQuery, err error) {
	if err := c.args.read("sortAsTree", &q.sortTree); err != nil {
		return q, err
	}
	if err := c.args.read("filterAsTree", &q.filterTree); err != nil {
		return q, err
	}
	if q.keep, err = parseFilter(c.args["filter"], mailboxCondition); err != nil {
		return q, err
	}
	q.order, err = mailboxOrder(by)
	return q, err
}

// run returns the ids of what is found.
func (q *boxQuery) run(p *picture) (ids []string) {
	wanted := map[store.MailboxID]bool{}
	list := p.ordered()
	for _, b := range list {
		wanted[b.ID] = q.keep(b)
	}
	slices.SortStableFunc(list, q.order)
	if q.sortTree {
		list = p.asTree(list)
	}
	for _, b := range list {
		if wanted[b.ID] && (!q.filterTree || p.above(b, wanted)) {
			ids = append(ids, b.in.mailboxID(b.ID))
		}
	}
	return ids
}

// mailboxQuery is Mailbox/query (RFC 8621 section 2.3).
func mailboxQuery(ctx context.Context, c *call) (any, error) {
	q, err := c.query("sortAsTree", "filterAsTree")
	if err != nil {
		return nil, err
	}
	wanted, err := c.boxQuery(q.sort)
	if err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	return q.answer(c, listOf(wanted.run(p)), p.mailboxState())
}

// mailboxQueryChanges is Mailbox/queryChanges (RFC 8621 section 2.4). What mailboxes are found by and in which order
// changes with their names, roles and subscriptions alone; after such a change all are told anew.
func mailboxQueryChanges(ctx context.Context, c *call) (any, error) {
	q, err := c.queryChange("sortAsTree", "filterAsTree")
	if err != nil {
		return nil, err
	}
	wanted, err := c.boxQuery(q.sort)
	if err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	since, had, ok := parseMailboxState(q.since)
	if !ok || since > p.mail.ModSeq {
		return nil, errCannotCalculate
	}
	ids := wanted.run(p)
	var removed []string
	var added []addedItem
	if since < p.shape {
		for u := range had.All() {
			removed = append(removed, p.sight.mailboxID(store.MailboxID(u)))
		}
		for i, id := range ids {
			added = append(added, addedItem{id, i})
		}
	}
	return q.answer(c, removed, added, p.mailboxState(), len(ids))
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
			return text == nil && b.parent == 0 || text != nil && b.parent != 0 && b.in.mailboxID(b.parent) == *text
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
			n := cmp.Compare(a.sortOrder(), b.sortOrder())
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
