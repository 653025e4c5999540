package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/postiljon/postiljon/internal/control"
)

type domainCommand struct {
	Add     domainAdd     `cmd:"" help:"Add a domain whose mail is kept here."`
	List    domainList    `cmd:"" help:"List the domains."`
	Show    domainShow    `cmd:"" help:"Show a domain."`
	Change  domainChange  `cmd:"" help:"Change who gets the mail for postmaster and abuse."`
	Enable  domainEnable  `cmd:"" help:"Take mail for a domain again."`
	Disable domainDisable `cmd:"" help:"Take no mail for a domain; nothing is lost."`
	Remove  domainRemove  `cmd:"" help:"Remove a domain that has no accounts and no aliases."`
}

type domainAdd struct {
	Domain string `arg:"" help:"Name of the domain."`
}

// Run adds a domain.
func (d *domainAdd) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := client.AddDomain(ctx, d.Domain)
	if err != nil {
		return err
	}
	return s.say("Added %s. Next: postiljon account add NAME@%s, and the DNS records: postiljon dns %s", made.Name, made.Name, made.Name)
}

type domainList struct{ outputFlags }

// Run lists the domains.
func (d *domainList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	domains, err := client.Domains(ctx)
	if err != nil {
		return err
	}
	if d.JSON {
		return printJSON(s, domains)
	}
	t := table{heading: []string{"DOMAIN", "ACCOUNTS", "ALIASES", "SENT THIS HOUR", "STATE"}}
	for _, d := range domains {
		t.add(d.Name, strconv.Itoa(d.Accounts), strconv.Itoa(d.Aliases), fmt.Sprintf("%d of %d", d.Sent, d.SentLimit), stateText(d.Disabled, ""))
	}
	return t.write(s)
}

func stateText(disabled bool, suspended string) string {
	switch {
	case disabled:
		return "disabled"
	case suspended != "":
		return "suspended: " + suspended
	}
	return "on"
}

type domainShow struct {
	Domain string `arg:"" help:"Name of the domain."`
	outputFlags
}

// Run shows a domain.
func (d *domainShow) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	one, err := client.Domain(ctx, d.Domain)
	if err != nil {
		return err
	}
	if d.JSON {
		return printJSON(s, one)
	}
	return pairs(s.out, "Domain", one.Name, "State", stateText(one.Disabled, ""), "Since", moment(one.Created),
		"Accounts", strconv.Itoa(one.Accounts), "Aliases", strconv.Itoa(one.Aliases), "Postmaster", one.Postmaster,
		"Sent this hour", fmt.Sprintf("%d of %d", one.Sent, one.SentLimit), "Limits", planText(one.Plan, &one.Sending),
		"Storage", quotaText(one.Used, one.Quota))
}

type domainChange struct {
	Domain       string  `arg:"" help:"Name of the domain."`
	Postmaster   *string `placeholder:"ADDRESS" help:"Who gets the mail for postmaster and abuse."`
	Quota        *string `placeholder:"SIZE" help:"How much mail all its accounts together may keep, such as 50GB, or none."`
	DomainHourly *int64  `placeholder:"N" help:"Messages an hour that all its addresses together may send; 0 as the plan says."`
	limitFlags
}

// Run changes a domain.
func (d *domainChange) Run(ctx context.Context, s *streams, c *commands) error {
	change := control.ChangeDomain{Name: d.Domain, Postmaster: d.Postmaster, ChangeLimits: d.change()}
	change.DomainHourly = d.DomainHourly
	if d.Quota != nil {
		quota, err := parseQuota(*d.Quota)
		if err != nil {
			return err
		}
		change.Quota = &quota
	}
	if d.Postmaster == nil && d.Quota == nil && d.DomainHourly == nil && !d.given() {
		return usagef("nothing to change; give --postmaster, --quota, --plan, --hourly, --domain-hourly or --recipients")
	}
	return changeDomain(ctx, c, change, func(one control.Domain) error { return s.say("Changed %s.", one.Name) })
}

func changeDomain(ctx context.Context, c *commands, change control.ChangeDomain, then func(control.Domain) error) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	changed, err := client.ChangeDomain(ctx, change)
	if err != nil {
		return err
	}
	return then(changed)
}

type domainEnable struct {
	Domain string `arg:"" help:"Name of the domain."`
}

// Run takes mail for a domain again.
func (d *domainEnable) Run(ctx context.Context, s *streams, c *commands) error {
	off := false
	return changeDomain(ctx, c, control.ChangeDomain{Name: d.Domain, Disabled: &off},
		func(one control.Domain) error { return s.say("%s is on.", one.Name) })
}

type domainDisable struct {
	Domain string `arg:"" help:"Name of the domain."`
}

// Run takes no mail for a domain.
func (d *domainDisable) Run(ctx context.Context, s *streams, c *commands) error {
	off := true
	return changeDomain(ctx, c, control.ChangeDomain{Name: d.Domain, Disabled: &off},
		func(one control.Domain) error { return s.say("%s is off; its accounts and mail are kept.", one.Name) })
}

type domainRemove struct {
	Domain string `arg:"" help:"Name of the domain."`
}

// Run removes a domain.
func (d *domainRemove) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.RemoveDomain(ctx, d.Domain); err != nil {
		return err
	}
	return s.say("Removed %s.", d.Domain)
}
