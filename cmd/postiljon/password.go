package main

import (
	"context"
	"fmt"

	"github.com/postiljon/postiljon/internal/control"
)

type passwordCommand struct {
	Set passwordSet `cmd:"" help:"Give an account a new password; app passwords stay."`
}

type passwordSet struct {
	Address string `arg:"" help:"Address of the account."`
	Change  bool   `help:"Let it be for the first sign-in on the web only, where its holder chooses another; programs are not let in before."`
	passwordFlags
}

// Run sets a password.
func (p *passwordSet) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	password, err := p.password(s)
	if err != nil {
		return err
	}
	answer, err := client.SetPassword(ctx, control.SetPassword{Address: p.Address, Password: password, Change: p.Change})
	if err != nil {
		return err
	}
	said := fmt.Sprintf("%s has its new password.", answer.Address)
	if answer.Password != "" {
		said = fmt.Sprintf("%s has the new password %s", answer.Address, s.bold(answer.Password))
	}
	if answer.Recovery != "" {
		said += fmt.Sprintf("\nNo link for a forgotten password goes to %s any more: its holder can give an address again in the settings.", answer.Recovery)
	}
	return s.say("%s", said)
}
