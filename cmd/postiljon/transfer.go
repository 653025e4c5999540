package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/transfer"
)

type exportCommand struct {
	Address string `arg:"" help:"Address of the account."`
	Dir     string `arg:"" type:"path" help:"Folder to write to, new or empty."`
	Format  string `enum:"mbox,maildir" default:"mbox" help:"Format of the files: ${enum} (default: ${default})."`
}

// Run writes the mail of an account to files.
func (e *exportCommand) Run(ctx context.Context, s *streams, c *commands) (err error) {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	one, err := client.Account(ctx, e.Address)
	if err != nil {
		return err
	}
	w, err := e.writer()
	if err != nil {
		return err
	}
	b, written, total, begun := newBar(s, "messages", false), int64(0), int64(0), time.Now()
	for _, m := range one.Mailboxes {
		total += int64(m.Messages)
	}
	err = client.Export(ctx, e.Address, func(item *transfer.Item) error {
		if err := w.Write(item); err != nil {
			return err
		}
		written++
		b.set(control.Progress{Done: written, Total: total})
		return nil
	})
	b.done()
	if err := errors.Join(err, w.Close()); err != nil {
		return retry(ctx, fmt.Errorf("the export ended after %s: %w", count(written, "message"), err),
			"Remove "+e.Dir+" and export again.")
	}
	return s.say("Wrote %s of %s to %s in %s.", count(written, "message"), one.Address, e.Dir, lasted(time.Since(begun)))
}

func (e *exportCommand) writer() (transfer.Writer, error) {
	if e.Format == "maildir" {
		return transfer.NewMaildirWriter(e.Dir, time.Now())
	}
	return transfer.NewMboxWriter(e.Dir)
}

type importCommand struct {
	Address string `arg:"" help:"Address of the account."`
	From    string `arg:"" type:"path" help:"An mbox file, a folder of them, or a Maildir."`
	Mailbox string `placeholder:"NAME" help:"Mailbox for it (default: as the files are named)."`
	Format  string `enum:"auto,mbox,maildir" default:"auto" help:"Format of the files: ${enum} (default: ${default})."`
}

// Run reads mail from files into an account. What is there already is passed
// over, so that it can be begun again.
func (i *importCommand) Run(ctx context.Context, s *streams, c *commands) error {
	read, total, err := i.reader()
	if err != nil {
		return err
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	b := newBar(s, "read", true)
	answer, err := client.Import(ctx, i.Address, func(w io.Writer) error {
		return read(i.From, i.Mailbox, func(octets int64) { b.set(control.Progress{Done: octets, Total: total}) },
			func(item *transfer.Item) error { return transfer.WriteItem(w, item) })
	})
	b.done()
	if e, ok := errors.AsType[*control.Error](err); ok && e.Status == http.StatusNotFound {
		return err
	}
	if err != nil {
		return retry(ctx, err, "Run the same command again: what is there already is passed over.")
	}
	return s.say("Imported %s into %s; %d were there already.", count(answer.Imported, "message"), i.Address, answer.Skipped)
}

type mailReader func(path, mailbox string, progress func(int64), fn func(*transfer.Item) error) error

// reader chooses how to read, and finds out how much there is.
func (i *importCommand) reader() (read mailReader, total int64, err error) {
	err = filepath.WalkDir(i.From, func(_ string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, &advice{fmt.Errorf("there is nothing at %s", i.From), "Name an mbox file, a folder of them, or a Maildir."}
	}
	if err != nil {
		return nil, 0, err
	}
	maildir := i.Format == "maildir"
	if i.Format == "auto" {
		info, err := os.Stat(filepath.Join(i.From, "cur"))
		maildir = err == nil && info.IsDir()
	}
	if maildir {
		return transfer.ReadMaildir, total, nil
	}
	return transfer.ReadMbox, total, nil
}
