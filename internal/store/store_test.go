package store_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func must[T any](t interface{ Fatal(...any) }) func(v T, err error) T {
	return func(v T, err error) T {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantKind(t *testing.T, what string, err error, kind store.Kind) {
	t.Helper()
	if err == nil || store.KindOf(err) != kind {
		t.Errorf("%s: %v, want kind %q", what, err, kind)
	}
}

// verify fails the test for anything that does not agree.
func verify(t interface {
	Fatalf(string, ...any)
}, s *store.Store, ctx context.Context) {
	r, err := s.Verify(ctx, store.VerifyOptions{Bodies: true})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if r.Found > 0 {
		t.Fatalf("verify found %d problems: %v", r.Found, r.Problems)
	}
}

func TestDirectory(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "Anna@Demo.test")
	bjorn := storetest.Account(t, s, "bjorn@demo.test")
	if anna.Address != "anna@demo.test" || anna.ID == bjorn.ID {
		t.Errorf("accounts %+v, %+v", anna, bjorn)
	}
	_, err := s.CreateAccount(ctx, store.Account{Address: "ANNA@demo.test"})
	wantKind(t, "same address", err, store.KindExists)
	_, err = s.CreateAccount(ctx, store.Account{Address: "x@other.test"})
	wantKind(t, "foreign domain", err, store.KindNotFound)
	_, err = s.CreateAccount(ctx, store.Account{Address: "no address"})
	wantKind(t, "no address", err, store.KindInvalid)
	if err := s.CreateAlias(ctx, store.Alias{Address: "all@demo.test", Targets: []string{"anna@demo.test", "bjorn@demo.test", "anna+x@demo.test"}}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "alias to nobody", s.CreateAlias(ctx, store.Alias{Address: "n@demo.test", Targets: []string{"nobody@demo.test"}}), store.KindNotFound)
	wantKind(t, "alias at an address that is taken", s.CreateAlias(ctx, store.Alias{Address: "all@demo.test", Targets: []string{"anna@demo.test"}}), store.KindExists)

	for _, c := range []struct {
		address string
		want    []store.AccountID
		detail  string
	}{
		{"anna@demo.test", []store.AccountID{anna.ID}, ""},
		{"ANNA@DEMO.TEST", []store.AccountID{anna.ID}, ""},
		{"anna+list@demo.test", []store.AccountID{anna.ID}, "list"},
		{"all@demo.test", []store.AccountID{anna.ID, bjorn.ID}, ""},
		{"postmaster@demo.test", []store.AccountID{anna.ID}, ""},
		{"abuse@demo.test", []store.AccountID{anna.ID}, ""},
	} {
		res, err := s.Resolve(ctx, c.address)
		var got []store.AccountID
		for _, a := range res.Accounts {
			got = append(got, a.ID)
		}
		if err != nil || !slices.Equal(got, c.want) || res.Detail != c.detail || !res.Local {
			t.Errorf("Resolve(%s) = %v %q, %v; want %v %q", c.address, got, res.Detail, err, c.want, c.detail)
		}
	}
	res, err := s.Resolve(ctx, "nobody@demo.test")
	wantKind(t, "nobody", err, store.KindNotFound)
	if !res.Local {
		t.Error("the domain of nobody@demo.test is here")
	}
	if res, err = s.Resolve(ctx, "anna@other.test"); res.Local {
		t.Error("other.test is not here")
	}
	wantKind(t, "foreign", err, store.KindNotFound)

	wantKind(t, "domain with accounts", s.DeleteDomain(ctx, "demo.test"), store.KindInUse)
	if err := s.DeleteAccount(ctx, bjorn.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.AccountByAddress(ctx, "bjorn@demo.test")
	wantKind(t, "deleted account", err, store.KindNotFound)
	again := storetest.Account(t, s, "bjorn@demo.test")
	if again.ID == bjorn.ID {
		t.Error("an account number was given twice")
	}
	verify(t, s, ctx)
}

func TestCredentialsChangeTheVersion(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test")
	if err := s.PutCredential(ctx, a.ID, store.Credential{ID: "1", Hash: "h", Protocols: store.AllProtocols}); err != nil {
		t.Fatal(err)
	}
	b := must[store.Account](t)(s.Account(ctx, a.ID))
	if b.Version <= a.Version {
		t.Errorf("version %d after %d", b.Version, a.Version)
	}
	list := must[[]store.Credential](t)(s.Credentials(ctx, a.ID))
	if len(list) != 1 || list[0].Hash != "h" {
		t.Errorf("credentials %+v", list)
	}
	if err := s.DeleteCredential(ctx, a.ID, "1"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "credential that is gone", s.DeleteCredential(ctx, a.ID, "1"), store.KindNotFound)
}

func names(list []store.Mailbox) (out []string) {
	for _, m := range list {
		out = append(out, m.Name)
	}
	return out
}

func TestMailboxes(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	m := must[store.Mailbox](t)(s.CreateMailbox(ctx, a, "Work/Åre/2026", store.RoleNone))
	list := must[[]store.Mailbox](t)(s.Mailboxes(ctx, a))
	want := []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", "Work", "Work/Åre", "Work/Åre/2026"}
	if got := names(list); !slices.Equal(got, want) {
		t.Errorf("mailboxes %q, want %q", got, want)
	}
	for _, c := range []struct {
		name string
		kind store.Kind
	}{
		{"inbox", store.KindExists}, {"Work", store.KindExists}, {"a//b", store.KindInvalid}, {"a\x01", store.KindInvalid},
		{"a*", store.KindInvalid}, {"/a", store.KindInvalid}, {"", store.KindInvalid}, {strings.Repeat("a", 600), store.KindLimit},
		{strings.Repeat("a/", 30) + "b", store.KindLimit},
	} {
		_, err := s.CreateMailbox(ctx, a, c.name, store.RoleNone)
		wantKind(t, fmt.Sprintf("create %q", c.name), err, c.kind)
	}
	_, err := s.CreateMailbox(ctx, a, "Second Sent", store.RoleSent)
	wantKind(t, "second mailbox with a role", err, store.KindExists)

	if err := s.Subscribe(ctx, a, "Work/Åre", true); err != nil {
		t.Fatal(err)
	}
	if err := s.RenameMailbox(ctx, a, "Work", "Jobb/Gammalt"); err != nil {
		t.Fatal(err)
	}
	got := must[store.Mailbox](t)(s.MailboxByName(ctx, a, "Jobb/Gammalt/Åre/2026"))
	if got.ID != m.ID || got.UIDValidity != m.UIDValidity {
		t.Errorf("renamed mailbox %+v, was %+v", got, m)
	}
	if subs := must[[]string](t)(s.Subscriptions(ctx, a)); !slices.Contains(subs, "Jobb/Gammalt/Åre") || slices.Contains(subs, "Work/Åre") {
		t.Errorf("subscriptions %q", subs)
	}
	wantKind(t, "rename below itself", s.RenameMailbox(ctx, a, "Jobb", "Jobb/x"), store.KindInvalid)
	wantKind(t, "rename to a name that is taken", s.RenameMailbox(ctx, a, "Jobb", "Sent"), store.KindExists)
	wantKind(t, "rename of nothing", s.RenameMailbox(ctx, a, "Nothing", "x"), store.KindNotFound)
	wantKind(t, "delete INBOX", s.DeleteMailbox(ctx, a, "InBox"), store.KindInvalid)

	if err := s.DeleteMailbox(ctx, a, "Jobb/Gammalt/Åre/2026"); err != nil {
		t.Fatal(err)
	}
	again := must[store.Mailbox](t)(s.CreateMailbox(ctx, a, "Jobb/Gammalt/Åre/2026", store.RoleNone))
	if again.UIDValidity <= m.UIDValidity || again.ID == m.ID {
		t.Errorf("a mailbox made again: %+v after %+v", again, m)
	}
	verify(t, s, ctx)
}

func TestRenameInboxMovesItsMessages(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	for i := range 3 {
		must[store.Appended](t)(s.Append(ctx, a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(i))}))
	}
	if err := s.RenameMailbox(ctx, a, "inbox", "Old"); err != nil {
		t.Fatal(err)
	}
	inbox := must[store.Mailbox](t)(s.Mailbox(ctx, a, store.InboxID))
	old := must[store.Mailbox](t)(s.MailboxByName(ctx, a, "Old"))
	if inbox.Messages != 0 || old.Messages != 3 || inbox.UIDNext != 4 {
		t.Errorf("INBOX %+v, Old %+v", inbox, old)
	}
	verify(t, s, ctx)
}

