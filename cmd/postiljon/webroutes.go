package main

import (
	"maps"
	"net/http"
)

// webRoutes are what the web serves beside its own pages, by pattern: each part of the service says what it has.
func (s *service) webRoutes() map[string]http.Handler {
	all := map[string]http.Handler{}
	for _, part := range []map[string]http.Handler{
		s.webmail.Routes(), s.browsers.API(), s.signIn.Routes(), s.security.Routes(),
		s.view.Routes(),
		s.files.Routes(), s.move.Routes(),
		s.clinic.Routes(),
		s.accounts.Routes(),
	} {
		maps.Copy(all, part)
	}
	return all
}
