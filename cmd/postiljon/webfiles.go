package main

import (
	"context"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/files"
)

// openFiles makes what takes large files and hands them out; there is none where the configuration wants none.
func (s *service) openFiles() (err error) {
	c := &s.config
	if c.Files.MaxSize == 0 {
		return nil
	}
	s.files, err = files.New(files.Options{
		Store: s.store, Catalogue: s.catalogue, SignIn: s.signInHTTP, BaseURL: c.BaseURL(), Hostname: c.Hostname, Log: s.log,
		Note: func(ctx context.Context, a store.AccountID, kind string, fields ...store.Field) {
			now := s.store.Now()
			s.journal.Record(ctx, store.Event{Time: now, Trace: store.NewTraceID(now), Kind: kind, Account: a, Fields: fields})
		},
		Limits: files.Limits{Size: int64(c.Files.MaxSize), Total: int64(c.Files.AccountSize), Keep: time.Duration(c.Files.Keep)},
	})
	return err
}