func TestDeliverIsOneBlobAndIdempotent(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	var to []store.DeliverTo
	for i := range 20 {
		a := storetest.Account(t, s, fmt.Sprintf("user%d@demo.test", i))
		to = append(to, store.DeliverTo{Account: a.ID, Role: store.RoleInbox})
	}
	small := must[store.Account](t)(s.CreateAccount(ctx, store.Account{Address: "small@demo.test", Quota: 100}))
	to = append(to, store.DeliverTo{Account: small.ID}, store.DeliverTo{Account: 9999})
	d := store.Delivery{ID: "once", Email: storetest.Email(t, s, storetest.Text(1)), Recipients: to}
	for round := range 2 {
		results := must[[]store.Delivered](t)(s.Deliver(ctx, d))
		for i, r := range results[:20] {
			if r.Err != nil || r.UID != 1 || r.Mailbox != store.InboxID || r.Duplicate != (round == 1) {
				t.Errorf("round %d, recipient %d: %+v", round, i, r)
			}
		}
		wantKind(t, "small account", results[20].Err, store.KindOverQuota)
		wantKind(t, "no account", results[21].Err, store.KindNotFound)
	}
	blobs := 0
	if err := s.Blobs().List(ctx, func(_ blob.Ref, _ int64) error { blobs++; return nil }); err != nil || blobs != 1 {
		t.Errorf("%d blobs for one message, %v", blobs, err)
	}
	verify(t, s, ctx)
}

