package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/postiljon/postiljon/internal/control"
)

// bar shows on a terminal how far long work has come; elsewhere it is silent.
type bar struct{ *progressbar.ProgressBar }

// newBar shows a bar of octets or of whatever else is counted.
func newBar(s *streams, what string, bytes bool) bar {
	w := io.Discard
	if f, ok := s.err.(*os.File); ok && isTerminal(f) {
		w = f
	}
	return bar{progressbar.NewOptions64(-1,
		progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(bytes),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetVisibility(w != io.Discard))}
}

// set shows progress. That a terminal is gone is no reason to stop.
func (b bar) set(p control.Progress) {
	if p.Accounts > 0 {
		b.Describe(fmt.Sprintf("%s, %s read, messages", count(p.Accounts, "account"), octets(p.Octets)))
	}
	if total := max(p.Total, p.Done); p.Total > 0 && total != b.GetMax64() {
		b.ChangeMax64(total)
	}
	_ = b.Set64(p.Done)
}

func (b bar) done() { _ = b.Finish() }

// count writes a number with what it counts.
func count[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// lasted shows how long something took.
func lasted(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	return d.Round(time.Second).String()
}

// retry adds to an error how to begin again, behind what it advises itself.
func retry(ctx context.Context, err error, how string) error {
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if a, ok := errors.AsType[advised](err); ok && a.NextStep() != "" {
		how = a.NextStep() + " " + how
	}
	return &advice{err, how}
}
