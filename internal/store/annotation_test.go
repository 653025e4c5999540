package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestAnnotations(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	a := storetest.Account(t, s, "anna@demo.test").ID
	set := func(id store.MailboxID, pairs ...string) error {
		var changes []store.Annotation
		for i := 0; i < len(pairs); i += 2 {
			changes = append(changes, store.Annotation{Name: pairs[i], Value: []byte(pairs[i+1])})
		}
		return s.Annotate(t.Context(), a, id, changes)
	}
	read := func(id store.MailboxID) string {
		var b strings.Builder
		for _, x := range must[[]store.Annotation](t)(s.Annotations(t.Context(), a, id)) {
			fmt.Fprintf(&b, "%s=%s ", x.Name, x.Value)
		}
		return b.String()
	}
	m := must[store.Mailbox](t)(s.CreateMailbox(t.Context(), a, "Lists", store.RoleNone))
	for _, err := range []error{
		set(m.ID, "/private/Comment", "one", "/shared/x/y", ""), set(store.AccountAnnotations, "/private/z", "two"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := read(m.ID); got != "/private/comment=one /shared/x/y= " {
		t.Errorf("mailbox has %q", got)
	}
	if got := read(store.AccountAnnotations); got != "/private/z=two " {
		t.Errorf("account has %q", got)
	}
	// All or none.
	wantKind(t, "a name that is not valid", set(m.ID, "/private/comment", "other", "/other/x", "y"), store.KindInvalid)
	wantKind(t, "a large value", set(m.ID, "/private/comment", strings.Repeat("x", store.MaxAnnotationSize+1)), store.KindLimit)
	wantKind(t, "no such mailbox", set(77, "/private/comment", "x"), store.KindNotFound)
	var many []string
	for i := range store.MaxAnnotations {
		many = append(many, fmt.Sprintf("/private/n/%d", i), "v")
	}
	wantKind(t, "too many", set(m.ID, many...), store.KindLimit)
	if got := read(m.ID); got != "/private/comment=one /shared/x/y= " {
		t.Errorf("after refused changes the mailbox has %q", got)
	}
	if err := s.Annotate(t.Context(), a, m.ID, []store.Annotation{{Name: "/private/comment"}, {Name: "/private/none"}}); err != nil {
		t.Fatal(err)
	}
	if got := read(m.ID); got != "/shared/x/y= " {
		t.Errorf("after removal the mailbox has %q", got)
	}
	verify(t, s, t.Context())
	// They go with their mailbox, and one left behind is found.
	if err := s.DeleteMailbox(t.Context(), a, "Lists"); err != nil {
		t.Fatal(err)
	}
	verify(t, s, t.Context())
	err := records.Update(t.Context(), kv.Account(a), func(tx kv.Tx) error {
		return tx.Set(append([]byte{'m', 0, 0, 0, 99}, "/private/x"...), []byte("v"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := must[store.VerifyReport](t)(s.Verify(t.Context(), store.VerifyOptions{})); r.Found != 1 {
		t.Errorf("an annotation without a mailbox: %v", r.Problems)
	}
}

func TestReplace(t *testing.T) {
	s, _ := storetest.OpenWithRecords(t, storetest.Dir(t))
	a := storetest.Account(t, s, "anna@demo.test").ID
	for i := range 2 {
		must[store.Appended](t)(s.Append(t.Context(), a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(i))}))
	}
	drafts := must[store.Mailbox](t)(s.MailboxByName(t.Context(), a, "Drafts"))
	replace := func(u uid.UID, to store.MailboxID) store.Appended {
		t.Helper()
		return must[store.Appended](t)(s.Replace(t.Context(), a, store.InboxID, u, to, storetest.Email(t, s, storetest.Text(int(u)+10))))
	}
	if got := replace(1, store.InboxID); len(got.UIDs) != 1 || got.UIDs[0] != 3 {
		t.Errorf("in its mailbox: %+v", got)
	}
	if got := replace(2, drafts.ID); len(got.UIDs) != 1 || got.UIDs[0] != 1 || got.UIDValidity != drafts.UIDValidity {
		t.Errorf("to another mailbox: %+v", got)
	}
	before := must[store.Usage](t)(s.Usage(t.Context(), a))
	if got := replace(2, drafts.ID); len(got.UIDs) != 0 {
		t.Errorf("a message that is gone: %+v", got)
	}
	if after := must[store.Usage](t)(s.Usage(t.Context(), a)); after != before || after.Emails != 2 {
		t.Errorf("usage was %+v, is %+v", before, after)
	}
	v := must[*store.View](t)(s.View(t.Context(), a, store.InboxID))
	if got := v.UIDs.Set().String(); got != "3" {
		t.Errorf("INBOX has UIDs %s", got)
	}
	verify(t, s, t.Context())
}

// TestChangesCountEveryChange holds that no change goes by uncounted.
func TestChangesCountEveryChange(t *testing.T) {
	s, _ := storetest.OpenWithRecords(t, storetest.Dir(t))
	a := storetest.Account(t, s, "anna@demo.test").ID
	last := s.Changes(a)
	step := func(what string, changes bool, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(what, err)
		}
		if now := s.Changes(a); (now != last) != changes {
			t.Errorf("%s: counter went from %d to %d", what, last, now)
		} else {
			last = now
		}
	}
	_, err := s.Append(t.Context(), a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(1))})
	step("append", true, err)
	_, err = s.View(t.Context(), a, store.InboxID)
	step("view", false, err)
	seen := store.FlagChange{Op: store.FlagsAdd, System: store.FlagSeen}
	_, err = s.StoreFlags(t.Context(), a, store.InboxID, uid.All(), seen, nil)
	step("flags", true, err)
	_, err = s.StoreFlags(t.Context(), a, store.InboxID, uid.All(), seen, nil)
	step("same flags", false, err)
	email := storetest.Email(t, s, storetest.Text(2))
	_, err = s.Deliver(t.Context(), store.Delivery{Email: email, Recipients: []store.DeliverTo{{Account: a}}})
	step("delivery", true, err)
	_, _, err = s.Expunge(t.Context(), a, store.InboxID, uid.Of(1), false)
	step("expunge", true, err)
	step("subscribe", true, s.Subscribe(t.Context(), a, "Lists", true))
	step("delete account", true, s.DeleteAccount(t.Context(), a))
}

// TestAnnotationsAreWatched: who watches the account is woken by a change of annotations, and learns
// which they are now.
func TestAnnotationsAreWatched(t *testing.T) {
	ctx := t.Context()
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@demo.test").ID
	woken := 0
	defer s.Watch(a, func() { woken++ })()
	before, mail := s.AnnotationChanges(a), s.Changes(a)
	if err := s.Annotate(ctx, a, store.AccountAnnotations, []store.Annotation{{Name: "/private/x", Value: []byte("1")}}); err != nil {
		t.Fatal(err)
	}
	if s.AnnotationChanges(a) == before || s.Changes(a) == mail || woken != 1 {
		t.Errorf("woken %d times", woken)
	}
	before = s.AnnotationChanges(a)
	if err := s.Annotate(ctx, a, store.AccountAnnotations, []store.Annotation{{Name: "no name"}}); store.KindOf(err) != store.KindInvalid {
		t.Error(err)
	}
	if s.AnnotationChanges(a) != before || woken != 1 {
		t.Error("a change that failed counts")
	}
	inbox, err := s.MailboxByName(ctx, a, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Annotate(ctx, a, inbox.ID, []store.Annotation{{Name: "/shared/y", Value: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	got := ""
	err = s.AllAnnotations(ctx, a, func(id store.MailboxID, one store.Annotation) error {
		got += fmt.Sprintf("%v %s=%s;", id == inbox.ID, one.Name, one.Value)
		return nil
	})
	if err != nil || got != "false /private/x=1;true /shared/y=2;" {
		t.Errorf("%s, %v", got, err)
	}
}
