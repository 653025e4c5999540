package jmapd

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// share gives rights on a mailbox of anna's, or takes them away.
func (w *world) share(m store.MailboxID, with, letters string) {
	w.t.Helper()
	rights, err := store.ParseRights(letters)
	if err == nil {
		_, _, err = w.store.SetGrant(w.t.Context(), w.anna.ID, m, with, func(store.Rights) store.Rights { return rights })
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// guest makes another account, that can sign in.
func (w *world) guest(address string) store.Account {
	a := storetest.Account(w.t, w.store, address)
	w.others.Store(a.Address, a)
	return a
}

// prying are calls by which somebody may try to learn of what is not shared with him.
func prying(states map[string]string) (calls []string) {
	ids := func(kind string) string {
		var all []string
		for n := range 30 {
			all = append(all, fmt.Sprintf(`"%s1-%d","%s%d"`, kind, n, kind, n))
		}
		return strings.Join(all, ",")
	}
	var blobs []string
	for n := range 30 {
		blobs = append(blobs, fmt.Sprintf(`"b%d","b1-%d","b%d-1","u%d","s%d","s%d-1"`, n, n, n, n, n, n))
	}
	calls = append(calls,
		`["Mailbox/get",{"accountId":"a1"},"0"]`, `["Mailbox/get",{"accountId":"a1","ids":[`+ids("F")+`]},"0"]`,
		`["Mailbox/query",{"accountId":"a1","filter":{"name":"n"},"calculateTotal":true},"0"]`, `["Mailbox/query",{"accountId":"a1","sortAsTree":true},"0"]`,
		`["Email/query",{"accountId":"a1","calculateTotal":true},"0"]`, `["Email/get",{"accountId":"a1"},"0"]`,
		`["Email/get",{"accountId":"a1","ids":[`+ids("M")+`],"fetchAllBodyValues":true},"0"]`,
		`["Thread/get",{"accountId":"a1"},"0"]`, `["Thread/get",{"accountId":"a1","ids":[`+ids("T")+`]},"0"]`,
		`["SearchSnippet/get",{"accountId":"a1","filter":{"text":"letter"},"emailIds":[`+ids("M")+`]},"0"]`,
		`["Blob/get",{"accountId":"a1","ids":[`+strings.Join(blobs, ",")+`]},"0"]`,
		`["Blob/lookup",{"accountId":"a1","ids":[`+strings.Join(blobs, ",")+`],"typeNames":["Email","Mailbox","Thread","SieveScript"]},"0"]`,
		`["Email/parse",{"accountId":"a1","blobIds":[`+strings.Join(blobs, ",")+`]},"0"]`,
		fmt.Sprintf(`["Email/changes",{"accountId":"a1","sinceState":%q},"0"]`, states["Email"]),
		fmt.Sprintf(`["Thread/changes",{"accountId":"a1","sinceState":%q},"0"]`, states["Thread"]),
		fmt.Sprintf(`["Mailbox/changes",{"accountId":"a1","sinceState":%q},"0"]`, states["Mailbox"]),
		fmt.Sprintf(`["Mailbox/queryChanges",{"accountId":"a1","sinceQueryState":%q},"0"]`, states["Mailbox"]),
		fmt.Sprintf(`["Email/queryChanges",{"accountId":"a1","sinceQueryState":%q,"calculateTotal":true},"0"]`, states["Email"]),
		// States of the owner's own, of a time before anything was shared.
		`["Email/changes",{"accountId":"a1","sinceState":"1.1"},"0"]`, `["Mailbox/changes",{"accountId":"a1","sinceState":"1.1"},"0"]`,
		`["Email/copy",{"accountId":"a2","fromAccountId":"a1","create":{"k":{"id":"M1-3","mailboxIds":{"F1":true}},"l":{"id":"M1-4","mailboxIds":{"F1":true}},"m":{"id":"M3","mailboxIds":{"F1":true}}}},"0"]`,
		`["Blob/copy",{"accountId":"a2","fromAccountId":"a1","blobIds":["b3","b4","b3-1","s1","u1"]},"0"]`,
		`["Email/import",{"accountId":"a2","emails":{"k":{"blobId":"b3","mailboxIds":{"F1":true}}}},"0"]`,
		`["Email/set",{"accountId":"a1","update":{"M1-3":{"keywords/$seen":true},"M1-4":{"mailboxIds/F1-4":true}},"destroy":["M1-5"]},"0"]`,
		`["Mailbox/set",{"accountId":"a1","update":{"F1-1":{"isSubscribed":true}},"destroy":["F1-5"]},"0"]`,
	)
	for _, filter := range []string{
		`{"text":"secret"}`, `{"inMailbox":"F1-1"}`, `{"inMailbox":"F1"}`, `{"inMailboxOtherThan":["F1-9"]}`, `{"hasKeyword":"$seen"}`, `{"hasKeyword":"private"}`,
		`{"someInThreadHaveKeyword":"$flagged"}`, `{"noneInThreadHaveKeyword":"$flagged"}`, `{"hasAttachment":true}`, `{"header":["X-Secret"]}`, `{"subject":"letter"}`,
	} {
		for _, more := range []string{`,"calculateTotal":true`, `,"limit":5`, `,"collapseThreads":true`} {
			calls = append(calls, fmt.Sprintf(`["Email/query",{"accountId":"a1","filter":%s%s},"0"]`, filter, more))
		}
	}
	for _, method := range []string{"Quota/get", "Identity/get", "EmailSubmission/get", "SieveScript/get", "SieveScript/query", "EmailSubmission/query"} {
		calls = append(calls, fmt.Sprintf(`[%q,{"accountId":"a1"},"0"]`, method))
	}
	return calls
}

// happensElsewhere is what goes on in an account, in mailboxes that are not shared, one after the other.
func happensElsewhere(w *world, private store.MailboxID) []func() error {
	ctx, s, a := w.t.Context(), w.store, w.anna.ID
	return []func() error{
		func() error { return w.deliver(w.anna, store.InboxID, 11, 1) },
		func() error { // in the conversation of a shared email
			e := storetest.Email(w.t, s, "Subject: Re: secret\r\nReferences: <thread.1@demo.test>\r\nMessage-ID: <s@demo.test>\r\nX-Secret: secret\r\n\r\nsecret letter\r\n")
			e.Keywords = []string{"private"}
			_, err := s.Append(ctx, a, private, []store.NewEmail{e})
			return err
		},
		func() error {
			_, err := s.StoreFlags(ctx, a, private, uid.All(), store.FlagChange{System: store.FlagFlagged.With(store.FlagSeen)}, nil)
			return err
		},
		func() error { _, err := s.Move(ctx, a, store.InboxID, uid.All(), private); return err },
		func() error { _, _, err := s.Expunge(ctx, a, private, uid.Of(1), false); return err },
		func() error { _, err := s.CreateMailbox(ctx, a, "Secret plans", store.RoleNone); return err },
		func() error { return s.RenameMailbox(ctx, a, "Secret plans", "Secret") },
		func() error { return s.PutScript(ctx, a, "secret", "keep;") },
		func() error { // an email of the shared mailbox lies elsewhere, too, otherwise flagged
			_, err := s.Copy(ctx, a, sharedBox, uid.Of(1), private)
			if err == nil {
				_, err = s.StoreFlags(ctx, a, private, uid.All(), store.FlagChange{System: store.FlagFlagged.With(store.FlagDeleted)}, nil)
			}
			return err
		},
		func() error { _, _, err := s.Expunge(ctx, a, private, uid.All(), true); return err },
		func() error { w.share(private, "carl@example.org", "lr"); return nil },
		func() error { w.ask("POST", "/jmap/upload/a1/", "text/plain", "secret"); return nil },
	}
}

// sharedBox is the mailbox of anna's that is shared in these tests.
const sharedBox = store.MailboxID(4)

// TestNothingLeaks holds that who may read one mailbox learns nothing of the others: whatever he asks, answers, states included,
// are octet by octet the same before and after something happened there.
func TestNothingLeaks(t *testing.T) {
	w := newWorld(t).wide()
	bjorn := w.guest("bjorn@example.org")
	w.guest("carl@example.org")
	for range 2 {
		if err := w.deliver(w.anna, sharedBox, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.deliver(w.anna, store.InboxID, 2, 3); err != nil {
		t.Fatal(err)
	}
	w.share(sharedBox, bjorn.Address, "lrs")
	states := func() map[string]string {
		n, err := w.server.now(t.Context(), bjorn.ID)
		if err != nil {
			t.Fatal(err)
		}
		return n.states[w.anna.ID]
	}
	first := states()
	look := func() (all []string) {
		for _, call := range prying(first) {
			all = append(all, call+"\n"+string(w.callsAs(bjorn, "["+call+"]")))
		}
		for n := range 30 {
			for _, blob := range []string{"b%d", "b%d-1", "u%d", "s%d", "b1-%d"} {
				answer := w.askAs(bjorn, "GET", "/jmap/download/a1/"+fmt.Sprintf(blob, n)+"/x", "", "")
				all = append(all, fmt.Sprintf(blob, n)+" "+fmt.Sprint(answer.Code)+answer.Body.String())
			}
		}
		for n := range 30 { // what shows messages on the web asks this
			owner, email, err := w.server.Shared(t.Context(), bjorn.ID, fmt.Sprintf("M1-%d", n))
			if err != nil && store.KindOf(err) != store.KindNotFound || err == nil && (owner != w.anna.ID || n != int(email)) {
				t.Error(owner, email, err)
			}
			all = append(all, fmt.Sprint(n, err == nil))
		}
		return append(all, w.askAs(bjorn, "GET", "/jmap/session", "", "").Body.String())
	}
	before := look()
	if text := strings.Join(before, "\n"); !strings.Contains(text, `"M1-1"`) || strings.Count(text, `"a1"`) < len(before)/3 {
		t.Fatal("nothing is shared:", text)
	}
	for i, happens := range happensElsewhere(w, 5) {
		if err := happens(); err != nil {
			t.Fatal(i, err)
		}
		if diff := cmp.Diff(first, states()); diff != "" {
			t.Errorf("after %d states are others: %s", i, diff)
		}
		if diff := cmp.Diff(before, look()); diff != "" {
			t.Fatalf("after %d answers are others: %s", i, diff)
		}
	}
	if strings.Contains(strings.ToLower(strings.Join(look(), "")), `"secret plans"`) {
		t.Error("the name of a mailbox is known")
	}
}

// TestSharedAccounts holds what the Session tells of the accounts of others: they are there as long as something is shared.
func TestSharedAccounts(t *testing.T) {
	w := newWorld(t)
	bjorn := w.guest("bjorn@example.org")
	accounts := func() object {
		return decoded(t, w.askAs(bjorn, "GET", "/jmap/session", "", "").Body.Bytes()).(object)["accounts"].(object)
	}
	for _, one := range []struct {
		with, rights    string
		there, readOnly bool
	}{
		{bjorn.Address, "p", false, false},
		{bjorn.Address, "r", false, false}, // who may not look it up does not see it
		{bjorn.Address, "lr", true, true},
		{bjorn.Address, "lrp", true, true},
		{bjorn.Address, "lrs", true, false},
		{"-" + bjorn.Address, "l", false, false},
		{"-" + bjorn.Address, "s", true, true},
		{bjorn.Address, "", false, false},
		{store.Anyone, "lri", true, false},
		{store.Anyone, "", false, false},
	} {
		w.share(sharedBox, one.with, one.rights)
		a, there := accounts()["a1"].(object)
		if there != one.there {
			t.Errorf("%+v: %v", one, a)
		}
		if !there {
			if answer := w.askAs(bjorn, "GET", "/jmap/download/a1/b1/x", "", ""); answer.Code != http.StatusNotFound {
				t.Errorf("%+v: %d", one, answer.Code)
			}
			continue
		}
		have := slices.Sorted(maps.Keys(a["accountCapabilities"].(object)))
		if a["name"] != w.anna.Address || a["isPersonal"] != false || a["isReadOnly"] != one.readOnly || !slices.Equal(have, []string{capabilityBlob, capabilityCore, capabilityMail}) {
			t.Errorf("%+v: %v", one, a)
		}
	}
}

// TestSharedStates holds that who listens hears of what is shared with him, of what happens there, and of its end.
func TestSharedStates(t *testing.T) {
	w := newWorld(t)
	bjorn := w.guest("bjorn@example.org")
	watched := w.server.watch(bjorn.ID)
	defer watched.end()
	before, err := w.server.now(t.Context(), bjorn.ID)
	if err != nil {
		t.Fatal(err)
	}
	watched.follow(&before)
	for _, one := range []struct {
		what  string
		do    func() error
		types string
	}{
		{"a mailbox is shared", func() error { w.share(sharedBox, bjorn.Address, "lr"); return nil }, "Email EmailDelivery Mailbox Thread"},
		{"mail comes there", func() error { return w.deliver(w.anna, sharedBox, 1, 1) }, "Email EmailDelivery Mailbox Thread"},
		{"mail comes elsewhere", func() error { return w.deliver(w.anna, store.InboxID, 2, 1) }, ""},
		{"it is read", func() error {
			_, err := w.store.StoreFlags(t.Context(), w.anna.ID, sharedBox, uid.All(), store.FlagChange{System: store.FlagSeen}, nil)
			return err
		}, "Email Mailbox Thread"},
		{"the rights are others", func() error { w.share(sharedBox, bjorn.Address, "lrs"); return nil }, "Email Mailbox Thread"},
		{"nothing is shared any more", func() error { w.share(sharedBox, bjorn.Address, ""); return nil }, "Email Mailbox Thread"},
	} {
		if err := one.do(); err != nil {
			t.Fatal(err)
		}
		<-watched.changed
		n, err := w.server.now(t.Context(), bjorn.ID)
		if err != nil {
			t.Fatal(err)
		}
		watched.follow(&n)
		if got := strings.Join(slices.Sorted(maps.Keys(n.other(before.states, pushed)[w.anna.ID])), " "); got != one.types {
			t.Errorf("%s: %q", one.what, got)
		}
		if (n.name() != before.name()) != (one.types != "") {
			t.Errorf("%s: %s, %s", one.what, n.name(), before.name())
		}
		before = n
	}
}

// TestSharedIsTold holds that the journals of both owners say what somebody did in mailboxes of another, and who.
func TestSharedIsTold(t *testing.T) {
	w := newWorld(t)
	bjorn := w.guest("bjorn@example.org")
	for n := range 4 {
		w.put(sharedBox, n, storetest.Text(n), store.Flags{})
	}
	w.share(sharedBox, bjorn.Address, "lrswite")
	w.callsAs(bjorn, `[["Email/copy",{"fromAccountId":"a1","accountId":"a2","create":{"k":{"id":"M1-1","mailboxIds":{"F1":true}}},"onSuccessDestroyOriginal":true},"0"],
		["Email/copy",{"fromAccountId":"a2","accountId":"a1","create":{"k":{"id":"#k","mailboxIds":{"F1-4":true}}},"onSuccessDestroyOriginal":true},"1"],
		["Email/set",{"accountId":"a1","destroy":["M1-2"],"create":{"n":{"mailboxIds":{"F1-4":true},"subject":"Ny"}}},"2"]]`)
	if err := w.desk.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for a, want := range map[store.AccountID][]string{
		w.anna.ID: {"message.moved Archive INBOX (bjorn@example.org) 1 bjorn@example.org", "message.appended  Archive  bjorn@example.org", "message.appended  Archive  bjorn@example.org", "message.expunged  Archive 1 bjorn@example.org"},
		bjorn.ID:  {"message.moved INBOX Other Users/anna/Archive 1 "},
	} {
		var got []string
		err := w.store.Events(t.Context(), a, time.Time{}, time.Time{}, func(e *store.Event) error {
			got = append(got, strings.Join([]string{e.Kind, e.Field("from-mailbox"), e.Field("mailbox"), e.Field("count"), e.Field("by")}, " "))
			return nil
		})
		if slices.Sort(got); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("account %d: %s", a, diff)
		}
	}
}
