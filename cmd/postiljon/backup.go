package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type backupCommand struct {
	Dir  string `arg:"" optional:"" type:"path" help:"Folder of the backups; what did not change since the last is shared with it."`
	List bool   `help:"List the backups in the folder instead of making one."`
	outputFlags
}

// Run makes a backup of the running service.
func (b *backupCommand) Run(ctx context.Context, s *streams, c *commands) error {
	if b.Dir == "" {
		return usagef("name the folder of the backups: postiljon backup DIR")
	}
	if b.List {
		return b.list(s)
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	bar := newBar(s, "backing up", true)
	made, err := client.Backup(ctx, b.Dir, bar.set)
	bar.done()
	if err != nil {
		return err
	}
	if b.JSON {
		return printJSON(s, made)
	}
	return s.say("Backup of %s in %s, %s copied.", moment(made.Taken), b.Dir, octets(made.Copied))
}

func (b *backupCommand) list(s *streams) error {
	all, err := backup.List(b.Dir)
	if err != nil {
		return err
	}
	if b.JSON {
		return printJSON(s, all)
	}
	t := table{heading: []string{"BACKUP", "TAKEN", "COPIED"}}
	for _, one := range all {
		t.add(filepath.Base(one.Dir), moment(one.Taken), octets(one.Copied))
	}
	return t.write(s)
}

type restoreCommand struct {
	From string `arg:"" type:"path" help:"A backup, or the folder of the backups for the newest."`
	Data string `type:"path" placeholder:"DIR" help:"Data folder to make, new or empty (default: that of the configuration)."`
}

// Run makes a data folder of a backup, and checks it.
func (r *restoreCommand) Run(ctx context.Context, s *streams, c *commands) error {
	data := r.Data
	if data == "" {
		conf, err := config.Load(c.configFile())
		if err != nil {
			return &advice{err, "Name the data folder to make with --data."}
		}
		data = conf.Data
	}
	b := newBar(s, "restoring", true)
	from, err := backup.Restore(ctx, r.From, data, func(done, total int64) { b.set(control.Progress{Done: done, Total: total}) })
	b.done()
	if err != nil {
		return err
	}
	report, err := verifyFolder(ctx, data, control.VerifyRequest{}, func(control.Progress) {})
	if err != nil {
		return err
	}
	if report.Found > 0 {
		return &advice{fmt.Errorf("restored to %s, but %d problems were found", data, report.Found),
			"'postiljon verify --data " + data + "' shows them."}
	}
	return s.say("Restored %s as it was at %s (%s ago): %d accounts, %d emails.",
		data, moment(from.Taken), time.Since(from.Taken).Round(time.Minute), report.Accounts, report.Emails)
}

// isData refuses a folder that holds no data of a service.
func isData(dir string) error {
	for _, name := range []string{"records", "blobs"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return usagef("%s is no data folder of Postiljon", dir)
		}
	}
	return nil
}
