package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestOrders stores an order again and again while messages come to it, and reads it after a start.
func TestOrders(t *testing.T) {
	l := newLargeMailbox(t)
	ctx := t.Context()
	const by = "odd ones first"
	all := must[*store.View](t)(l.s.View(ctx, l.a, store.InboxID))
	validity := all.Mailbox.UIDValidity
	shuffle := func(list []uid.UID) []uid.UID {
		l.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	}
	o := store.NewOrder(shuffle(slices.Collect(all.UIDs.Set().All())))
	l.s.SaveOrder(ctx, l.a, store.InboxID, validity, by, o)
	stored := func() []uid.UID {
		if o := must[*store.Order](t)(l.again().StoredOrder(ctx, l.a, store.InboxID, by)); o != nil {
			if o.Set.Len() != len(o.UIDs) {
				t.Fatalf("%d UIDs are a set of %d", len(o.UIDs), o.Set.Len())
			}
			return o.UIDs
		}
		return nil
	}
	saved := o.UIDs
	for range 24 { // beyond so many additions that the order is stored whole again
		if !slices.Equal(stored(), saved) {
			t.Fatalf("%d UIDs are stored, want %d", len(stored()), len(saved))
		}
		n := 100 + l.rng.IntN(400)
		last := must[*store.View](t)(l.s.View(ctx, l.a, store.InboxID)).UIDs.Max()
		l.append(n)
		var came []uid.UID
		places := make([]int, n)
		for i := range n {
			came = append(came, last+1+uid.UID(i))
			places[i] = l.rng.IntN(len(o.UIDs) + 1)
		}
		slices.Sort(places)
		before := o
		if o = o.Insert(shuffle(came), places); len(o.UIDs) != o.Set.Len() || o.Set.Len() != len(before.UIDs)+n {
			t.Fatalf("%d messages and %d are %d", len(before.UIDs), n, o.Set.Len())
		}
		if kept := slices.DeleteFunc(slices.Clone(o.UIDs), func(u uid.UID) bool { return u > last }); !slices.Equal(kept, before.UIDs) {
			t.Fatal("those that were there are in another order")
		}
		if l.s.SaveOrder(ctx, l.a, store.InboxID, validity, by, o); len(o.UIDs)-len(saved) >= 256 {
			saved = o.UIDs
		}
	}
	verify(t, l.s, ctx)
}

// TestDamagedOrders holds that no order is used that cannot be read, and that Verify tells of those that are damaged.
func TestDamagedOrders(t *testing.T) {
	l := newLargeMailbox(t)
	ctx := t.Context()
	view := must[*store.View](t)(l.s.View(ctx, l.a, store.InboxID))
	uids := slices.Collect(view.UIDs.Set().All())
	for _, damage := range []struct {
		name string
		told int64
		do   func(v []byte) []byte
	}{
		{"whole", 0, func(v []byte) []byte { return v }},
		{"another UID at the end", 1, func(v []byte) []byte { v[len(v)-1] ^= 2; return v }},
		{"half of it", 1, func(v []byte) []byte { return v[:len(v)/2] }},
		{"another form", 0, func(v []byte) []byte { v[0]++; return v }},
		{"nothing", 0, func(v []byte) []byte { return nil }},
	} {
		l.s.SaveOrder(ctx, l.a, store.InboxID, view.Mailbox.UIDValidity, "one", store.NewOrder(uids))
		l.change("\x00\x00\x00\x00", damage.do)
		o := must[*store.Order](t)(l.again().StoredOrder(ctx, l.a, store.InboxID, "one"))
		if (o == nil) != (damage.name != "whole") {
			t.Errorf("%s: the order is used: %t", damage.name, o != nil)
		}
		r, err := l.s.Verify(ctx, store.VerifyOptions{})
		if err != nil || r.Found != damage.told || r.Found > 0 && !strings.Contains(r.Problems[0].Text, "an order at a glance") {
			t.Errorf("%s: verify found %v, %v", damage.name, r.Problems, err)
		}
	}
}

// TestFewOrders holds that what is stored of one mailbox stays bounded, and of another mailbox by the
// same name is not taken.
func TestFewOrders(t *testing.T) {
	l := newLargeMailbox(t)
	ctx := t.Context()
	view := must[*store.View](t)(l.s.View(ctx, l.a, store.InboxID))
	uids := slices.Collect(view.UIDs.Set().All())
	most := 0
	for _, by := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		l.s.SaveOrder(ctx, l.a, store.InboxID, view.Mailbox.UIDValidity, by, store.NewOrder(uids))
		if o := must[*store.Order](t)(l.s.StoredOrder(ctx, l.a, store.InboxID, by)); o == nil || !slices.Equal(o.UIDs, uids) {
			t.Fatalf("order by %s is not stored", by)
		}
		most = max(most, len(l.prepared()))
	}
	if most > 8 {
		t.Errorf("%d orders are stored", most)
	}
	l.s.SaveOrder(ctx, l.a, store.InboxID, view.Mailbox.UIDValidity+1, "other", store.NewOrder(uids))
	if o := must[*store.Order](t)(l.s.StoredOrder(ctx, l.a, store.InboxID, "other")); o != nil {
		t.Error("an order of another mailbox is stored")
	}
}

// TestOrderOfTwo lets two that sort at the same time store what they added to the same order: what is stored is what one of them has.
func TestOrderOfTwo(t *testing.T) {
	l := newLargeMailbox(t)
	ctx := t.Context()
	const by = "as they came"
	view := must[*store.View](t)(l.s.View(ctx, l.a, store.InboxID))
	validity := view.Mailbox.UIDValidity
	uids := slices.Collect(view.UIDs.Set().All())
	l.s.SaveOrder(ctx, l.a, store.InboxID, validity, by, store.NewOrder(uids))
	stored := func() *store.Order {
		return must[*store.Order](t)(l.again().StoredOrder(ctx, l.a, store.InboxID, by))
	}
	insert := func(o *store.Order, u uid.UID, n int) *store.Order { // where they belong
		var came []uid.UID
		var places []int
		for range n {
			at, _ := slices.BinarySearch(o.UIDs, u)
			came, places = append(came, u), append(places, at)
			u++
		}
		o = o.Insert(came, places)
		l.s.SaveOrder(ctx, l.a, store.InboxID, validity, by, o)
		return o
	}
	l.append(1500)
	last := uids[len(uids)-1]
	one, other := stored(), stored()
	one = insert(one, last+1, 400)
	insert(other, last+301, 300) // other messages of the mailbox
	insert(one, last+701, 300)
	if o := stored(); o == nil || !slices.IsSorted(o.UIDs) || o.Set.Len() != len(o.UIDs) {
		t.Errorf("what two stored is in no order: %v", o)
	}
	one = stored()
	if err := l.s.DropPostings(ctx, l.a); err != nil {
		t.Fatal(err)
	}
	if insert(one, last+1001, 400); stored() == nil {
		t.Error("after all was dropped, an order that is kept in memory is not stored whole")
	}
	verify(t, l.s, ctx)
}
