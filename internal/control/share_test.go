package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestShares(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	for _, domain := range []string{"example.org", "example.net"} {
		if _, err := w.AddDomain(ctx, domain); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range []string{"anna@example.org", "bjorn@example.org", "eve@example.net"} {
		if _, err := w.AddAccount(ctx, NewAccount{Address: address}); err != nil {
			t.Fatal(err)
		}
	}
	inbox := func(with, as string) ChangeShare {
		return ChangeShare{Owner: "Anna@example.org", Mailbox: "inbox", With: with, As: as}
	}
	for _, c := range []struct{ with, as, want string }{
		{"Bjorn", "read", "{anna@example.org INBOX bjorn@example.org read lrs}"},
		{"anyone", "l", "{anna@example.org INBOX anyone  l}"},
		{"-bjorn@example.org", "s", "{anna@example.org INBOX -bjorn@example.org  s}"},
	} {
		if made, err := w.ChangeShare(ctx, inbox(c.with, c.as)); err != nil || fmt.Sprint(made) != c.want {
			t.Errorf("%s as %s: %v, %v; want %s", c.with, c.as, made, err, c.want)
		}
	}
	by, err := w.Shares(ctx, "anna@example.org")
	if err != nil || len(by.By) != 3 || len(by.With) != 0 {
		t.Errorf("%+v, %v", by, err)
	}
	with, err := w.Shares(ctx, "bjorn@example.org")
	if err != nil || fmt.Sprint(with) != "{[] [{anna@example.org INBOX bjorn@example.org  lr}]}" {
		t.Errorf("%+v, %v", with, err)
	}
	subscribed := func() bool {
		bjorn, err := w.server.Store.AccountByAddress(ctx, "bjorn@example.org")
		if err != nil {
			t.Fatal(err)
		}
		names, err := w.server.Store.Subscriptions(ctx, bjorn.ID)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(names, "Other Users/anna/INBOX")
	}
	if !subscribed() {
		t.Error("who is given a mailbox is not subscribed to it")
	}
	for _, c := range []struct {
		what   string
		err    error
		status int
		text   string
	}{
		{"no account", second(w.Shares(ctx, "nobody@example.org")), 404, "no such account"},
		{"no mailbox", second(w.ChangeShare(ctx, ChangeShare{Owner: "anna@example.org", Mailbox: "Drfats", With: "bjorn", As: "read"})), 404, "did you mean Drafts"},
		{"nobody", second(w.ChangeShare(ctx, inbox("bjrn", "read"))), 404, "did you mean bjorn@example.org"},
		{"the owner", second(w.ChangeShare(ctx, inbox("anna", "read"))), 400, "is nobody to share with"},
		{"another domain", second(w.ChangeShare(ctx, inbox("eve@example.net", "read"))), 400, "different domains"},
		{"no rights", second(w.ChangeShare(ctx, inbox("bjorn", "xyz"))), 400, "is not read, write, post or owner"},
		{"not shared", second(w.ChangeShare(ctx, inbox("-anyone", ""))), 404, "is not shared with -anyone"},
	} {
		if got := status(t, c.err); got != c.status || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: %d, %v", c.what, got, c.err)
		}
	}
	if gone, err := w.ChangeShare(ctx, inbox("bjorn", "")); err != nil || gone.Rights != "" {
		t.Errorf("%v, %v", gone, err)
	}
	if subscribed() {
		t.Error("a mailbox that is not shared any more is still subscribed to")
	}
	trace, err := w.Trace(ctx, TraceQuery{Text: "anna@example.org"})
	if err != nil || !strings.Contains(trace.Text, "shared with bjorn@example.org, with the rights read") ||
		!strings.Contains(trace.Text, "not shared any more with bjorn@example.org") {
		t.Errorf("trace %s, %v", trace.Text, err)
	}
}
