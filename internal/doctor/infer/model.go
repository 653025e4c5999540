// Package infer draws conclusions from evidence.
//
// A cause says which signs it brings about, each with a probability; a sign can
// also show for no reason that we know (its leak). Together this is a noisy-OR
// model: the probability that a sign shows, given some causes, is
//
//	1 - (1-leak) * product over the causes of (1-p)
//
// A set of up to three causes is as good as the probability of all signs that
// are known, given that set, times the priors of its causes. That explains
// away by itself: what one cause accounts for does not speak for another.
// Signs that could not be looked at count for nothing.
package infer

import (
	"fmt"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// Truth is what is known of a sign.
type Truth int8

// A sign that could not be looked at is Unknown, which is no evidence.
const (
	Unknown Truth = iota
	No
	Yes
)

// Is is the truth of something that is known.
func Is(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

// Not turns Yes to No and back; Unknown stays.
func (t Truth) Not() Truth {
	switch t {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Unknown
}

// Sign is something that shows or does not, read from the facts. Causes share
// signs by sharing the pointer.
type Sign struct {
	Name string
	// Leak is how probable it is that the sign shows though none of the causes
	// does; 0 means DefaultLeak.
	Leak float64
	// Normal marks a sign that is no trouble by itself: it may stay
	// unexplained when everything is well.
	Normal bool
	Of     func(*evidence.Evidence) Truth
}

// The numbers of a model that declares none.
const (
	DefaultLeak  = 0.0005
	DefaultPrior = 0.02
)

// Link is a sign that a cause brings about, with probability P.
type Link struct {
	Sign *Sign
	P    float64
}

// The usual probabilities of links.
const (
	Always    = 0.98
	Usually   = 0.85
	Sometimes = 0.4
	Seldom    = 0.1
)

// Cause declares how a cause shows.
type Cause struct {
	ID cause.ID
	// Prior is how probable the cause is before anything is looked at; 0 means DefaultPrior.
	Prior float64
	// About are the symptoms that the cause can bring about; none means any.
	About []evidence.Symptom
	// Requires are signs without which the cause is not thought of: all of them
	// must be Yes. It brings them about always.
	Requires []*Sign
	// Explains are further signs that the cause brings about. One that is known
	// not to show speaks against the cause, by its probability.
	Explains []Link
	// Excludes are signs that rule the cause out.
	Excludes []*Sign
	// Proof are the signs that together leave no doubt. Without them all, the
	// cause is likely at best.
	Proof []*Sign
	// Upstream are causes that this one would only look like, or bring along:
	// they are not told beside it.
	Upstream []cause.ID
	// Params fills the placeholders of the cause's texts; may be nil.
	Params func(*evidence.Evidence) []cause.Param
}

// Model is a list of causes that fit together.
type Model struct {
	causes []*Cause
	signs  []*Sign
	index  map[*Sign]int
	links  []map[int]float64 // by cause: sign to probability
}

// NewModel checks a list of causes. It fails when one is declared twice,
// requires nothing, or has a probability outside 0 and 1.
func NewModel(causes []*Cause) (*Model, error) {
	m := &Model{causes: causes, index: map[*Sign]int{}}
	seen := map[cause.ID]bool{}
	for _, c := range causes {
		if seen[c.ID] {
			return nil, fmt.Errorf("infer: cause %s is declared twice", c.ID)
		}
		seen[c.ID] = true
		if len(c.Requires) == 0 {
			return nil, fmt.Errorf("infer: cause %s requires no sign", c.ID)
		}
		links := map[int]float64{}
		for _, s := range c.Requires {
			links[m.sign(s)] = Always
		}
		for _, l := range c.Explains {
			if l.P <= 0 || l.P >= 1 {
				return nil, fmt.Errorf("infer: cause %s explains %s with probability %v", c.ID, l.Sign.Name, l.P)
			}
			links[m.sign(l.Sign)] = l.P
		}
		for _, s := range append(append([]*Sign{}, c.Excludes...), c.Proof...) {
			m.sign(s)
		}
		m.links = append(m.links, links)
	}
	return m, nil
}

// Causes returns the ids of all causes of the model, in order.
func (m *Model) Causes() []cause.ID {
	ids := make([]cause.ID, len(m.causes))
	for i, c := range m.causes {
		ids[i] = c.ID
	}
	return ids
}

func (m *Model) sign(s *Sign) int {
	i, ok := m.index[s]
	if !ok {
		i = len(m.signs)
		m.index[s] = i
		m.signs = append(m.signs, s)
	}
	return i
}

func (s *Sign) leak() float64 {
	if s.Leak == 0 {
		return DefaultLeak
	}
	return s.Leak
}

func (c *Cause) prior() float64 {
	if c.Prior == 0 {
		return DefaultPrior
	}
	return c.Prior
}
