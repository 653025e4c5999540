package main

import (
	"context"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type traceCommand struct {
	What  string `arg:"" name:"address|message-id|trace-id" help:"An address, a Message-ID, or the id that came with an acknowledgement."`
	Lang  string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	Since string `placeholder:"SPAN" help:"Only what began within this time, such as 2h or 3d."`
	Limit int    `default:"1000" help:"At most so many lines, the last ones (default: ${default})."`
	outputFlags
}

// Run tells what became of something.
func (t *traceCommand) Run(ctx context.Context, s *streams, c *commands) error {
	query := control.TraceQuery{Text: t.What, Lang: t.Lang, Limit: t.Limit, JSON: t.JSON, Zone: time.Local.String()}
	if t.Since != "" {
		span, err := config.ParseDuration(t.Since)
		if err != nil {
			return usagef("--since %q is not a time such as 2h or 3d", t.Since)
		}
		query.From = time.Now().Add(-span)
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := client.Trace(ctx, query)
	if err != nil {
		return err
	}
	if t.JSON {
		return printJSON(s, answer.JSON)
	}
	_, err = fmt.Fprint(s.out, answer.Text)
	return err
}
