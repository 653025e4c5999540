package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func TestScripts(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	ctx := t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	list := func() string {
		var b strings.Builder
		for _, x := range must[[]store.Script](t)(s.Scripts(ctx, a)) {
			fmt.Fprintf(&b, "%s=%s", x.Name, x.Text)
			if x.Active {
				b.WriteString("*")
			}
			b.WriteString(" ")
		}
		return b.String()
	}
	before := s.ScriptChanges(a)
	for _, err := range []error{s.PutScript(ctx, a, "b", "keep;"), s.PutScript(ctx, a, "Ärenden", "stop;"), s.ActivateScript(ctx, a, "b")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := list(); got != "b=keep;* Ärenden=stop; " {
		t.Errorf("scripts are %q", got)
	}
	if s.ScriptChanges(a) == before {
		t.Error("changes are not told")
	}
	if active := must[store.Script](t)(s.ActiveScript(ctx, a)); active.Name != "b" || active.Text != "keep;" || !active.Active {
		t.Errorf("active is %+v", active)
	}
	wantKind(t, "delete the active one", s.DeleteScript(ctx, a, "b"), store.KindInUse)
	wantKind(t, "delete none", s.DeleteScript(ctx, a, "c"), store.KindNotFound)
	wantKind(t, "activate none", s.ActivateScript(ctx, a, "c"), store.KindNotFound)
	wantKind(t, "rename to one that is there", s.RenameScript(ctx, a, "b", "Ärenden"), store.KindExists)
	wantKind(t, "rename none", s.RenameScript(ctx, a, "c", "d"), store.KindNotFound)
	wantKind(t, "a name that is not valid", s.PutScript(ctx, a, "a\nb", ""), store.KindInvalid)
	wantKind(t, "no name", s.PutScript(ctx, a, "", ""), store.KindInvalid)
	wantKind(t, "a long name", s.PutScript(ctx, a, strings.Repeat("x", store.MaxScriptName+1), ""), store.KindLimit)
	wantKind(t, "a large script", s.PutScript(ctx, a, "c", strings.Repeat("x", store.MaxScriptSize+1)), store.KindLimit)
	wantKind(t, "no room", s.RoomForScript(ctx, a, "c", store.MaxScriptSize+1), store.KindLimit)
	wantKind(t, "no account", s.PutScript(ctx, 99, "c", ""), store.KindNotFound)
	if err := s.RenameScript(ctx, a, "b", "c"); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "c=keep;* Ärenden=stop; " {
		t.Errorf("after renaming scripts are %q", got)
	}
	if err := s.ActivateScript(ctx, a, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ActiveScript(ctx, a); store.KindOf(err) != store.KindNotFound {
		t.Errorf("without an active script: %v", err)
	}
	if err := s.DeleteScript(ctx, a, "c"); err != nil {
		t.Fatal(err)
	}
	many := func() (err error) {
		for i := 0; i < store.MaxScripts && err == nil; i++ {
			err = s.PutScript(ctx, a, fmt.Sprint("n", i), "")
		}
		return err
	}
	wantKind(t, "too many", many(), store.KindLimit)
	if r := must[store.VerifyReport](t)(s.Verify(ctx, store.VerifyOptions{})); r.Found != 0 {
		t.Errorf("verify finds %v", r.Problems)
	}
	err := records.Update(ctx, kv.Account(a), func(tx kv.Tx) error { return tx.Set([]byte("v"), []byte("gone")) })
	if err != nil {
		t.Fatal(err)
	}
	if r := must[store.VerifyReport](t)(s.Verify(ctx, store.VerifyOptions{})); r.Found != 1 {
		t.Errorf("verify finds %v where the active script is missing", r.Problems)
	}
}

func TestMemories(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	later, before := s.Now().Add(time.Hour), s.Now().Add(-time.Hour)
	err := s.Remember(ctx, a, []store.Memory{{Key: "x", Until: later, Count: 3}, {Key: "old", Until: before}})
	if err != nil {
		t.Fatal(err)
	}
	if m, ok, err := s.Remembered(ctx, a, "x"); err != nil || !ok || m.Count != 3 {
		t.Errorf("x is %+v, %t, %v", m, ok, err)
	}
	for _, key := range []string{"old", "none"} {
		if _, ok, err := s.Remembered(ctx, a, key); ok || err != nil {
			t.Errorf("%s is remembered: %t, %v", key, ok, err)
		}
	}
	wantKind(t, "a long key", s.Remember(ctx, a, []store.Memory{{Key: strings.Repeat("x", store.MaxMemoryKey+1)}}), store.KindInvalid)
	var many []store.Memory
	for i := range store.MaxMemories {
		many = append(many, store.Memory{Key: fmt.Sprintf("m%d", i), Until: later})
	}
	if err := s.Remember(ctx, a, many); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for i := range many {
		if _, ok, err := s.Remembered(ctx, a, many[i].Key); err != nil {
			t.Fatal(err)
		} else if ok {
			kept++
		}
	}
	if kept < store.MaxMemories/3 || kept >= store.MaxMemories {
		t.Errorf("%d of %d are remembered", kept, store.MaxMemories)
	}
}

// TestDeliverToSeveral places one email in several mailboxes with flags of their own, or nowhere.
func TestDeliverToSeveral(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	work := must[store.Mailbox](t)(s.CreateMailbox(ctx, a, "Work", store.RoleNone))
	email := storetest.Email(t, s, storetest.Text(1))
	results, err := s.Deliver(ctx, store.Delivery{Email: email, Recipients: []store.DeliverTo{{
		Account: a, Role: store.RoleJunk, Flags: store.FlagSeen, Keywords: []string{"$Rule"},
		Also: []store.DeliverPlace{
			{Mailbox: work.ID, Flags: store.FlagFlagged}, {Role: store.RoleJunk}, {Mailbox: 999},
		},
		Remember: []store.Memory{{Key: "k", Until: s.Now().Add(time.Hour)}},
	}}})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	counts := map[string]uint32{}
	for _, m := range must[[]store.Mailbox](t)(s.Mailboxes(ctx, a)) {
		if m.Messages > 0 {
			counts[m.Name] = m.Messages*10 + m.Unseen
		}
	}
	if fmt.Sprint(counts) != "map[INBOX:11 Junk:10 Work:11]" {
		t.Errorf("messages are in %v", counts)
	}
	if _, ok, err := s.Remembered(ctx, a, "k"); !ok || err != nil {
		t.Error("nothing is remembered", err)
	}
	results, err = s.Deliver(ctx, store.Delivery{ID: "x", Email: storetest.Email(t, s, storetest.Text(2)), Recipients: []store.DeliverTo{{Account: a, Nowhere: true}}})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	if m := must[store.Mailbox](t)(s.Mailbox(ctx, a, store.InboxID)); m.Messages != 1 {
		t.Errorf("a message for nowhere came to INBOX: %d", m.Messages)
	}
	if r := must[store.VerifyReport](t)(s.Verify(ctx, store.VerifyOptions{})); r.Found != 0 {
		t.Errorf("verify finds %v", r.Problems)
	}
}
