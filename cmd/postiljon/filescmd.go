package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/postiljon/postiljon/internal/control"
)

type filesCommand struct {
	List   filesList   `cmd:"" help:"List the large files of an account, without their links."`
	Revoke filesRevoke `cmd:"" help:"End links: nobody can fetch the files any more."`
}

type filesList struct {
	Address string `arg:"" help:"Address of the account."`
	outputFlags
}

// Run lists files.
func (f *filesList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	all, err := client.Files(ctx, f.Address)
	if err != nil {
		return err
	}
	if f.JSON {
		return printJSON(s, all)
	}
	if len(all.Files) == 0 {
		return s.say("%s has no large files.", all.Address)
	}
	t := table{heading: []string{"FILE", "SIZE", "MADE", "DOWNLOADS", "STATE", "ID"}}
	for i := range all.Files {
		one := &all.Files[i]
		t.add(one.Name, octets(one.Size), moment(one.Created), strconv.FormatInt(one.Downloads, 10), fileState(one), one.ID)
	}
	if err := t.write(s); err != nil {
		return err
	}
	return s.say("They take %s.", octets(all.Used))
}

func fileState(f *control.File) string {
	switch {
	case !f.Revoked.IsZero():
		return "ended " + moment(f.Revoked)
	case f.Over:
		return "over " + moment(f.Expires)
	case !f.Linked.IsZero():
		return "until " + moment(f.Expires)
	case f.Offset < f.Size:
		return fmt.Sprintf("comes in, %d %%", f.Offset*100/f.Size)
	}
	return "no link"
}

type filesRevoke struct {
	Address string `arg:"" help:"Address of the account."`
	File    string `arg:"" optional:"" help:"Name or id of one file (default: all)."`
}

// Run ends links.
func (f *filesRevoke) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	gone, err := client.RevokeFile(ctx, control.RevokeFile{Address: f.Address, Which: f.File})
	if err != nil {
		return err
	}
	return s.say("Ended %s of %s.", count(int64(len(gone.Files)), "link"), gone.Address)
}
