package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestRightsAreLetters(t *testing.T) {
	for _, c := range []struct{ letters, want, compatible, level string }{
		{"", "", "", ""},
		{"lrs", "lrs", "lrs", "read"},
		{"srl", "lrs", "lrs", "read"},
		{"p", "p", "p", "post"},
		{"c", "kx", "kxc", ""},
		{"d", "te", "ted", ""},
		{"t", "t", "td", ""},
		{"lrswipkte", "lrswipkte", "lrswiptecd", "write"},
		{"lrswipcda", "lrswipkxtea", "lrswipkxteacd", "owner"},
	} {
		r, err := store.ParseRights(c.letters)
		sorted := func(s string) string { b := []byte(s); slices.Sort(b); return string(b) }
		if err != nil || r.String() != c.want || r.Level() != c.level {
			t.Errorf("ParseRights(%q) = %q, %q, %v; want %q, %q", c.letters, r, r.Level(), err, c.want, c.level)
		}
		if c.letters != "lrswipkte" && sorted(r.Compatible()) != sorted(c.compatible) {
			t.Errorf("%q is %q to an old client, want %q", c.letters, r.Compatible(), c.compatible)
		}
	}
	for _, letters := range []string{"L", "q", "0", "lr s", "lré"} {
		_, err := store.ParseRights(letters)
		wantKind(t, letters, err, store.KindInvalid)
	}
	for name, want := range map[string]string{"read": "lrs", "write": "lrswipkte", "post": "p", "owner": "lrswipkxtea", "lr": "lr"} {
		if r, err := store.ParseLevel(name); err != nil || r.String() != want {
			t.Errorf("ParseLevel(%q) = %q, %v; want %q", name, r, err, want)
		}
	}
}

func rights(letters string) store.Rights {
	r, err := store.ParseRights(letters)
	if err != nil {
		panic(err)
	}
	return r
}

// office is a store with a domain of people, and one of others.
type office struct {
	*store.Store
	t                        testing.TB
	anna, bjorn, cecilia, ed store.AccountID // ed@other.test
	work                     store.Mailbox   // of anna
}

func newOffice(t testing.TB) *office {
	s, _ := newOfficeWithRecords(t)
	return s
}

func newOfficeWithRecords(t testing.TB) (*office, kv.DB) {
	t.Helper()
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	o := &office{Store: s, t: t}
	o.anna = storetest.Account(t, s, "anna@demo.test").ID
	o.bjorn = storetest.Account(t, s, "bjorn@demo.test").ID
	o.cecilia = storetest.Account(t, s, "cecilia@demo.test").ID
	o.ed = storetest.Account(t, s, "ed@other.test").ID
	o.work = must[store.Mailbox](t)(s.CreateMailbox(t.Context(), o.anna, "Work", store.RoleNone))
	return o, records
}

// share gives letters on a mailbox of anna's.
func (o *office) share(m store.MailboxID, identifier, letters string) {
	o.t.Helper()
	form, err := o.Identifier(o.t.Context(), o.anna, identifier)
	if err != nil {
		o.t.Fatal(err)
	}
	if _, _, err := o.SetGrant(o.t.Context(), o.anna, m, form, func(store.Rights) store.Rights { return rights(letters) }); err != nil {
		o.t.Fatal(err)
	}
}

// wantRights checks what an account may do, and that its list of shared mailboxes agrees.
func (o *office) wantRights(m store.Mailbox, who store.AccountID, letters string) {
	o.t.Helper()
	ctx := context.Background()
	r, err := o.RightsOf(ctx, o.anna, m.ID, who)
	if err != nil || r != rights(letters) {
		o.t.Errorf("account %d has %q on %s (%v), want %q", who, r, m.Name, err, letters)
	}
	list, err := o.SharedWith(ctx, who)
	if err != nil {
		o.t.Fatal(err)
	}
	listed := store.Rights(0)
	for _, s := range list {
		if s.Owner.ID == o.anna && s.Mailbox.ID == m.ID {
			listed = s.Rights
		}
	}
	if listed != rights(letters) {
		o.t.Errorf("account %d finds %s with %q, want %q", who, m.Name, listed, letters)
	}
}

