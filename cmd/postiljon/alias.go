package main

import (
	"context"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/control"
)

type aliasCommand struct {
	Add    aliasAdd    `cmd:"" help:"Add an address whose mail goes to other addresses, here or elsewhere."`
	List   aliasList   `cmd:"" help:"List the aliases, of all domains or of one."`
	Remove aliasRemove `cmd:"" help:"Remove an alias."`
}

type aliasAdd struct {
	Alias   string   `arg:"" help:"Address of the alias."`
	Targets []string `arg:"" optional:"" help:"Addresses here that get its mail."`
	To      []string `placeholder:"ADDRESS,..." help:"Addresses elsewhere that its mail is forwarded to."`
}

// Run adds an alias.
func (a *aliasAdd) Run(ctx context.Context, s *streams, c *commands) error {
	if len(a.Targets)+len(a.To) == 0 {
		return usagef("give at least one address that gets its mail, or with --to one elsewhere")
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := client.AddAlias(ctx, control.Alias{Address: a.Alias, Targets: a.Targets, Forward: a.To})
	if err != nil {
		return err
	}
	return s.say("Mail for %s goes to %s.", made.Address, goesTo(&made))
}

// goesTo names all who get the mail of an alias.
func goesTo(a *control.Alias) string {
	return strings.Join(slices.Concat(a.Targets, a.Forward), ", ")
}

type aliasList struct {
	Domain string `arg:"" optional:"" help:"Only aliases of this domain."`
	outputFlags
}

// Run lists aliases.
func (a *aliasList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	aliases, err := client.Aliases(ctx, a.Domain)
	if err != nil {
		return err
	}
	if a.JSON {
		return printJSON(s, aliases)
	}
	t := table{heading: []string{"ALIAS", "GOES TO", "SINCE"}}
	for _, one := range aliases {
		t.add(one.Address, goesTo(&one), moment(one.Created))
	}
	return t.write(s)
}

type aliasRemove struct {
	Alias string `arg:"" help:"Address of the alias."`
}

// Run removes an alias.
func (a *aliasRemove) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.RemoveAlias(ctx, a.Alias); err != nil {
		return err
	}
	return s.say("Removed %s.", a.Alias)
}
