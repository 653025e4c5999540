package jmapd

import (
	"encoding/json"
	"slices"
	"strings"
)

// arguments are those of a call, references resolved.
type arguments map[string]json.RawMessage

// given reports whether an argument is there and not null.
func (a arguments) given(name string) bool {
	raw, ok := a[name]
	return ok && string(raw) != "null"
}

// read reads an argument that may be missing; v stays as it is then.
func (a arguments) read(name string, v any) error {
	if !a.given(name) {
		return nil
	}
	if list, ok := v.(*[]string); ok {
		return a.list(name, list)
	}
	if err := json.Unmarshal(a[name], v); err != nil {
		return invalid("%s has the wrong type", name)
	}
	return nil
}

// list reads a list of texts, none of which is null.
func (a arguments) list(name string, to *[]string) error {
	var given []*string
	if err := json.Unmarshal(a[name], &given); err != nil || slices.Contains(given, nil) {
		return invalid("%s has the wrong type", name)
	}
	*to = make([]string, len(given))
	for i, one := range given {
		(*to)[i] = *one
	}
	return nil
}

// text reads an argument that must be there.
func (a arguments) text(name string) (string, error) {
	var s *string
	if err := a.read(name, &s); err != nil {
		return "", err
	}
	if s == nil {
		return "", invalid("%s is missing", name)
	}
	return *s, nil
}

// only refuses arguments that a method does not have.
func (a arguments) only(names ...string) error {
	for name := range a {
		if name != "accountId" && !slices.Contains(names, name) {
			return invalid("unknown argument %s", name)
		}
	}
	return nil
}

// getArgs are the arguments of every /get (RFC 8620 section 5.1).
type getArgs struct {
	all        bool // ids is null
	ids        []string
	properties []string // nil for all
}

// get reads them. known tells which properties there are; further are the names of arguments of the method.
func (c *call) get(known func(property string) bool, further ...string) (g getArgs, err error) {
	if err := c.args.only(append(further, "ids", "properties")...); err != nil {
		return g, err
	}
	g.all = !c.args.given("ids")
	if err := c.args.read("ids", &g.ids); err != nil {
		return g, err
	}
	if err := c.args.read("properties", &g.properties); err != nil {
		return g, err
	}
	for _, p := range g.properties {
		if p != "id" && !known(p) {
			return g, invalid("unknown property %s", p)
		}
	}
	slices.Sort(g.ids)
	g.ids = slices.Compact(g.ids)
	if len(g.ids) > c.server.options.Limits.Get {
		return g, errTooManyToGet
	}
	return g, nil
}

// wants reports whether a property is to be told.
func (g *getArgs) wants(property string) bool {
	return g.properties == nil || slices.Contains(g.properties, property)
}

// pick keeps the properties that are wanted, and the id.
func (g *getArgs) pick(o object) object {
	for name := range o {
		if name != "id" && !g.wants(name) {
			delete(o, name)
		}
	}
	return o
}

// got is the answer of a /get.
func (c *call) got(state string, list []object, missing []string) object {
	if list == nil {
		list = []object{}
	}
	if missing == nil {
		missing = []string{}
	}
	return object{"accountId": accountID(c.account.ID), "state": state, "list": list, "notFound": missing}
}

// most reads maxChanges, 0 for no bound.
func (a arguments) most() (int, error) {
	var limit *int
	if err := a.read("maxChanges", &limit); err != nil || limit == nil {
		return 0, err
	}
	if *limit <= 0 {
		return 0, invalid("maxChanges is not positive")
	}
	return *limit, nil
}

// changesArgs reads the arguments of every /changes (RFC 8620 section 5.2).
func (c *call) changesArgs() (since string, most int, err error) {
	if err := c.args.only("sinceState", "maxChanges"); err != nil {
		return "", 0, err
	}
	if since, err = c.args.text("sinceState"); err != nil {
		return "", 0, err
	}
	most, err = c.args.most()
	return since, most, err
}

var (
	errCannotCalculate = &methodError{Type: "cannotCalculateChanges"}
	errTooManyToGet    = &methodError{Type: "requestTooLarge", Description: "maxObjectsInGet"}
	errTooManyToSet    = &methodError{Type: "requestTooLarge", Description: "maxObjectsInSet"}
	errMismatch        = &methodError{Type: "stateMismatch"}
)

// listed is a list that is never null, in order.
func listed(ids []string) []string {
	if ids == nil {
		return []string{}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// unescape undoes the escapes of a JSON Pointer (RFC 6901 section 3).
func unescape(token string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(token) }
