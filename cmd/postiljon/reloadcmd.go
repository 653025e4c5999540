package main

import (
	"context"
	"strings"
)

type reloadCommand struct{}

// Run makes the service read its configuration and certificates again.
func (reloadCommand) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	told, err := client.Reload(ctx)
	if err != nil {
		return err
	}
	if err := s.say("Reloaded."); err != nil || len(told.Restart) == 0 {
		return err
	}
	return s.say("These settings were changed, too, and hold from the next start: %s.", strings.Join(told.Restart, ", "))
}
