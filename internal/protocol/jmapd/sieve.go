package jmapd

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/store"
)

// Sieve says what scripts of rules may do.
type Sieve struct {
	// Check reads a script as it is read before it is stored.
	Check      func(text string) error
	Extensions []string // what scripts can require
	Redirects  int      // how many addresses a message goes on to
}

// capability is what an account is told of scripts (RFC 9661 section 1.2).
func (v *Sieve) capability() object {
	return object{
		"maxSizeScriptName": store.MaxScriptName, "maxSizeScript": store.MaxScriptSize, "maxNumberScripts": store.MaxScripts,
		"maxNumberRedirects": v.Redirects, "sieveExtensions": v.Extensions, "notificationMethods": nil, "externalLists": nil,
	}
}

// scriptProperties are those of RFC 9661 section 2.1.
var scriptProperties = []string{"id", "name", "blobId", "isActive"}

func scriptID(s *store.Script) string { return fmt.Sprintf("s%d", s.ID) }

// scriptBlobID names the octets of a script as they are: another text has another id.
func scriptBlobID(s *store.Script) string {
	sum := sha256.Sum256([]byte(s.Text))
	return fmt.Sprintf("%s-%x", scriptID(s), sum[:8])
}

func scriptObject(s *store.Script) object {
	return object{"id": scriptID(s), "name": s.Name, "blobId": scriptBlobID(s), "isActive": s.Active}
}

// scripts are those of an account, with their state.
func (s *Server) scripts(ctx context.Context, a store.AccountID) (list []store.Script, state string, err error) {
	list, err = s.store.Scripts(ctx, a)
	return list, stateOfScripts(list), err
}

func stateOfScripts(list []store.Script) string {
	h := sha256.New()
	for i := range list {
		fmt.Fprintf(h, "%s %q %v\n", scriptBlobID(&list[i]), list[i].Name, list[i].Active)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// expectingScripts returns a context whose changes of scripts begin in a state of theirs.
func (c *call) expectingScripts(ctx context.Context, state string) (context.Context, *store.Expectation) {
	return store.ExpectScripts(ctx, c.account.ID, func(list []store.Script) bool { return stateOfScripts(list) == state })
}

func (s *Server) scriptState(ctx context.Context, a store.AccountID) (string, error) {
	_, state, err := s.scripts(ctx, a)
	return state, err
}

func findScript(list []store.Script, id string) *store.Script {
	at := slices.IndexFunc(list, func(s store.Script) bool { return scriptID(&s) == id })
	if at < 0 {
		return nil
	}
	return &list[at]
}

// scriptText finds what a blob id of a script names.
func (s *Server) scriptText(ctx context.Context, a store.AccountID, id string) (text string, found bool, err error) {
	if !strings.HasPrefix(id, "s") {
		return "", false, nil
	}
	list, _, err := s.scripts(ctx, a)
	for i := range list {
		if scriptBlobID(&list[i]) == id {
			return list[i].Text, true, nil
		}
	}
	return "", false, err
}

// scriptGet is SieveScript/get (RFC 9661 section 2.3).
func scriptGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(func(p string) bool { return slices.Contains(scriptProperties, p) })
	if err != nil {
		return nil, err
	}
	all, state, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	if g.all {
		for i := range all {
			g.ids = append(g.ids, scriptID(&all[i]))
		}
	}
	var list []object
	var missing []string
	for _, id := range g.ids {
		if s := findScript(all, id); s != nil {
			list = append(list, g.pick(scriptObject(s)))
		} else {
			missing = append(missing, id)
		}
	}
	return c.got(state, list, missing), nil
}

// scriptSet is SieveScript/set (RFC 9661 section 2.4).
func scriptSet(ctx context.Context, c *call) (any, error) {
	_, before, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	s, err := c.set(before, "onSuccessActivateScript", "onSuccessDeactivateScript")
	if err != nil {
		return nil, err
	}
	var activate *string
	var deactivate bool
	if err := c.args.read("onSuccessActivateScript", &activate); err != nil {
		return nil, err
	}
	if err := c.args.read("onSuccessDeactivateScript", &deactivate); err != nil {
		return nil, err
	}
	var expected *store.Expectation
	if s.inState {
		ctx, expected = c.expectingScripts(ctx, before)
	}
	for _, name := range slices.Sorted(maps.Keys(s.create)) {
		if o, e := c.createScript(ctx, s.create[name]); e != nil {
			s.notCreated[name] = e
		} else {
			s.created[name], c.request.created[name] = o, o["id"].(string)
		}
	}
	s.settle(c)
	for _, id := range slices.Sorted(maps.Keys(s.update)) {
		if o, e := c.updateScript(ctx, id, s.update[id]); e != nil {
			s.notUpdated[id] = e
		} else {
			s.updated[id] = o
		}
	}
	for _, id := range s.destroy {
		if e := c.destroyScript(ctx, id); e != nil {
			s.notDestroyed[id] = e
		} else {
			s.destroyed = append(s.destroyed, id)
		}
	}
	// "On success" is when nothing failed.
	if (activate != nil || deactivate) && len(s.notCreated)+len(s.notUpdated)+len(s.notDestroyed) == 0 {
		err = c.activate(ctx, s, activate)
	}
	if expected.Missed() {
		return nil, errMismatch
	}
	if err != nil {
		return nil, err
	}
	_, after, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	return s.answer(c, before, after), nil
}

// scriptContent reads the text of a script and checks it.
func (c *call) scriptContent(ctx context.Context, raw json.RawMessage) (string, *methodError) {
	var id string
	if unmarshal(raw, &id) != nil {
		return "", badProperty("blobId", "not an id")
	}
	text, err := c.blobText(ctx, id, store.MaxScriptSize)
	switch {
	case errors.Is(err, errNoPart):
		return "", &methodError{Type: "blobNotFound", Description: id}
	case errors.Is(err, errLong):
		return "", &methodError{Type: "tooLarge"}
	case err != nil:
		return "", c.setError(err)
	}
	if err := c.server.options.Sieve.Check(text); err != nil {
		return "", &methodError{Type: "invalidSieve", Description: err.Error()}
	}
	return text, nil
}

// errLong is a blob that is longer than wanted.
var errLong = errors.New("the blob is too long")

// blobText reads a blob that is a text of at most so many octets.
func (c *call) blobText(ctx context.Context, id string, most int64) (string, error) {
	p, err := c.picture(ctx)
	if err != nil {
		return "", err
	}
	body, err := c.server.open(ctx, p, c.named(id))
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, most+1))
	if err == nil && int64(len(text)) > most {
		err = errLong
	}
	return string(text), err
}

