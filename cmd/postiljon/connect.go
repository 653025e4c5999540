package main

import (
	"os"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

// connect makes a client of the service that runs: at the socket of the
// command line, or that of the configuration.
func (c *commands) connect() (*control.Client, error) {
	if c.Socket != "" {
		return control.NewClient(c.Socket), nil
	}
	conf, err := config.Load(c.configFile())
	if _, missing := os.Stat(c.configFile()); err != nil && missing == nil {
		return nil, err // which says what to correct
	}
	if err != nil {
		return nil, &advice{err, "Name the socket of a service that runs with --socket, such as that of a demo: --socket demo-data/control.sock"}
	}
	return control.NewClient(conf.Socket()), nil
}

// advice is an error with what to do next.
type advice struct {
	error
	next string
}

func (a *advice) NextStep() string { return a.next }
func (a *advice) Unwrap() error    { return a.error }
