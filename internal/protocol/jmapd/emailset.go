package jmapd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// emailSet is Email/set (RFC 8621 section 4.6): new emails, keywords and mailboxes of emails, and their end.
func emailSet(ctx context.Context, c *call) (any, error) {
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	before := p.emailState()
	s, err := c.set(before)
	if err != nil {
		return nil, err
	}
	defer c.tell(ctx)
	ctx, expected := c.expecting(ctx, s.inState, p)
	if len(s.create) > 0 {
		c.createEmails(ctx, p, s)
		if p, err = c.picture(ctx); err != nil {
			return nil, err
		}
		s.settle(c)
	}
	c.updateEmails(ctx, p, s)
	c.destroyEmails(ctx, p, s)
	if expected.Missed() {
		return nil, errMismatch
	}
	if p, err = c.picture(ctx); err != nil {
		return nil, err
	}
	return s.answer(c, before, p.emailState()), nil
}

// emailPatch is what is to become of an email.
type emailPatch struct {
	keywords  map[string]bool // true adds, false removes; nil for no change
	replace   bool            // all other keywords go
	mailboxes map[store.MailboxID]bool
	whole     bool // mailboxes are all that it is to be in
}

// emailPatch reads a PatchObject (RFC 8620 section 5.3).
func (c *call) emailPatch(ctx context.Context, p *picture, l *store.Located, raw map[string]json.RawMessage) (patch *emailPatch, e *methodError) {
	patch = &emailPatch{}
	for _, path := range slices.Sorted(maps.Keys(raw)) {
		value := raw[path]
		name, rest, nested := strings.Cut(path, "/")
		if name != "keywords" && name != "mailboxIds" {
			e = e.and(c.unchanged(ctx, p, l, path, value))
			continue
		}
		if path == "keywords" && string(value) == "null" {
			value = json.RawMessage("{}") // which is what it is without (RFC 8621 section 4.1.1)
		}
		set, bad := patchOf(path, rest, nested, value)
		switch {
		case bad != nil:
		case name == "keywords":
			bad = patch.addKeywords(set, !nested)
		default:
			bad = patch.addMailboxes(c, p, set, !nested)
		}
		e = e.and(bad)
	}
	return patch, e
}

// unchanged holds a property that stays as it is to what it is: a client may say that, too (RFC 8620 section 5.3).
func (c *call) unchanged(ctx context.Context, p *picture, l *store.Located, property string, value json.RawMessage) *methodError {
	if !isEmailProperty(property) {
		return badProperty(property, "it cannot be changed")
	}
	one := getArgs{ids: []string{p.sight.emailID(l.ID)}, properties: []string{property}}
	list, _, err := c.emails(ctx, p, &one, &bodyArgs{properties: partProperties})
	if err != nil {
		return c.setError(err)
	}
	if len(list) == 0 || !same(value, list[0][property]) {
		return badProperty(property, "it cannot be changed")
	}
	return nil
}

// patchOf reads a set of names, or the change of one name in it: true adds it, null takes it away.
func patchOf(path, name string, nested bool, value json.RawMessage) (map[string]bool, *methodError) {
	if nested {
		if text := string(value); text != "true" && text != "null" {
			return nil, badProperty(path, "neither true nor null")
		}
		return map[string]bool{unescape(name): string(value) == "true"}, nil
	}
	var set map[string]bool
	if unmarshal(value, &set) != nil || slices.Contains(slices.Collect(maps.Values(set)), false) {
		return nil, badProperty(path, "not an object whose values are true")
	}
	return set, nil
}

func (e *emailPatch) addKeywords(set map[string]bool, whole bool) *methodError {
	e.replace = e.replace || whole
	if e.keywords == nil {
		e.keywords = map[string]bool{}
	}
	for k, on := range set {
		if !isKeyword(k) {
			return badProperty("keywords", "not a keyword")
		}
		k = strings.ToLower(k)
		if before, twice := e.keywords[k]; twice && before != on {
			return &methodError{Type: "invalidPatch", Description: k + " is added and taken away"}
		}
		e.keywords[k] = on
	}
	return nil
}

