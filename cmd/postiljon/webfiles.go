package main

import (
	"time"

	"github.com/postiljon/postiljon/internal/web/files"
)

// openFiles makes what takes large files and hands them out; there is none where the configuration wants none.
func (s *service) openFiles() (err error) {
	c := &s.config
	if c.Files.MaxSize == 0 {
		return nil
	}
	s.files, err = files.New(files.Options{
		Store: s.store, Catalogue: s.catalogue, SignIn: s.signInHTTP, BaseURL: c.BaseURL(), Hostname: c.Hostname, Note: s.noteOf, Log: s.log,
		Limits: files.Limits{Size: int64(c.Files.MaxSize), Total: int64(c.Files.AccountSize), Keep: time.Duration(c.Files.Keep)},
	})
	return err
}
