package jmapd

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

// deliveryBrief is Delivery/brief: how far emails are on their way in a word each, for lists. Emails of which nothing is known are left out.
func deliveryBrief(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("emailIds", "lang"); err != nil {
		return nil, err
	}
	var ids []string
	if err := c.args.read("emailIds", &ids); err != nil {
		return nil, err
	}
	if len(ids) > c.server.options.Limits.Get {
		return nil, errTooManyToGet
	}
	if err := c.language(); err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	list, others := []object{}, map[string]*sentMail{}
	for _, id := range ids {
		l, ok := p.located(id)
		if !ok {
			continue
		}
		m, err := c.sentMail(ctx, id, l.ID)
		if err != nil {
			return nil, err
		}
		if m.messageID == "" {
			continue
		}
		b, err := c.briefOf(ctx, m)
		if err != nil {
			return nil, err
		}
		if b == nil {
			others[m.messageID] = m
			continue
		}
		list = append(list, c.briefObject(ctx, id, b))
	}
	if len(others) > 0 {
		more, err := c.briefOfOthers(ctx, others)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return object{"accountId": accountID(c.account.ID), "list": list}, nil
}

// sentMail is an email that may have been sent.
type sentMail struct {
	id        string
	email     store.EmailID
	messageID string
	received  time.Time
}

func (c *call) sentMail(ctx context.Context, name string, id store.EmailID) (*sentMail, error) {
	m := &sentMail{id: name, email: id}
	err := c.server.store.Emails(ctx, c.account.ID, id, id+1, func(e *store.Email) error {
		m.messageID, m.received = string(e.Summary.MessageID()), e.Received
		return nil
	})
	return m, err
}

// brief is how far a message is: that of the recipient about whom there is most to say.
type brief struct {
	state      outbound.Progress
	sub        *store.Submission // with the recipient, if it is known
	recipient  *store.SubmissionRecipient
	recipients int
	delivered  int
}

// matters are the states of recipients, that of which there is most to say first.
var matters = []outbound.Progress{
	outbound.ProgressBounced, outbound.ProgressHeld, outbound.ProgressDelayed, progressScheduled, outbound.ProgressSending, outbound.ProgressWaiting, outbound.ProgressDelivered,
}

// add takes the recipients of a submission into account; those it was taken back for do not count.
func (b *brief) add(c *call, sub *store.Submission) {
	for i := range sub.Recipients {
		r := &sub.Recipients[i]
		state := c.progress(sub, r)
		if state == outbound.ProgressCancelled {
			continue
		}
		b.recipients++
		if state == outbound.ProgressDelivered {
			b.delivered++
		}
		for _, one := range matters {
			if one == b.state {
				break
			}
			if one == state {
				b.state, b.sub, b.recipient = state, sub, r
				break
			}
		}
	}
}

// briefOf is how far an email that was handed in over JMAP is, nil of another.
func (c *call) briefOf(ctx context.Context, m *sentMail) (*brief, error) {
	all, err := c.submissionsOf(ctx, m)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	b := &brief{}
	for i := range all {
		sub, err := c.submissionOf(ctx, &all[i])
		if err != nil {
			return nil, err
		}
		b.add(c, &sub)
	}
	return b, nil
}

// submissionsOf are those of an email that were handed in over JMAP, with those in whose place they went, or that went in theirs. Of an
// email that is another by now, as an address was corrected, they are those of what it became.
func (c *call) submissionsOf(ctx context.Context, m *sentMail) (list []store.EmailSubmission, err error) {
	all, err := c.server.store.EmailSubmissionsOf(ctx, c.account.ID, m.messageID)
	if err != nil {
		return nil, err
	}
	return related(all, func(e *store.EmailSubmission) bool { return e.Email == m.email }), nil
}

// related are the submissions of a message that a function names, and all that corrections lead to from there.
func related(all []store.EmailSubmission, named func(*store.EmailSubmission) bool) (list []store.EmailSubmission) {
	traces := map[string]bool{}
	in := make([]bool, len(all))
	for found := true; found; {
		found = false
		for i := range all {
			e := &all[i]
			if !in[i] && (named(e) || traces[e.Trace] || e.Corrects != "" && traces[e.Corrects]) {
				in[i], found, traces[e.Trace] = true, true, true
				if e.Corrects != "" {
					traces[e.Corrects] = true
				}
			}
		}
	}
	for i := range all {
		if in[i] {
			list = append(list, all[i])
		}
	}
	return list
}

// submissionOf is what the queue has of an email submission, or what it was if nothing of it waits.
func (c *call) submissionOf(ctx context.Context, e *store.EmailSubmission) (store.Submission, error) {
	if e.Undo() == store.UndoPending || !allFinal(e.Recipients) {
		id, err := store.ParseTraceID(e.Trace)
		if err != nil {
			return store.Submission{}, err
		}
		sub, err := c.server.store.Submission(ctx, c.account.ID, id)
		if store.KindOf(err) != store.KindNotFound {
			return sub, err
		}
	}
	return c.asSubmission(e)
}

func allFinal(list []store.SubmissionRecipient) bool {
	for i := range list {
		if !list[i].State.Final() {
			return false
		}
	}
	return true
}

// maxTold is how many events are looked through for emails that programs sent.
const maxTold = 20_000

// briefOfOthers is how far emails are that mail programs sent over SMTP, by their Message-IDs: what waits is in the queue; what became of
// the others is in the journal, as long as that goes back.
func (c *call) briefOfOthers(ctx context.Context, mails map[string]*sentMail) (list []object, err error) {
	briefs := map[string]*brief{}
	err = c.server.store.Submissions(ctx, c.account.ID, func(sub *store.Submission) error {
		if id := strings.Trim(sub.MessageID, "<>"); mails[id] != nil {
			if briefs[id] == nil {
				briefs[id] = &brief{}
			}
			one := *sub
			briefs[id].add(c, &one)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	from := c.server.store.Now()
	for id, m := range mails {
		if briefs[id] == nil && m.received.Before(from) {
			from = m.received
		}
	}
	if len(briefs) < len(mails) {
		if err := c.briefFromJournal(ctx, mails, briefs, from.Add(-sentAround)); err != nil {
			return nil, err
		}
	}
	for id, b := range briefs {
		if b.recipients > 0 {
			list = append(list, c.briefObject(ctx, mails[id].id, b))
		}
	}
	return list, nil
}

var errLookedEnough = errors.New("looked through enough events")

// becameOf is what a recipient became by an event: of what neither waits nor was lost, all went well.
var becameOf = map[string]store.RecipientState{
	journal.MessageQueued: store.Relayed, journal.MessageAccepted: store.Relayed, journal.MessageRelayed: store.Relayed, journal.MessageDelivered: store.Placed,
	journal.MessageBounced: store.Failed, journal.MessageExpired: store.Expired, journal.MessageCancelled: store.Cancelled,
	journal.MessageCorrected: store.Cancelled,
}

// isSent tells whether an event is that of a message which the account sent signed in (RFC 3848): who is here and gets one has the same event.
func (c *call) isSent(ctx context.Context, e *store.Event) bool {
	if !strings.HasSuffix(e.Field("protocol"), "A") || e.Kind != journal.MessageQueued && e.Kind != journal.MessageAccepted {
		return false
	}
	if e.Kind == journal.MessageQueued || e.Field("from") == "" {
		return true
	}
	sender, err := c.server.store.Resolve(ctx, e.Field("from"))
	return err == nil && slices.ContainsFunc(sender.Accounts, func(one store.Account) bool { return one.ID == c.account.ID })
}

// briefFromJournal adds what the journal tells of emails that do not wait: to whom they went, and whom they did not reach.
func (c *call) briefFromJournal(ctx context.Context, mails map[string]*sentMail, briefs map[string]*brief, from time.Time) error {
	type sent struct {
		id   string
		subs map[string]store.RecipientState // recipients and what became of them
	}
	traces := map[store.TraceID]*sent{}
	left := maxTold
	if err := c.server.options.Holder.Journal.Flush(ctx); err != nil {
		return err
	}
	err := c.server.store.EventsOf(ctx, c.account.ID, slices.Collect(maps.Keys(becameOf)), from, func(e *store.Event) error {
		if left--; left < 0 {
			return errLookedEnough
		}
		one := traces[e.Trace]
		if one == nil {
			id := strings.Trim(e.Field("message-id"), "<>")
			if mails[id] == nil || briefs[id] != nil || !c.isSent(ctx, e) {
				return ctx.Err()
			}
			one = &sent{id, map[string]store.RecipientState{}}
			traces[e.Trace] = one
		}
		for _, f := range e.Fields {
			if f.Name == "to" {
				one.subs[f.Value] = becameOf[e.Kind]
			}
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errLookedEnough) {
		return err
	}
	for _, one := range traces {
		if briefs[one.id] == nil {
			briefs[one.id] = &brief{}
		}
		sub := &store.Submission{Account: c.account.ID}
		for address, state := range one.subs {
			sub.Recipients = append(sub.Recipients, store.SubmissionRecipient{Address: address, State: state})
		}
		briefs[one.id].add(c, sub)
	}
	return nil
}

// briefObject is what Delivery/brief says of an email.
func (c *call) briefObject(ctx context.Context, id string, b *brief) object {
	o := object{"emailId": id, "state": b.state, "recipients": b.recipients, "delivered": b.delivered, "address": nil, "nextTry": nil, "why": nil}
	if b.recipient == nil || b.state == outbound.ProgressDelivered {
		return o
	}
	one := c.recipientObject(ctx, b.sub, b.recipient)
	o["address"], o["nextTry"], o["why"] = b.recipient.Address, one["nextTry"], one["why"]
	return o
}
