package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/control"
)

type backupCommand struct {
	Dir  string `arg:"" type:"path" help:"Folder of the backups, best on another disk; what did not change since the last is shared with it."`
	Keep int    `placeholder:"N" help:"Keep the newest N backups and remove the older ones (default: all are kept)."`
	List bool   `help:"List the backups in the folder instead of making one."`
	outputFlags
}

// Run makes a backup of the running service.
func (b *backupCommand) Run(ctx context.Context, s *streams, c *commands) error {
	if b.List {
		return listBackups(s, b.Dir, b.JSON)
	}
	if b.Keep < 0 {
		return usagef("--keep %d keeps nothing; give 1 or more", b.Keep)
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	bar := newBar(s, "copied", true)
	made, err := client.Backup(ctx, b.Dir, bar.set)
	bar.done()
	if err != nil {
		if ctx.Err() != nil {
			return retry(ctx, err, "The backups that were there are whole; begin again at any time.")
		}
		return err
	}
	var pruned control.Pruned
	if b.Keep > 0 {
		if pruned, err = client.Prune(ctx, control.PruneRequest{Dir: b.Dir, Keep: b.Keep}); err != nil {
			return retry(ctx, err, "The new backup is whole.")
		}
	}
	if b.JSON {
		return printJSON(s, made)
	}
	return b.report(s, &made, pruned.Removed)
}

func (b *backupCommand) report(s *streams, made *backup.Snapshot, gone []string) error {
	name := filepath.Join(b.Dir, backup.Name(made.Taken))
	err := s.say("Backup of %s in %s: %s copied in %s.", moment(made.Taken), name, octets(made.Copied),
		lasted(time.Duration(made.Took*float64(time.Second))))
	if err == nil && len(gone) > 0 {
		err = s.say("Removed %s and kept the newest %d.", count(len(gone), "older backup"), b.Keep)
	}
	if err == nil && made.SameVolume {
		err = s.say("It lies on the same disk as the mail and is lost with it: copy it to another one, too.")
	}
	return err
}

func listBackups(s *streams, dir string, json bool) error {
	all, err := backup.List(dir)
	if err != nil {
		return err
	}
	if json {
		return printJSON(s, all)
	}
	if len(all) == 0 {
		return s.say("There are no whole backups in %s.", dir)
	}
	t := table{heading: []string{"BACKUP", "TAKEN", "COPIED", "TOOK"}}
	for _, one := range all {
		t.add(filepath.Base(one.Dir), moment(one.Taken), octets(one.Copied), lasted(time.Duration(one.Took*float64(time.Second))))
	}
	return t.write(s)
}
