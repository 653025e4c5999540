package inbound

import (
	"context"
	"errors"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/store"
)

// forwards is where a message goes on to, from addresses here.
type forwards struct {
	by []string // as they were named
	to []store.SubmissionRecipient
}

func (f *forwards) add(by string, r *smtpd.Rcpt, to string) {
	if !slices.Contains(f.by, by) {
		f.by = append(f.by, by)
	}
	if !slices.ContainsFunc(f.to, func(have store.SubmissionRecipient) bool { return have.Address == to }) {
		f.to = append(f.to, store.SubmissionRecipient{
			Address: to, Notify: notifyText(r.Notify), ORcpt: originalRecipient(r, by), State: store.Queued,
		})
	}
}

// originalRecipient is whom the sender wrote to (RFC 3461 section 5.2.6).
func originalRecipient(r *smtpd.Rcpt, by string) string {
	if r.ORcpt != "" || r.Notify == 0 {
		return r.ORcpt
	}
	return "rfc822;" + by
}

// addForwards adds the addresses elsewhere that an alias leads to. What an account here sends to it
// goes on as the account's own mail; mail of others is passed on.
func (s *session) addForwards(r *smtpd.Rcpt, by string, to []string) cause.Decision {
	if len(to) == 0 {
		return cause.Allow()
	}
	if s.b.Forward == nil {
		return cause.Refuse(cause.RecipientUnknown, cause.Text("address", by))
	}
	s.recipients++
	for _, one := range to {
		if s.account == nil {
			s.forward.add(by, r, one)
			continue
		}
		s.remote = append(s.remote, store.SubmissionRecipient{
			Address: one, Notify: notifyText(r.Notify), ORcpt: originalRecipient(r, by), State: store.Queued,
		})
	}
	return cause.Allow()
}

// bounced returns whom a bounce is for that comes to an address which was rewritten here.
func (s *session) bounced(r *smtpd.Rcpt, here bool) (original address.Address, ok bool) {
	if !here || s.b.Forward == nil || s.account != nil || s.from != "" {
		return original, false
	}
	original, err := s.b.Forward.SRS.Reverse(r.To)
	return original, err == nil
}

// addBounce leads a bounce back to the sender of the message that was passed on.
func (s *session) addBounce(ctx context.Context, r *smtpd.Rcpt, by string, original address.Address) cause.Decision {
	res, err := s.b.Store.Resolve(ctx, original.String())
	switch {
	case err == nil:
		return s.addLocal(ctx, r, original.String(), &res)
	case store.KindOf(err) != store.KindNotFound:
		return s.b.storeTrouble("resolve sender of forwarded message", err)
	case res.Local:
		return cause.Refuse(cause.RecipientUnknown, cause.Text("address", by))
	}
	s.recipients++
	s.forward.add(by, r, original.String())
	return cause.Allow()
}

// passOn adds to a delivery what goes on to addresses elsewhere.
func (m *content) passOn(ctx context.Context, d *store.Delivery, summary *message.Summary) cause.Decision {
	s := m.s
	if len(s.forward.to) == 0 {
		return cause.Allow()
	}
	raw, err := m.kept(ctx)
	if err != nil {
		return s.b.storeTrouble("read message", err)
	}
	id, err := s.onwardID(ctx, 0)
	if err != nil {
		return s.b.storeTrouble("forward message", err)
	}
	sub, err := s.b.Forward.Submission(ctx, &Forwarded{
		ID: id, By: s.forward.by, From: s.mail.From, To: s.forward.to, Blob: m.ref, Message: raw, Checked: s.checked,
		EnvID: s.mail.EnvID, Ret: s.mail.Ret, SMTPUTF8: s.mail.SMTPUTF8, Body: bodyText(s.mail.Body), MessageID: summary.MessageID,
	})
	if errors.Is(err, ErrLoop) {
		return cause.Refuse(cause.RulesLoop)
	}
	if err != nil {
		return s.b.storeTrouble("forward message", err)
	}
	sub.RequireTLS = s.mail.RequireTLS
	s.b.Queue.Prepare(sub)
	d.Submission = sub
	for _, by := range s.forward.by {
		d.SenderEvents = append(d.SenderEvents, s.event(journal.MessageAccepted, d.Email.Received, by, summary))
	}
	for i := range sub.Recipients {
		d.SenderEvents = append(d.SenderEvents, s.event(journal.MessageForwarded, d.Email.Received, sub.Recipients[i].Address, summary))
	}
	return cause.Allow()
}
