package jmapd

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// mailboxSet is Mailbox/set (RFC 8621 section 2.5).
func mailboxSet(ctx context.Context, c *call) (any, error) {
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	before := p.mailboxState()
	s, err := c.set(before, "onDestroyRemoveEmails")
	if err != nil {
		return nil, err
	}
	var withEmails bool
	if err := c.args.read("onDestroyRemoveEmails", &withEmails); err != nil {
		return nil, err
	}
	defer c.tell(ctx)
	ctx, expected := c.expecting(ctx, s.inState, p)
	c.createMailboxes(ctx, s)
	s.settle(c)
	c.updateMailboxes(ctx, s)
	c.destroyMailboxes(ctx, s, withEmails)
	if expected.Missed() {
		return nil, errMismatch
	}
	if p, err = c.picture(ctx); err != nil {
		return nil, err
	}
	for id := range s.updated {
		if b, there := p.mailbox(id); there {
			s.updated[id] = otherwise(s.update[id], b.object())
		}
	}
	return s.answer(c, before, p.mailboxState()), nil
}

// createMailboxes makes mailboxes; one that names another of the same call as its parent comes after that.
func (c *call) createMailboxes(ctx context.Context, s *set) {
	left := s.create
	for len(left) > 0 {
		later := map[string]map[string]json.RawMessage{}
		for name, properties := range left {
			var parent string
			if json.Unmarshal(properties["parentId"], &parent) == nil && strings.HasPrefix(parent, "#") {
				if _, waits := left[parent[1:]]; waits && parent[1:] != name {
					later[name] = properties
					continue
				}
			}
			b, e := c.createMailbox(ctx, properties)
			if e != nil {
				s.notCreated[name] = e
				continue
			}
			c.request.created[name] = b.in.mailboxID(b.ID)
			created := b.object()
			for property, given := range properties {
				if same(given, created[property]) || property == "parentId" {
					delete(created, property)
				}
			}
			s.created[name] = created
		}
		if len(later) == len(left) {
			for name := range later {
				s.notCreated[name] = badProperty("parentId", "mailboxes name each other as their parents")
			}
			return
		}
		left = later
	}
}

// settings are the properties of a mailbox that can be set, as far as they are given.
type mailboxSettings struct {
	name       *string
	parent     *store.MailboxID // 0 for none
	role       *store.Role
	subscribed *bool
	place      *uint32 // store.Mailbox.Place
}

// maxSortOrder is the greatest that a mailbox can have (RFC 8621 section 2).
const maxSortOrder = 1<<31 - 1

// mailboxSettings reads them. old is the mailbox as it is, nil for a new one.
func (c *call) mailboxSettings(p *picture, properties map[string]json.RawMessage, old *box) (m mailboxSettings, e *methodError) {
	for _, property := range slices.Sorted(maps.Keys(properties)) {
		e = e.and(c.mailboxSetting(p, &m, property, properties[property], old))
	}
	return m, e
}

func (c *call) mailboxSetting(p *picture, m *mailboxSettings, property string, raw json.RawMessage, old *box) *methodError {
	switch property {
	case "name":
		if unmarshal(raw, &m.name) != nil || *m.name == "" || strings.Contains(*m.name, store.Separator) {
			return badProperty(property, "a name is not empty and has no "+store.Separator)
		}
	case "parentId":
		parent := store.MailboxID(0)
		var id *string
		if json.Unmarshal(raw, &id) != nil {
			return badProperty(property, "not an id")
		}
		if id != nil {
			b, ok := p.mailbox(c.named(*id))
			if !ok {
				return badProperty(property, "there is no such mailbox")
			}
			parent = b.ID
		}
		m.parent = &parent
	case "role":
		var name *string
		if json.Unmarshal(raw, &name) != nil {
			return badProperty(property, "not a role")
		}
		r := store.RoleNone
		if name != nil {
			r = store.Role(*name)
		}
		m.role = &r
	case "isSubscribed":
		if unmarshal(raw, &m.subscribed) != nil {
			return badProperty(property, "not a boolean")
		}
	case "sortOrder":
		var n uint32 // 0 if it is null
		if json.Unmarshal(raw, &n) != nil || n > maxSortOrder {
			return badProperty(property, "not a number from 0 to 2147483647")
		}
		n++
		m.place = &n
	default: // what the server sets can be given as it is
		if old == nil || !same(raw, old.object()[property]) {
			return badProperty(property, "it cannot be set")
		}
	}
	return nil
}

