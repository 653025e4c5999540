package jmapd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

// deliveryGet is Delivery/get: what became of an email for each of its recipients, whatever program sent it. What was handed
// in over JMAP has an email submission; of the rest, the queue knows what waits and the journal what became of it.
func deliveryGet(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("emailId", "lang"); err != nil {
		return nil, err
	}
	id, err := c.args.text("emailId")
	if err != nil {
		return nil, err
	}
	if err := c.language(); err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	l, ok := p.located(c.named(id))
	if !ok {
		return nil, &methodError{Type: "notFound"}
	}
	m, err := c.sentMail(ctx, id, l.ID)
	if err != nil {
		return nil, err
	}
	if err := c.reportedOn(ctx, m); err != nil {
		return nil, err
	}
	list := []object{}
	if m.messageID != "" {
		var known, before []string
		if list, known, before, err = c.handedIn(ctx, m); err == nil && (len(list) == 0 || len(before) > 0) {
			var others []object
			others, err = c.sentOtherwise(ctx, m, known)
			list = append(others, list...)
		}
	}
	return object{"accountId": accountID(c.account.ID), "emailId": id, "list": list}, err
}

// handedIn is what became of an email that was handed in over JMAP, as often as it was: known are the traces of that, before those of what
// came over SMTP and was corrected here.
func (c *call) handedIn(ctx context.Context, m *sentMail) (list []object, known, before []string, err error) {
	list = []object{}
	all, err := c.submissionsOf(ctx, m)
	for i := range all {
		known = append(known, all[i].Trace)
	}
	for i := range all {
		e := &all[i]
		if e.Corrects != "" && !slices.Contains(known, e.Corrects) {
			before = append(before, e.Corrects)
		}
		recipients, err := c.recipientsOf(ctx, e)
		if err != nil {
			return nil, nil, nil, err
		}
		list = append(list, object{"traceId": e.Trace, "emailSubmissionId": submissionID(e.ID), "undoStatus": e.Undo(), "recipients": recipients})
	}
	return list, known, before, err
}

// sentAround is how far from its own date an email is looked for in the journal.
const sentAround = 24 * time.Hour

// sentOtherwise is what became of an email that a mail program sent over SMTP; the traces that are known already are left out.
func (c *call) sentOtherwise(ctx context.Context, m *sentMail, known []string) ([]object, error) {
	list := []object{}
	timeline, err := c.server.options.Holder.Journal.Trace(ctx, journal.Query{
		Text: "<" + strings.Trim(m.messageID, "<>") + ">", Account: c.account.ID, Reader: cause.Holder, From: m.received.Add(-sentAround),
	})
	if err != nil {
		return nil, err
	}
	var traces []store.TraceID
	for i := range timeline.Lines {
		e := &timeline.Lines[i].Event
		if e.Account == c.account.ID && !slices.Contains(traces, e.Trace) && !slices.Contains(known, e.Trace.String()) && c.isSent(ctx, e) {
			traces = append(traces, e.Trace)
		}
	}
	for _, trace := range traces {
		recipients := object{}
		for i := range timeline.Lines {
			if l := &timeline.Lines[i]; l.Event.Trace == trace {
				c.follow(recipients, &l.Event, l.Last)
			}
		}
		if err := c.inQueue(ctx, trace, recipients); err != nil {
			return nil, err
		}
		list = append(list, object{"traceId": trace.String(), "emailSubmissionId": nil, "undoStatus": store.UndoFinal, "recipients": recipients})
	}
	return list, nil
}

// progressOf is what an event makes of a recipient.
var progressOf = map[string]outbound.Progress{
	journal.MessageQueued: outbound.ProgressWaiting, journal.MessageAccepted: outbound.ProgressWaiting,
	journal.MessageDelivered: outbound.ProgressDelivered, journal.MessageFiledJunk: outbound.ProgressDelivered, journal.MessageDuplicate: outbound.ProgressDelivered,
	journal.MessageRelayed: outbound.ProgressDelivered, journal.MessageDeferred: outbound.ProgressDelayed, journal.MessageUnconfirmed: outbound.ProgressDelayed,
	journal.MessageBounced: outbound.ProgressBounced, journal.MessageExpired: outbound.ProgressBounced,
	journal.MessageCancelled: outbound.ProgressCancelled, journal.MessageCorrected: outbound.ProgressCancelled, journal.MessageHeld: outbound.ProgressHeld, journal.MessageReleased: outbound.ProgressWaiting,
}

// follow takes an event into account, which happened for the last time at a time.
func (c *call) follow(recipients object, e *store.Event, last time.Time) {
	if e.Kind == journal.MessageDisplayed {
		opened(recipients, e.Field("to"), e.Time)
		return
	}
	state, ok := progressOf[e.Kind]
	if !ok {
		return
	}
	for _, f := range e.Fields {
		if f.Name != "to" {
			continue
		}
		o := object{
			"state": state, "attempts": 0, "host": textOrNull(e.Field("host")), "reply": textOrNull(e.Field("reply")), "last": nil,
			"nextTry": nil, "giveUp": nil, "why": nil, "suggestion": nil, "opened": nil,
		}
		if state != outbound.ProgressWaiting {
			o["last"] = dateOrNull(last)
		}
		if d := e.Decision(); !d.Allowed() {
			o["why"] = c.why(d)
		}
		keepOpened(recipients, f.Value, o)
	}
}

// opened notes the first time that a receipt of a recipient came.
func opened(recipients object, who string, at time.Time) {
	for address, one := range recipients {
		if o, ok := one.(object); ok && strings.EqualFold(address, who) && o["opened"] == nil {
			o["opened"] = dateOrNull(at)
		}
	}
}

// keepOpened puts in place of what was known of a recipient something newer; that the message was opened stays true.
func keepOpened(recipients object, address string, newer object) {
	if before, ok := recipients[address].(object); ok {
		newer["opened"] = before["opened"]
	}
	recipients[address] = newer
}

// inQueue puts what the queue knows of recipients in place of what the journal tells.
func (c *call) inQueue(ctx context.Context, trace store.TraceID, recipients object) error {
	sub, err := c.server.store.Submission(ctx, c.account.ID, trace)
	if store.KindOf(err) == store.KindNotFound {
		return nil
	}
	for i := range sub.Recipients {
		one := c.recipientObject(ctx, &sub, &sub.Recipients[i])
		c.suggest(ctx, one, &sub.Recipients[i])
		one["opened"] = nil
		keepOpened(recipients, sub.Recipients[i].Address, one)
	}
	return err
}
