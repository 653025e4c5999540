package jmapd

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of an email that is written here.
const (
	maxNewKeywords = 100
	maxNewParts    = 1000
	maxNewDepth    = 20
	maxNewFields   = 500
	maxNewHeader   = 1 << 20 // octets
)

// newEmail is an email that a client writes (RFC 8621 section 4.6).
type newEmail struct {
	patch    *emailPatch
	received time.Time
	fields   []newField // of the header, in the order in which they are written
	named    map[string]bool
	root     *newPart
	values   map[string]string // of parts, by partId
}

// createEmail writes an email and places it.
func (c *call) createEmail(ctx context.Context, p *picture, raw map[string]json.RawMessage) (object, *methodError) {
	e, bad := c.readEmail(p, raw)
	if bad != nil {
		return nil, bad
	}
	if missing := c.missingBlobs(ctx, p, e.root); len(missing) > 0 {
		return nil, &methodError{Type: "blobNotFound", NotFound: missing}
	}
	n, err := c.compose(ctx, p, e)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, &methodError{Type: "tooLarge", MaxSize: c.server.options.Limits.Message}
	case errors.Is(err, errNoPart): // it went since
		return nil, &methodError{Type: "blobNotFound", NotFound: c.missingBlobs(ctx, p, e.root)}
	case err != nil:
		return nil, c.setError(err)
	}
	n.Received = e.received
	return c.placeNew(ctx, p, e.patch, n)
}

// createEmails writes those of a set.
func (c *call) createEmails(ctx context.Context, p *picture, s *set) {
	for _, name := range slices.Sorted(maps.Keys(s.create)) {
		o, e := c.createEmail(ctx, p, s.create[name])
		if e != nil {
			s.notCreated[name] = e
			continue
		}
		s.created[name], c.request.created[name] = o, o["id"].(string)
	}
}

// bodyNames are the properties of a new email that say what is in it.
var bodyNames = []string{"bodyStructure", "textBody", "htmlBody", "attachments", "bodyValues"}

// readEmail reads an Email object that is to be created.
func (c *call) readEmail(p *picture, raw map[string]json.RawMessage) (*newEmail, *methodError) {
	e := &newEmail{patch: &emailPatch{}, named: map[string]bool{}, values: map[string]string{}}
	var bad *methodError
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		bad = bad.and(c.readEmailProperty(e, p, name, raw[name]))
	}
	if len(e.patch.mailboxes) == 0 && !bad.names("mailboxIds") {
		bad = bad.and(badProperty("mailboxIds", "an email is in one mailbox at least"))
	}
	if bad = bad.and(e.readBody(raw)); bad != nil {
		return nil, bad
	}
	c.complete(e)
	return e, e.check()
}

// readEmailProperty reads one that does not say what is in the email.
func (c *call) readEmailProperty(e *newEmail, p *picture, name string, value json.RawMessage) *methodError {
	switch {
	case name == "mailboxIds" || name == "keywords":
		set, bad := patchOf(name, "", false, value)
		switch {
		case bad != nil:
			return bad
		case name == "mailboxIds":
			return e.patch.addMailboxes(c, p, set, true)
		case len(set) > maxNewKeywords:
			return &methodError{Type: "tooManyKeywords"}
		}
		return e.patch.addKeywords(set, true)
	case name == "receivedAt":
		if unmarshal(value, &e.received) != nil {
			return badProperty(name, "not a date")
		}
		return nil
	case slices.Contains(bodyNames, name): // see readBody
		return nil
	}
	return e.addHeaderProperty(name, value, false)
}

// complete adds what every message has: a date and an identifier.
func (c *call) complete(e *newEmail) {
	has := func(field string) bool { return e.named[field] || e.root.named[field] }
	if !has("date") {
		e.fields = append(e.fields, newField{"Date", func(h *message.Header) { h.AddDate("Date", c.server.store.Now()) }})
	}
	if !has("message-id") {
		id := message.NewMessageID(c.account.Domain())
		e.fields = append(e.fields, newField{"Message-ID", func(h *message.Header) { h.AddMessageIDs("Message-ID", id) }})
	}
	slices.SortStableFunc(e.fields, func(a, b newField) int { return rank(a.name) - rank(b.name) })
}

// order is that in which people expect fields; others follow.
var order = []string{"date", "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "message-id", "in-reply-to", "references"}

func rank(field string) int {
	if i := slices.Index(order, strings.ToLower(field)); i >= 0 {
		return i
	}
	return len(order)
}

// check holds what the parts say to what the email says.
func (e *newEmail) check() *methodError {
	if len(e.fields) > maxNewFields {
		return badProperty("headers", "too many fields")
	}
	used := map[string]bool{}
	parts := 0
	var bad *methodError
	tooMany := e.root.walk(func(n *newPart) *methodError {
		if parts++; parts > maxNewParts {
			return badProperty("bodyStructure", "too many parts")
		}
		if n.partID == "" {
			return nil
		}
		if _, ok := e.values[n.partID]; !ok {
			bad = bad.and(badProperty(n.at+"/partId", "bodyValues has no "+n.partID))
		} else if used[n.partID] {
			bad = bad.and(badProperty(n.at+"/partId", "two parts have the value "+n.partID))
		}
		used[n.partID] = true
		return nil
	})
	return bad.and(tooMany)
}

// missingBlobs are the blobs that parts name and that are not there.
func (c *call) missingBlobs(ctx context.Context, p *picture, root *newPart) []string {
	missing := map[string]bool{}
	_ = root.walk(func(n *newPart) *methodError { // returns none
		n.blobID = c.named(n.blobID)
		if n.blobID == "" || missing[n.blobID] {
			return nil
		}
		body, err := c.server.open(ctx, p, n.blobID)
		if err != nil {
			missing[n.blobID] = true
			return nil
		}
		body.Close()
		return nil
	})
	return slices.Sorted(maps.Keys(missing))
}

// placeNew places a message: in its first mailbox, and as the same email in the others.
func (c *call) placeNew(ctx context.Context, p *picture, patch *emailPatch, n store.NewEmail) (object, *methodError) {
	n.Flags, n.Keywords = patch.flags()
	s, a := c.server.store, c.account.ID
	into := slices.Sorted(maps.Keys(patch.mailboxes))
	for _, m := range into {
		if b := p.boxes[m]; b != nil && b.Role == store.RoleOutbox {
			return nil, badProperty("mailboxIds", "only what waits to be sent is in "+b.name)
		}
	}
	if e := p.mayPlace(patch); e != nil {
		return nil, e
	}
	if room := c.server.options.Room; room != nil {
		if d := room(ctx, c.account, n.Summary.Size); !d.Allowed() {
			return nil, &methodError{Type: "overQuota", Why: c.why(d)}
		}
	}
	done, err := s.Append(ctx, a, into[0], []store.NewEmail{n})
	if store.KindOf(err) == store.KindLimit {
		return nil, &methodError{Type: "tooManyKeywords"}
	}
	if err != nil {
		return nil, c.setError(err, "mailboxIds", "keywords")
	}
	return c.placedNew(ctx, p, into, done)
}
