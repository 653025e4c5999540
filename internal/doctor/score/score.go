// Package score lets the doctor look at every scenario of package fixtures, in
// many variations, and counts how often it is right; beside it, what the naive way
// would say, which takes the first check that fails for the cause.
package score

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/fixtures"
)

// Options say which scenarios are scored.
type Options struct {
	// Variations are how many of each fixture.
	Variations int
	// HeldOut scores the scenarios that are kept apart from tuning, else only those for tuning.
	HeldOut bool
	// Salt chooses which are kept apart; "" is that of the tests.
	Salt string
	// Only keeps scenarios whose name contains it.
	Only string
	// Step is how long a probe waits; 0 is that of the tests. A busy machine needs more.
	Step time.Duration
	// Parallel is how many run at once; 0 means 4.
	Parallel int
	// Progress hears of every run; may be nil. It is called by one goroutine at a time.
	Progress func(done, of int)
}

// Run is one scenario, and what came of it.
type Run struct {
	fixtures.Scenario
	fixtures.Judgement
	Naive         cause.ID // what the first failing check would say
	NaiveRight    bool
	Leaks         bool // the report tells the password
	Failed        int  // sign-ins that failed
	Took, Slowest time.Duration
	Err           error
}

// MaxFailed is how many sign-ins of a run may fail.
const MaxFailed = 2

// Good reports whether nothing is wrong with the run.
func (r *Run) Good() bool { return r.Right() && !r.Never() }

// Never reports what must not happen in any run.
func (r *Run) Never() bool { return r.Leaks || r.Failed > MaxFailed || r.Err != nil }

// Score runs all scenarios and returns how each went, in order.
func Score(ctx context.Context, o Options) ([]Run, error) {
	if o.Salt == "" {
		o.Salt = fixtures.Salt
	}
	var runs []Run
	for _, f := range fixtures.All() {
		n := o.Variations
		if f.Made {
			n = (n + 3) / 4 // they are many
		}
		varied, err := f.Vary(n, o.HeldOut, o.Salt)
		if err != nil {
			return nil, err
		}
		for _, sc := range varied {
			if strings.Contains(sc.Name(), o.Only) {
				sc.Step = o.Step
				runs = append(runs, Run{Scenario: sc})
			}
		}
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	next, done := 0, 0
	for range o.Parallel {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(runs) {
					return
				}
				runs[i].run(ctx)
				mu.Lock()
				done++
				if o.Progress != nil {
					o.Progress(done, len(runs))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return runs, ctx.Err()
}

// maxRun bounds one run.
const maxRun = 30 * time.Second

func (r *Run) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, maxRun)
	defer cancel()
	report, scene, err := fixtures.Run(ctx, r.Scenario)
	if err != nil {
		r.Err = fmt.Errorf("%s: %w", r.Name(), err)
		return
	}
	r.Judgement = r.Judge(report.Verdict)
	r.Naive = naive(report)
	r.NaiveRight = r.naiveRight()
	r.Failed = report.SignInAttempts.Failed
	r.Took = time.Duration(report.TookMS) * time.Millisecond
	for _, p := range report.Probes {
		r.Slowest = max(r.Slowest, time.Duration(p.TookMS)*time.Millisecond)
	}
	raw, err := json.Marshal(report)
	r.Err = err
	r.Leaks = scene.Case.Password != "" && strings.Contains(string(raw), scene.Case.Password)
}

// naiveRight is generous: any wanted cause will do.
func (r *Run) naiveRight() bool {
	switch {
	case len(r.Want) > 0:
		return slices.Contains(r.Want, r.Naive)
	case r.State == doctor.Unknown:
		return r.Naive == cause.Unknown
	}
	return r.Naive == cause.Healthy
}
