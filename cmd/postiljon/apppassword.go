package main

import (
	"context"

	"github.com/postiljon/postiljon/internal/control"
)

type appPasswordCommand struct {
	Add    appPasswordAdd    `cmd:"" help:"Make a password for one program or device."`
	List   appPasswordList   `cmd:"" help:"List the passwords of an account, without what is secret."`
	Remove appPasswordRemove `cmd:"" help:"Remove the password of a program; it cannot sign in any more."`
}

type appPasswordAdd struct {
	Address   string   `arg:"" help:"Address of the account."`
	Name      string   `arg:"" help:"What it is for, such as phone."`
	Protocols []string `placeholder:"P,..." help:"Only for these protocols: imap, pop3, submission, jmap, web (default: all)."`
}

// Run makes an app password.
func (p *appPasswordAdd) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := client.AddAppPassword(ctx, control.NewAppPassword{Address: p.Address, Name: p.Name, Protocols: p.Protocols})
	if err != nil {
		return err
	}
	return s.say("%s has the password %s for %s. It is shown only now.", made.Address, s.bold(made.Password), p.Name)
}

type appPasswordList struct {
	Address string `arg:"" help:"Address of the account."`
	outputFlags
}

// Run lists passwords.
func (p *appPasswordList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	one, err := client.Account(ctx, p.Address)
	if err != nil {
		return err
	}
	if p.JSON {
		return printJSON(s, one.Passwords)
	}
	return passwordTable(one.Passwords).write(s)
}

type appPasswordRemove struct {
	Address string `arg:"" help:"Address of the account."`
	Name    string `arg:"" help:"Name or id of the app password."`
}

// Run removes an app password.
func (p *appPasswordRemove) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	gone, err := client.RemoveAppPassword(ctx, control.AppPassword{Address: p.Address, Which: p.Name})
	if err != nil {
		return err
	}
	return s.say("Removed the app password %s of %s.", gone.Name, p.Address)
}
