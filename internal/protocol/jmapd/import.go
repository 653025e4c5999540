package jmapd

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// emailImport is Email/import (RFC 8621 section 4.8).
func emailImport(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("ifInState", "emails"); err != nil {
		return nil, err
	}
	var expected *string
	var emails map[string]map[string]json.RawMessage
	for name, v := range map[string]any{"ifInState": &expected, "emails": &emails} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	before := p.emailState()
	switch {
	case emails == nil:
		return nil, invalid("emails is missing")
	case len(emails) > c.server.options.Limits.Set:
		return nil, errTooManyToSet
	case expected != nil && *expected != before:
		return nil, errMismatch
	}
	defer c.tell(ctx)
	ctx, begun := c.expecting(ctx, expected != nil, p)
	created, failed := object{}, map[string]*methodError{}
	for _, name := range slices.Sorted(maps.Keys(emails)) {
		o, e := c.importOne(ctx, p, emails[name])
		if e != nil {
			failed[name] = e
			continue
		}
		created[name], c.request.created[name] = o, o["id"].(string)
	}
	if begun.Missed() {
		return nil, errMismatch
	}
	if p, err = c.picture(ctx); err != nil {
		return nil, err
	}
	return object{
		"accountId": accountID(c.account.ID), "oldState": before, "newState": p.emailState(),
		"created": nullIfEmpty(created), "notCreated": nullIfEmpty(failed),
	}, nil
}

// importOne places one message: in its first mailbox, and as the same email in the others.
func (c *call) importOne(ctx context.Context, p *picture, raw map[string]json.RawMessage) (object, *methodError) {
	patch, source, received, e := c.importArgs(p, raw)
	if e != nil {
		return nil, e
	}
	n, err := c.server.message(ctx, p, source)
	switch {
	case errors.Is(err, errNoPart):
		return nil, badProperty("blobId", "there is no such blob")
	case err != nil:
		return nil, c.setError(err)
	case n.Summary.HeaderSize == 0 || n.Summary.NUL:
		return nil, &methodError{Type: "invalidEmail"}
	}
	if !received.IsZero() {
		n.Received = received
	}
	return c.placeNew(ctx, p, patch, n)
}

// placedNew copies a message that was placed into its other mailboxes, and tells what was created.
func (c *call) placedNew(ctx context.Context, p *picture, into []store.MailboxID, done store.Appended) (object, *methodError) {
	s, a := c.server.store, c.account.ID
	set := uid.Of(done.UIDs...)
	for _, m := range into[1:] {
		one := store.Copying{From: store.Place{Account: a, Mailbox: into[0]}, To: store.Place{Account: a, Mailbox: m}, Set: set, Lose: p.may(m).Fixed()}
		if _, err := s.CopyBetween(ctx, one); err != nil {
			return nil, c.setError(err, "mailboxIds")
		}
	}
	for _, m := range into {
		c.came(p.boxes[m], nil)
	}
	var o object
	err := s.Messages(ctx, a, into[0], set, func(m *store.Message) error {
		o = object{"id": c.sight().emailID(m.Email.ID), "threadId": c.sight().threadID(m.Email.Thread), "blobId": blobID(m.Email.ID, 0), "size": m.Email.Size}
		return nil
	})
	if err != nil || o == nil {
		return nil, &methodError{Type: "notFound"} // somebody took it away at once
	}
	return o, nil
}

// importArgs reads an EmailImport object.
func (c *call) importArgs(p *picture, raw map[string]json.RawMessage) (patch *emailPatch, source string, received time.Time, e *methodError) {
	patch = &emailPatch{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value := raw[name]
		var set map[string]bool
		var bad *methodError
		switch name {
		case "blobId":
			if unmarshal(value, &source) != nil {
				bad = badProperty(name, "not an id")
			}
		case "receivedAt":
			if unmarshal(value, &received) != nil {
				bad = badProperty(name, "not a date")
			}
		case "mailboxIds":
			if set, bad = patchOf(name, "", false, value); bad == nil {
				bad = patch.addMailboxes(c, p, set, true)
			}
		case "keywords":
			if set, bad = patchOf(name, "", false, value); bad == nil {
				bad = patch.addKeywords(set, true)
			}
		default:
			bad = badProperty(name, "unknown property")
		}
		e = e.and(bad)
	}
	if source == "" && !e.names("blobId") {
		e = e.and(badProperty("blobId", "it is missing"))
	}
	if len(patch.mailboxes) == 0 && !e.names("mailboxIds") {
		e = e.and(badProperty("mailboxIds", "an email is in one mailbox at least"))
	}
	return patch, c.named(source), received, e
}
