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
	case errors.Is(err, errNoPart):
		return nil, &methodError{Type: "blobNotFound"}
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
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value := raw[name]
		var set map[string]bool
		var bad *methodError
		switch {
		case name == "mailboxIds" || name == "keywords":
			if set, bad = patchOf(name, "", false, value); bad == nil && name == "keywords" {
				if len(set) > maxNewKeywords {
					return nil, &methodError{Type: "tooManyKeywords"}
				}
				bad = e.patch.addKeywords(set, true)
			} else if bad == nil {
				bad = e.patch.addMailboxes(c, p, set, true)
			}
		case name == "receivedAt":
			if unmarshal(value, &e.received) != nil {
				bad = badProperty(name, "not a date")
			}
		case slices.Contains(bodyNames, name): // below
		default:
			bad = e.addHeaderProperty(name, value, false)
		}
		if bad != nil {
			return nil, bad
		}
	}
	if len(e.patch.mailboxes) == 0 {
		return nil, badProperty("mailboxIds", "an email is in one mailbox at least")
	}
	if bad := e.readBody(raw); bad != nil {
		return nil, bad
	}
	c.complete(e)
	return e, e.check()
}

// complete adds what every message has: a date and an identifier.
func (c *call) complete(e *newEmail) {
	if !e.named["date"] {
		e.fields = append(e.fields, newField{"Date", func(h *message.Header) { h.AddDate("Date", c.server.store.Now()) }})
	}
	if !e.named["message-id"] {
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
	return e.root.walk(func(n *newPart) *methodError {
		if parts++; parts > maxNewParts {
			return badProperty("bodyStructure", "too many parts")
		}
		if n.partID == "" {
			return nil
		}
		if _, ok := e.values[n.partID]; !ok {
			return badProperty(n.at+"/partId", "bodyValues has no "+n.partID)
		}
		if used[n.partID] {
			return badProperty(n.at+"/partId", "two parts have the value "+n.partID)
		}
		used[n.partID] = true
		return nil
	})
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
