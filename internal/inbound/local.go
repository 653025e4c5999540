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
	Log       *slog.Logger
}

var _ outbound.Local = (*Local)(nil)

// DeliverLocal implements outbound.Local.
func (l *Local) DeliverLocal(ctx context.Context, m outbound.LocalMessage) cause.Decision {
	resolved, err := l.Store.Resolve(ctx, m.To)
	if store.KindOf(err) == store.KindNotFound {
		return cause.Refuse(cause.RecipientUnknown, cause.Text("address", m.To))
	}
	if err != nil {
		return l.trouble(m, err)
	}
	email, err := l.email(ctx, m)
	if err != nil {
		return l.trouble(m, err)
	}
	d := store.Delivery{ID: m.ID + "/" + m.To, Email: email}
	if len(d.ID) > store.MaxDeliveryID { // the blob tells messages apart as well
		d.ID = fmt.Sprintf("%s/%x", m.ID, email.Blob.Hash())
	}
	for i := range resolved.Accounts {
		a := &resolved.Accounts[i]
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
	whole := io.MultiReader(strings.NewReader("Return-Path: <"+m.From+">\r\n"), io.NewSectionReader(from, 0, from.Size()))
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