func (c *call) createScript(ctx context.Context, properties map[string]json.RawMessage) (object, *methodError) {
	all, _, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return nil, c.setError(err)
	}
	name, e := scriptName(all, nil, properties)
	if e != nil {
		return nil, e
	}
	if _, given := properties["isActive"]; given {
		return nil, badProperty("isActive", "it cannot be set")
	}
	text, e := c.scriptContent(ctx, properties["blobId"])
	if e != nil {
		return nil, e
	}
	if err := c.server.store.PutScript(ctx, c.account.ID, name, text); err != nil {
		return nil, c.scriptError(err)
	}
	made, err := c.server.store.Script(ctx, c.account.ID, name)
	if err != nil {
		return nil, c.setError(err)
	}
	o := scriptObject(&made)
	if same(properties["name"], name) {
		delete(o, "name")
	}
	return o, nil
}

// scriptName is the name that a script is to have; one without gets one.
func scriptName(all []store.Script, old *store.Script, properties map[string]json.RawMessage) (name string, e *methodError) {
	for property := range properties {
		if !slices.Contains(scriptProperties, property) || property == "id" && old == nil {
			return "", badProperty(property, "it cannot be set")
		}
	}
	var wanted *string
	if raw, given := properties["name"]; given && json.Unmarshal(raw, &wanted) != nil || wanted != nil && !utf8.ValidString(*wanted) {
		return "", badProperty("name", "not a name")
	}
	if wanted != nil {
		if name, err := store.ParseScriptName(*wanted); err == nil {
			wanted = &name
		} else {
			return "", badProperty("name", err.Error())
		}
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(all, func(s store.Script) bool { return s.Name == name && (old == nil || s.ID != old.ID) })
	}
	switch {
	case wanted == nil && old != nil:
		return old.Name, nil
	case wanted == nil:
		for n := 1; ; n++ { // no more than there are scripts
			if name = fmt.Sprintf("script-%d", n); !taken(name) {
				return name, nil
			}
		}
	case taken(*wanted):
		at := slices.IndexFunc(all, func(s store.Script) bool { return s.Name == *wanted })
		return "", &methodError{Type: "alreadyExists", Description: "there is a script with this name", ExistingID: scriptID(&all[at])}
	}
	return *wanted, nil
}

