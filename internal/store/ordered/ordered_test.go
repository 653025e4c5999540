package ordered

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type item struct{ key, value int }

func byKey(a, b item) int { return cmp.Compare(a.key, b.key) }

// TestLists holds lists, however they are changed, against a map; and older ones stay as they were.
func TestLists(t *testing.T) { rapid.Check(t, lists) }

func lists(t *rapid.T) {
	have := map[int]int{}
	var first []item
	for k := range rapid.SampledFrom([]int{0, 1, 64, 65, 5000}).Draw(t, "length") {
		first, have[2*k] = append(first, item{2 * k, 0}), 0
	}
	l := Build(byKey, first)
	most := 2*len(first) + 200
	for range rapid.IntRange(1, 6).Draw(t, "edits") {
		before, was := l, slices.Collect(l.All())
		e := l.Edit()
		start, step := rapid.IntRange(0, most).Draw(t, "start"), rapid.SampledFrom([]int{-1, 1, 7}).Draw(t, "step")
		remove := rapid.Bool().Draw(t, "remove")
		for i := range rapid.IntRange(0, 3000).Draw(t, "changes") {
			k := ((start+i*step)%most + most) % most
			if remove {
				_, there := have[k]
				if e.Delete(item{k, 0}) != there {
					t.Fatalf("%d: there is %v", k, there)
				}
				delete(have, k)
				continue
			}
			e.Set(item{k, i})
			have[k] = i
		}
		l = e.List()
		same(t, l, have)
		if !slices.Equal(was, slices.Collect(before.All())) {
			t.Fatal("the list before changed")
		}
	}
}

func same(t *rapid.T, l List[item], have map[int]int) {
	var want []item
	for k, v := range have {
		want = append(want, item{k, v})
	}
	slices.SortFunc(want, byKey)
	if got := slices.Collect(l.All()); !slices.Equal(got, want) || l.Len() != len(want) {
		t.Fatalf("%d items, want %d", l.Len(), len(want))
	}
	for i := 0; i < len(want); i += 1 + len(want)/50 {
		if l.At(i) != want[i] {
			t.Fatalf("at %d: %v, want %v", i, l.At(i), want[i])
		}
		if at, there := l.Find(want[i]); at != i || !there {
			t.Fatalf("%v is at %d, want %d", want[i], at, i)
		}
		next := item{want[i].key + 1, 0}
		_, have := have[next.key]
		if at, there := l.Find(next); at != i+1 || there != have {
			t.Fatalf("%v would be at %d, want %d", next, at, i+1)
		}
		for got := range l.From(i) {
			if got != want[i] {
				t.Fatalf("from %d: %v, want %v", i, got, want[i])
			}
			break
		}
	}
}

func BenchmarkSet(b *testing.B) {
	var items []item
	for k := range 100_000 {
		items = append(items, item{k, 0})
	}
	l := Build(byKey, items)
	for i := 0; b.Loop(); i++ {
		e := l.Edit()
		e.Set(item{i * 7919 % 100_000, i})
		l = e.List()
	}
}
