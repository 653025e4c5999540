package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/postiljon/postiljon/internal/protocol/jmapd"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/page"
)

// openJMAP makes the server of JMAP, which the web serves.
func (s *service) openJMAP() (err error) {
	s.jmap, err = jmapd.New(jmapd.Options{
		Store: s.store, Index: s.index, Catalogue: s.catalogue, BaseURL: s.config.BaseURL(), SignIn: s.signInHTTP, With: s.browsers.With, Tokens: s.sasl.tokens.Load, Log: s.log,
		Queue: s.queue, Check: s.road.Check, Holder: jmapd.Holder{Journal: s.journal, Meters: s.policies.sending.Meters}, Near: s.nearest,
		Room: s.policies.roomOfDomain,
		Zone: func(r *http.Request) *time.Location { return page.Zone(r, "") }, // the browser's, as for all times that it writes itself
		Limits: jmapd.Limits{
			Upload: int64(s.config.Limits.MessageSize), Message: int64(s.config.Limits.MessageSize), Recipients: s.config.Limits.Recipients,
		},
		Sieve:  &jmapd.Sieve{Check: rules.Check, Extensions: sieve.Extensions(), Redirects: rules.MaxForwards},
		Push:   jmapd.Push{Anywhere: s.config.Web.PushPrivate},
		Filed:  func(f jmapd.Filed) { s.policies.trainer.Moved(f.Account, f.Into, f.UIDs, f.From, f.To) },
		Marked: func(m jmapd.Marked) { s.policies.trainer.Marked(m.Account, m.Mailbox, m.UIDs, m.Junk) },
	})
	return err
}

// jmapURL is where programs find the session of JMAP, "" where the web does not listen.
func (s *service) jmapURL() string {
	if len(s.config.Listen.HTTPS) == 0 {
		return ""
	}
	return s.config.BaseURL() + "/.well-known/jmap"
}

// forgetDevices ends the push subscriptions of an account that were made with what does not count any more.
func (s *service) forgetDevices(ctx context.Context, a store.AccountID, gone func(with string) bool) {
	if s.jmap == nil {
		return
	}
	which := func(sub *store.PushSubscription) bool { return gone(sub.With) }
	if err := s.jmap.Unsubscribe(context.WithoutCancel(ctx), a, which); err != nil {
		s.log.Error("devices are still told of mail", "error", err)
	}
}

// keepDevices lets the push subscriptions of a browser go on with its new session.
func (s *service) keepDevices(ctx context.Context, a store.AccountID, before, now string) {
	list, err := s.store.PushSubscriptions(ctx, a)
	for i := range list {
		if list[i].With == before {
			err = errors.Join(err, s.store.UpdatePushSubscription(ctx, a, list[i].ID, func(p *store.PushSubscription) error { p.With = now; return nil }))
		}
	}
	if err != nil {
		s.log.Error("devices may not be told of mail any more", "error", err)
	}
}
