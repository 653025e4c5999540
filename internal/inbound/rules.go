package inbound

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
)

// obey runs the rules of each account that is to get a message: it changes where that goes, and adds what they send. It returns
// who does not take the message. If nobody does, it is refused. Rules that cannot be run lose nothing: the message goes where it
// goes without them.
func (m *content) obey(ctx context.Context, email store.NewEmail, recipients []recipient) (rejected map[store.AccountID]cause.Decision, d cause.Decision) {
	s := m.s
	if s.b.Rules == nil || len(recipients) == 0 {
		return nil, cause.Allow()
	}
	raw, err := m.kept(ctx)
	if err != nil {
		return nil, s.b.storeTrouble("read message", err)
	}
	rejected = map[store.AccountID]cause.Decision{}
	for i := range recipients {
		to := &recipients[i]
		out, err := s.b.Rules.Run(ctx, rules.Input{
			Account: to.account, Trace: s.trace, From: s.from, To: to.local.address,
			Message: raw, Summary: email.Summary, Junk: to.verdict.Junk, Mailbox: to.Mailbox,
			RemoteHost: s.c.Helo, RemoteIP: s.remoteIP(), MustKeep: s.queued != nil && s.from == "",
		})
		if err == nil && out.Ran {
			err = s.carryOut(ctx, to, &out, email, raw)
		}
		if err != nil {
			s.b.Log.Error("rules not run; the message goes where it goes without them", "trace", s.trace, "account", to.account.Address, "error", err)
		}
		if !to.rejected.Allowed() {
			rejected[to.account.ID] = to.rejected
		}
	}
	if len(rejected) == len(recipients) && len(s.remote) == 0 && len(s.forward.to) == 0 {
		s.about = recipients[0].account.ID
		return rejected, rejected[s.about]
	}
	return rejected, cause.Allow()
}

// remoteIP is the address of who brings the message, "" for nobody.
func (s *session) remoteIP() string {
	if ip := s.c.Remote.Addr(); ip.IsValid() {
		return ip.String()
	}
	return ""
}

// carryOut does what the rules of one recipient want.
func (s *session) carryOut(ctx context.Context, to *recipient, out *rules.Outcome, email store.NewEmail, raw keptMessage) error {
	onward, err := s.onward(ctx, to, out, email, raw)
	if err != nil {
		return err
	}
	if len(out.Places) > 0 && out.Reject == nil {
		names := make([]string, len(out.Places))
		for i := range out.Places {
			names[i] = out.Places[i].Name
		}
		to.delivered().Fields[1].Value = strings.Join(names, ", ")
	} else {
		to.Events = slices.DeleteFunc(to.Events, func(e store.Event) bool {
			return e.Kind == journal.MessageDelivered || e.Kind == journal.MessageFiledJunk
		})
	}
	out.DeliverTo(&to.DeliverTo)
	if len(onward) == 0 && len(out.Redirects) > 0 { // what cannot go on stays
		to.Nowhere = false
	}
	if out.Reject != nil {
		to.Nowhere, to.rejected = true, *out.Reject
	}
	for _, sub := range onward {
		s.b.Queue.Prepare(sub)
	}
	to.Submissions = onward
	return nil
}

// delivered is the event that tells where a message was placed.
func (r *recipient) delivered() *store.Event { return &r.Events[len(r.Events)-1] }

// onward makes what goes out: the message itself, and an answer.
func (s *session) onward(ctx context.Context, to *recipient, out *rules.Outcome, email store.NewEmail, raw keptMessage) (all []*store.Submission, err error) {
	if len(out.Redirects) > 0 && s.b.Forward != nil {
		id, err := s.onwardID(ctx, to.account.ID)
		if err != nil {
			return nil, err
		}
		f := Forwarded{
			ID: id, By: []string{to.local.address}, From: s.mail.From, Blob: email.Blob, Message: raw, Checked: s.checked,
			SMTPUTF8: s.mail.SMTPUTF8, Body: bodyText(s.mail.Body), MessageID: email.Summary.MessageID,
		}
		for _, address := range out.Redirects {
			f.To = append(f.To, store.SubmissionRecipient{Address: address, State: store.Queued})
		}
		sub, err := s.b.Forward.Submission(ctx, &f)
		switch {
		case errors.Is(err, ErrLoop): // the message is here, and that is where it stays
			s.b.Log.Warn("rules would send a message on in a circle", "trace", s.trace, "account", to.account.Address)
		case err != nil:
			return nil, err
		default:
			sub.Account = to.account.ID
			all = append(all, sub)
		}
	}
	if out.Vacation != nil {
		ref, err := s.b.Store.Blobs().Put(ctx, out.Vacation.Message)
		if err != nil {
			return nil, err
		}
		all = append(all, &store.Submission{
			ID: followingID(s.trace, "answer"), Account: to.account.ID, Blob: ref, Size: int64(len(out.Vacation.Message)), Created: email.Received,
			Recipients: []store.SubmissionRecipient{{Address: out.Vacation.To, Notify: "NEVER", State: store.Queued}},
		})
	}
	return all, nil
}

// followingID is the id of a message that follows from another one: the same each time, so that a repetition replaces it.
func followingID(of store.TraceID, what string) (id store.TraceID) {
	sum := sha256.Sum256(append([]byte(what), of[:]...))
	copy(id[:6], of[:6]) // the time, by which ids are sorted
	copy(id[6:], sum[:])
	return id
}
