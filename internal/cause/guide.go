package cause

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// remedyTable is remedies.toml: which remedies help against which cause, and
// for which programs there are steps.
type remedyTable struct {
	Editions []edition         `toml:"edition"`
	Kinds    map[Remedy]kindOf `toml:"remedy"`
	Causes   map[ID]remedied   `toml:"cause"`
}

// remedied is a cause in remedies.toml.
type remedied struct {
	Do  []Remedy `toml:"do"`
	See []ID     `toml:"see"`
}

// kindOf is by what the steps of a remedy differ.
type kindOf string

// The kinds of remedies.
const (
	byProgram kindOf = "program"
	bySystem  kindOf = "system"
	sameInAll kindOf = "same" // only generic steps
)

// guide is a file of texts/paths: how the remedies are done, in one language.
type guide struct {
	Program map[string]string            `toml:"program"` // names of the editions
	Note    map[string]string            `toml:"note"`    // what there is to know of an edition
	Place   map[string]map[string]string `toml:"place"`   // by edition: names of places that steps open
	Title   map[Remedy]string            `toml:"title"`
	Steps   map[Remedy]map[string][]Step `toml:"steps"` // by edition, system, or generic
}

// generic is the key of steps that fit any program.
const generic = "generic"

// names returns all remedies in the order of the alphabet.
func (t *remedyTable) names() []Remedy { return slices.Sorted(maps.Keys(t.Kinds)) }

// edition returns the edition with an id, nil if there is none.
func (t *remedyTable) edition(id string) *edition {
	i := slices.IndexFunc(t.Editions, func(e edition) bool { return e.ID == id })
	if i < 0 {
		return nil
	}
	return &t.Editions[i]
}

// readRemedies reads remedies.toml and the guides.
func (c *Catalogue) readRemedies(fsys fs.FS) error {
	c.remedies = &remedyTable{}
	if err := readTOML(fsys, "remedies.toml", c.remedies); err != nil {
		return err
	}
	c.guides = make(map[Lang]*guide)
	for _, lang := range Languages() {
		g := &guide{}
		if err := readTOML(fsys, "texts/paths/"+string(lang)+".toml", g); err != nil {
			return err
		}
		c.guides[lang] = g
	}
	return nil
}

// validateRemedies checks that every cause that a person with the account must
// act on says how, and that the languages agree.
func (c *Catalogue) validateRemedies() error {
	for id, r := range c.remedies.Causes {
		if err := c.validateRemedied(id, r); err != nil {
			return fmt.Errorf("remedies.toml: %s: %w", id, err)
		}
	}
	for _, row := range c.causes {
		if row.Actor == ActorUser && len(c.remedies.Causes[row.ID].Do) == 0 {
			return fmt.Errorf("remedies.toml: %s has no remedy, and the account holder must act", row.ID)
		}
	}
	for _, lang := range Languages() {
		g := c.guides[lang]
		if err := g.validate(c.remedies); err != nil {
			return fmt.Errorf("texts/paths/%s.toml: %w", lang, err)
		}
		if err := g.agrees(c.guides[English]); err != nil {
			return fmt.Errorf("texts/paths/%s.toml: %w", lang, err)
		}
	}
	return nil
}

func (c *Catalogue) validateRemedied(id ID, r remedied) error {
	if c.entries[id] == nil {
		return fmt.Errorf("is no row of causes.tsv")
	}
	for _, a := range r.Do {
		if c.remedies.Kinds[a] == "" {
			return fmt.Errorf("no remedy %q", a)
		}
	}
	for _, other := range r.See {
		if c.entries[other] == nil || other == id {
			return fmt.Errorf("cannot be related to %q", other)
		}
	}
	return nil
}

// validate checks one language: every remedy has a title and steps that fit
// any program, and steps where it may differ only.
func (g *guide) validate(t *remedyTable) error {
	for i := range t.Editions {
		if id := t.Editions[i].ID; g.Program[id] == "" {
			return fmt.Errorf("program %s has no name", id)
		}
	}
	for _, r := range t.names() {
		if !slices.Contains([]kindOf{byProgram, bySystem, sameInAll}, t.Kinds[r]) {
			return fmt.Errorf("%s is of no kind %q", r, t.Kinds[r])
		}
		if g.Title[r] == "" || len(g.Steps[r][generic]) == 0 {
			return fmt.Errorf("%s has no title or no generic steps", r)
		}
		for key, steps := range g.Steps[r] {
			if err := g.validateSteps(t, t.Kinds[r], key, steps); err != nil {
				return fmt.Errorf("%s for %s: %w", r, key, err)
			}
		}
	}
	for r := range g.Steps {
		if t.Kinds[r] == "" {
			return fmt.Errorf("%s is no remedy", r)
		}
	}
	return nil
}

func (g *guide) validateSteps(t *remedyTable, kind kindOf, key string, steps []Step) error {
	e := t.edition(key)
	switch {
	case key == generic:
	case kind == byProgram && e != nil, kind == bySystem && isSystem(key):
	default:
		return fmt.Errorf("a remedy of kind %q has no steps for this", kind)
	}
	for _, s := range steps {
		if s == "" {
			return fmt.Errorf("an empty step")
		}
		text := string(g.fill(s, e))
		if strings.Count(text, "*")%2 != 0 || strings.ContainsAny(text, "{}") || text != strings.TrimSpace(text) || !strings.ContainsAny(text[len(text)-1:], ".?") {
			return fmt.Errorf("step %q is not whole", text)
		}
	}
	return nil
}

// agrees checks that two languages have steps for the same programs, as many,
// and the same places in them.
func (g *guide) agrees(other *guide) error {
	if !sameKeys(g.Note, other.Note) || !sameKeys(g.Place, other.Place) {
		return fmt.Errorf("other notes or places than in English")
	}
	for r := range other.Steps {
		if !sameKeys(g.Steps[r], other.Steps[r]) {
			return fmt.Errorf("%s has steps for %q, English for %q", r,
				slices.Sorted(maps.Keys(g.Steps[r])), slices.Sorted(maps.Keys(other.Steps[r])))
		}
		for key, theirs := range other.Steps[r] {
			ours := g.Steps[r][key]
			if len(ours) != len(theirs) || placesIn(ours) != placesIn(theirs) {
				return fmt.Errorf("%s for %s has %d steps and opens %q, in English %d and %q",
					r, key, len(ours), placesIn(ours), len(theirs), placesIn(theirs))
			}
		}
	}
	return nil
}

func sameKeys[V any](a, b map[string]V) bool {
	return slices.Equal(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
}

// placesIn lists the places that steps open.
func placesIn(steps []Step) string {
	var names []string
	for _, s := range steps {
		for _, after := range strings.Split(string(s), "{")[1:] {
			name, _, _ := strings.Cut(after, "}")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}
