package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"

	"github.com/postiljon/postiljon/internal/control"
)

// bar shows on a terminal how far long work has come; elsewhere it is silent.
type bar struct{ *progressbar.ProgressBar }

func newBar(s *streams, what string, bytes bool) bar {
	var w io.Writer = io.Discard
	if f, ok := s.err.(*os.File); ok && isTerminal(f) {
		w = f
	}
	return bar{progressbar.NewOptions64(-1,
		progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(bytes),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(w != io.Discard))}
}

// set shows progress. That a terminal is gone is no reason to stop.
func (b bar) set(p control.Progress) {
	if p.Total > 0 {
		b.ChangeMax64(p.Total)
	}
	_ = b.Set64(p.Done)
}

func (b bar) done() { _ = b.Finish() }
