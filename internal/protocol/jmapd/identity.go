package jmapd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

func identityID(id uint64) string { return fmt.Sprintf("I%d", id) }

// identityObject is an Identity (RFC 8621 section 6).
func identityObject(i *store.Identity) object {
	return object{
		"id": identityID(i.ID), "name": i.Name, "email": i.Email, "replyTo": identityAddresses(i.ReplyTo), "bcc": identityAddresses(i.Bcc),
		"textSignature": i.TextSignature, "htmlSignature": i.HTMLSignature, "mayDelete": !i.Own,
	}
}

func identityAddresses(list []store.IdentityAddress) any {
	if len(list) == 0 {
		return nil
	}
	out := []object{}
	for _, a := range list {
		out = append(out, object{"name": textOrNull(a.Name), "email": a.Email})
	}
	return out
}

func isIdentityProperty(p string) bool {
	_, ok := identityObject(&store.Identity{})[p]
	return ok
}

// identityGet is Identity/get (RFC 8621 section 6.1).
func identityGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(isIdentityProperty)
	if err != nil {
		return nil, err
	}
	all, err := c.server.store.Identities(ctx, c.account)
	if err != nil {
		return nil, err
	}
	var list []object
	var missing []string
	if g.all {
		for i := range all.List {
			list = append(list, g.pick(identityObject(&all.List[i])))
		}
	}
	for _, id := range g.ids {
		if one := findIdentity(&all, id); one != nil {
			list = append(list, g.pick(identityObject(one)))
		} else {
			missing = append(missing, id)
		}
	}
	return c.got(strconv.FormatUint(all.State, 10), list, missing), nil
}

func findIdentity(all *store.Identities, id string) *store.Identity {
	n, ok := parseID[uint64]('I', id)
	if !ok {
		return nil
	}
	return all.Find(n)
}

// identityChanges is Identity/changes (RFC 8621 section 6.2).
func identityChanges(ctx context.Context, c *call) (any, error) {
	old, most, err := c.changesArgs()
	if err != nil {
		return nil, err
	}
	all, err := c.server.store.Identities(ctx, c.account)
	if err != nil {
		return nil, err
	}
	now := strconv.FormatUint(all.State, 10)
	w, since, until, err := counted(old, now, all.State, all.Floor)
	if err != nil {
		return nil, err
	}
	var list []change
	for i := range all.List {
		list = appendChange(list, all.List[i].ID, all.List[i].Made, all.List[i].Changed, false, since, until)
	}
	for _, gone := range all.Gone {
		list = appendChange(list, gone.ID, gone.Made, gone.Changed, true, since, until)
	}
	return c.changed(old, now, w, most, list, identityID), nil
}

// counted reads the state of a client where states are plain counters. Changes after since are told, of what was made
// up to until: what came later is told when a sweep is over.
func counted(old, now string, state, floor uint64) (w sweep, since, until uint64, err error) {
	w, ok := sweepOf(old, now)
	since, err1 := strconv.ParseUint(w.base, 10, 64)
	until, err2 := strconv.ParseUint(w.begun, 10, 64)
	if !ok || err1 != nil || err2 != nil || since > state || until > state || since < floor {
		return w, 0, 0, errCannotCalculate
	}
	return w, since, until, nil
}

// appendChange adds what became of an object since a state.
func appendChange(list []change, id, made, changed uint64, gone bool, since, until uint64) []change {
	switch {
	case changed <= since || made > until:
	case gone && made <= since:
		return append(list, change{id, destroyed})
	case gone:
	case made > since:
		return append(list, change{id, created})
	default:
		return append(list, change{id, updated})
	}
	return list
}

// errNothing ends a change of identities of which nothing came.
var errNothing = errors.New("nothing changed")

