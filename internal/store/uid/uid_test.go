package uid

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSetText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"1", "1"}, {"1:4,7", "1:4,7"}, {"4:1", "1:4"}, {"7,1,2,3", "1:3,7"},
		{"1:3,2:9,11,10", "1:11"}, {"4294967295,1", "1,4294967295"},
	} {
		s, err := Parse(c.in)
		if err != nil || s.String() != c.want {
			t.Errorf("Parse(%q) = %q, %v; want %q", c.in, s, err, c.want)
		}
	}
	for _, bad := range []string{"", "0", "1:", ":1", "*", "1,,2", "4294967296", "+1", "1:0"} {
		if s, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", bad, s)
		}
	}
}

// model draws a set and the same UIDs as a map.
func model(t *rapid.T, name string) (Set, map[UID]bool) {
	var s Set
	m := map[UID]bool{}
	for range rapid.IntRange(0, 12).Draw(t, name+" ranges") {
		first := rapid.OneOf(rapid.Uint32Range(1, 80), rapid.Uint32Range(4000, 4200), rapid.Uint32Range(8100, 8300)).Draw(t, "first")
		last := first + rapid.Uint32Range(0, 40).Draw(t, "length")
		s = s.AddRange(UID(first), UID(last))
		for u := first; u <= last; u++ {
			m[UID(u)] = true
		}
	}
	return s, m
}

func sorted(m map[UID]bool) []UID {
	var us []UID
	for u, in := range m {
		if in {
			us = append(us, u)
		}
	}
	slices.Sort(us)
	return us
}

func same(t *rapid.T, what string, s Set, m map[UID]bool) {
	if got, want := slices.Collect(s.All()), sorted(m); !slices.Equal(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i, r := range s {
		if r.First > r.Last || i > 0 && s[i-1].Last+1 >= r.First {
			t.Fatalf("%s: ranges not canonical: %v", what, s)
		}
	}
}

func TestSetAlgebra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, am := model(t, "a")
		b, bm := model(t, "b")
		same(t, "a", a, am)
		union, inter, minus := map[UID]bool{}, map[UID]bool{}, map[UID]bool{}
		for u := range am {
			union[u], inter[u], minus[u] = true, bm[u], !bm[u]
		}
		for u := range bm {
			union[u] = true
		}
		same(t, "union", a.Union(b), union)
		same(t, "intersect", a.Intersect(b), inter)
		same(t, "minus", a.Minus(b), minus)
		same(t, "a afterwards", a, am)
	})
}

func index(s Set) *Index {
	var chunks []Chunk
	for n := uint32(0); n < 4; n++ {
		chunks = append(chunks, NewChunk(n, s))
	}
	return NewIndex(chunks)
}

func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, am := model(t, "a")
		b, bm := model(t, "b")
		x, y := index(a), index(b)
		all := sorted(am)
		same(t, "set", x.Set(), am)
		if x.Len() != len(all) {
			t.Fatalf("Len %d, want %d", x.Len(), len(all))
		}
		for i, u := range all {
			if got := x.UID(i + 1); got != u {
				t.Fatalf("UID(%d) = %d, want %d", i+1, got, u)
			}
		}
		for _, u := range []UID{1, 5, 50, 4095, 4096, 4100, 8191, 8192, 8250, 9000} {
			pos, in := slices.BinarySearch(all, u)
			if seq, ok := x.Seq(u); seq != pos+1 || ok != in {
				t.Fatalf("Seq(%d) = %d, %v; want %d, %v", u, seq, ok, pos+1, in)
			}
		}
		minus, inter := map[UID]bool{}, map[UID]bool{}
		for u := range am {
			minus[u], inter[u] = !bm[u], bm[u]
		}
		same(t, "minus", x.Minus(y), minus)
		same(t, "intersect", x.Intersect(b), inter)
		for _, sets := range [][2]*Index{{x.And(y), x.Within(b)}, {x.AndNot(y), x.Remove(b)}, {x.Or(y), x.Add(b)}} {
			if got, want := sets[0], sets[1]; !slices.EqualFunc(got.Chunks(), want.Chunks(), Chunk.equal) || got.Len() != want.Len() {
				t.Fatalf("%v, want %v", got.Set(), want.Set())
			}
		}
		union := maps.Clone(am)
		maps.Copy(union, bm)
		same(t, "and", x.And(y).Set(), inter)
		same(t, "and not", x.AndNot(y).Set(), minus)
		same(t, "or", x.Or(y).Set(), union)
		same(t, "within all", x.Within(All()).Set(), am)
		same(t, "a afterwards", x.Set(), am)
		var built Builder
		for _, u := range all {
			built.Add(u)
		}
		same(t, "built", built.Index().Set(), am)
		number := rapid.Uint32Range(0, 3).Draw(t, "number")
		from := map[UID]bool{}
		for u := range am {
			from[u] = from[u] || ChunkOf(u) < number
		}
		for u := range bm {
			from[u] = from[u] || ChunkOf(u) >= number
		}
		same(t, "from", x.From(number, y.Chunks()[y.chunkAt(number):]).Set(), from)
	})
}

func TestChunkChangesAndEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, am := model(t, "a")
		b, bm := model(t, "b")
		low := Set{{4096, 8191}}
		c := NewChunk(1, a).Remove(b.Intersect(low))
		want := map[UID]bool{}
		for u := range am {
			want[u] = !bm[u] && u >= 4096 && u < 8192
		}
		same(t, "removed", c.Set(), want)
		c = c.Add(b.Intersect(low))
		for u := range bm {
			want[u] = want[u] || u >= 4096 && u < 8192
		}
		same(t, "added", c.Set(), want)
		if c.Len() == 0 {
			return
		}
		d, err := ParseChunk(1, c.AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "parsed", d.Set(), want)
	})
}

func FuzzParseChunk(f *testing.F) {
	f.Add([]byte{1, 5})
	f.Add(NewChunk(0, Of(1, 3, 70)).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseChunk(3, b); err == nil && c.Set().Len() != c.Len() {
			t.Fatalf("chunk counts %d, has %d", c.Len(), c.Set().Len())
		}
	})
}
