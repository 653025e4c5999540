package main

import (
	"context"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type collectCommand struct {
	Grace string `placeholder:"SPAN" help:"Leave alone what was stored within this time (default: 5s)."`
}

// Run gives back the room of deleted messages.
func (g *collectCommand) Run(ctx context.Context, s *streams, c *commands) error {
	request := control.CollectRequest{}
	if g.Grace != "" {
		span, err := config.ParseDuration(g.Grace)
		if err != nil || span < time.Second {
			return usagef("--grace %q is not a time of a second or more, such as 10s or 2h", g.Grace)
		}
		request.Grace = int64(span / time.Second)
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	done, err := client.Collect(ctx, request)
	if err != nil {
		return retry(ctx, err, "The service also does it by itself, every night and when the volume runs full.")
	}
	if done.Deleted == 0 {
		return s.say("Nothing to give back: %s looked at, %s free on the volume.", count(done.Examined, "message"), octets(done.Free))
	}
	return s.say("Gave back the room of %s: %s; %s are free on the volume now.",
		count(done.Deleted, "deleted message"), octets(done.Freed), octets(done.Free))
}
