package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestFlagSets changes two mailboxes at random and holds the sets of flags, and
// the view, against the placements after some of the changes.
func TestFlagSets(t *testing.T) {
	s, people := storetest.Open(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		people++
		w := &flagWorld{t: t, rt: rt, s: s}
		w.a = storetest.Account(t, w.s, fmt.Sprintf("anna%d@demo.test", people)).ID
		other := must[store.Mailbox](t)(w.s.CreateMailbox(t.Context(), w.a, "Other", store.RoleNone))
		w.boxes = []store.MailboxID{store.InboxID, other.ID}
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			w.step()
			if rapid.Bool().Draw(rt, "look") {
				w.compare(w.box())
			}
		}
		w.compare(w.boxes[0])
		w.compare(w.boxes[1])
	})
}

type flagWorld struct {
	t     *testing.T
	rt    *rapid.T
	s     *store.Store
	a     store.AccountID
	boxes []store.MailboxID
	n     int
}

func (w *flagWorld) box() store.MailboxID { return rapid.SampledFrom(w.boxes).Draw(w.rt, "mailbox") }

// set draws some of the UIDs that a mailbox has or had.
func (w *flagWorld) set() uid.Set {
	first := rapid.Uint32Range(1, uint32(w.n+1)).Draw(w.rt, "first")
	return uid.Set{{First: uid.UID(first), Last: uid.UID(first + rapid.Uint32Range(0, 9).Draw(w.rt, "length"))}}
}

func (w *flagWorld) step() {
	ctx, box := w.t.Context(), w.box()
	flags := rapid.SampledFrom([]store.Flags{store.FlagSeen, store.FlagDeleted, store.FlagFlagged, {}}).Draw(w.rt, "flags")
	var keywords []string
	if rapid.Bool().Draw(w.rt, "keyword") {
		keywords = []string{rapid.SampledFrom([]string{"$Forwarded", "$Label1", "work"}).Draw(w.rt, "which")}
	}
	var err error
	switch rapid.SampledFrom([]string{"append", "append", "store", "store", "expunge", "copy", "move"}).Draw(w.rt, "what") {
	case "append":
		var list []store.NewEmail
		for range rapid.IntRange(1, 6).Draw(w.rt, "messages") {
			e := storetest.Email(w.t, w.s, storetest.Text(w.n))
			e.Flags, e.Keywords = flags, keywords
			list = append(list, e)
			w.n++
		}
		_, err = w.s.Append(ctx, w.a, box, list)
	case "store":
		op := rapid.SampledFrom([]store.FlagOp{store.FlagsAdd, store.FlagsRemove, store.FlagsReplace}).Draw(w.rt, "op")
		_, err = w.s.StoreFlags(ctx, w.a, box, w.set(), store.FlagChange{Op: op, System: flags, Keywords: keywords}, nil)
	case "expunge":
		set := w.set()
		var want, gone uid.Set
		err = w.s.Placements(ctx, w.a, box, set, func(p *store.Placement) error {
			if p.Flags.Has(store.FlagDeleted) {
				want = want.Add(p.UID)
			}
			return nil
		})
		if err == nil {
			gone, _, err = w.s.Expunge(ctx, w.a, box, set, true)
		}
		if gone.String() != want.String() {
			w.rt.Fatalf("expunged %v, want %v", gone, want)
		}
	case "copy":
		_, err = w.s.Copy(ctx, w.a, box, w.set(), w.box())
	case "move":
		_, err = w.s.Move(ctx, w.a, box, w.set(), w.box())
	}
	if err != nil {
		w.rt.Fatal(err)
	}
}

