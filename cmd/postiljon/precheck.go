package main

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound/precheck"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
)

// openPrecheck opens what looks ahead before a message for others is taken.
func (s *service) openPrecheck(context.Context) error {
	var err error
	if s.providers, err = settings.Load(); err != nil {
		return err
	}
	c := &s.config.Precheck
	s.precheck = precheck.New(precheck.Options{
		DNS: s.resolver, Recipients: c.Recipients, Sizes: c.Sizes, Senders: precheck.Action(c.Senders),
		Signed: s.keyShows, Addresses: s.leavesFrom, Relayed: s.relayed, Warn: s.warnUnproven,
		Near: s.nearest,
	})
	return nil
}

// nearest is the domain that a writer probably meant by one: among those that are familiar, or those of providers.
func (s *service) nearest(ctx context.Context, a store.AccountID, domain string) string {
	if near := settings.Nearest(domain, s.familiar(ctx, a)); near != "" {
		return near
	}
	return s.providers.NearestDomain(domain)
}

// relayed implements precheck.Options.Relayed by the relays of the configuration.
func (s *service) relayed(ctx context.Context, id store.AccountID, from, to string) bool {
	if from == "" {
		if a, err := s.store.Account(ctx, id); err == nil {
			from = a.Domain()
		}
	}
	return s.queue.Relayed(from, to)
}

// keyShows reports whether the DNS shows a key that messages of a domain are signed with. A domain
// without keys counts as not signed.
func (s *service) keyShows(ctx context.Context, domain string) (bool, error) {
	keys, err := s.dkim.Keys(ctx, domain)
	if errors.Is(err, dkim.ErrNoDomain) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		if k.State != dkim.Signing || k.Off || !s.config.Queue.DKIM {
			continue
		}
		if shows, err := s.dkim.Published(ctx, k); err != nil || shows {
			return shows, err
		}
	}
	return false, nil
}

// leavesFrom are the addresses that messages leave from.
func (s *service) leavesFrom(ctx context.Context) (all []netip.Addr, err error) {
	for _, text := range s.config.Precheck.Addresses {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		all = append(all, addr)
	}
	if len(all) > 0 {
		return all, nil
	}
	all, _, err = s.resolver.Addrs(ctx, s.config.Hostname)
	return all, err
}

// warnUnproven leaves an event of a domain whose messages nothing proves.
func (s *service) warnUnproven(domain string, d cause.Decision) {
	now := s.store.Now()
	e := store.Event{Time: now, Trace: store.NewTraceID(now), Kind: journal.SenderUnproven, Fields: []store.Field{{Name: "domain", Value: domain}}}
	e.SetDecision(d)
	s.journal.Record(context.Background(), e)
	s.log.Warn("others cannot verify messages of a domain; see postiljon dns DOMAIN --check", "domain", domain)
}

// Bounds of the look at what an account has sent.
const (
	familiarAge = 30 * 24 * time.Hour
	familiarMax = 20_000 // events
)

// familiar are the domains that a writer may have meant: those here, and those that took messages of
// the account. It is asked only for a domain that does not exist.
func (s *service) familiar(ctx context.Context, a store.AccountID) []string {
	known := map[string]bool{}
	if domains, err := s.store.Domains(ctx); err == nil {
		for _, d := range domains {
			known[d.Name] = true
		}
	}
	seen, enough := 0, errors.New("enough")
	now := s.store.Now()
	err := s.store.Events(ctx, a, now.Add(-familiarAge), now, func(e *store.Event) error {
		if seen++; seen > familiarMax {
			return enough
		}
		if to := e.Field("to"); e.Kind == journal.MessageRelayed && to != "" {
			known[strings.ToLower(to[strings.LastIndexByte(to, '@')+1:])] = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		s.log.Warn("not known to whom an account wrote", "account", a, "error", err)
	}
	all := make([]string, 0, len(known))
	for name := range known {
		all = append(all, name)
	}
	return all
}
