package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

// Local places messages of the queue that are for addresses here: reports, and
// mail for a domain that has come here since it was queued.
type Local struct {
	Store *store.Store
	// Receiving decides whether a message fits an account, as Policy does.
	Receiving func(ctx context.Context, a *store.Account, size int64) cause.Decision
	// Forward and Submit pass on what an address here leads elsewhere; both nil refuses it.
	Forward *Forwarder
	Submit  func(ctx context.Context, sub store.Submission, events ...store.Event) error
	Log     *slog.Logger
}

var _ outbound.Local = (*Local)(nil)

// DeliverLocal implements outbound.Local.
func (l *Local) DeliverLocal(ctx context.Context, m outbound.LocalMessage) cause.Decision {
	resolved, err := l.resolve(ctx, m)
	if store.KindOf(err) == store.KindNotFound {
		return cause.Refuse(cause.RecipientUnknown, cause.Text("address", m.To))
	}
	if err != nil {
		return l.trouble(m, err)
	}
	if len(resolved.Accounts) > 0 {
		if d := l.place(ctx, m, resolved.Accounts); !d.Allowed() {
			return d
		}
	}
	if len(resolved.Forward) == 0 || l.Forward == nil {
		return cause.Allow()
	}
	err = l.passOn(ctx, m, resolved.Forward)
	if errors.Is(err, ErrLoop) {
		return cause.Refuse(cause.RulesLoop)
	}
	if err != nil {
		return l.trouble(m, err)
	}
	return cause.Allow()
}

// resolve finds out whose mail a message is. Reports to an address that was rewritten here are for
// whom it stands.
func (l *Local) resolve(ctx context.Context, m outbound.LocalMessage) (store.Resolution, error) {
	resolved, err := l.Store.Resolve(ctx, m.To)
	if store.KindOf(err) != store.KindNotFound || m.From != "" {
		return resolved, err
	}
	original, ok := l.rewritten(m.To)
	if !ok {
		return resolved, err
	}
	resolved, err = l.Store.Resolve(ctx, original)
	if store.KindOf(err) == store.KindNotFound && !resolved.Local {
		return store.Resolution{Forward: []string{original}}, nil
	}
	return resolved, err
}

// place puts a message into the mailboxes of accounts.
func (l *Local) place(ctx context.Context, m outbound.LocalMessage, accounts []store.Account) cause.Decision {
	email, err := l.email(ctx, m)
	if err != nil {
		return l.trouble(m, err)
	}
	d := store.Delivery{ID: m.ID + "/" + m.To, Email: email}
	if len(d.ID) > store.MaxDeliveryID { // the blob tells messages apart as well
		d.ID = fmt.Sprintf("%s/%x", m.ID, email.Blob.Hash())
	}
	for i := range accounts {
		a := &accounts[i]
		if full := l.Receiving(ctx, a, m.Size); !full.Allowed() {
			return full
		}
		d.Recipients = append(d.Recipients, store.DeliverTo{
			Account: a.ID, Role: store.RoleInbox, Events: []store.Event{l.event(m, email.Summary)},
		})
	}
	results, err := l.Store.Deliver(ctx, d)
	for i := range results {
		err = errors.Join(err, results[i].Err)
	}
	if err != nil {
		return l.trouble(m, err)
	}
	return cause.Allow()
}

// email copies the message with the return path in front (RFC 5321 section
// 4.4) and reads it as it passes.
func (l *Local) email(ctx context.Context, m outbound.LocalMessage) (email store.NewEmail, err error) {
	from, err := l.Store.Blobs().Open(ctx, m.Blob)
	if err != nil {
		return email, err
	}
	defer from.Close()
	to, err := l.Store.Blobs().Create(ctx)
	if err != nil {
		return email, err
	}
	defer to.Abort()
	scanner := message.NewScanner(message.Limits{})
	whole := io.MultiReader(strings.NewReader("Return-Path: <"+m.From+">\r\n"), io.NewSectionReader(from, m.Skip, from.Size()-m.Skip))
	if _, err := io.Copy(io.MultiWriter(to, scanner), whole); err != nil {
		return email, err
	}
	ref, err := to.Commit()
	return store.NewEmail{Blob: ref, Summary: scanner.Finish(), Received: l.Store.Now()}, err
}

func (l *Local) event(m outbound.LocalMessage, s *message.Summary) store.Event {
	return store.Event{Time: l.Store.Now(), Trace: m.Trace, Kind: journal.MessageDelivered, Fields: []store.Field{
		{Name: "from", Value: m.From}, {Name: "to", Value: m.To}, {Name: "message-id", Value: s.MessageID},
		{Name: "subject", Value: s.Subject}, {Name: "mailbox", Value: "INBOX"},
	}}
}

func (l *Local) trouble(m outbound.LocalMessage, err error) cause.Decision {
	if store.KindOf(err) == store.KindOverQuota {
		return cause.Wait(cause.QuotaMailboxFull, time.Time{})
	}
	l.Log.Error("message not placed; it is tried again", "trace", m.Trace, "to", m.To, "error", err)
	if store.KindOf(err) == store.KindNoSpace {
		return cause.Wait(cause.ProviderStorageFailed, time.Time{})
	}
	return cause.Wait(cause.ProviderBackendBroken, time.Time{})
}
