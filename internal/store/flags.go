package store

import (
	"math/bits"
	"slices"
	"strings"
)

// Flags are the flags of a placement as a set of bits: five system flags and
// up to MaxKeywords keywords of the account (RFC 9051 section 2.3.2).
type Flags [2]uint64

// The system flags. \Recent does not exist any more (RFC 9051 appendix E).
var (
	FlagSeen     = Flags{1 << 0}
	FlagAnswered = Flags{1 << 1}
	FlagFlagged  = Flags{1 << 2}
	FlagDeleted  = Flags{1 << 3}
	FlagDraft    = Flags{1 << 4}
	SystemFlags  = Flags{1<<5 - 1}
)

const firstKeyword = 8

// MaxKeywords is how many different keywords an account can use.
const MaxKeywords = 128 - firstKeyword

// MaxKeywordLength is how long a keyword's name can be, in octets.
const MaxKeywordLength = 255 // RFC 8621 section 4.1.1

// Has reports whether all flags of g are set.
func (f Flags) Has(g Flags) bool { return f[0]&g[0] == g[0] && f[1]&g[1] == g[1] }

// Any reports whether one of the flags of g is set.
func (f Flags) Any(g Flags) bool { return f[0]&g[0] != 0 || f[1]&g[1] != 0 }

// With returns the flags of both.
func (f Flags) With(g Flags) Flags { return Flags{f[0] | g[0], f[1] | g[1]} }

// Without returns the flags of f that are not in g.
func (f Flags) Without(g Flags) Flags { return Flags{f[0] &^ g[0], f[1] &^ g[1]} }

// IsZero reports whether no flag is set.
func (f Flags) IsZero() bool { return f == Flags{} }

func flagBit(i int) (f Flags) {
	f[i/64] = 1 << (i % 64)
	return f
}

// Keywords is the table of an account's keywords, immutable: names are only
// ever added.
type Keywords struct {
	names  []string
	byName map[string]Flags // lower-case
	raw    string           // as stored
}

// Len is the number of keywords.
func (k *Keywords) Len() int { return len(k.names) }

// All returns the keywords as they were first written, not to be changed.
func (k *Keywords) All() []string { return k.names }

// Lookup returns a keyword's flag; names are case-insensitive (RFC 9051
// section 2.3.2).
func (k *Keywords) Lookup(name string) (Flags, bool) {
	f, ok := k.byName[strings.ToLower(name)]
	return f, ok
}

// Names returns the names of the keywords among f.
func (k *Keywords) Names(f Flags) []string {
	var names []string
	k.Each(f, func(name string) { names = append(names, name) })
	return names
}

// Each calls fn with the name of each keyword among f.
func (k *Keywords) Each(f Flags, fn func(name string)) {
	f = f.Without(Flags{1<<firstKeyword - 1})
	for w, word := range f {
		for ; word != 0; word &= word - 1 {
			if i := w*64 + bits.TrailingZeros64(word) - firstKeyword; i < len(k.names) {
				fn(k.names[i])
			}
		}
	}
}

// with returns the table with one more name and the name's flag.
func (k *Keywords) with(name string) (*Keywords, Flags, error) {
	if len(name) == 0 || len(name) > MaxKeywordLength {
		return k, Flags{}, fail("add keyword", KindLimit, "a keyword has 1 to %d octets", MaxKeywordLength)
	}
	if len(k.names) >= MaxKeywords {
		return k, Flags{}, fail("add keyword", KindLimit, "an account has at most %d keywords", MaxKeywords)
	}
	var r record
	r.b = []byte(k.raw)
	r.putText(name)
	next, err := parseKeywords(r.b)
	if err != nil {
		return k, Flags{}, err
	}
	return next, flagBit(firstKeyword + len(k.names)), nil
}

func parseKeywords(b []byte) (*Keywords, error) {
	k := &Keywords{byName: map[string]Flags{}, raw: string(b)}
	r := record{b: b}
	for len(r.b) > 0 && len(k.names) < MaxKeywords {
		name := r.text()
		k.byName[strings.ToLower(name)] = flagBit(firstKeyword + len(k.names))
		k.names = append(k.names, name)
	}
	return k, r.err()
}

// FlagOp says how STORE changes flags.
type FlagOp uint8

const (
	// FlagsAdd adds to the flags that are set.
	FlagsAdd FlagOp = iota
	// FlagsRemove removes from them.
	FlagsRemove
	// FlagsReplace replaces them all.
	FlagsReplace
)

// FlagChange is a change of flags; keywords that the account does not know yet
// are added to its table.
type FlagChange struct {
	Op       FlagOp
	System   Flags
	Keywords []string
	// Fixed are flags that stay as they are, whatever else is said.
	Fixed Flags
	// Since is the MODSEQ up to which the caller knows of all changes, 0 if it does not ask; see
	// Stored.Over.
	Since ModSeq
}

// The keywords by which programs say what is junk and what is not (RFC 9051 section 2.3.2).
const keywordJunk, keywordNotJunk = "$Junk", "$NotJunk"

// SaysJunk reports whether a change calls messages junk, or not junk; said is false if it does neither. To take such a
// keyword away says nothing.
func (c FlagChange) SaysJunk() (junk, said bool) {
	if c.Op == FlagsRemove {
		return false, false
	}
	names := func(keyword string) bool {
		return slices.ContainsFunc(c.Keywords, func(k string) bool { return strings.EqualFold(k, keyword) })
	}
	junk = names(keywordJunk)
	return junk, junk != names(keywordNotJunk)
}

func (c FlagChange) apply(old, arg Flags) Flags {
	arg = arg.Without(c.Fixed)
	switch c.Op {
	case FlagsAdd:
		return old.With(arg)
	case FlagsRemove:
		return old.Without(arg)
	}
	return arg.With(Flags{old[0] & c.Fixed[0], old[1] & c.Fixed[1]})
}
