package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
)

type verifyCommand struct {
	Quick bool   `help:"Check the records only; do not read every message."`
	Data  string `type:"path" placeholder:"DIR" help:"A data folder that no service uses, such as a restored one (default: that of the running service)."`
	outputFlags
}

// Run checks the store: that of the service or, where none runs, that of a data
// folder. Its exit code is 1 if there are problems.
func (v *verifyCommand) Run(ctx context.Context, s *streams, c *commands) error {
	b := newBar(s, "messages", false)
	report, err := v.verify(ctx, c, b.set)
	b.done()
	if ctx.Err() != nil {
		return errors.New("interrupted; what was checked so far is not told")
	}
	if err != nil {
		return err
	}
	if v.JSON {
		err = printJSON(s, report)
	} else {
		err = v.write(s, &report)
	}
	if err != nil || report.Found == 0 {
		return err
	}
	return &advice{fmt.Errorf("%s found", count(report.Found, "problem")),
		"Check the disk and its cables first. Then take what is damaged from a backup: 'postiljon restore --help'."}
}

func (v *verifyCommand) verify(ctx context.Context, c *commands, progress func(control.Progress)) (control.VerifyReport, error) {
	request := control.VerifyRequest{Bodies: !v.Quick}
	if v.Data != "" {
		return verifyFolder(ctx, v.Data, request, progress)
	}
	client, err := c.connect()
	if err != nil {
		return control.VerifyReport{}, err
	}
	defer client.Close()
	report, err := client.Verify(ctx, request, progress)
	e, ok := errors.AsType[*control.Error](err)
	if !ok || e.Status != http.StatusServiceUnavailable || c.Socket != "" {
		return report, err
	}
	conf, err := config.Load(c.configFile())
	if err != nil {
		return report, err
	}
	return verifyFolder(ctx, conf.Data, request, progress)
}

// verifyFolder checks a data folder that no service uses.
func verifyFolder(ctx context.Context, data string, r control.VerifyRequest, progress func(control.Progress)) (report control.VerifyReport, err error) {
	if err := isData(data); err != nil {
		return report, err
	}
	if _, err := readVersion(data); err != nil { // it is not for root to note it
		return report, err
	}
	// Root leaves no files behind that the service cannot write.
	defer func() { err = errors.Join(err, keepOwner(data)) }()
	quiet := slog.New(slog.DiscardHandler)
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(data, "records"), Logger: quiet})
	if err != nil {
		return report, unreadable(err, data)
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(data, "blobs"), Logger: quiet})
	if err != nil {
		return report, unreadable(err, data)
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	st, err := store.Open(ctx, store.Options{Records: records, Blobs: blobs, Log: quiet})
	if err != nil {
		return report, err
	}
	return control.Verify(ctx, st, r, progress)
}

// unreadable explains a data folder that cannot be opened.
func unreadable(err error, data string) error {
	if isLocked(err) {
		return &advice{dataTrouble(err, data), "A service runs on it: leave --data out and it is checked while it runs."}
	}
	return &advice{fmt.Errorf("the data folder %s cannot be opened: %w", data, err),
		"If it is damaged, take it from a backup: 'postiljon restore --help'."}
}

func (v *verifyCommand) write(s *streams, r *control.VerifyReport) error {
	for _, p := range r.Problems {
		if err := s.say("%s", p); err != nil {
			return err
		}
	}
	if more := r.Found - int64(len(r.Problems)); more > 0 {
		if err := s.say("... and %s more.", count(more, "problem")); err != nil {
			return err
		}
	}
	state, read := "Everything agrees", octets(r.Octets)+" read"
	if r.Found > 0 {
		state = "Looked at everything"
	}
	if v.Quick {
		read = "the messages themselves were not read"
	}
	return s.say("%s: %s, %s, %s.", state, count(r.Accounts, "account"), count(r.Emails, "message"), read)
}
