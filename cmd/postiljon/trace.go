package main

import (
	"context"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type traceCommand struct {
	What  string `arg:"" name:"address|message-id|trace-id|words" help:"An address, a Message-ID, the id that came with an acknowledgement, or words of the subject."`
	With  string `placeholder:"ADDRESS" help:"Only what is also from or to this address: the other side."`
	Lang  string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	Since string `placeholder:"SPAN" help:"Only what began within this time, such as 2h or 3d."`
	Until string `placeholder:"SPAN" help:"Only what began longer ago than this."`
	Limit int    `default:"1000" help:"At most so many lines, the last ones (default: ${default})."`
	outputFlags
}

// Run tells what became of something.
func (t *traceCommand) Run(ctx context.Context, s *streams, c *commands) error {
	query := control.TraceQuery{Text: t.What, With: t.With, Lang: t.Lang, Limit: t.Limit, JSON: t.JSON, Zone: time.Local.String()}
	if t.Since != "" {
		span, err := config.ParseDuration(t.Since)
		if err != nil {
			return usagef("--since %q is not a time such as 2h or 3d", t.Since)
		}
		query.From = time.Now().Add(-span)
	}
	if t.Until != "" {
		span, err := config.ParseDuration(t.Until)
		if err != nil {
			return usagef("--until %q is not a time such as 2h or 3d", t.Until)
		}
		query.To = time.Now().Add(-span)
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