func TestSharing(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	o.wantRights(o.work, o.bjorn, "")
	o.share(o.work.ID, "Bjorn", "lrs") // a name without a domain is one of the owner's
	o.wantRights(o.work, o.bjorn, "lrs")
	o.wantRights(o.work, o.cecilia, "")
	o.share(o.work.ID, "anyone", "l")
	o.wantRights(o.work, o.cecilia, "l")
	o.wantRights(o.work, o.ed, "") // of another domain
	o.share(o.work.ID, "bjorn@demo.test", "w")
	o.wantRights(o.work, o.bjorn, "lw")
	o.share(o.work.ID, "-bjorn", "l") // whatever else gives it
	o.wantRights(o.work, o.bjorn, "w")
	verify(t, o.Store, ctx)
	own, err := o.RightsOf(ctx, o.anna, o.work.ID, o.anna)
	if err != nil || own != store.AllRights {
		t.Errorf("the owner has %q, %v", own, err)
	}
	list := must[[]store.Grant](t)(o.Grants(ctx, o.anna, o.work.ID))
	if got := fmt.Sprint(list); got != "[{-bjorn@demo.test l} {anyone l} {bjorn@demo.test w}]" {
		t.Errorf("list %s", got)
	}
	for _, who := range []string{"anyone", "bjorn", "-bjorn"} {
		o.share(o.work.ID, who, "")
	}
	o.wantRights(o.work, o.bjorn, "")
	o.wantRights(o.work, o.cecilia, "")
	if sharers, err := o.Sharers(ctx, o.bjorn); err != nil || len(sharers) > 0 {
		t.Errorf("%v are said to share something, %v", sharers, err)
	}
	verify(t, o.Store, ctx)
}

func TestIdentifiers(t *testing.T) {
	o := newOffice(t)
	for text, kind := range map[string]store.Kind{
		"nobody": store.KindNotFound, "ed@other.test": store.KindNotFound, "x@unknown.test": store.KindNotFound,
		"anna": store.KindInvalid, "": store.KindInvalid, "-": store.KindInvalid, "a b@c": store.KindInvalid,
	} {
		_, err := o.Identifier(t.Context(), o.anna, text)
		wantKind(t, text, err, kind)
	}
	_, _, err := o.SetGrant(t.Context(), o.anna, o.work.ID, "nobody@demo.test", func(store.Rights) store.Rights { return store.AllRights })
	wantKind(t, "grant to nobody", err, store.KindNotFound)
	_, _, err = o.SetGrant(t.Context(), o.anna, 99, "bjorn@demo.test", func(store.Rights) store.Rights { return store.AllRights })
	wantKind(t, "no mailbox", err, store.KindNotFound)
}

