package store_test

import (
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// TestArrangeMailbox: roles and places of mailboxes change, those of the INBOX and the Outbox do not, and what watches hears of it.
func TestArrangeMailbox(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	role := func(r store.Role) *store.Role { return &r }
	place := uint32(7)
	before := must[store.Mailbox](t)(o.Mailbox(ctx, o.anna, o.work.ID))
	for _, c := range []struct {
		id   store.MailboxID
		role *store.Role
		want store.Kind
	}{
		{store.InboxID, role(store.RoleArchive), store.KindInvalid}, {o.work.ID, role(store.RoleInbox), store.KindInvalid},
		{o.work.ID, role(store.RoleOutbox), store.KindInvalid}, {o.work.ID, role("colour"), store.KindInvalid},
		{o.work.ID, role(store.RoleTrash), store.KindExists}, {9999, nil, store.KindNotFound},
	} {
		wantKind(t, "arrange", o.ArrangeMailbox(ctx, o.anna, c.id, c.role, &place), c.want)
	}
	if now := must[store.Mailbox](t)(o.Mailbox(ctx, o.anna, o.work.ID)); now != before {
		t.Errorf("%+v, was %+v", now, before)
	}
	trash := must[store.Mailbox](t)(o.MailboxByName(ctx, o.anna, "Trash"))
	for _, err := range []error{
		o.ArrangeMailbox(ctx, o.anna, trash.ID, role(store.RoleNone), nil), o.ArrangeMailbox(ctx, o.anna, o.work.ID, role(store.RoleTrash), &place),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	now := must[store.Mailbox](t)(o.Mailbox(ctx, o.anna, o.work.ID))
	if now.Role != store.RoleTrash || now.Place != place || now.HighestModSeq <= before.HighestModSeq {
		t.Errorf("%+v", now)
	}
}