func (c *call) updateScript(ctx context.Context, id string, patch map[string]json.RawMessage) (any, *methodError) {
	all, _, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return nil, c.setError(err)
	}
	old := findScript(all, id)
	if old == nil {
		return nil, &methodError{Type: "notFound"}
	}
	for _, fixed := range []string{"id", "isActive"} {
		if raw, given := patch[fixed]; given && !same(raw, scriptObject(old)[fixed]) {
			return nil, badProperty(fixed, "it cannot be set")
		}
	}
	name, e := scriptName(all, old, patch)
	if e != nil {
		return nil, e
	}
	text := old.Text
	if raw, given := patch["blobId"]; given {
		if text, e = c.scriptContent(ctx, raw); e != nil {
			return nil, e
		}
	}
	if text != old.Text {
		if err := c.server.store.PutScript(ctx, c.account.ID, old.Name, text); err != nil {
			return nil, c.scriptError(err)
		}
	}
	if name != old.Name {
		if err := c.server.store.RenameScript(ctx, c.account.ID, old.Name, name); err != nil {
			return nil, c.scriptError(err)
		}
	}
	if _, given := patch["blobId"]; !given {
		return nil, nil
	}
	now := store.Script{ID: old.ID, Text: text}
	return object{"blobId": scriptBlobID(&now)}, nil // it may be another one than was given
}

func (c *call) destroyScript(ctx context.Context, id string) *methodError {
	all, _, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return c.setError(err)
	}
	s := findScript(all, id)
	if s == nil {
		return &methodError{Type: "notFound"}
	}
	if err := c.server.store.DeleteScript(ctx, c.account.ID, s.Name); err != nil {
		return c.scriptError(err)
	}
	return nil
}

// activate makes a script the one that runs, nil for none, and tells which are others than before.
func (c *call) activate(ctx context.Context, s *set, id *string) error {
	all, _, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return err
	}
	name := ""
	if id != nil {
		wanted := findScript(all, c.named(*id))
		if wanted == nil {
			return nil // RFC 9661 section 2.4: what is not there is ignored
		}
		name = wanted.Name
	}
	if err := c.server.store.ActivateScript(ctx, c.account.ID, name); err != nil {
		return err
	}
	for i := range all {
		if active := all[i].Name == name; active != all[i].Active {
			s.told(scriptID(&all[i]), "isActive", active)
		}
	}
	return nil
}

// told adds a property to what is told of an object that was made or changed.
func (s *set) told(id, property string, value any) {
	for _, o := range s.created {
		if o, ok := o.(object); ok && o["id"] == id {
			o[property] = value
			return
		}
	}
	o, _ := s.updated[id].(object)
	if o == nil {
		o = object{}
	}
	o[property] = value
	s.updated[id] = o
}

// scriptError is the SetError of what the store refused (RFC 9661 section 2.4).
func (c *call) scriptError(err error) *methodError {
	switch store.KindOf(err) {
	case store.KindInUse:
		return &methodError{Type: "sieveIsActive"}
	case store.KindExists:
		return &methodError{Type: "alreadyExists"}
	case store.KindLimit:
		return &methodError{Type: "overQuota", Description: err.Error()}
	}
	return c.setError(err)
}

// scriptQuery is SieveScript/query (RFC 9661 section 2.5).
func scriptQuery(ctx context.Context, c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	for _, s := range q.sort {
		if s.Property != "name" && s.Property != "isActive" {
			return nil, &methodError{Type: "unsupportedSort", Description: s.Property}
		}
	}
	keep, err := parseFilter(c.args["filter"], scriptCondition)
	if err != nil {
		return nil, err
	}
	all, state, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b store.Script) int {
		for _, s := range q.sort {
			n := cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
			if s.Property == "isActive" {
				n = compareBool(a.Active, b.Active)
			}
			if n != 0 {
				return s.turned(n)
			}
		}
		return 0
	})
	var ids []string
	for i := range all {
		if keep(&all[i]) {
			ids = append(ids, scriptID(&all[i]))
		}
	}
	answer, err := q.answer(c, listOf(ids), state)
	if err != nil {
		return nil, err
	}
	answer["canCalculateChanges"] = false // RFC 9661 has no queryChanges
	return answer, nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func scriptCondition(name string, raw json.RawMessage) (func(*store.Script) bool, error) {
	var text string
	var active bool
	switch {
	case name == "name" && unmarshal(raw, &text) == nil:
		want := strings.ToLower(text)
		return func(s *store.Script) bool { return strings.Contains(strings.ToLower(s.Name), want) }, nil
	case name == "isActive" && unmarshal(raw, &active) == nil:
		return func(s *store.Script) bool { return s.Active == active }, nil
	case name == "name" || name == "isActive":
		return nil, invalid("filter: %s has the wrong type", name)
	}
	return nil, &methodError{Type: "unsupportedFilter", Description: name}
}

// scriptValidate is SieveScript/validate (RFC 9661 section 2.6).
func scriptValidate(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("blobId"); err != nil {
		return nil, err
	}
	if _, err := c.args.text("blobId"); err != nil {
		return nil, err
	}
	answer := object{"accountId": accountID(c.account.ID), "error": nil}
	if _, e := c.scriptContent(ctx, c.args["blobId"]); e != nil {
		answer["error"] = e
	}
	return answer, nil
}
