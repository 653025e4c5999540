package jmapd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// capabilityVendor is what Postiljon tells beyond the standards (docs/jmap.md).
const capabilityVendor = "urn:postiljon:params:jmap:mail"

// Holder is what the holder of an account can be told of it. Journal and Meters must be given.
type Holder struct {
	Journal *journal.Journal
	// Meters tell how far the sending limits of an account are used up.
	Meters func(ctx context.Context, a *store.Account) ([]policy.Meter, error)
}

// traceQuery is Trace/query: where is my mail?
func traceQuery(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("text", "emailId", "with", "since", "limit", "lang"); err != nil {
		return nil, err
	}
	q := journal.Query{Account: c.account.ID, Reader: cause.Holder}
	var email string
	for name, v := range map[string]any{"text": &q.Text, "emailId": &email, "with": &q.With, "since": &q.From, "limit": &q.Limit} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
	}
	if err := c.language(); err != nil {
		return nil, err
	}
	if email != "" {
		id, err := c.messageIDOf(ctx, c.named(email))
		if err != nil {
			return nil, err
		}
		q.Text = id
	}
	if q.Limit < 0 || q.Limit > c.server.options.Limits.QueryResults {
		return nil, invalid("limit is negative or too great")
	}
	t, err := c.server.options.Holder.Journal.Trace(ctx, q)
	if errors.Is(err, journal.ErrQuery) {
		return nil, invalid("text is no address, Message-ID, trace id or word of a subject")
	}
	if err != nil {
		return nil, err
	}
	lines, nothing := t.Told(c.request.lang, c.catalogue())
	return object{
		"accountId": accountID(c.account.ID), "query": t.Query, "list": lines, "nothing": nothing, "truncated": t.Truncated, "looked": t.Looked,
	}, nil
}

// messageIDOf is what an email is looked for by in the journal.
func (c *call) messageIDOf(ctx context.Context, id string) (text string, err error) {
	p, err := c.picture(ctx)
	if err != nil {
		return "", err
	}
	l, ok := p.located(id)
	if !ok {
		return "", &methodError{Type: "notFound"}
	}
	err = c.server.store.Emails(ctx, c.account.ID, l.ID, l.ID+1, func(e *store.Email) error {
		if text = string(e.Summary.MessageID()); text == "" {
			text = string(e.Summary.Subject())
		}
		return nil
	})
	if err == nil && text == "" {
		err = &methodError{Type: "notFound", Description: "it has neither a Message-ID nor a subject"}
	}
	return text, err
}

