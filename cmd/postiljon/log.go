package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
)

// newLog makes the log: text for a person, JSON for a machine. The level can
// be changed while the service runs.
func newLog(w io.Writer, format string, level *slog.LevelVar) *slog.Logger {
	if format == "auto" {
		format = "json"
		if f, ok := w.(*os.File); ok && isTerminal(f) {
			format = "text"
		}
	}
	o := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// logLevel reads a level of the configuration.
func logLevel(name string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return l, fmt.Errorf("log level: %w", err)
	}
	return l, nil
}