// identitySet is Identity/set (RFC 8621 section 6.3).
func identitySet(ctx context.Context, c *call) (any, error) {
	before, err := c.server.store.Identities(ctx, c.account)
	if err != nil {
		return nil, err
	}
	state := strconv.FormatUint(before.State, 10)
	s, err := c.set(state)
	if err != nil {
		return nil, err
	}
	allowed, err := c.mayUse(ctx, s)
	if err != nil {
		return nil, err
	}
	var expected *string
	if err := c.args.read("ifInState", &expected); err != nil {
		return nil, err
	}
	after, err := c.server.store.ChangeIdentities(ctx, c.account, func(all *store.Identities) error {
		now := strconv.FormatUint(all.State, 10)
		if expected != nil && now != state {
			return errMismatch
		}
		state = now
		c.changeIdentities(s, all, allowed)
		if len(s.created)+len(s.updated)+len(s.destroyed) == 0 {
			return errNothing
		}
		return nil
	})
	switch {
	case errors.Is(err, errNothing):
		return s.answer(c, state, state), nil
	case store.KindOf(err) == store.KindLimit:
		return nil, &methodError{Type: "requestTooLarge", Description: err.Error()}
	case err != nil:
		return nil, err
	}
	return s.answer(c, state, strconv.FormatUint(after.State, 10)), nil
}

// mayUse finds out which of the addresses that new identities name are the account's.
func (c *call) mayUse(ctx context.Context, s *set) (map[string]cause.Decision, error) {
	allowed := map[string]cause.Decision{}
	for _, properties := range s.create {
		var email string
		if unmarshal(properties["email"], &email) != nil {
			continue
		}
		d, err := c.owns(ctx, email)
		if err != nil {
			return nil, err
		}
		allowed[email] = d
	}
	return allowed, nil
}

// owns decides whether an account may write as an address.
func (c *call) owns(ctx context.Context, email string) (cause.Decision, error) {
	res, err := c.server.store.Resolve(ctx, email)
	if err != nil && store.KindOf(err) != store.KindNotFound && store.KindOf(err) != store.KindInvalid {
		return cause.Decision{}, err
	}
	if slices.ContainsFunc(res.Accounts, func(a store.Account) bool { return a.ID == c.account.ID }) {
		return cause.Allow(), nil
	}
	return cause.Refuse(cause.ClientFromNotOwned, cause.Text("address", email)), nil
}

// changeIdentities does what a set wants.
func (c *call) changeIdentities(s *set, all *store.Identities, allowed map[string]cause.Decision) {
	for _, name := range slices.Sorted(maps.Keys(s.create)) {
		one := store.Identity{}
		e := readIdentity(&one, s.create[name], true)
		if d := allowed[one.Email]; e == nil && !d.Allowed() {
			e = c.refused("forbiddenFrom", d)
		}
		if e != nil {
			s.notCreated[name] = e
			continue
		}
		made, err := all.Add(one)
		if err != nil {
			s.notCreated[name] = &methodError{Type: "overQuota", Description: err.Error()}
			continue
		}
		o := identityObject(made)
		for property, given := range s.create[name] {
			if same(given, o[property]) {
				delete(o, property)
			}
		}
		s.created[name], c.request.created[name] = o, o["id"].(string)
	}
	s.settle(c)
	for _, id := range slices.Sorted(maps.Keys(s.update)) {
		one := findIdentity(all, id)
		if one == nil {
			s.notUpdated[id] = &methodError{Type: "notFound"}
			continue
		}
		changed := *one
		if e := readIdentity(&changed, s.update[id], false); e != nil {
			s.notUpdated[id] = e
			continue
		}
		*one = changed
		all.Touch(one)
		s.updated[id] = otherwise(s.update[id], identityObject(one))
	}
	for _, id := range s.destroy {
		switch one := findIdentity(all, id); {
		case one == nil:
			s.notDestroyed[id] = &methodError{Type: "notFound"}
		case one.Own:
			s.notDestroyed[id] = &methodError{Type: "forbidden", Description: "it is that of an address of the account"}
		default:
			all.Remove(one.ID)
			s.destroyed = append(s.destroyed, id)
		}
	}
}

