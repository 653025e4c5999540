package score

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/doctor/fixtures"
)

// sum is what is counted of some runs.
type sum struct {
	name                                                       string
	runs, first, all, exact, actor, alarms, naive, over, never int
	failed                                                     int
	slowdowns                                                  []float64
	slowest                                                    time.Duration
}

func (s *sum) add(r *Run) {
	s.runs++
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	count(&s.first, r.First)
	count(&s.all, r.All)
	count(&s.exact, r.Good())
	count(&s.actor, r.Actor)
	count(&s.alarms, r.Alarm)
	count(&s.naive, r.NaiveRight)
	count(&s.over, r.Failed > MaxFailed)
	count(&s.never, r.Never())
	s.failed += r.Failed
	s.slowest = max(s.slowest, r.Took)
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
	return fmt.Sprintf("%.1f %%", percent(n, of))
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }

// slowdown is the median.
func (s *sum) slowdown() float64 {
	if len(s.slowdowns) == 0 {
		return 0
	}
	slices.Sort(s.slowdowns)
	return s.slowdowns[len(s.slowdowns)/2]
}

// rate is a share in percent, without the sign: the heading has it.
func rate(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", percent(n, of))
}

func (s *sum) row() []string {
	slow := "–"
	if d := s.slowdown(); d > 0 {
		slow = fmt.Sprintf("%.2f", d)
	}
	return []string{
		s.name, fmt.Sprint(s.runs), rate(s.first, s.runs), rate(s.all, s.runs), rate(s.exact, s.runs), rate(s.actor, s.runs), fmt.Sprint(s.alarms),
		fmt.Sprintf("%.2f", float64(s.failed)/float64(max(s.runs, 1))), fmt.Sprintf("%.1f s", s.slowest.Seconds()), slow, rate(s.naive, s.runs),
	}
}

// heading names the columns; the first is what a row is of.
func heading(first string) []string {
	return []string{first, "runs", "first %", "all %", "exact %", "actor %", "alarms", "failed", "longest", "ratio", "naive %"}
}

// legend says what the columns are.
const legend = `
first: the first cause told is one that is there; all: all that are there are told; exact: nothing more is told, and no surer than it can be;
actor: who must act is right; alarms: runs that told what is not there; failed: failed sign-ins a run; longest: the longest run;
ratio: time of a run by that of its slowest probe, median where that took 200 ms; naive: what a checklist would say, its first check that fails.
`

// kinds are the groups in their order.
func kinds() []fixtures.Kind {
	return []fixtures.Kind{fixtures.Single, fixtures.LookAlike, fixtures.Compound, fixtures.Intermittent, fixtures.Noisy}
}

// WriteTable writes the score as a table in Markdown, by kind of scenario, and behind
// it how far the targets are met.
func WriteTable(w io.Writer, runs []Run) error {
	var order []string
	for _, k := range kinds() {
		order = append(order, string(k))
	}
	by, all := sums(runs, func(r *Run) string { return string(r.Kind) })
	if err := write(w, "scenarios", order, by, all); err != nil {
		return err
	}
	if _, err := io.WriteString(w, legend+"\n"); err != nil {
		return err
	}
	return writeTargets(w, by, all)
}

// WriteByCause writes the same by cause, without the targets.
func WriteByCause(w io.Writer, runs []Run) error {
	var order []string
	for _, r := range runs {
		if !slices.Contains(order, string(r.Of)) {
			order = append(order, string(r.Of))
		}
	}
	by, all := sums(runs, func(r *Run) string { return string(r.Of) })
	return write(w, "cause", order, by, all)
}

func sums(runs []Run, key func(*Run) string) (by map[string]*sum, all *sum) {
	by, all = map[string]*sum{}, &sum{name: "all"}
	for i := range runs {
		k := key(&runs[i])
		if by[k] == nil {
			by[k] = &sum{name: k}
		}
		by[k].add(&runs[i])
		all.add(&runs[i])
	}
	return by, all
}

func write(w io.Writer, first string, order []string, by map[string]*sum, all *sum) error {
	rows := [][]string{heading(first)}
	for _, k := range order {
		if by[k] != nil {
			rows = append(rows, by[k].row())
		}
	}
	return writeRows(w, append(rows, all.row()))
}

// writeRows writes a table whose columns stand below each other: the first to the left, the others to the right.
func writeRows(w io.Writer, rows [][]string) error {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			fill := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("| " + cell + fill)
			} else {
				b.WriteString(" | " + fill + cell)
			}
		}
		b.WriteString(" |\n")
		if n > 0 {
			continue
		}
		for i := range row {
			if i == 0 {
				b.WriteString("|" + strings.Repeat("-", width[i]+2))
			} else {
				b.WriteString("|" + strings.Repeat("-", width[i]+1) + ":")
			}
		}
		b.WriteString("|\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTargets writes what was aimed at, beside what came of it.
func writeTargets(w io.Writer, by map[string]*sum, all *sum) error {
	rows := [][]string{{"target", "aim", "measured", "met"}}
	target := func(name, aim, measured string, met bool) {
		yes := "no"
		if met {
			yes = "yes"
		}
		rows = append(rows, []string{name, aim, measured, yes})
	}
	atLeast := func(name string, aim float64, n, of int) {
		if of > 0 {
			target(name, fmt.Sprintf("≥ %.0f %%", aim), share(n, of), percent(n, of) >= aim)
		}
	}
	none := func(name string, n int) { target(name, "0", fmt.Sprint(n), n == 0) }
	if s := by[string(fixtures.Single)]; s != nil {
		atLeast("single faults: right first", 95, s.first, s.runs)
	}
	if s := by[string(fixtures.Compound)]; s != nil {
		atLeast("compounds: all found", 90, s.all, s.runs)
	}
	if s := by[string(fixtures.Intermittent)]; s != nil {
		atLeast("intermittent: right first", 85, s.first, s.runs)
	}
	if s := by[string(fixtures.Noisy)]; s != nil {
		none("healthy: false alarms", s.alarms)
		target("healthy: longest run", "≤ 2 s", fmt.Sprintf("%.1f s", s.slowest.Seconds()), s.slowest <= 2*time.Second)
	}
	atLeast("actor right", 98, all.actor, all.runs)
	target("time, of the slowest probe", "≤ 1.15", fmt.Sprintf("%.2f", all.slowdown()), all.slowdown() <= 1.15)
	none("runs with more than two failed sign-ins", all.over)
	none("runs that told a password, or failed", all.never-all.over)
	return writeRows(w, rows)
}

// Wrong returns the runs that did not come out as they should, by cause.
func Wrong(runs []Run) []Run {
	wrong := slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Good() })
	slices.SortStableFunc(wrong, func(a, b Run) int { return cmp.Compare(a.Of, b.Of) })
	return wrong
}
