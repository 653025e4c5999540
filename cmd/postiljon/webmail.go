package main

import (
	"context"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/webmail"
)

// undoSend is how long a message that was sent in the webmail can be taken back.
const undoSend = 15 * time.Second

// openWebmail makes the program that browsers load, which talks JMAP.
func (s *service) openWebmail() (err error) {
	s.webmail, err = webmail.New(webmail.Options{
		SignIn: s.signInHTTP, Token: s.browsers.Token, Language: s.browsers.Language, Lead: s.browsers.Lead, Ask: s.jmap.Ask, Sharers: s.jmap.Sharers,
		Labels: func(ctx context.Context, a *store.Account) (any, error) {
			l, err := s.accounts.LabelsOf(ctx, a.ID)
			return l.Labels, err
		},
		Alerts:   func(ctx context.Context, a *store.Account) (any, error) { return s.accounts.AlertsOf(ctx, a.ID) },
		Hostname: s.config.Hostname, MaxSize: int64(s.config.Limits.MessageSize), Undo: undoSend, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.signIn.Mail = s.webmail
	return nil
}
