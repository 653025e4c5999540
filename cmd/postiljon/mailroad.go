package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

// dispatch hands over what inbound gives to the queue: submissions, and what
// became of recipients here where their sender is to hear of it.
type dispatch struct {
	queue *outbound.Queue
	log   *slog.Logger
}

var (
	_ inbound.Queue    = dispatch{}
	_ inbound.Reporter = dispatch{}
)

// Queued implements inbound.Queue.
func (d dispatch) Queued(sub *store.Submission) { d.queue.Notify(sub) }

// Report implements inbound.Reporter. What wants a report was decided already.
func (d dispatch) Report(ctx context.Context, r *inbound.Report) {
	now := time.Now()
	sub := &store.Submission{
		ID: r.Trace, From: r.From, EnvID: r.EnvID, Ret: r.Ret, MessageID: r.Email.Summary.MessageID,
		Blob: r.Email.Blob, Size: r.Email.Summary.Size, Created: now,
	}
	for _, one := range r.Recipients {
		recipient := store.SubmissionRecipient{
			Address: one.Address, ORcpt: one.ORcpt, Notify: "SUCCESS,FAILURE", State: store.Placed, Last: now,
		}
		if !one.Decision.Allowed() {
			recipient.State, recipient.Cause = store.Failed, one.Decision.Cause
		}
		sub.Recipients = append(sub.Recipients, recipient)
	}
	if err := d.queue.Report(ctx, sub); err != nil {
		d.log.Error("sender not told of a delivery", "trace", r.Trace, "error", err)
	}
}

// localRoad places messages of the queue that are for addresses here: reports,
// and mail for a domain that has come here since.
type localRoad struct {
	store    *store.Store
	policies *policies
	log      *slog.Logger
}

var _ outbound.Local = (*localRoad)(nil)

// DeliverLocal implements outbound.Local.
func (r *localRoad) DeliverLocal(ctx context.Context, m outbound.LocalMessage) cause.Decision {
	resolved, err := r.store.Resolve(ctx, m.To)
	if store.KindOf(err) == store.KindNotFound {
		return cause.Refuse(cause.RecipientUnknown, cause.Text("address", m.To))
	}
	if err != nil {
		return r.trouble(m, err)
	}
	email, err := r.email(ctx, m)
	if err != nil {
		return r.trouble(m, err)
	}
	d := store.Delivery{ID: m.ID + "/" + m.To, Email: email}
	if len(d.ID) > 200 { // the limit of the store; the blob tells messages apart as well
		d.ID = fmt.Sprintf("%s/%x", m.ID, email.Blob.Hash())
	}
	for _, a := range resolved.Accounts {
		if full := r.policies.Receiving(ctx, &a, m.Size); !full.Allowed() {
			return full
		}
		d.Recipients = append(d.Recipients, store.DeliverTo{
			Account: a.ID, Role: store.RoleInbox, Events: []store.Event{r.event(m, email.Summary)},
		})
	}
	results, err := r.store.Deliver(ctx, d)
	for _, one := range results {
		err = errors.Join(err, one.Err)
	}
	if err != nil {
		return r.trouble(m, err)
	}
	return cause.Allow()
}

// email copies the message with the return path in front (RFC 5321 section
// 4.4) and reads it as it passes.
func (r *localRoad) email(ctx context.Context, m outbound.LocalMessage) (email store.NewEmail, err error) {
	from, err := r.store.Blobs().Open(ctx, m.Blob)
	if err != nil {
		return email, err
	}
	defer from.Close()
	to, err := r.store.Blobs().Create(ctx)
	if err != nil {
		return email, err
	}
	defer to.Abort()
	scanner := message.NewScanner(message.Limits{})
	whole := io.MultiReader(strings.NewReader("Return-Path: <"+m.From+">\r\n"), io.NewSectionReader(from, 0, from.Size()))
	if _, err := io.Copy(io.MultiWriter(to, scanner), whole); err != nil {
		return email, err
	}
	ref, err := to.Commit()
	return store.NewEmail{Blob: ref, Summary: scanner.Finish(), Received: r.store.Now()}, err
}

func (r *localRoad) event(m outbound.LocalMessage, s *message.Summary) store.Event {
	return store.Event{Time: r.store.Now(), Trace: m.Trace, Kind: journal.MessageDelivered, Fields: []store.Field{
		{Name: "from", Value: m.From}, {Name: "to", Value: m.To}, {Name: "message-id", Value: s.MessageID},
		{Name: "subject", Value: s.Subject}, {Name: "mailbox", Value: "INBOX"},
	}}
}

func (r *localRoad) trouble(m outbound.LocalMessage, err error) cause.Decision {
	if store.KindOf(err) == store.KindOverQuota {
		return cause.Wait(cause.QuotaMailboxFull, time.Time{})
	}
	r.log.Error("message not placed; it is tried again", "trace", m.Trace, "to", m.To, "error", err)
	if store.KindOf(err) == store.KindNoSpace {
		return cause.Wait(cause.ProviderStorageFailed, time.Time{})
	}
	return cause.Wait(cause.ProviderBackendBroken, time.Time{})
}
