package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type refusedCommand struct {
	List     refusedList     `cmd:"" help:"List the mail for an account that was turned away, why, and whether it came later."`
	Allow    refusedAllow    `cmd:"" help:"Let mail of a sender through to an account from now on, also if nothing proves that it is from there."`
	Disallow refusedDisallow `cmd:"" help:"Take that back."`
	Allowed  refusedAllowed  `cmd:"" help:"List the senders whose mail is let through to an account."`
}

type refusedList struct {
	Address string `arg:"" help:"Address of the account."`
	Lang    string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	Since   string `placeholder:"SPAN" help:"Only what came within this time, such as 2h or 3d."`
	outputFlags
}

// Run lists what was turned away.
func (r *refusedList) Run(ctx context.Context, s *streams, c *commands) error {
	query := control.LedgerQuery{Address: r.Address, Lang: r.Lang}
	if r.Since != "" {
		span, err := config.ParseDuration(r.Since)
		if err != nil {
			return usagef("--since %q is not a time such as 2h or 3d", r.Since)
		}
		query.Since = time.Now().Add(-span)
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	lines, err := client.Ledger(ctx, query)
	if err != nil {
		return err
	}
	if r.JSON {
		return printJSON(s, lines)
	}
	if len(lines) == 0 {
		return s.say("No mail for %s was turned away.", r.Address)
	}
	t := table{heading: []string{"LAST", "FROM", "WHY", "TIMES", "WHAT THEN"}}
	for i := range lines {
		l := &lines[i]
		t.add(moment(l.Last), cmp.Or(l.Author, l.From), l.Why, strconv.Itoa(l.Times), thenText(l))
	}
	if err := t.write(s); err != nil {
		return err
	}
	return s.say("\nSomebody is missing? 'postiljon refused allow %s SENDER' lets a sender through.", r.Address)
}

// thenText says what became of mail that was turned away.
func thenText(l *control.TurnedAway) string {
	switch {
	case !l.Came.IsZero():
		return fmt.Sprintf("came %s", moment(l.Came))
	case l.Refused && l.AfterData:
		return "refused by its text; its sender was told"
	case l.Refused:
		return "refused; its sender was told"
	}
	return "told to come again"
}

type refusedAllow struct {
	Address string `arg:"" help:"Address of the account."`
	Sender  string `arg:"" help:"Address of the sender, or a domain for all its addresses."`
}

// Run lets a sender through.
func (r *refusedAllow) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.AllowSender(ctx, control.AllowSender{Address: r.Address, Sender: r.Sender}); err != nil {
		return err
	}
	return s.say("Mail from %s comes through to %s now, also if nothing proves that it is from there, or somebody forges it.\nSuch mail is marked where it is read. 'postiljon refused disallow %s %s' takes it back.", r.Sender, r.Address, r.Address, r.Sender)
}

type refusedDisallow struct {
	Address string `arg:"" help:"Address of the account."`
	Sender  string `arg:"" help:"Address of the sender, or a domain."`
}

// Run lets a sender through no longer.
func (r *refusedDisallow) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.AllowSender(ctx, control.AllowSender{Address: r.Address, Sender: r.Sender, Not: true}); err != nil {
		return err
	}
	return s.say("Mail from %s to %s must be proven to be from there again.", r.Sender, r.Address)
}

type refusedAllowed struct {
	Address string `arg:"" help:"Address of the account."`
	outputFlags
}

// Run lists whose mail is let through.
func (r *refusedAllowed) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := client.AllowedSenders(ctx, r.Address)
	if err != nil {
		return err
	}
	if r.JSON {
		return printJSON(s, list)
	}
	if len(list) == 0 {
		return s.say("%s lets no sender through that is not proven.", r.Address)
	}
	t := table{heading: []string{"SENDER", "SINCE"}}
	for _, one := range list {
		t.add(one.Sender, moment(one.Since))
	}
	return t.write(s)
}