// same reports whether a value that a client gave is the one that is there.
func same(raw json.RawMessage, value any) bool {
	var given any
	there, err := json.Marshal(value)
	if err != nil || json.Unmarshal(raw, &given) != nil {
		return false
	}
	text, err := json.Marshal(given)
	var is any
	if err != nil || json.Unmarshal(there, &is) != nil {
		return false
	}
	canonical, err := json.Marshal(is)
	return err == nil && string(text) == string(canonical)
}

func (c *call) createMailbox(ctx context.Context, properties map[string]json.RawMessage) (*box, *methodError) {
	p, err := c.picture(ctx)
	if err != nil {
		return nil, c.setError(err)
	}
	m, e := c.mailboxSettings(p, properties, nil)
	if m.name == nil && !e.names("name") {
		e = e.and(badProperty("name", "it is missing"))
	}
	if e != nil {
		return nil, e
	}
	role := store.RoleNone
	if m.role != nil {
		role = *m.role
	}
	if role == store.RoleInbox || role == store.RoleOutbox {
		return nil, badProperty("role", "mailboxes with this role come by themselves")
	}
	if e := p.mayCreate(&m); e != nil {
		return nil, e
	}
	name := *m.name
	if m.parent != nil && *m.parent != 0 {
		name = p.boxes[*m.parent].Name + store.Separator + name
	}
	s := c.server.store
	made, err := s.CreateMailbox(ctx, c.account.ID, name, role)
	if err != nil {
		return nil, c.setError(err, p.wrong(name, role))
	}
	if m.place != nil {
		if err := s.ArrangeMailbox(ctx, c.account.ID, made.ID, nil, m.place); err != nil {
			return nil, c.setError(err, "sortOrder")
		}
	}
	if m.subscribed == nil || *m.subscribed { // what is made here is seen by programs that show what is subscribed to
		if err := c.subscribe(ctx, made.Name, true); err != nil {
			return nil, c.setError(err)
		}
	}
	if p, err = c.picture(ctx); err != nil {
		return nil, c.setError(err)
	}
	if b := p.boxes[made.ID]; b != nil {
		return b, nil
	}
	return nil, &methodError{Type: "notFound"} // somebody was faster
}

// checkRole reports why a mailbox cannot have a role: it is another's, it is none, or either is one that stays where it is.
func (p *picture) checkRole(b *box, r *store.Role) *methodError {
	if r == nil || *r == b.Role {
		return nil
	}
	if !store.MayMove(b.Role) || !store.MayMove(*r) {
		return badProperty("role", "it cannot be set so")
	}
	for _, other := range p.boxes {
		if *r != store.RoleNone && other.Role == *r {
			e := badProperty("role", "another mailbox has it")
			e.taken = true
			return e
		}
	}
	return nil
}

// wrong is the property for which a mailbox could not be made: the role if there is none such, or it is taken.
func (p *picture) wrong(name string, r store.Role) string {
	parsed, err := store.ParseMailboxName(name)
	for _, b := range p.boxes {
		if b.Name == parsed {
			return "name"
		}
	}
	if err == nil && r != store.RoleNone {
		return "role"
	}
	return "name"
}

// updateMailboxes changes mailboxes. A name or a role can become free by the change of another mailbox, so what fails for that
// is tried again as long as anything succeeds.
func (c *call) updateMailboxes(ctx context.Context, s *set) {
	left := slices.Sorted(maps.Keys(s.update))
	for len(left) > 0 {
		var later []string
		for _, id := range left {
			e := c.updateMailbox(ctx, id, s.update[id])
			if e == nil {
				s.updated[id] = nil
				continue
			}
			if s.notUpdated[id] = e; e.taken {
				later = append(later, id)
			}
		}
		if len(later) == len(left) {
			return
		}
		for _, id := range later {
			delete(s.notUpdated, id)
		}
		left = later
	}
}

