package main

import "context"

type reloadCommand struct{}

// Run makes the service read its configuration and certificates again.
func (reloadCommand) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Reload(ctx); err != nil {
		return err
	}
	return s.say("Reloaded.")
}
