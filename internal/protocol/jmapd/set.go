package jmapd

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// set is a /set that runs (RFC 8620 section 5.3).
type set struct {
	inState      bool // ifInState was given, and is so
	create       map[string]map[string]json.RawMessage
	update       map[string]map[string]json.RawMessage
	destroy      []string
	created      object
	updated      object
	destroyed    []string
	notCreated   map[string]*methodError
	notUpdated   map[string]*methodError
	notDestroyed map[string]*methodError
}

// set reads the arguments of a /set. state is what ifInState is compared with; further are the names of arguments of the
// method.
func (c *call) set(state string, further ...string) (*set, error) {
	s := &set{
		created: object{}, updated: object{},
		notCreated: map[string]*methodError{}, notUpdated: map[string]*methodError{}, notDestroyed: map[string]*methodError{},
	}
	if err := c.args.only(append(further, "ifInState", "create", "update", "destroy")...); err != nil {
		return nil, err
	}
	var expected *string
	for name, v := range map[string]any{"ifInState": &expected, "create": &s.create, "update": &s.update, "destroy": &s.destroy} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
	}
	if len(s.create)+len(s.update)+len(s.destroy) > c.server.options.Limits.Set {
		return nil, errTooManyToSet
	}
	if expected != nil && *expected != state {
		return nil, errMismatch
	}
	s.inState = expected != nil
	for name, of := range map[string]map[string]map[string]json.RawMessage{"create": s.create, "update": s.update} {
		for id, properties := range of {
			if properties == nil {
				return nil, invalid("%s of %s is null", name, id)
			}
		}
	}
	s.settle(c)
	for id, patch := range s.update {
		if e := badPatch(patch); e != nil {
			s.notUpdated[id] = e
			delete(s.update, id)
		}
	}
	return s, nil
}

// expecting returns a context whose changes begin in the state of a picture, if a state was asked for: whoever changes mail between our look
// at it and our own first change is not overlooked.
func (c *call) expecting(ctx context.Context, asked bool, p *picture) (context.Context, *store.Expectation) {
	if !asked {
		return ctx, nil
	}
	return store.Expect(ctx, c.account.ID, p.mail.ModSeq)
}

// settle puts ids in the place of references to what was created, by this set as well once it is done with that.
func (s *set) settle(c *call) {
	for i, id := range s.destroy {
		s.destroy[i] = c.named(id)
	}
	slices.Sort(s.destroy)
	s.destroy = slices.Compact(s.destroy)
	s.update = renamed(c, s.update)
	for _, id := range s.destroy {
		if _, both := s.update[id]; both && !strings.HasPrefix(id, "#") {
			s.notUpdated[id] = &methodError{Type: "willDestroy"}
			delete(s.update, id)
		}
	}
}

// badPatch holds the paths of a PatchObject to RFC 8620 section 5.3: none lies in another, and only what is a set of names is
// changed in part.
func badPatch(patch map[string]json.RawMessage) *methodError {
	for _, path := range slices.Sorted(maps.Keys(patch)) {
		name, rest, nested := strings.Cut(path, "/")
		if _, both := patch[name]; nested && both {
			return &methodError{Type: "invalidPatch", Description: "one path lies in another"}
		}
		if nested && (name != "keywords" && name != "mailboxIds" || strings.Contains(rest, "/")) {
			return &methodError{Type: "invalidPatch", Description: "nothing can be changed at " + path}
		}
	}
	return nil
}

// renamed puts ids in the place of references to creations.
func renamed[V any](c *call, m map[string]V) map[string]V {
	out := make(map[string]V, len(m))
	for id, v := range m {
		out[c.named(id)] = v
	}
	return out
}

// named is the id that a reference to a creation stands for (RFC 8620 section 5.3); other ids are themselves.
func (c *call) named(id string) string {
	if name, ok := strings.CutPrefix(id, "#"); ok {
		if real, ok := c.request.created[name]; ok {
			return real
		}
	}
	return id
}

// answer is the answer of a /set. States are those before and after; others may have changed mail in between, so
// a client that has the state before asks for changes.
func (s *set) answer(c *call, before, after string) object {
	var destroyed any
	if len(s.destroyed) > 0 {
		destroyed = s.destroyed
	}
	return object{
		"accountId": accountID(c.account.ID), "oldState": before, "newState": after,
		"created": nullIfEmpty(s.created), "updated": nullIfEmpty(s.updated), "destroyed": destroyed,
		"notCreated": nullIfEmpty(s.notCreated), "notUpdated": nullIfEmpty(s.notUpdated), "notDestroyed": nullIfEmpty(s.notDestroyed),
	}
}

// otherwise are the properties that came out otherwise than a patch wants them, nil if none did (RFC 8620 section 5.3).
func otherwise(patch map[string]json.RawMessage, now object) any {
	o := object{}
	for name, wanted := range patch {
		if is, there := now[name]; there && !same(wanted, is) {
			o[name] = is
		}
	}
	if len(o) == 0 {
		return nil
	}
	return o
}

func nullIfEmpty[V any](m map[string]V) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// setError is the SetError of what the store refused (RFC 8620 section 5.3).
func (c *call) setError(err error, properties ...string) *methodError {
	switch store.KindOf(err) {
	case store.KindNotFound:
		return &methodError{Type: "notFound"}
	case store.KindChanged:
		return errMismatch
	case store.KindExists:
		return &methodError{Type: "invalidProperties", Description: "there is one already", Properties: properties, taken: true}
	case store.KindInvalid, store.KindLimit:
		return &methodError{Type: "invalidProperties", Description: err.Error(), Properties: properties}
	case store.KindOverQuota:
		return &methodError{Type: "overQuota"}
	case store.KindInUse:
		return &methodError{Type: "forbidden", Description: "it is being sent right now"}
	}
	return c.server.errorOf(err)
}

func badProperty(name, description string) *methodError {
	return &methodError{Type: "invalidProperties", Description: description, Properties: []string{name}}
}

// maxWrong bounds how many properties an error tells of: each is compared with those before, and a request has room for a million.
const maxWrong = 100

// and makes one error of two: all properties that are wrong are told at once (RFC 8620 section 5.3), up to maxWrong. What is more than a
// wrong property goes before that.
func (e *methodError) and(other *methodError) *methodError {
	switch {
	case other == nil || e != nil && e.Type != "invalidProperties":
		return e
	case e == nil || other.Type != "invalidProperties":
		return other
	case len(e.Properties) >= maxWrong:
		return e
	}
	both := *e
	for _, p := range other.Properties {
		if !e.names(p) {
			both.Properties = append(slices.Clip(both.Properties), p)
		}
	}
	if other.Description != e.Description && len(both.Properties) > len(e.Properties) {
		both.Description += "; " + other.Description
	}
	return &both
}

// names reports whether the error is about a property.
func (e *methodError) names(property string) bool {
	return e != nil && slices.Contains(e.Properties, property)
}
