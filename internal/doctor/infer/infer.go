package infer

import (
	"cmp"
	"math"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// MaxTogether is how many causes are thought of at once.
const MaxTogether = 3

// How much better, as a logarithm, the best explanation with a cause must be than the best without.
var (
	provenMargin = math.Log(20)
	likelyMargin = math.Log(3)
)

// Certainty is how sure a finding is.
type Certainty string

// The certainties.
const (
	Proven   Certainty = "proven"
	Likely   Certainty = "likely"
	Possible Certainty = "possible" // too close to another to be told as the cause
)

// Finding is a cause in the best explanation.
type Finding struct {
	ID        cause.ID
	Certainty Certainty
	// Margin is how much the best explanation with the cause is better than
	// the best without it: the logarithm of the ratio of their probabilities.
	Margin float64
	// Signs are those that show and that the cause accounts for.
	Signs []string
	// Concerns tells that the cause is one for the symptom.
	Concerns bool
	Params   []cause.Param
}

// Conclusion is what follows from evidence.
type Conclusion struct {
	// Findings are the best explanation, the surest first.
	Findings []Finding
	// Rivals are causes of other explanations that are nearly as good.
	Rivals []cause.ID
	// Probable are up to three causes of the best explanations, the most probable first: those at most
	// twenty times less probable than the best.
	Probable []cause.ID
	// RuledOut are causes that the evidence excludes.
	RuledOut []cause.ID
	// Unexplained are signs of trouble that no finding accounts for.
	Unexplained []string
	// Showing are all signs of trouble that show.
	Showing []string
}

// Infer finds the causes that explain the evidence best.
func (m *Model) Infer(e *evidence.Evidence) Conclusion {
	r := &run{Model: m, truths: make([]Truth, len(m.signs))}
	for i, s := range m.signs {
		r.truths[i] = s.Of(e)
	}
	var c Conclusion
	for i := range m.causes {
		switch r.candidate(i) {
		case Yes:
			r.candidates = append(r.candidates, i)
		case No:
			c.RuledOut = append(c.RuledOut, m.causes[i].ID)
		}
	}
	r.weigh()
	best, score := r.best(-1)
	for _, i := range best {
		_, without := r.best(i)
		c.Findings = append(c.Findings, r.finding(e, i, score-without))
		c.Rivals = append(c.Rivals, r.rivals(i, best, score)...)
	}
	c.Probable = r.probable(score)
	slices.SortStableFunc(c.Findings, func(a, b Finding) int { return cmp.Compare(b.Margin, a.Margin) })
	slices.Sort(c.Rivals)
	c.Rivals = slices.Compact(c.Rivals)
	c.Showing, c.Unexplained = r.troubles(best)
	r.toThePoint(e, &c)
	return c
}

// concerns tells whether a cause can bring about what the complaint is about.
func (c *Cause) concerns(e *evidence.Evidence) bool {
	return len(c.About) == 0 || e.Complaint.About(c.About...)
}

// toThePoint leaves out of what could also be, and of what nothing accounts for, that which is about something else than the
// complaint: that a message waits for its recipient says nothing of why none arrives.
func (r *run) toThePoint(e *evidence.Evidence, c *Conclusion) {
	beside := map[cause.ID]bool{}
	matters := map[string]bool{}
	for i, one := range r.causes {
		if beside[one.ID] = !one.concerns(e); beside[one.ID] {
			continue
		}
		for s, sign := range r.signs {
			if r.links[i][s] > 0 {
				matters[sign.Name] = true
			}
		}
	}
	about := func(id cause.ID) bool { return beside[id] }
	c.Rivals, c.Probable = slices.DeleteFunc(c.Rivals, about), slices.DeleteFunc(c.Probable, about)
	c.Unexplained = slices.DeleteFunc(c.Unexplained, func(sign string) bool { return !matters[sign] })
}

// run is one inference.
type run struct {
	*Model
	truths     []Truth
	candidates []int
	scores     []scored
}

// scored is a set of causes and the logarithm of its probability.
type scored struct {
	set   []int
	score float64
}

// candidate is Yes if the cause can be thought of, No if it is ruled out.
func (r *run) candidate(i int) Truth {
	t := Yes
	for _, s := range r.causes[i].Requires {
		switch r.truths[r.index[s]] {
		case No:
			return No
		case Unknown:
			t = Unknown
		}
	}
	for _, s := range r.causes[i].Excludes {
		if r.truths[r.index[s]] == Yes {
			return No
		}
	}
	return t
}

// weigh scores every set of at most MaxTogether candidates.
func (r *run) weigh() {
	r.score(nil)
	for a, i := range r.candidates {
		r.score([]int{i})
		for b, j := range r.candidates[a+1:] {
			if r.together(i, j) {
				r.score([]int{i, j})
			} else {
				continue
			}
			for _, k := range r.candidates[a+b+2:] {
				if r.together(i, k) && r.together(j, k) {
					r.score([]int{i, j, k})
				}
			}
		}
	}
	slices.SortStableFunc(r.scores, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
}

// together reports whether neither of two causes is upstream of the other.
func (r *run) together(i, j int) bool {
	a, b := r.causes[i], r.causes[j]
	return !slices.Contains(a.Upstream, b.ID) && !slices.Contains(b.Upstream, a.ID)
}

func (r *run) score(set []int) {
	total := 0.0
	for _, i := range set {
		total += math.Log(r.causes[i].prior())
	}
	for s, truth := range r.truths {
		if truth == Unknown {
			continue
		}
		off := 1 - r.signs[s].leak()
		for _, i := range set {
			off *= 1 - r.links[i][s]
		}
		if truth == No {
			total += math.Log(off)
		} else {
			total += math.Log(1 - off)
		}
	}
	r.scores = append(r.scores, scored{set, total})
}

// best returns the best set that lacks a cause; -1 lacks none.
func (r *run) best(lacking int) ([]int, float64) {
	for _, s := range r.scores {
		if !slices.Contains(s.set, lacking) {
			return s.set, s.score
		}
	}
	return nil, math.Inf(-1)
}

func (r *run) finding(e *evidence.Evidence, i int, margin float64) Finding {
	c := r.causes[i]
	f := Finding{ID: c.ID, Margin: margin, Certainty: Possible, Concerns: c.concerns(e)}
	switch {
	case margin >= provenMargin && r.proof(c):
		f.Certainty = Proven
	case margin >= likelyMargin:
		f.Certainty = Likely
	}
	for s := range r.signs {
		if r.truths[s] == Yes && r.links[i][s] > 0 {
			f.Signs = append(f.Signs, r.signs[s].Name)
		}
	}
	if c.Params != nil {
		f.Params = c.Params(e)
	}
	return f
}

func (r *run) proof(c *Cause) bool {
	for _, s := range c.Proof {
		if r.truths[r.index[s]] != Yes {
			return false
		}
	}
	return len(c.Proof) > 0
}

// probable returns the causes of the best sets, in their order.
func (r *run) probable(score float64) (ids []cause.ID) {
	for _, s := range r.scores {
		if score-s.score > provenMargin {
			break
		}
		for _, i := range s.set {
			if id := r.causes[i].ID; len(ids) < MaxTogether && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// rivals returns the causes that could stand in for one, in sets that are
// nearly as good as the best.
func (r *run) rivals(of int, best []int, score float64) []cause.ID {
	var ids []cause.ID
	for _, s := range r.scores {
		if score-s.score >= likelyMargin {
			break
		}
		if slices.Contains(s.set, of) {
			continue
		}
		for _, i := range s.set {
			if !slices.Contains(best, i) {
				ids = append(ids, r.causes[i].ID)
			}
		}
	}
	return ids
}

// troubles returns the signs of trouble that show, and those of them that a set does not account for.
func (r *run) troubles(set []int) (showing, unexplained []string) {
	for s, sign := range r.signs {
		if sign.Normal || r.truths[s] != Yes {
			continue
		}
		showing = append(showing, sign.Name)
		explained := slices.ContainsFunc(set, func(i int) bool { return r.links[i][s] > 0 })
		if !explained {
			unexplained = append(unexplained, sign.Name)
		}
	}
	return showing, unexplained
}
