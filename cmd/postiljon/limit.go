package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

type limitCommand struct {
	Show   limitShow   `cmd:"" help:"Show how much of its sending limits an account used, and what they kept back."`
	Reopen limitReopen `cmd:"" help:"Open sending again for an account or a domain that exceeded a limit."`
}

type limitShow struct {
	Address string `arg:"" help:"Address of the account."`
	outputFlags
}

// Run shows the meters.
func (l *limitShow) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	limits, err := client.Limits(ctx, l.Address)
	if err != nil {
		return err
	}
	if l.JSON {
		return printJSON(s, limits)
	}
	t := table{heading: []string{"WITHIN THE HOUR", "OF", "USED", "LIMIT", "STATE"}}
	for _, m := range limits.Meters {
		t.add(countedText(m.Counted), m.Of, strconv.FormatInt(m.Used, 10), strconv.FormatInt(m.Limit, 10), meterText(&m))
	}
	if err := t.write(s); err != nil {
		return err
	}
	if len(limits.Refused) == 0 {
		return s.say("\nNothing was kept back that is not sent yet.")
	}
	if err := s.say("\nKept back by a limit, and not sent since:"); err != nil {
		return err
	}
	refused := table{heading: []string{"TO", "FIRST TRIED", "LAST TRIED", "TIMES", "CAUSE"}}
	for _, r := range limits.Refused {
		refused.add(r.To, moment(r.First), moment(r.Last), strconv.Itoa(r.Times), string(r.Cause))
	}
	return refused.write(s)
}

func countedText(c policy.Counted) string {
	what, _, _ := strings.Cut(string(c), " ")
	return what
}

func meterText(m *control.Meter) string {
	switch {
	case m.Closed:
		return "closed until " + moment(m.Resets)
	case m.Used >= m.Limit:
		return "used up; room from " + moment(m.Resets)
	case m.Used*100 >= m.Limit*80:
		return "nearly used up"
	}
	return "open"
}

type limitReopen struct {
	Of string `arg:"" help:"Address of the account, or name of the domain."`
}

// Run opens sending again.
func (l *limitReopen) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Reopen(ctx, l.Of); err != nil {
		return err
	}
	return s.say("%s may send again.", l.Of)
}

// limitFlags set the sending limits of an account or a domain.
type limitFlags struct {
	Plan       *string `placeholder:"PLAN" help:"Plan of the configuration that it is on; \"\" for none."`
	Hourly     *int64  `placeholder:"N" help:"Messages an hour that an address may send; 0 as the plan says."`
	Recipients *int64  `placeholder:"N" help:"Recipients an hour of all its messages; 0 as the plan says."`
}

func (l *limitFlags) change() control.ChangeLimits {
	return control.ChangeLimits{Plan: l.Plan, AddressHourly: l.Hourly, RecipientsHourly: l.Recipients}
}

func (l *limitFlags) given() bool { return l.Plan != nil || l.Hourly != nil || l.Recipients != nil }

// planText says what was set for an account or a domain.
func planText(plan string, l *store.SendingLimits) string {
	var parts []string
	if plan != "" {
		parts = append(parts, "plan "+plan)
	}
	for _, p := range []struct {
		n    int64
		what string
	}{
		{l.AddressHourly, "messages an hour of an address"}, {l.DomainHourly, "messages an hour of the domain"},
		{l.RecipientsHourly, "recipients an hour of an address"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return "as usual"
	}
	return strings.Join(parts, ", ")
}
