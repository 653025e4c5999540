package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/score"
)

type scoreCommand struct {
	Variations int           `default:"4" help:"How many variations of every scenario (default: ${default})."`
	HeldOut    bool          `help:"Those that are kept apart from tuning, in place of those for tuning."`
	Salt       string        `placeholder:"TEXT" help:"Choose by this what is kept apart, in place of what the tests keep apart."`
	Only       string        `placeholder:"TEXT" help:"Only scenarios whose name contains this."`
	ByCause    bool          `help:"A row for every cause."`
	Wrong      bool          `help:"List what came out wrong."`
	Step       time.Duration `default:"500ms" help:"How long a probe waits for an answer: more on a busy machine (default: ${default})."`
	Parallel   int           `default:"4" help:"How many at once (default: ${default})."`
}

// Run scores the doctor. It fails if a password was told or too many sign-ins were spent: those must never be.
func (c *scoreCommand) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	runs, err := score.Score(ctx, score.Options{Variations: c.Variations, HeldOut: c.HeldOut, Salt: c.Salt, Only: c.Only, Step: c.Step, Parallel: c.Parallel,
		Progress: func(done, of int) { fmt.Fprintf(os.Stderr, "\r%d of %d", done, of) }})
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return err
	}
	table := score.WriteTable
	if c.ByCause {
		table = score.WriteByCause
	}
	if err := table(out, runs); err != nil {
		return err
	}
	var never []error
	for _, r := range score.Wrong(runs) {
		if r.Never() {
			never = append(never, fmt.Errorf("%s: tells the password %v, failed sign-ins %d: %w", r.Name(), r.Leaks, r.Failed, r.Err))
		}
		if c.Wrong {
			fmt.Fprintf(out, "%s: %s\n    %s\n", r.Kind, r.Name(), r.Reason)
		}
	}
	return errors.Join(never...)
}
