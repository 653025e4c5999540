package store_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestViewsAreNew holds that a view which was kept is never shown once anything it says is different: a
// store that has looked before answers as one does that looks for the first time.
func TestViewsAreNew(t *testing.T) {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		a := storetest.Account(t, s, fmt.Sprintf("a%d@demo.test", n)).ID
		names := []string{"INBOX", "Sent", "One", "Two", "Two/Three"}
		name := rapid.SampledFrom(names)
		for step := range rapid.IntRange(1, 20).Draw(rt, "steps") {
			changeView(t, rt, s, a, step, name)
			cold := must[*store.Store](rt)(store.Open(t.Context(), store.Options{Records: records, Blobs: s.Blobs()}))
			for _, name := range names {
				if rapid.IntRange(0, 3).Draw(rt, "look") > 0 {
					sameView(rt, s, cold, a, name)
				}
			}
		}
	})
}

// changeView does something that a view can show. It may be refused.
func changeView(t *testing.T, rt *rapid.T, s *store.Store, a store.AccountID, step int, name *rapid.Generator[string]) {
	ctx, one := t.Context(), name.Draw(rt, "mailbox")
	box := store.MailboxID(rapid.IntRange(1, 9).Draw(rt, "id"))
	set := uid.Of(uid.UID(rapid.IntRange(1, 5).Draw(rt, "uid")))
	var err error
	switch rapid.IntRange(0, 7).Draw(rt, "what") {
	case 0, 1:
		e := letter(rt, s, step)
		e.Keywords = []string{fmt.Sprint("k", rapid.IntRange(1, 3).Draw(rt, "keyword"))}
		_, err = s.Append(ctx, a, box, []store.NewEmail{e})
	case 2:
		_, err = s.StoreFlags(ctx, a, box, set, store.FlagChange{System: store.FlagSeen}, nil)
	case 3:
		_, _, err = s.Expunge(ctx, a, box, set, false)
	case 4:
		_, err = s.CreateMailbox(ctx, a, one, store.RoleNone)
	case 5:
		err = s.RenameMailbox(ctx, a, one, name.Draw(rt, "to"))
	case 6:
		err = s.DeleteMailbox(ctx, a, one)
	case 7:
		err = s.Subscribe(ctx, a, one, rapid.Bool().Draw(rt, "on"))
	}
	switch store.KindOf(err) {
	case store.KindNotFound, store.KindExists, store.KindInvalid:
	default:
		mustRapid(rt, err)
	}
}

// sameView compares what two stores say of a mailbox, by its name and by its number.
func sameView(rt *rapid.T, warm, cold *store.Store, a store.AccountID, name string) {
	want, err := cold.ViewByName(rt.Context(), a, name)
	var byID *store.View
	if err == nil { // first, since each look serves the other
		byID = must[*store.View](rt)(warm.View(rt.Context(), a, want.Mailbox.ID))
	}
	byName, other := warm.ViewByName(rt.Context(), a, name)
	if store.KindOf(err) != store.KindOf(other) {
		rt.Fatalf("%s: %v, want %v", name, other, err)
	}
	if err != nil {
		return
	}
	for _, v := range []*store.View{byID, byName} {
		if v.Mailbox != want.Mailbox || v.UIDs.Set().String() != want.UIDs.Set().String() ||
			fmt.Sprint(v.Keywords.All()) != fmt.Sprint(want.Keywords.All()) {
			rt.Fatalf("%s: %+v %s %v, want %+v %s %v", name, v.Mailbox, v.UIDs.Set(), v.Keywords.All(),
				want.Mailbox, want.UIDs.Set(), want.Keywords.All())
		}
	}
}