func TestMarkFullLastsUntilSomethingIsDeleted(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	must[store.Appended](t)(s.Append(ctx, a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(1))}))
	for range 2 {
		if err := s.MarkFull(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	if u := must[store.Usage](t)(s.Usage(ctx, a)); u.FullSince.IsZero() || time.Since(u.FullSince) > time.Minute {
		t.Errorf("full since %s", u.FullSince)
	}
	if _, _, err := s.Expunge(ctx, a, store.InboxID, uid.All(), false); err != nil {
		t.Fatal(err)
	}
	if u := must[store.Usage](t)(s.Usage(ctx, a)); !u.FullSince.IsZero() {
		t.Errorf("full since %s, and there is room", u.FullSince)
	}
	verify(t, s, ctx)
}

func TestThreadsJoinInAnyOrder(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	text := func(id, refs string) string {
		return "Message-ID: <" + id + ">\r\nReferences: " + refs + "\r\n\r\nx\r\n"
	}
	for _, m := range []string{text("c@x", "<a@x> <b@x>"), text("a@x", ""), text("b@x", "<a@x>"), text("z@x", "")} {
		must[store.Appended](t)(s.Append(ctx, a, store.InboxID, []store.NewEmail{storetest.Email(t, s, m)}))
	}
	var threads []store.ThreadID
	err := s.Messages(ctx, a, store.InboxID, uid.All(), func(m *store.Message) error {
		threads = append(threads, m.Email.Thread)
		return nil
	})
	if want := []store.ThreadID{1, 1, 1, 4}; err != nil || !slices.Equal(threads, want) {
		t.Errorf("threads %v, %v; want %v", threads, err, want)
	}
	verify(t, s, ctx)
}

func TestCopiesShareTheEmail(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	archive := must[store.Mailbox](t)(s.MailboxByRole(ctx, a, store.RoleArchive)).ID
	for i := range 3 {
		must[store.Appended](t)(s.Append(ctx, a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(i))}))
	}
	before := must[store.Usage](t)(s.Usage(ctx, a))
	done := must[store.Copied](t)(s.Copy(ctx, a, store.InboxID, uid.Set{{First: 2, Last: 3}}, archive))
	if !slices.Equal(done.From, []uid.UID{2, 3}) || !slices.Equal(done.To, []uid.UID{1, 2}) {
		t.Errorf("copied %+v", done)
	}
	if after := must[store.Usage](t)(s.Usage(ctx, a)); after.Size != before.Size || after.Emails != 3 {
		t.Errorf("usage %+v after %+v", after, before)
	}
	// Into the mailbox itself: the copies are not copied again.
	if done = must[store.Copied](t)(s.Copy(ctx, a, store.InboxID, uid.All(), store.InboxID)); len(done.To) != 3 {
		t.Errorf("copied within: %+v", done)
	}
	if done = must[store.Copied](t)(s.Move(ctx, a, store.InboxID, uid.All(), store.InboxID)); len(done.To) != 6 {
		t.Errorf("moved within: %+v", done)
	}
	gone, _, err := s.Expunge(ctx, a, store.InboxID, uid.All(), false)
	if err != nil || gone.String() != "7:12" {
		t.Errorf("expunged %s, %v", gone, err)
	}
	if after := must[store.Usage](t)(s.Usage(ctx, a)); after.Emails != 2 {
		t.Errorf("usage %+v, two emails are in Archive", after)
	}
	verify(t, s, ctx)
}

