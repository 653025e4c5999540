package main

import "github.com/postiljon/postiljon/internal/web/view"

// openView makes what shows messages on the web.
func (s *service) openView() (err error) {
	s.view, err = view.New(view.Options{Store: s.store, Catalogue: s.catalogue, SignIn: s.signInHTTP, AuthservID: s.config.Hostname, Log: s.log})
	return err
}
