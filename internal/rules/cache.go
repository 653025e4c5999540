package rules

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of the cache. An account without a script takes some fifty octets, one with a script about
// fifteen times the size of its text.
const (
	maxCached     = 100_000
	maxCachedText = 4 << 20
)

// cache holds the compiled script of accounts, and which have none.
type cache struct {
	mu      sync.Mutex
	entries map[store.AccountID]entry
	text    int // octets of all scripts
}

type entry struct {
	changes uint64    // store.ScriptChanges when it was read
	active  *compiled // nil: no script
}

// compiled is a script ready to run, or why it is not.
type compiled struct {
	name   string
	script *sieve.Script
	err    error
	rules  []string // the name of the rule that each line belongs to
	size   int
}

func (c *cache) get(a store.AccountID, changes uint64) (*compiled, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[a]
	return e.active, ok && e.changes == changes
}

func (c *cache) put(a store.AccountID, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(a)
	if e.active != nil {
		c.text += e.active.size
	}
	for other := range c.entries {
		if len(c.entries) < maxCached && c.text <= maxCachedText {
			break
		}
		c.drop(other)
	}
	c.entries[a] = e
}

func (c *cache) drop(a store.AccountID) {
	if old := c.entries[a].active; old != nil {
		c.text -= old.size
	}
	delete(c.entries, a)
}

// active returns the active script of an account, nil if it has none.
func (e *Engine) active(ctx context.Context, a store.AccountID) (*compiled, error) {
	changes := e.Store.ScriptChanges(a) // before reading: a change meanwhile makes the entry old
	if script, ok := e.cache.get(a, changes); ok {
		return script, nil
	}
	found, err := e.Store.ActiveScript(ctx, a)
	if store.KindOf(err) == store.KindNotFound && err != nil {
		e.cache.put(a, entry{changes: changes})
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	script := e.compile(ctx, a, found)
	e.cache.put(a, entry{changes, script})
	return script, nil
}

// compile reads a script and those it includes.
func (e *Engine) compile(ctx context.Context, a store.AccountID, s store.Script) *compiled {
	c := &compiled{name: s.Name, rules: ruleNames(s.Text), size: len(s.Text)}
	c.script, c.err = sieve.Parse(s.Text, sieve.Options{Include: func(name string) (string, bool) {
		other, err := e.Store.Script(ctx, a, name)
		if err != nil {
			return "", false
		}
		c.size += len(other.Text)
		return other.Text, true
	}})
	return c
}

// Check reads a script as ManageSieve and people do before they store it. The error is a sieve.Errors.
func Check(text string) error {
	_, err := sieve.Parse(text, sieve.Options{})
	return err
}

// rulePrefix begins the comment that names a rule, in our scripts and in those of other programs.
const rulePrefix = "# rule:["

// ruleNames returns for each line the name of the rule it belongs to, "" where none is named.
func ruleNames(text string) []string {
	if !strings.Contains(text, rulePrefix) {
		return nil
	}
	var names []string
	current := ""
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), rulePrefix); ok {
			current, _, _ = strings.Cut(rest, "]")
		}
		names = append(names, current)
	}
	return names
}

// rule names where an action comes from: the rule, or script and line.
func (c *compiled) rule(w sieve.Where) string {
	switch {
	case w.Line == 0:
		return ""
	case w.Script != "":
		return fmt.Sprintf("%s:%d", w.Script, w.Line)
	case w.Line <= len(c.rules) && c.rules[w.Line-1] != "":
		return c.rules[w.Line-1]
	}
	return fmt.Sprintf("%s:%d", c.name, w.Line)
}

// recent knows for a short time who was answered, so that of two messages that come at once one is.
// What lasts is in the store.
type recent struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const (
	recently  = time.Minute
	maxRecent = 10_000
)

// claim tells whether a key was not claimed lately, and claims it.
func (r *recent) claim(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until[key].After(now) {
		return false
	}
	if len(r.until) >= maxRecent {
		for k, until := range r.until {
			if !until.After(now) || len(r.until) >= maxRecent {
				delete(r.until, k)
			}
		}
	}
	r.until[key] = now.Add(recently)
	return true
}