func (w *flagWorld) compare(box store.MailboxID) {
	ctx := w.t.Context()
	have := map[store.Flags][]uid.UID{}
	var all []uid.UID
	k := must[*store.Keywords](w.t)(w.s.Keywords(ctx, w.a))
	flags := []store.Flags{store.FlagSeen, store.FlagDeleted, store.FlagFlagged, store.FlagDraft, store.FlagSeen.With(store.FlagFlagged)}
	for _, name := range k.All() {
		f, _ := k.Lookup(name)
		flags = append(flags, f)
	}
	err := w.s.Placements(ctx, w.a, box, uid.All(), func(p *store.Placement) error {
		all = append(all, p.UID)
		for _, f := range flags {
			if p.Flags.Has(f) {
				have[f] = append(have[f], p.UID)
			}
		}
		return nil
	})
	if err != nil {
		w.rt.Fatal(err)
	}
	sets := must[*store.FlagSets](w.t)(w.s.FlagSets(ctx, w.a, box))
	for _, f := range flags {
		if got := slices.Collect(sets.With(f).Set().All()); !slices.Equal(got, have[f]) {
			w.rt.Fatalf("flags %v: %v, want %v", f, got, have[f])
		}
	}
	n := 0
	err = sets.Each(uid.All(), func(u uid.UID, got store.Flags) error {
		if n >= len(all) || all[n] != u {
			w.rt.Fatalf("message %d is UID %d, want %v", n, u, all)
		}
		n++
		for _, f := range flags {
			if got.Has(f) != slices.Contains(have[f], u) {
				w.rt.Fatalf("UID %d has flags %v, of %v %v", u, got, f, have[f])
			}
		}
		return nil
	})
	if err != nil || n != len(all) {
		w.rt.Fatalf("%d of %d messages: %v", n, len(all), err)
	}
	view := must[*store.View](w.t)(w.s.View(ctx, w.a, box))
	for _, x := range []*uid.Index{sets.UIDs, view.UIDs} {
		if got := slices.Collect(x.Set().All()); !slices.Equal(got, all) {
			w.rt.Fatalf("messages %v, want %v", got, all)
		}
	}
}

// TestFlagSetsGrow changes few of many messages, so that sets are carried on
// over chunks, with others looking at the same time.
func TestFlagSetsGrow(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	const n = 5000
	e := storetest.Email(t, s, storetest.Text(1))
	for range n / 500 {
		must[store.Appended](t)(s.Append(ctx, a, store.InboxID, slices.Repeat([]store.NewEmail{e}, 500)))
	}
	var wg sync.WaitGroup
	for reader := range 3 {
		wg.Go(func() {
			for range 50 {
				f, err := s.FlagSets(ctx, a, store.InboxID)
				if err != nil {
					t.Error(err)
					return
				}
				if flagged, deleted := f.With(store.FlagFlagged).Set(), f.With(store.FlagDeleted).Set(); !flagged.Minus(deleted).Empty() && !deleted.Minus(flagged).Empty() {
					t.Errorf("reader %d: %v flagged, %v deleted: neither holds the other", reader, flagged, deleted)
				}
			}
		})
	}
	for u := uid.UID(1); u <= n; u += 97 {
		for _, flag := range []store.Flags{store.FlagFlagged, store.FlagDeleted} {
			must[store.Stored](t)(s.StoreFlags(ctx, a, store.InboxID, uid.Of(u), store.FlagChange{System: flag}, nil))
		}
	}
	wg.Wait()
	sets := must[*store.FlagSets](t)(s.FlagSets(ctx, a, store.InboxID))
	if got := sets.With(store.FlagFlagged.With(store.FlagDeleted)).Len(); got != (n+96)/97 {
		t.Errorf("%d messages have both flags, want %d", got, (n+96)/97)
	}
	gone, _, err := s.Expunge(ctx, a, store.InboxID, uid.All(), true)
	if err != nil || gone.Len() != (n+96)/97 {
		t.Errorf("expunged %d, %v", gone.Len(), err)
	}
	sets = must[*store.FlagSets](t)(s.FlagSets(ctx, a, store.InboxID))
	if sets.UIDs.Len() != n-gone.Len() || sets.With(store.FlagFlagged).Len() != 0 {
		t.Error(fmt.Sprint(sets.UIDs.Len(), sets.With(store.FlagFlagged).Set()))
	}
}
