package main

import (
	"context"
	"strings"

	"github.com/postiljon/postiljon/internal/control"
)

type queueCommand struct {
	List   queueList   `cmd:"" help:"List messages on their way to other servers."`
	Send   queueSend   `cmd:"" help:"Try a message at once."`
	Cancel queueCancel `cmd:"" help:"Take a message back."`
}

type queueList struct {
	Account string `placeholder:"ADDRESS" help:"Only messages of this account."`
	Domain  string `placeholder:"DOMAIN" help:"Only messages for this domain."`
	Limit   int    `default:"1000" help:"At most so many (default: ${default})."`
	outputFlags
}

// Run lists the queue.
func (q *queueList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	all, err := client.Queue(ctx, control.QueueFilter{Account: q.Account, Domain: q.Domain, Limit: q.Limit})
	if err != nil {
		return err
	}
	if q.JSON {
		return printJSON(s, all)
	}
	if len(all) == 0 {
		return s.say("Nothing is queued.")
	}
	t := table{heading: []string{"ID", "FROM", "TO", "STATE", "NEXT TRY", "SIZE", "WHY"}}
	for _, m := range all {
		from := m.From
		if from == "" {
			from = "(report)"
		}
		for _, r := range m.Recipients {
			why := r.Why
			if r.Reply != "" {
				why = strings.TrimSpace(why + ": " + r.Reply)
			}
			t.add(m.ID, from, r.Address, r.State, moment(r.Next), octets(m.Size), why)
		}
	}
	return t.write(s)
}

type queueSend struct {
	ID string `arg:"" help:"Id of the message, as 'queue list' shows it."`
}

// Run tries a message at once.
func (q *queueSend) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.SendNow(ctx, q.ID); err != nil {
		return err
	}
	return s.say("%s is tried now; 'postiljon trace %s' shows what becomes of it.", q.ID, q.ID)
}

type queueCancel struct {
	ID        string `arg:"" help:"Id of the message, as 'queue list' shows it."`
	Recipient string `placeholder:"ADDRESS" help:"Only for this recipient (default: for all that still wait)."`
}

// Run takes a message back.
func (q *queueCancel) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Cancel(ctx, control.QueueItem{ID: q.ID, Recipient: q.Recipient}); err != nil {
		return err
	}
	return s.say("%s is cancelled.", q.ID)
}
