package main

import (
	"context"
	"maps"
	"net/http"

	"github.com/postiljon/postiljon/internal/store"
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

// noteOf notes in the journal what an account did on the web that has no message of its own.
func (s *service) noteOf(ctx context.Context, a store.AccountID, kind string, fields ...store.Field) {
	now := s.store.Now()
	s.journal.Record(ctx, store.Event{Time: now, Trace: store.NewTraceID(now), Kind: kind, Account: a, Fields: fields})
}
