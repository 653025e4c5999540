package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/dkim"
)

type dkimCommand struct {
	List   dkimList   `cmd:"" help:"List the keys, of all domains or of one, and whether the DNS shows them."`
	Rotate dkimRotate `cmd:"" help:"Make new keys for a domain. They are used once the DNS shows them."`
	Use    dkimUse    `cmd:"" help:"Use the new keys of a domain at once, whatever the DNS shows."`
	Retire dkimRetire `cmd:"" help:"Remove a pair of keys, as when somebody else may have them."`
	On     dkimOn     `cmd:"" help:"Sign messages of a domain, as is usual."`
	Off    dkimOff    `cmd:"" help:"Do not sign messages of a domain, as when the relay that they go to does."`
}

type dkimList struct {
	Domain string `arg:"" optional:"" help:"Only keys of this domain."`
	outputFlags
}

// Run lists keys.
func (d *dkimList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	keys, err := client.DKIMKeys(ctx, d.Domain)
	if err != nil {
		return err
	}
	if d.JSON {
		return printJSON(s, keys)
	}
	t := table{heading: []string{"DOMAIN", "SELECTOR", "STATE", "SINCE", "IN THE DNS"}}
	for _, k := range keys {
		state := keyState(k.State)
		if k.Off && k.State == dkim.Signing {
			state = "signing is off"
		}
		t.add(k.Domain, k.Selector, state, moment(k.Since), shownText(&k))
	}
	return t.write(s)
}

func keyState(state dkim.State) string {
	switch state {
	case dkim.Waiting:
		return "waits for the DNS"
	case dkim.Signing:
		return "in use"
	case dkim.Old:
		return "not used any more"
	}
	return "removed"
}

// shownText says whether the DNS shows a key, and what to do if it should or should not.
func shownText(k *control.DKIMKey) string {
	switch {
	case k.State == dkim.Retired:
		return "take it out"
	case k.Published == nil:
		return "no answer"
	case *k.Published:
		return "yes"
	case k.Off:
		return "no, and not needed"
	case k.State == dkim.Old:
		return "no, but still needed"
	}
	return "no: publish it"
}

type dkimRotate struct {
	Domain string `arg:"" help:"Name of the domain."`
	outputFlags
}

// Run makes new keys.
func (d *dkimRotate) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	keys, err := client.RotateDKIM(ctx, d.Domain)
	if err != nil {
		return err
	}
	if d.JSON {
		return printJSON(s, keys)
	}
	if err := s.say("%s has new keys. Publish these records beside the old ones:", d.Domain); err != nil {
		return err
	}
	if err := writeZone(s, keyRecords(keys)); err != nil {
		return err
	}
	return s.say("The service looks every 15 minutes and uses the new keys once the DNS shows\n" +
		"them. The old ones are needed for a week after that; 'postiljon dkim list' tells\n" +
		"when they can be taken out.")
}

type dkimUse struct {
	Domain string `arg:"" help:"Name of the domain."`
}

// Run uses new keys at once.
func (d *dkimUse) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	keys, err := client.UseDKIM(ctx, d.Domain)
	if err != nil {
		return err
	}
	return s.say("Messages of %s are signed with %s now.", d.Domain, selectors(keys))
}

type dkimRetire struct {
	Domain   string `arg:"" help:"Name of the domain."`
	Selector string `arg:"" help:"Selector of one of the two keys; both are removed."`
	Yes      bool   `help:"Do not ask."`
}

// Run removes keys.
func (d *dkimRetire) Run(ctx context.Context, s *streams, c *commands) error {
	question := fmt.Sprintf("Messages signed with %s that are still on their way cannot be verified once its record is gone. Remove it?", d.Selector)
	if err := confirm(s, d.Yes, question); err != nil {
		return err
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	keys, err := client.RetireDKIM(ctx, d.Domain, d.Selector)
	if err != nil {
		return err
	}
	return s.say("Removed %s. Take their records out of the DNS of %s.", selectors(keys), d.Domain)
}

type dkimOn struct {
	Domain string `arg:"" help:"Name of the domain."`
}

// Run switches signing on.
func (d *dkimOn) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	keys, err := client.SwitchDKIM(ctx, d.Domain, true)
	if err != nil {
		return err
	}
	if err := s.say("Messages of %s are signed from now on. The DNS must have these records:", d.Domain); err != nil {
		return err
	}
	return writeZone(s, keyRecords(keys))
}

type dkimOff struct {
	Domain string `arg:"" help:"Name of the domain."`
	Yes    bool   `help:"Do not ask."`
}

// Run switches signing off.
func (d *dkimOff) Run(ctx context.Context, s *streams, c *commands) error {
	question := fmt.Sprintf("Unless another server signs them, others may take messages of %s for junk or refuse them. Switch signing off?", d.Domain)
	if err := confirm(s, d.Yes, question); err != nil {
		return err
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.SwitchDKIM(ctx, d.Domain, false); err != nil {
		return err
	}
	return s.say("Messages of %s are not signed from now on. Leave the records of its keys in the DNS for another week, for what is\n"+
		"under way. What the domain passes on is sealed (ARC) with them all the same.", d.Domain)
}

func selectors(keys []control.DKIMKey) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Selector
	}
	return strings.Join(names, " and ")
}
