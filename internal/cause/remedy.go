package cause

import (
	"slices"
	"strings"
)

// Remedy is one thing that a person can do to set something right, such as
// "password": enter the password anew. A cause names those that help.
type Remedy string

// Instruction tells how to do a remedy, step by step.
type Instruction struct {
	Remedy  Remedy
	Title   string // "Enter the password in the mail program"
	Program string // for which program the steps are, "" for any
	Note    string // what there is to know of the program first, or ""
	Steps   []Step
}

// Step is one step. What stands between asterisks is written so on the
// screen: "Open *Settings › Apps › Mail*."
type Step string

// StepPart is a stretch of a step.
type StepPart struct {
	Text   string
	Screen bool // the text is written so on the screen
}

// Parts takes a step apart.
func (s Step) Parts() []StepPart {
	var parts []StepPart
	for i, text := range strings.Split(string(s), "*") {
		if text != "" {
			parts = append(parts, StepPart{text, i%2 == 1})
		}
	}
	return parts
}

// Plain returns the step without its asterisks.
func (s Step) Plain() string { return strings.ReplaceAll(string(s), "*", "") }

// Program is a mail program for which there are steps.
type Program struct {
	ID   string // "ios-mail"
	Name string // "Mail on iPhone and iPad (iOS 18 and later)"
	Note string // what there is to know of it first, or ""
}

// Programs returns the programs in the order in which a reader chooses.
func (c *Catalogue) Programs(lang Lang) []Program {
	g := c.guides[lang.known()]
	var list []Program
	for _, e := range c.remedies.Editions {
		if !e.Own {
			list = append(list, Program{e.ID, g.Program[e.ID], g.Note[e.ID]})
		}
	}
	return list
}

// Remedies returns all remedies in the order of the alphabet, with the steps that fit any program.
func (c *Catalogue) Remedies(lang Lang) []Instruction {
	g := c.guides[lang.known()]
	return g.instructions(c.remedies.names(), nil, "")
}

// Remedy returns a remedy as it is done in a program of Programs. It reports
// false if there is no such remedy, or no steps of its own for the program.
func (c *Catalogue) Remedy(r Remedy, lang Lang, program string) (Instruction, bool) {
	e := c.remedies.edition(program)
	if e == nil || c.remedies.Kinds[r] == "" {
		return Instruction{}, false
	}
	x := c.guides[lang.known()].instructions([]Remedy{r}, e, "")[0]
	return x, x.Program != ""
}

// Instructions tells what a person does about a cause, in the program that
// they have. Where it is not known, or the remedy is the same in all, the
// steps are those that fit any.
func (c *Catalogue) Instructions(id ID, lang Lang, client Client) []Instruction {
	e := c.remedies.editionOf(client)
	return c.guides[lang.known()].instructions(c.remedies.Causes[id].Do, e, systemOf(client))
}

// InstructionsIn is Instructions for a program of Programs; remedies that have
// no steps of their own for it are left out. An unknown program has none.
func (c *Catalogue) InstructionsIn(id ID, lang Lang, program string) []Instruction {
	e := c.remedies.edition(program)
	if e == nil {
		return nil
	}
	all := c.guides[lang.known()].instructions(c.remedies.Causes[id].Do, e, "")
	return slices.DeleteFunc(all, func(x Instruction) bool { return x.Program == "" })
}

// Related returns the causes that are easily taken for this one, or come with it.
func (c *Catalogue) Related(id ID) []ID { return slices.Clone(c.remedies.Causes[id].See) }

// instructions tells how remedies are done in an edition (nil for any) on a system.
func (g *guide) instructions(remedies []Remedy, e *edition, system string) []Instruction {
	var list []Instruction
	for _, r := range remedies {
		key := g.keyOf(r, e, system)
		x := Instruction{Remedy: r, Title: g.Title[r]}
		for _, s := range g.Steps[r][key] {
			x.Steps = append(x.Steps, g.fill(s, e))
		}
		if e != nil {
			x.Note = g.Note[e.ID]
			if key != generic {
				x.Program = g.Program[e.ID]
			}
		}
		list = append(list, x)
	}
	return list
}

// keyOf finds whose steps of a remedy are to be taken: those of the edition,
// of the one it is like, of its system, or those that fit any.
func (g *guide) keyOf(r Remedy, e *edition, system string) string {
	var keys []string
	if e != nil {
		keys = append(keys, e.ID, e.Base)
		if isSystem(e.System) {
			system = e.System
		}
	}
	for _, key := range append(keys, system) {
		if len(g.Steps[r][key]) > 0 {
			return key
		}
	}
	return generic
}

// fill puts the names of places, {accounts}, where they stand.
func (g *guide) fill(s Step, e *edition) Step {
	if e == nil || !strings.Contains(string(s), "{") {
		return s
	}
	text := string(s)
	for _, whose := range []string{e.ID, e.Base} {
		for name, place := range g.Place[whose] {
			text = strings.ReplaceAll(text, "{"+name+"}", place)
		}
	}
	return Step(text)
}