// maxIdentityText bounds names.
const maxIdentityText = 1000

// readIdentity reads the properties of an identity that are given.
func readIdentity(one *store.Identity, properties map[string]json.RawMessage, create bool) (e *methodError) {
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		e = e.and(readIdentityProperty(one, name, properties[name], create))
	}
	if one.Email == "" && !e.names("email") {
		e = e.and(badProperty("email", "it is missing"))
	}
	return e
}

func readIdentityProperty(one *store.Identity, name string, raw json.RawMessage, create bool) *methodError {
	ok := true
	switch name {
	case "name":
		one.Name = "" // which is what null means
		ok = json.Unmarshal(raw, &one.Name) == nil && len(one.Name) <= maxIdentityText
	case "email":
		if !create && !same(raw, one.Email) {
			return badProperty(name, "the address of an identity stays")
		}
		if unmarshal(raw, &one.Email) != nil {
			return badProperty(name, "not an address")
		}
		_, err := address.Parse(one.Email, address.Options{UTF8: true})
		ok = err == nil
	case "replyTo":
		one.ReplyTo, ok = readIdentityAddresses(raw)
	case "bcc":
		one.Bcc, ok = readIdentityAddresses(raw)
	case "textSignature":
		one.TextSignature = ""
		ok = json.Unmarshal(raw, &one.TextSignature) == nil && len(one.TextSignature) <= store.MaxSignature
	case "htmlSignature":
		one.HTMLSignature = ""
		ok = json.Unmarshal(raw, &one.HTMLSignature) == nil && len(one.HTMLSignature) <= store.MaxSignature
	default:
		ok = !create && same(raw, identityObject(one)[name]) && isIdentityProperty(name)
	}
	if !ok {
		return badProperty(name, "it cannot be set so")
	}
	return nil
}

func readIdentityAddresses(raw json.RawMessage) (list []store.IdentityAddress, ok bool) {
	var given []emailAddress
	if json.Unmarshal(raw, &given) != nil || len(given) > 100 {
		return nil, false
	}
	for _, a := range given {
		one := store.IdentityAddress{Email: strings.TrimSpace(a.Email)}
		if a.Name != nil {
			one.Name = *a.Name
		}
		if _, err := address.Parse(one.Email, address.Options{UTF8: true}); err != nil || len(one.Name) > maxIdentityText {
			return nil, false
		}
		list = append(list, one)
	}
	return list, true
}

// refused is the SetError of a decision: what it means for people stands beside its type. The description of forbiddenToSend is for them,
// too (RFC 8621 section 7.5).
func (c *call) refused(kind string, d cause.Decision) *methodError {
	e := &methodError{Type: kind, Description: c.server.reason(d), Why: c.why(d)}
	switch {
	case kind == "forbiddenToSend" && e.Why != nil:
		e.Description = e.Why.Text
	case kind == "tooLarge":
		e.MaxSize = c.server.options.Limits.Message
	}
	return e
}

// why tells a decision to the holder of the account, in the language of the request.
func (c *call) why(d cause.Decision) *explained {
	if d.Allowed() {
		return nil
	}
	told := c.catalogue().Explain(d, c.request.lang, cause.Holder)
	return &explained{Cause: d.Cause, Title: told.Title, Text: strings.TrimSpace(told.Text), Action: strings.TrimSpace(told.NextStep), Actor: told.Actor, Suggestion: d.Text("suggestion")}
}

// explained is a cause in words for people.
type explained struct {
	Cause  cause.ID `json:"cause"`
	Title  string   `json:"title"`
	Text   string   `json:"text"`
	Action string   `json:"action,omitempty"`
	Actor  string   `json:"actor,omitempty"`
	// Suggestion is what was probably meant: a domain.
	Suggestion string `json:"suggestion,omitempty"`
}
