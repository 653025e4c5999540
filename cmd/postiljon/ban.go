package main

import (
	"context"
	"strconv"
)

type banCommand struct {
	List banList `cmd:"" help:"List addresses and accounts that are blocked after wrong passwords."`
	Lift banLift `cmd:"" help:"End a ban at once."`
}

type banList struct{ outputFlags }

// Run lists bans.
func (b *banList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	bans, err := client.Bans(ctx)
	if err != nil {
		return err
	}
	if b.JSON {
		return printJSON(s, bans)
	}
	if len(bans) == 0 {
		return s.say("Nobody is banned.")
	}
	t := table{heading: []string{"WHO", "CAUSE", "SINCE", "UNTIL", "FAILURES", "LAST TRIED"}}
	for _, one := range bans {
		t.add(one.Key, string(one.Cause), moment(one.Since), moment(one.Until), strconv.Itoa(one.Failures), one.Last)
	}
	return t.write(s)
}

type banLift struct {
	Who string `arg:"" help:"Address, network or account, as 'ban list' shows it."`
}

// Run lifts a ban.
func (b *banLift) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.LiftBan(ctx, b.Who); err != nil {
		return err
	}
	return s.say("%s may sign in again.", b.Who)
}
