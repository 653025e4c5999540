package score

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/fixtures"
)

// sum is what is counted of some runs.
type sum struct {
	name                                          string
	runs, right, both, actor, alarms, naive, over int
	failed                                        int
	slowdowns                                     []float64
}

func (s *sum) add(r Run) {
	s.runs++
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	count(&s.right, r.Right)
	count(&s.both, r.Both)
	count(&s.actor, r.ActorRight)
	count(&s.alarms, r.FalseAlarm)
	count(&s.naive, r.NaiveRight)
	count(&s.over, r.Failed > 2)
	s.failed += r.Failed
	if r.Slowest >= slowProbe {
		s.slowdowns = append(s.slowdowns, float64(r.Took)/float64(r.Slowest))
	}
}

// slowProbe is from when on it makes sense to compare the time of a run with that of its slowest probe.
const slowProbe = 200 * time.Millisecond

func share(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}

func (s *sum) slowdown() string {
	if len(s.slowdowns) == 0 {
		return "–"
	}
	slices.Sort(s.slowdowns)
	return fmt.Sprintf("%.2f", s.slowdowns[len(s.slowdowns)/2])
}

// WriteTable writes the score as a table in Markdown, by kind of scenario.
func WriteTable(w io.Writer, runs []Run) error {
	return write(w, "scenarios", runs, func(r Run) string { return string(r.Fixture.Kind) },
		[]string{string(fixtures.Single), string(fixtures.LookAlike), string(fixtures.Compound), string(fixtures.Intermittent), string(fixtures.Noisy)})
}

// WriteByCause writes the same by cause.
func WriteByCause(w io.Writer, runs []Run) error {
	var order []string
	for _, r := range runs {
		if !slices.Contains(order, string(r.Fixture.Of)) {
			order = append(order, string(r.Fixture.Of))
		}
	}
	return write(w, "cause", runs, func(r Run) string { return string(r.Fixture.Of) }, order)
}

func write(w io.Writer, heading string, runs []Run, key func(Run) string, order []string) error {
	all := sum{name: "**all**"}
	by := map[string]*sum{}
	for _, r := range runs {
		k := key(r)
		if by[k] == nil {
			by[k] = &sum{name: k}
		}
		by[k].add(r)
		all.add(r)
	}
	if _, err := fmt.Fprintf(w, "| %s | runs | right first | all found | actor right | false alarms | failed sign-ins a run | time / slowest probe | first failing check |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n", heading); err != nil {
		return err
	}
	for _, k := range append(order, "") {
		s := by[k]
		if k == "" {
			s = &all
		}
		if s == nil {
			continue
		}
		if _, err := fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %d | %.2f | %s | %s |\n", s.name, s.runs, share(s.right, s.runs), share(s.both, s.runs),
			share(s.actor, s.runs), s.alarms, float64(s.failed)/float64(max(s.runs, 1)), s.slowdown(), share(s.naive, s.runs)); err != nil {
			return err
		}
	}
	return nil
}

// Wrong returns the runs that did not come out as they should, the worst first.
func Wrong(runs []Run) []Run {
	wrong := slices.DeleteFunc(slices.Clone(runs), func(r Run) bool {
		return r.Both && !r.FalseAlarm && !r.Leaks && r.Failed <= 2 && r.Err == nil
	})
	slices.SortStableFunc(wrong, func(a, b Run) int { return cmp.Compare(a.Fixture.Of, b.Fixture.Of) })
	return wrong
}