// isKeyword holds a keyword to RFC 8621 section 4.1.1, and to what the store takes.
func isKeyword(k string) bool {
	return k != "" && len(k) <= store.MaxKeywordLength &&
		!strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`(){]%*"\`, r) })
}

func (e *emailPatch) addMailboxes(c *call, p *picture, set map[string]bool, whole bool) *methodError {
	e.whole = e.whole || whole
	if e.mailboxes == nil {
		e.mailboxes = map[store.MailboxID]bool{}
	}
	for id, on := range set {
		b, ok := p.mailbox(c.named(id))
		if !ok {
			return badProperty("mailboxIds", "there is no mailbox "+id)
		}
		e.mailboxes[b.ID] = on
	}
	return nil
}

// flagStep is one change of flags in one mailbox, of all emails that it is wanted of.
type flagStep struct {
	mailbox store.MailboxID
	change  store.FlagChange
	uids    uid.Set
	ids     []string
}

// updateEmails changes emails: first mailboxes, then keywords; what many emails have in common at once.
func (c *call) updateEmails(ctx context.Context, p *picture, s *set) {
	patches := map[string]*emailPatch{}
	news := map[string]bool{} // keywords that no email of the account has had
	moved, moves := false, moveSteps{}
	for _, id := range slices.Sorted(maps.Keys(s.update)) {
		l, ok := p.located(id)
		if !ok {
			s.notUpdated[id] = &methodError{Type: "notFound"}
			continue
		}
		patch, e := c.emailPatch(ctx, p, l, s.update[id])
		if e == nil {
			e = p.mayPatch(l, patch)
		}
		if e == nil {
			e = p.roomForKeywords(patch, news) // before anything is changed
		}
		if e == nil && patch.mailboxes != nil {
			moved = true
			e = c.refile(ctx, p, l, patch, moves)
		}
		if e != nil {
			s.notUpdated[id] = e
			continue
		}
		patches[id] = patch
		s.updated[id] = nil
	}
	for id, e := range c.moveAll(ctx, p, moves) {
		s.fail(id, e)
		delete(patches, id)
	}
	if moved {
		var err error
		if p, err = c.picture(ctx); err != nil {
			for id := range patches {
				s.fail(id, c.setError(err))
			}
			return
		}
	}
	for _, step := range flagSteps(p, patches) {
		if _, err := c.server.store.StoreFlags(ctx, c.account.ID, step.mailbox, step.uids, step.change, nil); err != nil {
			e := c.setError(err, "keywords")
			if store.KindOf(err) == store.KindLimit {
				e = &methodError{Type: "tooManyKeywords"}
			}
			for _, id := range step.ids {
				s.fail(id, e)
			}
			continue
		}
		if junk, said := step.change.SaysJunk(); said && c.server.options.Marked != nil {
			c.server.options.Marked(Marked{Account: c.account.ID, Mailbox: step.mailbox, UIDs: step.uids, Junk: junk})
		}
	}
}

// roomForKeywords counts the keywords of a patch that are new to the account among those of the patches before.
func (p *picture) roomForKeywords(patch *emailPatch, news map[string]bool) *methodError {
	var added []string
	for k, on := range patch.keywords {
		if _, known := keywordFlag(k, p.mail.Keywords); on && !known && !news[k] {
			added = append(added, k)
		}
	}
	if p.mail.Keywords.Len()+len(news)+len(added) > store.MaxKeywords {
		return &methodError{Type: "tooManyKeywords"}
	}
	for _, k := range added {
		news[k] = true
	}
	return nil
}

// fail takes an update back that was thought to be done.
func (s *set) fail(id string, e *methodError) {
	delete(s.updated, id)
	s.notUpdated[id] = e
}

// flagSteps puts the same changes of emails in the same mailbox together.
func flagSteps(p *picture, patches map[string]*emailPatch) []*flagStep {
	byKey := map[string]*flagStep{}
	var order []*flagStep
	for _, id := range slices.Sorted(maps.Keys(patches)) {
		l, ok := p.located(id)
		if !ok || patches[id].keywords == nil {
			continue
		}
		for _, change := range patches[id].changes() {
			for i := range l.At {
				key := fmt.Sprint(l.At[i].Mailbox, change)
				step := byKey[key]
				if step == nil {
					step = &flagStep{mailbox: l.At[i].Mailbox, change: p.covered(l.At[i].Mailbox, change)}
					byKey[key], order = step, append(order, step)
				}
				step.uids = step.uids.Add(l.At[i].UID)
				step.ids = append(step.ids, id)
			}
		}
	}
	return order
}

// changes are what a patch of keywords does to each place of an email.
func (e *emailPatch) changes() (list []store.FlagChange) {
	on := store.FlagChange{Op: store.FlagsAdd}
	off := store.FlagChange{Op: store.FlagsRemove}
	if e.replace {
		on = store.FlagChange{Op: store.FlagsReplace, Fixed: store.FlagDeleted}
	}
	for _, k := range slices.Sorted(maps.Keys(e.keywords)) {
		change := &on
		if !e.keywords[k] {
			change = &off
		}
		if f, system := systemFlag(k); system {
			change.System = change.System.With(f)
		} else {
			change.Keywords = append(change.Keywords, k)
		}
	}
	for _, change := range []store.FlagChange{on, off} {
		if change.Op == store.FlagsReplace || !change.System.IsZero() || len(change.Keywords) > 0 {
			list = append(list, change)
		}
	}
	return list
}
