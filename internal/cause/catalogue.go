package cause

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Catalogue knows every cause, what it looks like on the wire and how it is
// said to people. It is immutable and safe for concurrent use; WithWhyBase
// and In return changed copies that share everything else.
type Catalogue struct {
	causes  []Cause
	entries map[ID]*entry
	speech  map[Lang]*speech

	remedies *remedyTable
	guides   map[Lang]*guide

	link string         // "https://mail.example.org/why/", or "" for no link
	zone *time.Location // where the reader's clock stands
	read time.Time      // when it is read, if that is known
}

// Cause is one row of the table: the facts that do not depend on a language.
type Cause struct {
	ID       ID
	Actor    Actor    // who must act
	Seeds    []string // the points of the product's specification it serves
	Meaning  string   // one line, in English
	Evidence string   // what proves it, and the contrast to its look-alikes
	Remedy   string   // one line, in English
	Params   []Placeholder
	Variants []string // the names Decision.As takes, sorted
}

// Placeholder is a parameter that a cause's texts may show.
type Placeholder struct {
	Name string
	Kind Kind
}

// Actor is who must act before things work again.
type Actor string

// The actors of the table.
const (
	ActorUser      Actor = "user"
	ActorAdmin     Actor = "admin" // whoever looks after the domain
	ActorProvider  Actor = "provider"
	ActorNetwork   Actor = "network"
	ActorRecipient Actor = "recipient"
	ActorNobody    Actor = "nobody"
)

// ErrCatalogue is wrapped by every error of Load: the embedded files do not
// agree with each other or with the standards.
var ErrCatalogue = errors.New("cause: bad catalogue")

// ErrDecision is wrapped by every error of Check.
var ErrDecision = errors.New("cause: bad decision")

// entry is all that is known of one cause, ready to be written.
type entry struct {
	Cause
	kinds    map[string]Kind
	onWire   bool // it occurs on our own wire
	stranger ID   // what someone who has not signed in is told instead, or ""
	usual    form
	variants map[string]*form
	said     map[Lang]*said
}

// Load reads the embedded files and checks them against each other. It is
// called once at start; an error means that the program was built wrong.
func Load() (*Catalogue, error) {
	return loadFrom(files)
}

// loadFrom loads the catalogue from any file system that holds its files.
func loadFrom(fsys fs.FS) (*Catalogue, error) {
	c := &Catalogue{zone: time.UTC}
	steps := []func(fs.FS) error{c.readTable, c.readSpeech, c.readWire, c.readRemedies}
	for _, step := range steps {
		if err := step(fsys); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCatalogue, err)
		}
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCatalogue, err)
	}
	return c.WithWhyBase(""), nil
}

// WithWhyBase returns a catalogue whose replies end in a link to the page
// that explains them: url + "/why/" + id, with url such as
// "https://mail.example.org". An url that is empty, longer than 200 octets or
// not printable US-ASCII cannot stand in a reply; then there is no link.
func (c *Catalogue) WithWhyBase(url string) *Catalogue {
	linked := *c
	linked.link = whyLink(url)
	linked.entries = make(map[ID]*entry, len(c.entries))
	for id, e := range c.entries {
		linked.entries[id] = e.withLink(linked.link)
	}
	return &linked
}

// In returns a catalogue that tells times to people as clocks in loc show
// them. The wire always speaks UTC.
func (c *Catalogue) In(loc *time.Location) *Catalogue {
	moved := *c
	moved.zone = loc
	return &moved
}

// Here returns a catalogue for somebody who reads now what it tells, by a clock of
// their own that shows loc: whose clock it is goes without saying, and so does the
// date of today. A nil loc is an unknown clock: the zone of c is told and named.
func (c *Catalogue) Here(loc *time.Location, now time.Time) *Catalogue {
	if loc == nil {
		return c
	}
	moved := *c
	moved.zone, moved.read = loc, now.In(loc)
	return &moved
}

// Cause returns the facts of one cause.
func (c *Catalogue) Cause(id ID) (Cause, bool) {
	e, ok := c.entries[id]
	if !ok {
		return Cause{}, false
	}
	return e.Cause, true
}

// All returns every cause in table order.
func (c *Catalogue) All() []Cause {
	return append([]Cause(nil), c.causes...)
}

// ToStranger returns what a party that has not signed in may be told of a
// decision. Where the cause would give away that an account exists or what
// state it is in, another cause takes its place, without parameters; the
// action stays. The journal keeps the decision as it was.
func (c *Catalogue) ToStranger(d Decision) Decision {
	e, ok := c.entries[d.Cause]
	if !ok || e.stranger == "" {
		return d
	}
	return Decision{Action: d.Action, Cause: e.stranger}
}

// Check reports whether a decision fits the catalogue: a known cause and
// variant, and parameters that the cause declares, each of its kind and given
// once. Replies and explanations need no such check, they leave out what does
// not fit; tests of policies do.
func (c *Catalogue) Check(d Decision) error {
	if d.Allowed() {
		return nil
	}
	e, ok := c.entries[d.Cause]
	if !ok {
		return fmt.Errorf("%w: unknown cause %q", ErrDecision, d.Cause)
	}
	if _, ok := e.variants[d.Variant]; !ok && d.Variant != "" {
		return fmt.Errorf("%w: %s has no variant %q", ErrDecision, d.Cause, d.Variant)
	}
	seen := make(map[string]bool, len(d.Params))
	for _, p := range d.Params {
		kind, ok := e.kinds[p.Name]
		switch {
		case !ok:
			return fmt.Errorf("%w: %s takes no parameter %q", ErrDecision, d.Cause, p.Name)
		case !kind.holds(p.Value):
			return fmt.Errorf("%w: parameter %q of %s is a %T, not a %s", ErrDecision, p.Name, d.Cause, p.Value, kind)
		case seen[p.Name]:
			return fmt.Errorf("%w: parameter %q of %s is given twice", ErrDecision, p.Name, d.Cause)
		}
		seen[p.Name] = true
	}
	return nil
}

// lookup returns the entry of a decision; that of Unknown where the
// catalogue does not know the cause.
func (c *Catalogue) lookup(id ID) *entry {
	if e, ok := c.entries[id]; ok {
		return e
	}
	return c.entries[Unknown]
}