// TestSharingWithAGroup shares with an alias: who is behind it can read.
func TestSharingWithAGroup(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	for _, a := range []store.Alias{
		{Address: "sales@demo.test", Targets: []string{"bjorn@demo.test"}},
		{Address: "team@demo.test", Targets: []string{"sales@demo.test", "ed@other.test"}},
	} {
		if err := o.CreateAlias(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	o.share(o.work.ID, "team", "lr")
	o.wantRights(o.work, o.bjorn, "lr")
	o.wantRights(o.work, o.cecilia, "")
	o.wantRights(o.work, o.ed, "") // behind the alias, but of another domain
	verify(t, o.Store, ctx)
	if err := o.DeleteAlias(ctx, "sales@demo.test"); err != nil {
		t.Fatal(err)
	}
	o.wantRights(o.work, o.bjorn, "")
	if err := o.DeleteAlias(ctx, "team@demo.test"); err != nil {
		t.Fatal(err)
	}
	if err := o.CreateAlias(ctx, store.Alias{Address: "team@demo.test", Targets: []string{"cecilia@demo.test"}}); err != nil {
		t.Fatal(err)
	}
	o.wantRights(o.work, o.cecilia, "") // another group of the same name
	verify(t, o.Store, ctx)
}

// TestNoGhosts deletes accounts and mailboxes: nothing of what was shared stays.
func TestNoGhosts(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	o.share(o.work.ID, "bjorn", "lrs")
	o.share(o.work.ID, "-cecilia", "lrs")
	o.share(store.InboxID, "bjorn", "lr")
	if err := o.DeleteAccount(ctx, o.bjorn); err != nil {
		t.Fatal(err)
	}
	verify(t, o.Store, ctx)
	again := storetest.Account(t, o.Store, "bjorn@demo.test").ID
	o.wantRights(o.work, again, "") // another person with the same address
	o.share(o.work.ID, "bjorn", "lr")
	o.share(o.work.ID, "anyone", "l")
	if err := o.RenameMailbox(ctx, o.anna, "Work", "Done"); err != nil {
		t.Fatal(err)
	}
	o.work.Name = "Done"
	o.wantRights(o.work, again, "lr")
	if err := o.DeleteMailbox(ctx, o.anna, "Done"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []store.AccountID{again, o.cecilia} {
		if list, err := o.SharedWith(ctx, who); err != nil || len(list) > 0 {
			t.Errorf("account %d still finds %v, %v", who, list, err)
		}
		if sharers, err := o.Sharers(ctx, who); err != nil || len(sharers) > 0 {
			t.Errorf("%v are said to share with %d, %v", sharers, who, err)
		}
	}
	verify(t, o.Store, ctx)
	o.share(store.InboxID, "bjorn", "lr")
	if err := o.DeleteAccount(ctx, o.anna); err != nil {
		t.Fatal(err)
	}
	if list, err := o.SharedWith(ctx, again); err != nil || len(list) > 0 {
		t.Errorf("the mailboxes of a deleted account: %v, %v", list, err)
	}
	_, err := o.RightsOf(ctx, o.anna, store.InboxID, again)
	wantKind(t, "rights on a deleted account's mailbox", err, store.KindNotFound)
	verify(t, o.Store, ctx)
}

func TestNewMailboxesInheritRights(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	o.share(o.work.ID, "bjorn", "lrk")
	m := must[store.Mailbox](t)(o.CreateMailbox(ctx, o.anna, "Work/A/B", store.RoleNone))
	o.wantRights(m, o.bjorn, "lrk")
	o.share(m.ID, "bjorn", "l")
	o.wantRights(m, o.bjorn, "l")
	o.wantRights(o.work, o.bjorn, "lrk")
	plain := must[store.Mailbox](t)(o.CreateMailbox(ctx, o.anna, "Other", store.RoleNone))
	o.wantRights(plain, o.bjorn, "")
	for _, name := range []string{"Other Users", "Other Users/bjorn/INBOX", "other users/x"} {
		_, err := o.CreateMailbox(ctx, o.anna, name, store.RoleNone)
		wantKind(t, name, err, store.KindInvalid)
		wantKind(t, "rename to "+name, o.RenameMailbox(ctx, o.anna, "Other", name), store.KindInvalid)
	}
	verify(t, o.Store, ctx)
}

func TestSharingIsBounded(t *testing.T) {
	o := newOffice(t)
	for i := range store.MaxGrants {
		storetest.Account(t, o.Store, fmt.Sprintf("p%d@demo.test", i))
		o.share(o.work.ID, fmt.Sprintf("p%d", i), "l")
	}
	_, _, err := o.SetGrant(t.Context(), o.anna, o.work.ID, "bjorn@demo.test", func(store.Rights) store.Rights { return store.AllRights })
	wantKind(t, "one more", err, store.KindLimit)
	o.wantRights(o.work, o.bjorn, "")
	o.share(o.work.ID, "p0", "lr") // what is there can be changed
	verify(t, o.Store, t.Context())
}

// TestVerifyFindsDamagedShares takes away or spoils what belongs together.
func TestVerifyFindsDamagedShares(t *testing.T) {
	for _, c := range []struct {
		name    string
		account func(o *office) store.AccountID
		table   byte
		remove  bool
	}{
		{"hint gone", func(*office) store.AccountID { return 0 }, 'H', true},
		{"grant spoiled", func(o *office) store.AccountID { return o.anna }, 'g', false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, records := newOfficeWithRecords(t)
			o.share(o.work.ID, "bjorn", "lrs")
			o.share(o.work.ID, "cecilia", "lrs")
			verify(t, o.Store, t.Context())
			spoil(t, records, kv.Account(c.account(o)), c.table, c.remove)
			if r, err := o.Verify(t.Context(), store.VerifyOptions{}); err != nil || r.Found == 0 {
				t.Errorf("the damage was not found: %+v, %v", r, err)
			}
		})
	}
}

func TestPostTarget(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	m := must[store.Mailbox](t)(o.CreateMailbox(ctx, o.anna, "Work/Lång väg", store.RoleNone))
	o.share(m.ID, "bjorn", "p")
	for _, c := range []struct {
		detail string
		sender store.AccountID
		ok     bool
	}{
		{"work/lång_väg", o.bjorn, true},
		{"WORK/LÅNG_VÄG", o.bjorn, true},
		{"work/lång_väg", o.anna, true}, // the owner
		{"work/lång_väg", o.cecilia, false},
		{"work/lång_väg", o.ed, false},
		{"work", o.bjorn, false},
		{"", o.bjorn, false},
	} {
		if got, ok, err := o.PostTarget(ctx, o.anna, c.detail, c.sender); err != nil || ok != c.ok || ok && got.ID != m.ID {
			t.Errorf("PostTarget(%q, %d) = %q, %v, %v; want %v", c.detail, c.sender, got.Name, ok, err, c.ok)
		}
	}
}

// TestWatchersHearOfShares: who is told of changes hears when something is shared or is no more.
func TestWatchersHearOfShares(t *testing.T) {
	o := newOffice(t)
	if err := o.CreateAlias(t.Context(), store.Alias{Address: "team@demo.test", Targets: []string{"bjorn@demo.test"}}); err != nil {
		t.Fatal(err)
	}
	for _, identifier := range []string{"bjorn", "anyone", "team"} {
		for _, letters := range []string{"lr", ""} {
			woken := make(chan struct{}, 10)
			cancel := o.Watch(o.bjorn, func() { woken <- struct{}{} })
			o.share(o.work.ID, identifier, letters)
			select {
			case <-woken:
			default:
				t.Errorf("%s %q: nobody was told", identifier, letters)
			}
			cancel()
		}
	}
}

// TestMembersHear: who comes into a group that something is shared with, or leaves it, is told at once, also if the group is part of another.
func TestMembersHear(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	part := store.Alias{Address: "part@demo.test", Targets: []string{"bjorn@demo.test"}}
	expect := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect(o.CreateAlias(ctx, part))
	expect(o.CreateAlias(ctx, store.Alias{Address: "team@demo.test", Targets: []string{"part@demo.test"}}))
	o.share(o.work.ID, "team", "lr")
	woken := make(chan struct{}, 10)
	defer o.Watch(o.bjorn, func() { woken <- struct{}{} })()
	for _, change := range []func() error{
		func() error { return o.DeleteAlias(ctx, "part@demo.test") }, func() error { return o.CreateAlias(ctx, part) },
	} {
		before := must[store.Rights](t)(o.RightsOf(ctx, o.anna, o.work.ID, o.bjorn))
		expect(change())
		select {
		case <-woken:
		default:
			t.Errorf("who had %q is not told", before)
		}
		if now := must[store.Rights](t)(o.RightsOf(ctx, o.anna, o.work.ID, o.bjorn)); now == before {
			t.Errorf("the rights are %q as before", now)
		}
	}
}

// TestRightsModel gives and takes at random and compares with a model.
func TestRightsModel(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	if err := o.CreateAlias(ctx, store.Alias{Address: "team@demo.test", Targets: []string{"bjorn@demo.test", "cecilia@demo.test"}}); err != nil {
		t.Fatal(err)
	}
	standsFor := map[string][]store.AccountID{
		"bjorn@demo.test": {o.bjorn}, "cecilia@demo.test": {o.cecilia},
		"team@demo.test": {o.bjorn, o.cecilia}, "anyone": {o.bjorn, o.cecilia},
	}
	mailboxes := []store.Mailbox{o.work, must[store.Mailbox](t)(o.Mailbox(ctx, o.anna, store.InboxID))}
	model := map[store.MailboxID]map[string]store.Rights{o.work.ID: {}, store.InboxID: {}}
	rapid.Check(t, func(rt *rapid.T) {
		m := rapid.SampledFrom(mailboxes).Draw(rt, "mailbox")
		name := rapid.SampledFrom([]string{"bjorn@demo.test", "cecilia@demo.test", "team@demo.test", "anyone"}).Draw(rt, "who")
		name = rapid.SampledFrom([]string{"", "-"}).Draw(rt, "sign") + name
		r := store.Rights(rapid.Uint16().Draw(rt, "rights")) & store.AllRights
		if rapid.Bool().Draw(rt, "nothing") {
			r = 0
		}
		if _, _, err := o.SetGrant(ctx, o.anna, m.ID, name, func(store.Rights) store.Rights { return r }); err != nil {
			rt.Fatal(err)
		}
		model[m.ID][name] = r
		for _, m := range mailboxes {
			for _, who := range []store.AccountID{o.bjorn, o.cecilia, o.ed} {
				want := store.Rights(0)
				for _, sign := range []string{"", "-"} {
					for name, list := range standsFor {
						if r := model[m.ID][sign+name]; slices.Contains(list, who) {
							if want |= r; sign == "-" {
								want &^= r
							}
						}
					}
				}
				o.wantRights(m, who, want.String())
			}
		}
	})
	verify(t, o.Store, ctx)
}

func TestCopiesAcrossAccounts(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	for i := range 5 {
		e := storetest.Email(t, o.Store, storetest.Text(i))
		e.Flags, e.Keywords = store.FlagSeen.With(store.FlagDeleted), []string{"$Work"}
		must[store.Appended](t)(o.Append(ctx, o.anna, o.work.ID, []store.NewEmail{e}))
	}
	c := store.Copying{
		From: store.Place{Account: o.anna, Mailbox: o.work.ID}, To: store.Place{Account: o.bjorn, Mailbox: store.InboxID},
		Set: uid.Of(2, 3, 9), Lose: store.FlagDeleted,
	}
	done := must[store.Copied](t)(o.CopyBetween(ctx, c))
	if fmt.Sprint(done.From, done.To) != "[2 3] [1 2]" {
		t.Errorf("copied %v to %v", done.From, done.To)
	}
	keywords := must[*store.Keywords](t)(o.Keywords(ctx, o.bjorn))
	err := o.Messages(ctx, o.bjorn, store.InboxID, uid.All(), func(m *store.Message) error {
		work, _ := keywords.Lookup("$work")
		if m.Flags != store.FlagSeen.With(work) {
			t.Errorf("UID %d has the flags %v", m.UID, m.Flags)
		}
		body, err := o.ReadBody(ctx, nil, &m.Email, 0, m.Size)
		if want := storetest.Text(int(m.UID)); string(body) != want || string(m.Email.Summary.Subject()) != fmt.Sprintf("Letter %d", m.UID) {
			t.Errorf("UID %d is %q", m.UID, body)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Set, c.Lose = uid.All(), store.Flags{}
	moved := must[store.Copied](t)(o.MoveBetween(ctx, c))
	if fmt.Sprint(moved.From, moved.To) != "[1 2 3 4 5] [3 4 5 6 7]" {
		t.Errorf("moved %v to %v", moved.From, moved.To)
	}
	if m := must[store.Mailbox](t)(o.Mailbox(ctx, o.anna, o.work.ID)); m.Messages != 0 {
		t.Errorf("%d messages are left", m.Messages)
	}
	verify(t, o.Store, ctx)
}

// TestCopyAcrossIsAllOrNone fills the other account's quota in the midst of a copy of many steps.
func TestCopyAcrossIsAllOrNone(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	e := storetest.Email(t, o.Store, storetest.Text(1))
	many := slices.Repeat([]store.NewEmail{e}, 1200)
	must[store.Appended](t)(o.Append(ctx, o.anna, o.work.ID, many))
	_, err := o.UpdateAccount(ctx, o.bjorn, func(a *store.Account) error { a.Quota = 1100 * e.Summary.Size; return nil })
	if err != nil {
		t.Fatal(err)
	}
	c := store.Copying{
		From: store.Place{Account: o.anna, Mailbox: o.work.ID}, To: store.Place{Account: o.bjorn, Mailbox: store.InboxID}, Set: uid.All(),
	}
	_, err = o.CopyBetween(ctx, c)
	wantKind(t, "copy beyond the quota", err, store.KindOverQuota)
	if m := must[store.Mailbox](t)(o.Mailbox(ctx, o.bjorn, store.InboxID)); m.Messages != 0 {
		t.Errorf("%d messages of a copy that failed are there", m.Messages)
	}
	done, err := o.MoveBetween(ctx, c)
	wantKind(t, "move beyond the quota", err, store.KindOverQuota)
	from := must[store.Mailbox](t)(o.Mailbox(ctx, o.anna, o.work.ID))
	to := must[store.Mailbox](t)(o.Mailbox(ctx, o.bjorn, store.InboxID))
	if len(done.To) != 1100 || to.Messages != 1100 || from.Messages != 100 {
		t.Errorf("%d moved, %d there, %d left", len(done.To), to.Messages, from.Messages)
	}
	verify(t, o.Store, ctx)
}

// TestTwoMoveTheSame: of two that move the same messages to different accounts, one gets each.
func TestTwoMoveTheSame(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	const messages = 700
	must[store.Appended](t)(o.Append(ctx, o.anna, o.work.ID, slices.Repeat([]store.NewEmail{storetest.Email(t, o.Store, storetest.Text(1))}, messages)))
	var wg sync.WaitGroup
	moved := make([]int, 2)
	for i, to := range []store.AccountID{o.bjorn, o.cecilia} {
		wg.Go(func() {
			done, err := o.MoveBetween(ctx, store.Copying{
				From: store.Place{Account: o.anna, Mailbox: o.work.ID}, To: store.Place{Account: to, Mailbox: store.InboxID}, Set: uid.All(),
			})
			if err != nil {
				t.Error(err)
			}
			moved[i] = len(done.To)
		})
	}
	wg.Wait()
	total := uint32(0)
	for _, a := range []store.AccountID{o.bjorn, o.cecilia} {
		total += must[store.Mailbox](t)(o.Mailbox(ctx, a, store.InboxID)).Messages
	}
	if moved[0]+moved[1] != messages || total != messages {
		t.Errorf("%d and %d moved, %d there, want %d", moved[0], moved[1], total, messages)
	}
	verify(t, o.Store, ctx)
}

func TestReplaceAcrossAccounts(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	must[store.Appended](t)(o.Append(ctx, o.anna, o.work.ID, []store.NewEmail{storetest.Email(t, o.Store, storetest.Text(1))}))
	from, to := store.Place{Account: o.anna, Mailbox: o.work.ID}, store.Place{Account: o.bjorn, Mailbox: store.InboxID}
	for i, want := range []int{1, 0} { // the second time it is gone
		done, err := o.ReplaceBetween(ctx, from, 1, to, storetest.Email(t, o.Store, storetest.Text(2+i)))
		if err != nil || len(done.UIDs) != want {
			t.Errorf("replaced %v, %v; want %d", done.UIDs, err, want)
		}
	}
	if m := must[store.Mailbox](t)(o.Mailbox(ctx, o.bjorn, store.InboxID)); m.Messages != 1 {
		t.Errorf("%d messages", m.Messages)
	}
	verify(t, o.Store, ctx)
}

func TestFixedFlags(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	e := storetest.Email(t, o.Store, storetest.Text(1))
	e.Flags, e.Keywords = store.FlagSeen.With(store.FlagDeleted).With(store.FlagFlagged), []string{"$Old"}
	must[store.Appended](t)(o.Append(ctx, o.anna, o.work.ID, []store.NewEmail{e}))
	k := must[*store.Keywords](t)(o.Keywords(ctx, o.anna))
	for _, c := range []struct {
		rights string
		change store.FlagChange
		want   string
	}{
		{"w", store.FlagChange{Op: store.FlagsReplace, System: store.FlagAnswered}, "SD A"},
		{"s", store.FlagChange{Op: store.FlagsReplace}, "D A"},
		{"t", store.FlagChange{Op: store.FlagsRemove, System: store.SystemFlags}, " A"},
		{"", store.FlagChange{Op: store.FlagsAdd, System: store.SystemFlags}, " A"},
		{"swt", store.FlagChange{Op: store.FlagsReplace, System: store.FlagSeen}, "S"},
	} {
		c.change.Fixed = rights(c.rights).Fixed()
		must[store.Stored](t)(o.StoreFlags(ctx, o.anna, o.work.ID, uid.All(), c.change, nil))
		got := ""
		err := o.Placements(ctx, o.anna, o.work.ID, uid.All(), func(p *store.Placement) error {
			for _, f := range []struct {
				flag store.Flags
				name string
			}{{store.FlagSeen, "S"}, {store.FlagDeleted, "D"}, {store.FlagAnswered, " A"}, {store.FlagFlagged, " F"}} {
				if p.Flags.Has(f.flag) {
					got += f.name
				}
			}
			got += strings.Join(k.Names(p.Flags), ",")
			return nil
		})
		if err != nil || got != c.want {
			t.Errorf("with %q: %q, %v; want %q", c.rights, got, err, c.want)
		}
	}
}

// TestSharingAtOnce gives, takes, makes and deletes from all sides at the same time. Nothing is left
// that belongs to nobody, and who has nothing finds nothing.
func TestSharingAtOnce(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	expected := func(err error) {
		switch store.KindOf(err) {
		case store.KindNotFound, store.KindExists, store.KindInvalid:
		default:
			if err != nil {
				t.Error(err)
			}
		}
	}
	var wg sync.WaitGroup
	every := func(fn func(i int)) {
		wg.Go(func() {
			for i := range 25 {
				fn(i)
			}
		})
	}
	give := func(name, who, letters string) {
		m, err := o.MailboxByName(ctx, o.anna, name)
		if err == nil {
			_, _, err = o.SetGrant(ctx, o.anna, m.ID, who, func(store.Rights) store.Rights { return rights(letters) })
		}
		expected(err)
	}
	letters := []string{"lr", "", "lrk", "p"}
	every(func(i int) { give("Work", "cecilia@demo.test", letters[i%4]) })
	every(func(i int) { give("Work/A", "team@demo.test", letters[i%3]) })
	every(func(i int) { give("INBOX", "anyone", letters[i%2]) })
	every(func(i int) { give("Work", "dora@demo.test", letters[i%2]) })
	every(func(i int) {
		_, err := o.CreateMailbox(ctx, o.anna, fmt.Sprintf("Work/A/%d", i%3), store.RoleNone)
		expected(err)
		expected(o.DeleteMailbox(ctx, o.anna, []string{"Work/A/0", "Work/A", "Work/A/1", "Work"}[i%4]))
	})
	every(func(i int) {
		expected(o.CreateAlias(ctx, store.Alias{Address: "team@demo.test", Targets: []string{"bjorn@demo.test"}}))
		expected(o.DeleteAlias(ctx, "team@demo.test"))
	})
	every(func(i int) {
		a, err := o.CreateAccount(ctx, store.Account{Address: "dora@demo.test"})
		expected(err)
		if list, err := o.SharedWith(ctx, a.ID); err != nil {
			t.Error(err)
		} else if len(list) > 8 {
			t.Errorf("dora finds %d mailboxes", len(list))
		}
		expected(o.DeleteAccount(ctx, a.ID))
	})
	every(func(i int) {
		for _, who := range []store.AccountID{o.bjorn, o.cecilia, o.ed} {
			list, err := o.SharedWith(ctx, who)
			if err != nil {
				t.Error(err)
			}
			if who == o.ed && len(list) > 0 {
				t.Errorf("another domain finds %v", list)
			}
		}
	})
	wg.Wait()
	verify(t, o.Store, ctx)
}

// TestSharedNames holds that every owner can stand in a name, and is read from it.
func TestSharedNames(t *testing.T) {
	for address, want := range map[string]string{
		"anna@demo.test":       "Other Users/anna/Work/A",
		"o/leary%@demo.test":   "Other Users/o=2Fleary=25/Work/A",
		"a=b*@demo.test":       "Other Users/a=3Db=2A/Work/A",
		`"a b"@demo.test`:      "Other Users/a b/Work/A",
		"räksmörgås@demo.test": "Other Users/räksmörgås/Work/A",
	} {
		if got := store.SharedName(&store.Account{Address: address}, "Work/A"); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		local := rapid.StringMatching("[a-zA-Z0-9!#$%&'*+/=?^_`{|}~åäö-]{1,20}").Draw(rt, "local part")
		name := store.SharedName(&store.Account{Address: local + "@demo.test"}, "Work")
		if back, mailbox, ok := store.ParseSharedName(name); !ok || back != local || mailbox != "Work" {
			rt.Errorf("%q becomes %q becomes %q", local, name, back)
		}
		if strings.ContainsAny(name, "%*") || strings.Count(name, "/") != 2 {
			rt.Errorf("%q is no name", name)
		}
	})
	for _, name := range []string{"", "Other Users", "Other Users/", "Other Users/a", "Other Users//x", "Other Users/=/x", "Other Users/=2/x",
		"Other Users/a=2/x", "Other Users/=zz/x", "Other Users/=+1/x", "Others/a/x"} {
		if local, _, ok := store.ParseSharedName(name); ok {
			t.Errorf("%q is read as %q", name, local)
		}
	}
}
