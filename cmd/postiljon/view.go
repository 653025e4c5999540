package main

import (
	"net/http"
	_ "time/tzdata" // the zones of invitations, where the system has none

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/view"
)

// openView makes what shows messages on the web. Pictures of the web are fetched from public addresses alone.
func (s *service) openView() (err error) {
	s.view, err = view.New(view.Options{
		Store: s.store, Catalogue: s.catalogue, SignIn: s.signInHTTP, Shared: s.jmap.Shared, Note: s.noteOf, AuthservID: s.config.Hostname, Log: s.log,
		Opened: func(r *http.Request, by *store.Account, owner store.AccountID, e journal.ReadEmail) {
			reading := journal.Reading{Kind: journal.MessageOpened, Owner: owner, Client: "webmail", Session: s.browsers.With(r), Emails: []journal.ReadEmail{e}}
			if by.ID != owner {
				reading.By = by.Address
			}
			s.journal.Read(r.Context(), reading)
		},
		Fetch: outbound.NewWebClient(outbound.WebOptions{Resolver: s.resolver, AllowPrivate: s.config.Queue.AllowPrivate}),
	})
	return err
}
