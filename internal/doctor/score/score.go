// Package score lets the doctor look at every scenario of package fixtures, with
// many seeds, and counts how often it is right; beside it, what the naive way
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
	// Seeds are tried one after the other: From, From+1, and so on.
	From, Seeds uint64
	// HeldOut scores only the scenarios that are kept apart from tuning.
	HeldOut bool
	// Only keeps scenarios whose cause and name contain it.
	Only string
	// Parallel is how many run at once; 0 means 4.
	Parallel int
	// Progress hears of every run; may be nil. It is called by one goroutine at a time.
	Progress func(done, of int)
}

// Run is one scenario with one seed, and what came of it.
type Run struct {
	Fixture fixtures.Fixture
	Seed    uint64
	Found   []cause.ID
	State   doctor.State
	Naive   cause.ID // what the first failing check would say
	// Right: the verdict is the wanted one, whatever the kind of scenario. Both: all wanted causes are named.
	Right, Both, ActorRight, NaiveRight bool
	FalseAlarm                          bool // named a cause that must not be, or any in a healthy scene
	Leaks                               bool // the report tells the password
	Failed                              int  // sign-ins that failed
	Took, Slowest                       time.Duration
	Err                                 error
}

// Score runs all scenarios and returns how each went, in order.
func Score(ctx context.Context, o Options) ([]Run, error) {
	catalogue, err := cause.Load()
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, f := range fixtures.All() {
		if !strings.Contains(string(f.Of)+"/"+f.Name, o.Only) {
			continue
		}
		for seed := o.From; seed < o.From+o.Seeds; seed++ {
			if !o.HeldOut || f.HeldOut(seed) {
				runs = append(runs, Run{Fixture: f, Seed: seed})
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
				runs[i].run(ctx, catalogue)
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

func (r *Run) run(ctx context.Context, catalogue *cause.Catalogue) {
	ctx, cancel := context.WithTimeout(ctx, maxRun)
	defer cancel()
	report, scene, err := fixtures.Run(ctx, r.Fixture, r.Seed)
	if err != nil {
		r.Err = fmt.Errorf("%s/%s seed %d: %w", r.Fixture.Of, r.Fixture.Name, r.Seed, err)
		return
	}
	r.State, r.Naive = report.Verdict.State, naive(report)
	for _, c := range report.Verdict.Causes {
		r.Found = append(r.Found, c.ID)
	}
	r.judge(report, catalogue)
	r.Failed = report.SignInAttempts.Failed
	r.Took = time.Duration(report.TookMS) * time.Millisecond
	for _, p := range report.Probes {
		r.Slowest = max(r.Slowest, time.Duration(p.TookMS)*time.Millisecond)
	}
	raw, err := json.Marshal(report)
	r.Err = err
	r.Leaks = scene.Case.Password != "" && strings.Contains(string(raw), scene.Case.Password)
}

func (r *Run) judge(report *doctor.Report, catalogue *cause.Catalogue) {
	want := r.Fixture.Want
	for _, not := range r.Fixture.Not {
		r.FalseAlarm = r.FalseAlarm || slices.Contains(r.Found, not)
	}
	if len(want) == 0 {
		r.Both = !r.FalseAlarm && (r.Fixture.Kind != fixtures.Noisy || r.State == doctor.Healthy)
		r.FalseAlarm = r.FalseAlarm || r.Fixture.Kind == fixtures.Noisy && r.State != doctor.Healthy
		r.Right, r.ActorRight = r.Both, r.Both
		r.NaiveRight = r.Naive == cause.Healthy
		return
	}
	r.Right = len(r.Found) > 0 && slices.Contains(want, r.Found[0]) && !r.FalseAlarm
	r.Both = r.Right
	for _, w := range want {
		r.Both = r.Both && slices.Contains(r.Found, w)
	}
	wanted, _ := catalogue.Cause(want[0])
	if len(report.Verdict.Causes) > 0 {
		r.ActorRight = r.Right || report.Verdict.Causes[0].Actor == wanted.Actor
	}
	r.NaiveRight = slices.Contains(want, r.Naive)
}