// updateMailbox changes a mailbox. Another name or parent is another path in IMAP.
func (c *call) updateMailbox(ctx context.Context, id string, patch map[string]json.RawMessage) *methodError {
	p, err := c.picture(ctx)
	if err != nil {
		return c.setError(err)
	}
	b, ok := p.mailbox(id)
	if !ok {
		return &methodError{Type: "notFound"}
	}
	m, e := c.mailboxSettings(p, patch, b)
	if e != nil {
		return e
	}
	if m.role != nil && *m.role == store.RoleNone && role(b.Role) == nil {
		m.role = nil // which the Outbox is told to have
	}
	if e := p.mayArrange(b, &m); e != nil {
		return e
	}
	if e := p.checkRole(b, m.role); e != nil { // before anything is changed
		return e
	}
	path, e := p.path(b, &m)
	if e != nil {
		return e
	}
	s := c.server.store
	if path != b.Name {
		if b.ID == store.InboxID {
			return forbidden("the INBOX keeps its name")
		}
		if e := c.mayRename(ctx, p, b, &m); e != nil {
			return e
		}
		if err := s.RenameMailbox(ctx, c.account.ID, b.Name, path); err != nil {
			return c.setError(err, "name")
		}
	}
	if m.role != nil || m.place != nil {
		if err := s.ArrangeMailbox(ctx, c.account.ID, b.ID, m.role, m.place); err != nil {
			return c.setError(err, "role")
		}
	}
	if m.subscribed != nil && *m.subscribed != b.Subscribed {
		if err := c.subscribe(ctx, path, *m.subscribed); err != nil {
			return c.setError(err)
		}
	}
	return nil
}

// path is the name that a mailbox is to have in IMAP.
func (p *picture) path(b *box, m *mailboxSettings) (string, *methodError) {
	name, parent := b.name, b.parent
	if m.name != nil {
		name = *m.name
	}
	if m.parent != nil {
		parent = *m.parent
	}
	for at := parent; at != 0; at = p.boxes[at].parent {
		if at == b.ID {
			return "", badProperty("parentId", "a mailbox cannot lie in itself")
		}
	}
	if parent != 0 {
		name = p.boxes[parent].Name + store.Separator + name
	}
	return name, nil
}

// destroyMailboxes takes mailboxes away, those below others first.
func (c *call) destroyMailboxes(ctx context.Context, s *set, withEmails bool) {
	left := s.destroy
	for len(left) > 0 {
		var later []string
		for _, id := range left {
			e := c.destroyMailbox(ctx, id, withEmails)
			switch {
			case e == nil:
				s.destroyed = append(s.destroyed, id)
			case e.Type == "mailboxHasChild":
				later = append(later, id)
				s.notDestroyed[id] = e
			default:
				s.notDestroyed[id] = e
			}
		}
		if len(later) == len(left) {
			return
		}
		for _, id := range later {
			delete(s.notDestroyed, id)
		}
		left = later
	}
}

func (c *call) destroyMailbox(ctx context.Context, id string, withEmails bool) *methodError {
	p, err := c.picture(ctx)
	if err != nil {
		return c.setError(err)
	}
	b, ok := p.mailbox(id)
	if !ok {
		return &methodError{Type: "notFound"}
	}
	for _, other := range p.boxes {
		if other.parent == b.ID {
			return &methodError{Type: "mailboxHasChild"}
		}
	}
	switch {
	case b.ID == store.InboxID:
		return forbidden("the INBOX stays")
	case b.Role == store.RoleOutbox && b.emails > 0: // the end of an email does not take it back
		return forbidden("emails in it wait to be sent")
	case b.emails > 0 && !withEmails:
		return &methodError{Type: "mailboxHasEmail"}
	}
	if e := c.mayDestroy(ctx, b); e != nil {
		return e
	}
	if c.sight().isShared() && b.emails > 0 {
		c.note(filing{from: b.Name}, b.emails, nil)
	}
	if err := c.server.store.DeleteMailbox(ctx, c.account.ID, b.Name); err != nil {
		return c.setError(err)
	}
	return nil
}
