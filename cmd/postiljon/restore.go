package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type restoreCommand struct {
	From string `arg:"" name:"backup" type:"path" help:"Folder of the backups, or one of them."`
	Data string `type:"path" placeholder:"DIR" help:"Data folder to make, new or empty (default: that of the configuration)."`
	At   string `placeholder:"BACKUP" help:"Which backup, as --list names it (default: the newest)."`
	List bool   `help:"List the backups in the folder instead."`
}

// Run makes a data folder of a backup, and checks its records.
func (r *restoreCommand) Run(ctx context.Context, s *streams, c *commands) error {
	if r.List {
		return listBackups(s, r.From, false)
	}
	data, err := r.data(c)
	if err != nil {
		return err
	}
	from, err := r.from()
	if err != nil {
		return err
	}
	b, begun := newBar(s, "copied", true), time.Now()
	snap, err := backup.Restore(ctx, from, data, func(done, total int64) { b.set(control.Progress{Done: done, Total: total}) })
	b.done()
	if err != nil {
		return r.trouble(ctx, err, data)
	}
	b = newBar(s, "messages", false)
	report, err := verifyFolder(ctx, data, control.VerifyRequest{}, b.set)
	b.done()
	if err != nil {
		return retry(ctx, err, "All was copied to "+data+"; check it with 'postiljon verify --data "+data+"'.")
	}
	if report.Found > 0 {
		return &advice{fmt.Errorf("restored to %s, but %s found", data, count(report.Found, "problem")),
			"'postiljon verify --data " + data + "' shows them; an older backup may be better: 'postiljon restore --list'."}
	}
	return r.report(s, &snap, &report, data, time.Since(begun))
}

func (r *restoreCommand) data(c *commands) (string, error) {
	if r.Data != "" {
		return r.Data, nil
	}
	conf, err := config.Load(c.configFile())
	if err != nil {
		return "", &advice{err, "Name the data folder to make with --data."}
	}
	return conf.Data, nil
}

// from is the backup that is meant.
func (r *restoreCommand) from() (string, error) {
	if r.At == "" {
		return r.From, nil
	}
	all, err := backup.List(r.From)
	if err != nil {
		return "", err
	}
	var names []string
	for _, one := range all {
		if names = append(names, filepath.Base(one.Dir)); names[len(names)-1] == r.At {
			return one.Dir, nil
		}
	}
	err = fmt.Errorf("there is no whole backup %s in %s", r.At, r.From)
	if best := config.Nearest(r.At, names); best != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, best)
	}
	return "", &advice{err, "'postiljon restore " + r.From + " --list' shows the backups."}
}

func (r *restoreCommand) trouble(ctx context.Context, err error, data string) error {
	if ctx.Err() != nil {
		return retry(ctx, err, "Nothing was left in "+data+"; begin again at any time.")
	}
	if !errors.Is(err, backup.ErrNotEmpty) {
		return err
	}
	if lock, lerr := vfs.Default.Lock(filepath.Join(data, "records", "LOCK")); lerr != nil && isLocked(lerr) {
		return &advice{fmt.Errorf("a service runs on the folder %s; nothing was changed", data),
			"Stop it and move its folder away, or restore to another one with --data."}
	} else if lerr == nil {
		if err := lock.Close(); err != nil {
			return err
		}
	}
	return &advice{fmt.Errorf("the folder %s is not empty; nothing was changed", data),
		"Move away what is in it, or restore to another one with --data."}
}

func (r *restoreCommand) report(s *streams, snap *backup.Snapshot, report *control.VerifyReport, data string, took time.Duration) error {
	err := s.say("Restored %s as it was at %s (%s ago): %s, %s, in %s. Its records agree.", data, moment(snap.Taken),
		time.Since(snap.Taken).Round(time.Minute), count(report.Accounts, "account"), count(report.Emails, "message"), lasted(took))
	if err != nil {
		return err
	}
	steps := []string{"Read every message once: postiljon verify --data " + data}
	if _, err := os.Stat(filepath.Join(data, "config", "postiljon.toml")); err == nil {
		steps = append(steps, fmt.Sprintf("The configuration is in %s: put it in its place, with data = %q",
			filepath.Join(data, "config"), data))
	}
	steps = append(steps, "Start the service: postiljon serve")
	for i := range steps {
		steps[i] = fmt.Sprintf("  %d. %s", i+1, steps[i])
	}
	return s.say("\n%s\n%s", s.bold("What to do next"), strings.Join(steps, "\n"))
}