func TestChangesAndVanished(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	var at store.ModSeq
	for i := range 6 {
		at = must[store.Appended](t)(s.Append(ctx, a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(i))})).ModSeq
	}
	seen := must[store.Stored](t)(s.StoreFlags(ctx, a, store.InboxID, uid.Of(2, 4), store.FlagChange{System: store.FlagSeen, Keywords: []string{"$Work"}}, nil))
	same := must[store.Stored](t)(s.StoreFlags(ctx, a, store.InboxID, uid.Of(2, 4), store.FlagChange{System: store.FlagSeen, Keywords: []string{"$work"}}, nil))
	if seen.Changed.String() != "2,4" || !same.Changed.Empty() || same.ModSeq != seen.ModSeq {
		t.Errorf("first %+v, again %+v", seen, same)
	}
	late := must[store.Stored](t)(s.StoreFlags(ctx, a, store.InboxID, uid.All(), store.FlagChange{System: store.FlagFlagged}, &at))
	if late.Modified.String() != "2,4" || late.Changed.String() != "1,3,5:6" {
		t.Errorf("UNCHANGEDSINCE %d: %+v", at, late)
	}
	must[store.Stored](t)(s.StoreFlags(ctx, a, store.InboxID, uid.Of(5), store.FlagChange{Op: store.FlagsAdd, System: store.FlagDraft}, nil))
	over := must[store.Stored](t)(s.StoreFlags(ctx, a, store.InboxID, uid.Of(5, 6), store.FlagChange{Op: store.FlagsAdd, System: store.FlagAnswered, Since: late.ModSeq}, nil))
	if over.Changed.String() != "5:6" || over.Over.String() != "5" {
		t.Errorf("over a change of others: %+v", over)
	}
	if _, _, err := s.Expunge(ctx, a, store.InboxID, uid.Of(3, 4), false); err != nil {
		t.Fatal(err)
	}
	var changed []uid.UID
	if err := s.ChangedSince(ctx, a, store.InboxID, at, func(p *store.Placement) error { changed = append(changed, p.UID); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(changed, []uid.UID{1, 2, 5, 6}) {
		t.Errorf("changed since %d: %v", at, changed)
	}
	gone, complete, err := s.VanishedSince(ctx, a, store.InboxID, at)
	if err != nil || !complete || gone.String() != "3:4" {
		t.Errorf("vanished %s, %v, %v", gone, complete, err)
	}
	verify(t, s, ctx)
}

func TestEventsRoundTrip(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	now := time.UnixMicro(time.Now().UnixMicro())
	e := store.Event{Time: now, Trace: store.NewTraceID(now), Account: a, Kind: "message.refused",
		Fields: []store.Field{{Name: "from", Value: "x@y.test"}, {Name: "subject", Value: strings.Repeat("å", 2000)}}}
	e.SetDecision(cause.Wait(cause.LimitAddressHourly, now.Add(time.Hour), cause.Count("limit", 300),
		cause.Size("size", 5), cause.Time("until", now), cause.Span("for", time.Minute), cause.Text("who", "anna")))
	if err := s.RecordEvents(ctx, []store.Event{e, e, {Time: now, Kind: "service.started"}}); err != nil {
		t.Fatal(err)
	}
	var got []store.Event
	if err := s.Events(ctx, a, now.Add(-time.Second), now.Add(time.Second), func(e *store.Event) error { got = append(got, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("%d events, want 2", len(got))
	}
	g := got[0]
	if g.Kind != e.Kind || !g.Time.Equal(now) || g.Trace != e.Trace || g.Field("from") != "x@y.test" ||
		!strings.HasPrefix(g.Field("subject"), "ååå") || fmt.Sprint(g.Params) != fmt.Sprint(e.Params) || !g.Until.Equal(e.Until) {
		t.Errorf("event %+v, want %+v", g, e)
	}
	if err := s.TrimEvents(ctx, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := s.Events(ctx, a, time.Time{}, time.Time{}, func(*store.Event) error { return fmt.Errorf("an event is left") }); err != nil {
		t.Error(err)
	}
}

func TestTraceID(t *testing.T) {
	now := time.Now()
	id := store.NewTraceID(now)
	back, err := store.ParseTraceID(strings.ToUpper(id.String()))
	if err != nil || back != id || len(id.String()) != 20 || !back.Time().Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("%s -> %s, %v, %v", id, back, back.Time(), err)
	}
	if _, err := store.ParseTraceID("short"); err == nil {
		t.Error("a short id was taken")
	}
}

func TestSubmissions(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	n := storetest.Email(t, s, storetest.Text(1))
	sub := store.Submission{ID: store.NewTraceID(time.Now()), Account: a, From: "anna@demo.test", Blob: n.Blob, Size: n.Summary.Size,
		Recipients: []store.SubmissionRecipient{{Address: "x@y.test", State: store.Queued}}}
	results, err := s.Deliver(ctx, store.Delivery{Email: n, Recipients: []store.DeliverTo{{Account: a}}, Sender: a, Submission: &sub})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	got := must[store.Submission](t)(s.UpdateSubmission(ctx, a, sub.ID, func(sub *store.Submission) error {
		sub.Recipients[0].State = store.Relayed
		return nil
	}))
	if !got.Done() || got.Blob != sub.Blob {
		t.Errorf("submission %+v", got)
	}
	verify(t, s, ctx)
	count := 0
	if err := s.AllSubmissions(ctx, func(*store.Submission) error { count++; return nil }); err != nil || count != 1 {
		t.Errorf("%d submissions, %v", count, err)
	}
	if err := s.DeleteSubmission(ctx, a, sub.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Submission(ctx, a, sub.ID)
	wantKind(t, "deleted submission", err, store.KindNotFound)
}

func TestCollectKeepsWhatIsNamed(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	big := bytes.Repeat([]byte("0123456789abcdef"), 32<<10)
	for i := range 40 {
		must[store.Appended](t)(s.Append(ctx, a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(i)+string(big))}))
	}
	if _, _, err := s.Expunge(ctx, a, store.InboxID, uid.Set{{First: 1, Last: 35}}, false); err != nil {
		t.Fatal(err)
	}
	result, err := s.Collect(ctx, store.CollectOptions{})
	if err != nil || result.Deleted == 0 || result.Freed == 0 {
		t.Errorf("collected %+v, %v", result, err)
	}
	verify(t, s, ctx)
}

func TestConcurrentChanges(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				n := storetest.Email(t, s, storetest.Text(100*w+i))
				if _, err := s.Append(ctx, a, store.InboxID, []store.NewEmail{n}); err != nil {
					t.Error(err)
				}
				if _, err := s.StoreFlags(ctx, a, store.InboxID, uid.All(), store.FlagChange{Op: store.FlagOp(i % 2), System: store.FlagSeen}, nil); err != nil {
					t.Error(err)
				}
				if i%5 == 0 {
					if _, _, err := s.Expunge(ctx, a, store.InboxID, uid.Of(uid.UID(3*i+1)), false); err != nil {
						t.Error(err)
					}
				}
				v, err := s.View(ctx, a, store.InboxID)
				if err != nil || v.UIDs.Len() != int(v.Mailbox.Messages) {
					t.Errorf("view %+v, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
	verify(t, s, ctx)
}

// TestModel compares random changes with a model that keeps everything in maps.
func TestModel(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		domain := fmt.Sprintf("d%d.test", run)
		a := storetest.Account(t, s, "anna@"+domain).ID
		boxes := []store.MailboxID{store.InboxID, must[store.Mailbox](t)(s.MailboxByRole(ctx, a, store.RoleArchive)).ID}
		type msg struct {
			flags store.Flags
			email store.EmailID
		}
		model := map[store.MailboxID]map[uid.UID]msg{boxes[0]: {}, boxes[1]: {}}
		next := map[store.MailboxID]uid.UID{boxes[0]: 1, boxes[1]: 1}
		email := store.EmailID(1)
		pick := rapid.SampledFrom(boxes)
		drawSet := func() uid.Set {
			first := rapid.Uint32Range(1, 12).Draw(rt, "first")
			return uid.Set{{First: uid.UID(first), Last: uid.UID(first + rapid.Uint32Range(0, 6).Draw(rt, "more"))}}
		}
		last := store.ModSeq(0)
		rises := func(at store.ModSeq) {
			if at <= last {
				rt.Fatalf("MODSEQ %d after %d", at, last)
			}
			last = at
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			box := pick.Draw(rt, "mailbox")
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				done := must[store.Appended](rt)(s.Append(ctx, a, box, []store.NewEmail{storetest.Email(t, s, storetest.Text(int(email)))}))
				if len(done.UIDs) != 1 || done.UIDs[0] != next[box] {
					rt.Fatalf("appended as %v, want %d", done.UIDs, next[box])
				}
				model[box][next[box]] = msg{email: email}
				next[box]++
				email++
				rises(done.ModSeq)
			case 1:
				set, flag := drawSet(), rapid.SampledFrom([]store.Flags{store.FlagSeen, store.FlagDeleted, store.FlagFlagged}).Draw(rt, "flag")
				op := store.FlagOp(rapid.IntRange(0, 2).Draw(rt, "op"))
				done := must[store.Stored](rt)(s.StoreFlags(ctx, a, box, set, store.FlagChange{Op: op, System: flag}, nil))
				var changed uid.Set
				for u := range set.All() {
					m, ok := model[box][u]
					if !ok {
						continue
					}
					old := m.flags
					m.flags = [...]store.Flags{old.With(flag), old.Without(flag), flag}[op]
					if model[box][u] = m; m.flags != old {
						changed = changed.Add(u)
					}
				}
				if done.Changed.String() != changed.String() {
					rt.Fatalf("changed %s, want %s", done.Changed, changed)
				}
				if !changed.Empty() {
					rises(done.ModSeq)
				}
			case 2:
				set, only := drawSet(), rapid.Bool().Draw(rt, "only deleted")
				gone, at, err := s.Expunge(ctx, a, box, set, only)
				if err != nil {
					rt.Fatal(err)
				}
				var want uid.Set
				for u := range set.All() {
					if m, ok := model[box][u]; ok && (!only || m.flags.Has(store.FlagDeleted)) {
						want = want.Add(u)
						delete(model[box], u)
					}
				}
				if gone.String() != want.String() {
					rt.Fatalf("expunged %s, want %s", gone, want)
				}
				if !gone.Empty() {
					rises(at)
				}
			default:
				to, set := pick.Draw(rt, "to"), drawSet()
				move := rapid.Bool().Draw(rt, "move")
				do := s.Copy
				if move {
					do = func(c context.Context, a store.AccountID, from store.MailboxID, set uid.Set, to store.MailboxID) (store.Copied, error) {
						return s.Move(c, a, from, set, to)
					}
				}
				set = set.Intersect(uid.Set{{First: 1, Last: max(next[box], 2) - 1}})
				done := must[store.Copied](rt)(do(ctx, a, box, set, to))
				i := 0
				for u := range set.All() {
					m, ok := model[box][u]
					if !ok {
						continue
					}
					if i >= len(done.From) || done.From[i] != u || done.To[i] != next[to] {
						rt.Fatalf("copied %+v, want %d as %d", done, u, next[to])
					}
					model[to][next[to]] = m
					next[to]++
					i++
					if move {
						delete(model[box], u)
					}
				}
				if len(done.From) != i {
					rt.Fatalf("copied %d, want %d", len(done.From), i)
				}
				if i > 0 {
					rises(done.ModSeq)
				}
			}
			for _, box := range boxes {
				v := must[*store.View](rt)(s.View(ctx, a, box))
				if v.UIDs.Len() != len(model[box]) || int(v.Mailbox.Messages) != len(model[box]) || v.Mailbox.UIDNext != next[box] {
					rt.Fatalf("view of %d: %+v, want %d messages, UIDNEXT %d", box, v.Mailbox, len(model[box]), next[box])
				}
				err := s.Messages(ctx, a, box, uid.All(), func(m *store.Message) error {
					if want, ok := model[box][m.UID]; !ok || want.flags != m.Flags || want.email != m.Email.ID || want.email != m.Placement.Email {
						return fmt.Errorf("message %+v, want %+v (%v)", m.Placement, want, ok)
					}
					return nil
				})
				if err != nil {
					rt.Fatal(err)
				}
			}
		}
	})
	verify(t, s, ctx)
}
