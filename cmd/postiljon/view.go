package main

import (
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/web/view"
)

// openView makes what shows messages on the web. Pictures of the web are fetched from public addresses alone.
func (s *service) openView() (err error) {
	s.view, err = view.New(view.Options{
		Store: s.store, Catalogue: s.catalogue, SignIn: s.signInHTTP, AuthservID: s.config.Hostname, Log: s.log,
		Fetch: outbound.NewWebClient(outbound.WebOptions{Resolver: s.resolver, AllowPrivate: s.config.Queue.AllowPrivate}),
	})
	return err
}
