package main

import (
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/cause/handbook"
	"github.com/postiljon/postiljon/internal/config"
)

type causesCommand struct {
	ID      string `arg:"" optional:"" help:"A cause to explain, such as limit.address-hourly, or the beginning of several, such as limit."`
	Lang    string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	Program string `placeholder:"NAME" help:"Tell the steps for this mail program, such as Thunderbird or 'iPhone Mail'."`
	Write   string `placeholder:"DIR" help:"Write the handbook of causes, pages in Markdown in all languages, to this directory."`
	outputFlags
}

// Run lists the causes, or explains one.
func (c *causesCommand) Run(s *streams) error {
	catalogue, err := cause.Load()
	if err != nil {
		return err
	}
	if c.Write != "" {
		return handbook.Write(c.Write, catalogue)
	}
	if one, ok := catalogue.Cause(cause.ID(c.ID)); ok {
		return c.explain(s, catalogue, one)
	}
	var ids []string
	t := table{heading: []string{"CAUSE", "WHAT IT IS"}}
	var chosen []cause.Cause
	for _, one := range catalogue.All() {
		ids = append(ids, string(one.ID))
		if c.ID == "" || strings.HasPrefix(string(one.ID), strings.TrimSuffix(c.ID, ".")+".") {
			chosen = append(chosen, one)
			t.add(string(one.ID), catalogue.Why(one.ID, cause.Lang(c.Lang)).Title)
		}
	}
	switch {
	case len(chosen) == 0:
		if best := config.Nearest(c.ID, ids); best != "" {
			return fmt.Errorf("there is no cause %q; did you mean %s?", c.ID, best)
		}
		return &advice{fmt.Errorf("there is no cause %q", c.ID), "'postiljon causes' lists all."}
	case c.JSON:
		return printJSON(s, chosen)
	}
	return t.write(s)
}

func (c *causesCommand) explain(s *streams, catalogue *cause.Catalogue, one cause.Cause) error {
	if c.JSON {
		return printJSON(s, struct {
			cause.Cause
			Why   cause.WhyPage
			Steps []cause.Instruction
		}{one, catalogue.Why(one.ID, cause.Lang(c.Lang)), c.steps(catalogue, one.ID)})
	}
	d := cause.Decision{Action: cause.ActionRefuse, Cause: one.ID}
	for i, reader := range []struct {
		audience cause.Audience
		name     string
	}{{cause.Holder, "account holder"}, {cause.Owner, "domain owner"}, {cause.Operator, "operator"}} {
		e := catalogue.Explain(d, cause.Lang(c.Lang), reader.audience)
		if i == 0 {
			if err := s.say("%s  %s", s.bold(e.Title), s.dim(string(one.ID))); err != nil {
				return err
			}
		}
		if err := s.say("\n%s\n  %s\n  %s", s.dim("To the "+reader.name), e.Text, e.NextStep); err != nil {
			return err
		}
	}
	for _, x := range c.steps(catalogue, one.ID) {
		if err := s.say("\n%s", s.dim(strings.TrimSuffix(x.Title+": "+x.Program, ": "))); err != nil {
			return err
		}
		if x.Note != "" {
			if err := s.say("  %s", x.Note); err != nil {
				return err
			}
		}
		for i, step := range x.Steps {
			if err := s.say("  %d. %s", i+1, step.Plain()); err != nil {
				return err
			}
		}
	}
	wire := catalogue.SMTP(d)
	return s.say("\n%s\n  %d %s %s\n\n%s\n  %s", s.dim("On the wire"), wire.Code, wire.Enhanced, wire.Text, s.dim("Evidence"), one.Evidence)
}

// steps tells what the account holder does, in the program asked for.
func (c *causesCommand) steps(catalogue *cause.Catalogue, id cause.ID) []cause.Instruction {
	return catalogue.Instructions(id, cause.Lang(c.Lang), cause.Client{Name: c.Program})
}
