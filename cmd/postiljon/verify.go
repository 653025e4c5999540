package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	Bodies bool   `help:"Read every message, too, and compare its checksum and summary."`
	Data   string `type:"path" placeholder:"DIR" help:"A data folder that no service uses, such as a restored one."`
	outputFlags
}

// Run checks the store: that of the service or, where none runs, that of a data
// folder. Its exit code is 1 if there are problems.
func (v *verifyCommand) Run(ctx context.Context, s *streams, c *commands) error {
	b := newBar(s, "verifying", false)
	report, err := v.verify(ctx, c, b.set)
	b.done()
	if err != nil {
		return err
	}
	if v.JSON {
		err = printJSON(s, report)
	} else {
		err = v.write(s, &report)
	}
	if err == nil && report.Found > 0 {
		err = fmt.Errorf("%d problems found", report.Found)
	}
	return err
}

func (v *verifyCommand) verify(ctx context.Context, c *commands, progress func(control.Progress)) (control.VerifyReport, error) {
	request := control.VerifyRequest{Bodies: v.Bodies}
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
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(data, "records"), Logger: quiet})
	if err != nil {
		return report, inUse(err, data)
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(data, "blobs"), Logger: quiet})
	if err != nil {
		return report, inUse(err, data)
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	st, err := store.Open(ctx, store.Options{Records: records, Blobs: blobs, Log: quiet})
	if err != nil {
		return report, err
	}
	return control.Verify(ctx, st, r, progress)
}

func (v *verifyCommand) write(s *streams, r *control.VerifyReport) error {
	read := ""
	if v.Bodies {
		read = fmt.Sprintf(", %s of messages read", octets(r.Octets))
	}
	for _, p := range r.Problems {
		if err := s.say("%s", p); err != nil {
			return err
		}
	}
	state := "No problems."
	if r.Found > 0 {
		state = fmt.Sprintf("%d problems.", r.Found)
	}
	return s.say("%s Looked at %d accounts, %d mailboxes, %d emails, %d submissions, %d events%s.",
		state, r.Accounts, r.Mailboxes, r.Emails, r.Submissions, r.Events, read)
}
