package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/control"
)

type queueCommand struct {
	List    queueList    `cmd:"" help:"List messages on their way to other servers."`
	Show    queueShow    `cmd:"" help:"Tell of one message why it waits, until when, and who must act."`
	Retry   queueRetry   `cmd:"" help:"Try a message at once."`
	Hold    queueHold    `cmd:"" help:"Keep a message back until it is released."`
	Release queueRelease `cmd:"" help:"Let go a message that is kept back."`
	Cancel  queueCancel  `cmd:"" help:"Take a message back."`
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
	now := time.Now()
	t := table{heading: []string{"ID", "FROM", "TO", "STATE", "NEXT TRY", "GIVES UP", "WHY"}}
	for i := range all {
		for _, r := range all[i].Recipients {
			t.add(all[i].ID, senderOf(&all[i]), r.Address, r.State, ahead(now, r.Next), givesUp(now, &all[i], &r), r.Why)
		}
	}
	if err := t.write(s); err != nil {
		return err
	}
	return s.say("\n%s", s.dim("'postiljon queue show ID' tells more of a message."))
}

func senderOf(m *control.Queued) string {
	if m.From == "" {
		return "(report)"
	}
	return m.From
}

// givesUp is when a recipient that waits is given up.
func givesUp(now time.Time, m *control.Queued, r *control.QueuedRecipient) string {
	switch r.State {
	case "waiting", "sending", "delayed":
		return ahead(now, m.Expires)
	}
	return ""
}

// ahead says how far off a time is, in the largest unit that fits.
func ahead(now, t time.Time) string {
	switch d := t.Sub(now).Round(time.Second); {
	case t.IsZero():
		return ""
	case d <= 0:
		return "now"
	case d < 2*time.Minute:
		return fmt.Sprintf("in %d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("in %d min", d.Round(time.Minute)/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("in %d h", d.Round(time.Hour)/time.Hour)
	default:
		return fmt.Sprintf("in %d days", d.Round(24*time.Hour)/(24*time.Hour))
	}
}

type queueShow struct {
	ID string `arg:"" help:"Id of the message, as 'queue list' shows it."`
	outputFlags
}

// Run tells of one message.
func (q *queueShow) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	m, err := client.Queued(ctx, q.ID)
	if err != nil {
		return err
	}
	if q.JSON {
		return printJSON(s, m)
	}
	now := time.Now()
	err = pairs(s.out, "Message", m.ID, "From", senderOf(&m), "Account", m.Account, "Subject", m.Subject,
		"Message-ID", m.MessageID, "Size", octets(m.Size), "Taken", moment(m.Created))
	for i := 0; err == nil && i < len(m.Recipients); i++ {
		err = showRecipient(s, now, &m, &m.Recipients[i])
	}
	return err
}

func showRecipient(s *streams, now time.Time, m *control.Queued, r *control.QueuedRecipient) error {
	if err := s.say("\n%s  %s", s.bold(r.Address), stateWords(r)); err != nil {
		return err
	}
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return moment(t) + ", " + ahead(now, t)
	}
	var tries, expires string
	if r.Attempts > 0 {
		tries = strconv.Itoa(r.Attempts) + ", the last " + moment(r.Last)
	}
	if givesUp(now, m, r) != "" {
		expires = when(m.Expires)
	}
	answer := r.Reply
	if r.Host != "" && answer != "" {
		answer = r.Host + ": " + answer
	}
	return pairs(s.out, "  Why", r.Text, "  Answer", answer, "  Tries", tries, "  Next try", when(r.Next),
		"  Gives up", expires, "  Who acts", r.Actor, "  For you", r.NextStep)
}

// stateWords says a state as a sentence goes on after the address.
func stateWords(r *control.QueuedRecipient) string {
	words, ok := map[string]string{
		"waiting": "waits for its first try", "sending": "is being sent right now", "delayed": "waits for another try",
		"held": "is kept back until somebody releases it", "delivered": "was handed over", "bounced": "could not be delivered",
		"cancelled": "was cancelled",
	}[r.State]
	if !ok {
		return strings.ToLower(r.State)
	}
	return words
}

type queueRetry struct {
	ID string `arg:"" help:"Id of the message, as 'queue list' shows it."`
}

// Run tries a message at once.
func (q *queueRetry) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Retry(ctx, q.ID); err != nil {
		return err
	}
	return s.say("%s is tried now; 'postiljon trace %s' shows what becomes of it.", q.ID, q.ID)
}

// queueItem chooses a message, for one recipient or for all.
type queueItem struct {
	ID        string `arg:"" help:"Id of the message, as 'queue list' shows it."`
	Recipient string `placeholder:"ADDRESS" help:"Only for this recipient (default: for all that still wait)."`
}

// do asks the service and says what was done.
func (q *queueItem) do(ctx context.Context, s *streams, c *commands,
	ask func(*control.Client, context.Context, control.QueueItem) error, done string) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := ask(client, ctx, control.QueueItem{ID: q.ID, Recipient: q.Recipient}); err != nil {
		return err
	}
	return s.say("%s %s.", q.ID, done)
}

type queueHold struct{ queueItem }

// Run keeps a message back.
func (q *queueHold) Run(ctx context.Context, s *streams, c *commands) error {
	return q.do(ctx, s, c, (*control.Client).Hold, "is kept back; 'postiljon queue release "+q.ID+"' lets it go")
}

type queueRelease struct{ queueItem }

// Run lets a message go.
func (q *queueRelease) Run(ctx context.Context, s *streams, c *commands) error {
	return q.do(ctx, s, c, (*control.Client).Release, "is released and tried now")
}

type queueCancel struct{ queueItem }

// Run takes a message back.
func (q *queueCancel) Run(ctx context.Context, s *streams, c *commands) error {
	return q.do(ctx, s, c, (*control.Client).Cancel, "is cancelled")
}
