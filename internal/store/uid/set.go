// Package uid holds sets of IMAP unique identifiers as values: Set, a list of
// ranges as clients write them, and Index, all UIDs of a mailbox with its
// sequence numbers.
package uid

import (
	"cmp"
	"errors"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

// UID is a message's unique identifier in its mailbox (RFC 9051 section
// 2.3.1.1): rising, never used twice under one UIDVALIDITY, never 0.
type UID uint32

// Max is the greatest UID.
const Max UID = math.MaxUint32

// Range is the UIDs from First to Last, both included; First <= Last.
type Range struct{ First, Last UID }

// Len is the number of UIDs in the range.
func (r Range) Len() int { return int(r.Last-r.First) + 1 }

// Set is a set of UIDs as sorted ranges that neither overlap nor touch. Its
// methods return new sets and leave their operands alone, Add and AddRange
// excepted, which may reuse the receiver's array as append does.
type Set []Range

// Of returns the set of the given UIDs, in any order.
func Of(uids ...UID) Set {
	var s Set
	sorted := slices.Clone(uids)
	slices.Sort(sorted)
	for _, u := range sorted {
		s = s.Add(u)
	}
	return s
}

// FromRanges returns the set of all UIDs in the given ranges, in any order; it
// sorts them in place.
func FromRanges(ranges []Range) Set {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	var s Set
	for _, r := range ranges {
		s = s.AddRange(r.First, r.Last)
	}
	return s
}

// All is the set of all UIDs.
func All() Set { return Set{{1, Max}} }

// ErrSyntax reports text that is no set of UIDs.
var ErrSyntax = errors.New("uid: not a set of UIDs")

// Parse reads a uid-set of RFC 9051 section 9 without "*", such as "1:4,7".
func Parse(text string) (Set, error) {
	var s Set
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, ":")
		a, err := parseUID(first)
		if err != nil {
			return nil, err
		}
		b := a
		if isRange {
			if b, err = parseUID(last); err != nil {
				return nil, err
			}
		}
		s = s.AddRange(min(a, b), max(a, b))
	}
	return s, nil
}

func parseUID(text string) (UID, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, ErrSyntax
	}
	return UID(n), nil
}

// String writes the set as RFC 9051 does: "1:4,7". The empty set is "".
func (s Set) String() string { return string(s.AppendTo(nil)) }

// AppendTo appends what String returns.
func (s Set) AppendTo(b []byte) []byte {
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last != r.First {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(r.Last), 10)
		}
	}
	return b
}

// Empty reports whether the set has no UID.
func (s Set) Empty() bool { return len(s) == 0 }

// Len is the number of UIDs in the set.
func (s Set) Len() int {
	n := 0
	for _, r := range s {
		n += r.Len()
	}
	return n
}

// at returns the position of the first range that ends at or after u.
func (s Set) at(u UID) int {
	i, _ := slices.BinarySearchFunc(s, u, func(r Range, u UID) int {
		if r.Last < u {
			return -1
		}
		return 1
	})
	return i
}

// Contains reports whether u is in the set.
func (s Set) Contains(u UID) bool {
	i := s.at(u)
	return i < len(s) && s[i].First <= u
}

// Add returns the set with u.
func (s Set) Add(u UID) Set { return s.AddRange(u, u) }

// AddRange returns the set with all UIDs from first to last. Adding in
// ascending order costs constant time.
func (s Set) AddRange(first, last UID) Set {
	if n := len(s); n == 0 || first > s[n-1].Last && first-1 > s[n-1].Last {
		return append(s, Range{first, last})
	} else if first >= s[n-1].First {
		s[n-1].Last = max(s[n-1].Last, last)
		return s
	}
	// The ranges from i to j overlap or touch the new one.
	low := first
	if low > 1 {
		low--
	}
	i := s.at(low)
	j := i
	for j < len(s) && (last == Max || s[j].First <= last+1) {
		first, last = min(first, s[j].First), max(last, s[j].Last)
		j++
	}
	return slices.Replace(s, i, j, Range{first, last})
}

// All yields the UIDs in ascending order.
func (s Set) All() iter.Seq[UID] {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for u := r.First; ; u++ {
				if !yield(u) {
					return
				}
				if u == r.Last {
					break
				}
			}
		}
	}
}

// Union returns the UIDs in either set.
func (s Set) Union(t Set) Set {
	out := make(Set, 0, len(s)+len(t))
	for len(s) > 0 || len(t) > 0 {
		if len(t) == 0 || len(s) > 0 && s[0].First <= t[0].First {
			out, s = out.AddRange(s[0].First, s[0].Last), s[1:]
		} else {
			out, t = out.AddRange(t[0].First, t[0].Last), t[1:]
		}
	}
	return out
}

// Intersect returns the UIDs in both sets.
func (s Set) Intersect(t Set) Set {
	var out Set
	for len(s) > 0 && len(t) > 0 {
		if first, last := max(s[0].First, t[0].First), min(s[0].Last, t[0].Last); first <= last {
			out = append(out, Range{first, last})
		}
		if s[0].Last < t[0].Last {
			s = s[1:]
		} else {
			t = t[1:]
		}
	}
	return out
}

// Minus returns the UIDs of s that are not in t.
func (s Set) Minus(t Set) Set {
	var out Set
	for _, r := range s {
		first, open := r.First, true
		for i := t.at(first); i < len(t) && t[i].First <= r.Last; i++ {
			if t[i].First > first {
				out = append(out, Range{first, t[i].First - 1})
			}
			if t[i].Last >= r.Last {
				open = false
				break
			}
			first = t[i].Last + 1
		}
		if open && first <= r.Last {
			out = append(out, Range{first, r.Last})
		}
	}
	return out
}
