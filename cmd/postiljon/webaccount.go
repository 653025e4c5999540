package main

import (
	"net/http"

	"github.com/postiljon/postiljon/internal/web/account"
)

// openAccountAPI makes what the pages of settings ask.
func (s *service) openAccountAPI() (err error) {
	c := &s.config
	var services []account.Service
	for _, one := range advertised(c) {
		security := "starttls"
		if one.TLS {
			security = "tls"
		}
		services = append(services, account.Service{Protocol: one.Protocol, Port: one.Port, Security: security, Outgoing: one.Outgoing})
	}
	s.accounts, err = account.New(account.Options{
		Store: s.store, Rules: s.rules, Catalogue: s.catalogue, SignIn: s.signInHTTP, Fresh: s.freshHTTP, Stale: s.browsers.Stale,
		Mail: s.jmap.Mail, Unsubscribe: s.jmap.Unsubscribe, Note: s.noteOf,
		Meters: s.policies.sending.Meters, Services: services, MailServer: mailServer(c), BaseURL: c.BaseURL(), Version: version(),
		MessageSize: int64(c.Limits.MessageSize), Recipients: c.Limits.Recipients, Log: s.log,
	})
	return err
}

// freshHTTP tells whether who makes a request has just proved who it is: by the session of a browser, or with the request.
func (s *service) freshHTTP(r *http.Request) bool {
	one, d, shown := s.browsers.From(r)
	return !shown || !d.Allowed() || s.browsers.Fresh(&one)
}
