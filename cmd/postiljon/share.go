package main

import (
	"context"

	"github.com/postiljon/postiljon/internal/control"
)

type shareCommand struct {
	Add    shareAdd    `cmd:"" default:"withargs" help:"Share a mailbox with another account of the domain, whose mail programs then show it."`
	List   shareList   `cmd:"" help:"List what an account shares, and what is shared with it."`
	Remove shareRemove `cmd:"" help:"Share a mailbox no longer."`
}

// shareTarget names a mailbox and whom it is shared with.
type shareTarget struct {
	Mailbox string `arg:"" help:"Mailbox, as its owner names it: Work, or INBOX."`
	Of      string `required:"" placeholder:"ACCOUNT" help:"Account whose mailbox it is."`
	With    string `required:"" placeholder:"WHO" help:"Account or alias of the same domain, or 'anyone' for all its accounts."`
}

type shareAdd struct {
	shareTarget
	As string `default:"read" placeholder:"LEVEL" help:"What they may do: read (the default); write (read, change, delete and add messages); post (send to account+mailbox@domain); owner (all, and share it with others); or letters of RFC 4314 such as 'lr'."`
}

// Run shares a mailbox.
func (a *shareAdd) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := client.ChangeShare(ctx, control.ChangeShare{Owner: a.Of, Mailbox: a.Mailbox, With: a.With, As: a.As})
	if err != nil {
		return err
	}
	return s.say("%s of %s is shared with %s: %s.", made.Mailbox, made.Owner, made.With, shareRights(&made))
}

// shareRights names a level and its letters.
func shareRights(share *control.Share) string {
	if share.Level == "" {
		return share.Rights
	}
	return share.Level + " (" + share.Rights + ")"
}

type shareList struct {
	Account string `arg:"" help:"Address of the account."`
	outputFlags
}

// Run lists what an account shares.
func (l *shareList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	shares, err := client.Shares(ctx, l.Account)
	if err != nil {
		return err
	}
	if l.JSON {
		return printJSON(s, shares)
	}
	t := table{heading: []string{"OWNER", "MAILBOX", "SHARED WITH", "RIGHTS"}}
	for _, list := range [][]control.Share{shares.By, shares.With} {
		for i := range list {
			t.add(list[i].Owner, list[i].Mailbox, list[i].With, shareRights(&list[i]))
		}
	}
	return t.write(s)
}

type shareRemove struct{ shareTarget }

// Run shares a mailbox no longer.
func (r *shareRemove) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	gone, err := client.ChangeShare(ctx, control.ChangeShare{Owner: r.Of, Mailbox: r.Mailbox, With: r.With})
	if err != nil {
		return err
	}
	return s.say("%s of %s is not shared with %s any more.", gone.Mailbox, gone.Owner, gone.With)
}
