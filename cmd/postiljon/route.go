package main

import (
	"context"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/outbound/plan"
)

type routeCommand struct {
	Domain string `arg:"" help:"A domain, or an address in it."`
	From   string `placeholder:"ADDRESS" help:"Sender of the mail; relays can depend on it."`
	Lang   string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	outputFlags
}

// Run says which way mail to a domain would take now, and how it would be protected.
func (r *routeCommand) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	way, err := client.Route(ctx, control.RouteQuery{Domain: r.Domain, From: r.From})
	if err != nil {
		return err
	}
	if r.JSON {
		return printJSON(s, way)
	}
	speaker := plan.Speaker{Lang: cause.Lang(r.Lang), Bold: s.bold}
	if speaker.Speech, err = plan.SpeechIn(speaker.Lang); err != nil {
		return err
	}
	if speaker.Catalogue, err = cause.Load(); err != nil {
		return err
	}
	var said strings.Builder
	if err := speaker.Write(&said, way); err != nil {
		return err
	}
	_, err = io.WriteString(s.out, foldedLines(said.String()))
	return err
}
