package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/postiljon/postiljon/internal/doctor/score"
)

type scoreCommand struct {
	Seeds    uint64 `default:"8" help:"How many variants of every scenario (default: ${default})."`
	From     uint64 `default:"100" help:"The first seed; tests use those from 0 on (default: ${default})."`
	HeldOut  bool   `help:"Only what is kept apart from tuning."`
	Only     string `placeholder:"TEXT" help:"Only scenarios whose cause or name contain this."`
	ByCause  bool   `help:"A row for every cause."`
	Wrong    bool   `help:"List what came out wrong."`
	Parallel int    `default:"4" help:"How many at once (default: ${default})."`
}

// Run scores the doctor. It fails if a password was told or too many sign-ins were spent: those must never be.
func (c *scoreCommand) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	runs, err := score.Score(ctx, score.Options{From: c.From, Seeds: c.Seeds, HeldOut: c.HeldOut, Only: c.Only, Parallel: c.Parallel,
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
		if r.Leaks || r.Failed > 2 || r.Err != nil {
			never = append(never, fmt.Errorf("%s/%s seed %d: tells the password %v, failed sign-ins %d: %w", r.Fixture.Of, r.Fixture.Name, r.Seed, r.Leaks, r.Failed, r.Err))
		}
		if c.Wrong {
			fmt.Fprintf(out, "%s/%s seed %d (%s): found %v, wanted %v, %s\n", r.Fixture.Of, r.Fixture.Name, r.Seed, r.Fixture.Kind, r.Found, r.Fixture.Want, r.State)
		}
	}
	return errors.Join(never...)
}
