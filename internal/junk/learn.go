package junk

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
)

// The statistics are those of Robinson: each feature gets a probability that a message with it is junk, drawn towards a half
// as long as it was met rarely. The most telling ones are added up as odds; since words come together and tell the same, many
// of them count less than each for itself.

const (
	evidence    = 1.1 // of one feature that is sure; many count as the root of their number, since words come together
	strength    = 0.6 // of the belief that an unknown feature tells nothing
	telling     = 150 // features that are combined at most
	leastTold   = 0.1 // how far from a half a probability must be to tell anything
	mostWeight  = 7.0 // of what was learned by the account
	mostOfAll   = 3.5 // of what all accounts have taught
	enoughToSay = 60  // messages of each kind, at which what was learned has half its weight
)

// learned weighs the words by what the account has taught, and by what all have.
func (f *Filter) learned(ctx context.Context, a store.AccountID, features []uint64) ([]Reason, error) {
	var all []Reason
	for _, of := range []struct {
		id      ReasonID
		account store.AccountID
		most    float64
	}{{Learned, a, mostWeight}, {LearnedByAll, 0, mostOfAll}} {
		counts, sums, err := f.opt.Store.LearnedFeatures(ctx, of.account, features)
		if err != nil {
			return nil, fmt.Errorf("junk: %w", err)
		}
		if w := weigh(counts, sums, of.most); math.Abs(w) >= 0.05 {
			all = append(all, Reason{ID: of.id, Weight: w})
		}
	}
	// What the account itself has taught comes before what others did: that counts only as far as it agrees or nothing is known.
	if len(all) == 2 && all[0].Weight*all[1].Weight < 0 {
		all = all[:1]
	}
	return all, nil
}

// weigh is the weight of what was learned about some features.
func weigh(counts []store.Learned, sums store.Learned, most float64) float64 {
	fewer := float64(min(sums.Junk, sums.Wanted))
	if fewer == 0 {
		return 0
	}
	type told struct{ p, from float64 }
	var list []told
	for _, c := range counts {
		n := float64(c.Junk + c.Wanted)
		if n == 0 {
			continue
		}
		junk, wanted := float64(c.Junk)/float64(sums.Junk), float64(c.Wanted)/float64(sums.Wanted)
		p := junk / (junk + wanted)
		p = (strength*0.5 + n*p) / (strength + n)
		if far := math.Abs(p - 0.5); far >= leastTold {
			list = append(list, told{p, far})
		}
	}
	if len(list) == 0 {
		return 0
	}
	slices.SortFunc(list, func(a, b told) int { return cmp.Compare(b.from, a.from) })
	list = list[:min(len(list), telling)]
	forJunk, forWanted := 0.0, 0.0
	for _, t := range list {
		forJunk += math.Log(1 - t.p)
		forWanted += math.Log(t.p)
	}
	weight := max(min(evidence*(forWanted-forJunk)/math.Sqrt(float64(len(list))), most), -most)
	return weight * fewer / (fewer + enoughToSay)
}