// limitsGet is Limits/get: how far limits are used up, and what they kept back.
func limitsGet(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("lang"); err != nil {
		return nil, err
	}
	if err := c.language(); err != nil {
		return nil, err
	}
	meters, err := c.server.options.Holder.Meters(ctx, c.account)
	if err != nil {
		return nil, err
	}
	sending, senders := []object{}, []object{}
	for i, m := range meters {
		o := object{"counted": m.Counted, "of": m.Of, "used": m.Used, "limit": m.Limit, "closed": m.Closed, "resets": dateOrNull(m.Resets), "why": nil}
		if m.Closed {
			o["why"] = c.why(closedBy(m))
		}
		sending = append(sending, o)
		if m.Closed && m.Counted == policy.MessagesOfAddress {
			from, err := c.sentFrom(ctx, &meters[i])
			if err != nil {
				return nil, err
			}
			for _, f := range from {
				senders = append(senders, object{"from": textOrNull(f.From), "messages": f.Messages, "last": dateOrNull(f.Last)})
			}
		}
	}
	usage, err := c.server.store.Usage(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	const refusedFor = 24 * time.Hour
	refused, err := c.server.options.Holder.Journal.RefusedInLimit(ctx, c.account.ID, c.server.store.Now().Add(-refusedFor))
	if err != nil {
		return nil, err
	}
	kept := []object{}
	for _, r := range refused {
		kept = append(kept, object{"to": r.To, "cause": r.Cause, "first": dateOrNull(r.First), "last": dateOrNull(r.Last), "times": r.Times})
	}
	waiting, err := c.waitForLimit(ctx)
	if err != nil {
		return nil, err
	}
	var closed any
	if d := policy.StateForSending(*c.account); !d.Allowed() {
		closed = c.why(d)
	}
	return object{
		"accountId": accountID(c.account.ID), "sending": sending, "senders": senders, "closed": closed, "refused": kept, "waiting": waiting,
		"storage": object{"used": usage.Size, "limit": c.account.Quota, "emails": usage.Emails},
	}, nil
}

// waitForLimit counts the messages that wait until sending is open again.
func (c *call) waitForLimit(ctx context.Context) (n int, err error) {
	err = c.server.store.Submissions(ctx, c.account.ID, func(sub *store.Submission) error {
		if slices.ContainsFunc(sub.Recipients, func(r store.SubmissionRecipient) bool {
			return r.State == store.Queued && strings.HasPrefix(string(r.Cause), "limit.")
		}) && sub.Scheduled {
			n++
		}
		return ctx.Err()
	})
	return n, err
}

// closedBy is the decision of a limit that is reached.
func closedBy(m policy.Meter) cause.Decision {
	switch m.Counted {
	case policy.MessagesOfDomain:
		return cause.Wait(cause.LimitDomainHourly, m.Resets, cause.Text("domain", m.Of), cause.Count("limit", m.Limit))
	case policy.RecipientsOfAddress:
		return cause.Wait(cause.LimitRecipients, m.Resets, cause.Count("limit", m.Limit))
	}
	return cause.Wait(cause.LimitAddressHourly, m.Resets, cause.Text("address", m.Of), cause.Count("limit", m.Limit))
}

func dateOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// refusedQuery is Refused/query: mail for the account that was turned away.
func refusedQuery(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("since", "limit", "lang"); err != nil {
		return nil, err
	}
	var since time.Time
	limit := 500
	for name, v := range map[string]any{"since": &since, "limit": &limit} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
	}
	if err := c.language(); err != nil {
		return nil, err
	}
	if limit < 0 {
		return nil, invalid("limit is negative")
	}
	all, err := c.server.options.Holder.Journal.Ledger(ctx, c.account.ID, since)
	if err != nil {
		return nil, err
	}
	list := []object{}
	for i := range all[:min(limit, len(all))] {
		l := &all[i]
		list = append(list, object{
			"from": l.From, "author": textOrNull(l.Author), "to": l.To, "server": l.Remote, "afterData": l.AfterData, "final": l.Decision.Action == cause.ActionRefuse, "why": c.why(l.Decision),
			"traceId": l.Trace.String(), "first": dateOrNull(l.First), "last": dateOrNull(l.Last), "times": l.Times, "came": dateOrNull(l.Came),
		})
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "total": len(all)}, nil
}

// refusedAllow is Refused/allow: mail of a sender shall come through, or shall no longer.
func refusedAllow(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("sender", "allow"); err != nil {
		return nil, err
	}
	text, err := c.args.text("sender")
	if err != nil {
		return nil, err
	}
	allow := true
	if err := c.args.read("allow", &allow); err != nil {
		return nil, err
	}
	sender, err := store.NormalizeSender(text)
	if err != nil {
		return nil, invalid("sender is neither an address nor a domain")
	}
	if allow {
		err = c.server.store.AllowSender(ctx, c.account.ID, sender)
	} else if err = c.server.store.DisallowSender(ctx, c.account.ID, sender); store.KindOf(err) == store.KindNotFound {
		err = nil
	}
	if store.KindOf(err) == store.KindLimit {
		return nil, invalid("there are too many senders that are let through")
	}
	if err != nil {
		return nil, err
	}
	return object{"accountId": accountID(c.account.ID), "sender": sender, "allow": allow}, nil
}

// refusedAllowed is Refused/allowed: whose mail is let through.
func refusedAllowed(ctx context.Context, c *call) (any, error) {
	if err := c.args.only(); err != nil {
		return nil, err
	}
	all, err := c.server.store.AllowedSenders(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	list := []object{}
	for _, one := range all {
		list = append(list, object{"sender": one.Sender, "since": dateOrNull(one.Since)})
	}
	return object{"accountId": accountID(c.account.ID), "list": list}, nil
}
