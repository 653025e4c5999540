package main

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

// openResolver opens what asks the DNS.
func (s *service) openResolver(context.Context) (err error) {
	s.resolver, err = newResolver(s.config.Queue.Resolver, s.config.Queue.ResolverTrusted)
	return err
}

// newResolver asks one server, or those of the system where none is named. trusted says that
// what it tells about DNSSEC is believed wherever it is.
func newResolver(server string, trusted bool) (*resolver.Resolver, error) {
	var o resolver.Options
	if trusted {
		o.TrustAD = resolver.TrustAll
	}
	if server != "" {
		o.Servers = []string{server}
	}
	return resolver.New(o)
}

// freshTXT looks texts up without remembering: who has just published a key wants to see it.
type freshTXT string

// TXT implements dkim.TXT.
func (server freshTXT) TXT(ctx context.Context, name string) (texts []string, secure bool, err error) {
	r, err := newResolver(string(server), false) // nothing here depends on DNSSEC
	if err != nil {
		return nil, false, err
	}
	return r.TXT(ctx, name)
}

// openSigning opens the keys that messages are signed with.
func (s *service) openSigning(context.Context) error {
	s.dkim = dkim.New(dkim.Options{
		Records: s.store, Domains: s.signingDomains, Has: s.signsFor, DNS: freshTXT(s.config.Queue.Resolver), Log: s.log,
		Changed: func(k dkim.Key) { s.journal.Record(context.Background(), control.KeyEvent(k, s.store.Now())) },
	})
	return nil
}

// runSigning looks after the keys until ctx ends.
func (s *service) runSigning(ctx context.Context) { s.dkim.Run(ctx) }

// signingDomains are the domains here, and the name of this server where none of them is above it:
// reports to people elsewhere come from it.
func (s *service) signingDomains(ctx context.Context) ([]string, error) {
	domains, err := s.store.Domains(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(domains)+1)
	for _, d := range domains {
		names = append(names, d.Name)
	}
	host := address.NormalizeDomain(s.config.Hostname)
	signs, err := s.signsFor(ctx, host)
	if signs && !slices.Contains(names, host) {
		names = append(names, host)
	}
	return names, err
}

// signsFor reports whether a domain is one of signingDomains.
func (s *service) signsFor(ctx context.Context, domain string) (bool, error) {
	host := address.NormalizeDomain(s.config.Hostname)
	switch _, err := s.store.Domain(ctx, domain); {
	case err == nil:
		return true, nil
	case store.KindOf(err) != store.KindNotFound:
		return false, err
	case domain != host:
		return false, nil
	}
	for _, above := range parents(host) {
		if _, err := s.store.Domain(ctx, above); store.KindOf(err) != store.KindNotFound {
			return false, err
		}
	}
	return true, nil
}

// parents are the names above a domain, the nearest first, but for the last label.
func parents(domain string) (all []string) {
	for i := range len(domain) {
		if domain[i] == '.' && slices.Contains([]byte(domain[i+1:]), '.') {
			all = append(all, domain[i+1:])
		}
	}
	return all
}

// sign makes the signatures of a message on its way out. Its author is known for messages of
// accounts, whose From is theirs, and for reports of the service; what is only passed on keeps the
// signatures that it has.
func (s *service) sign(ctx context.Context, sub *store.Submission, content io.ReaderAt, size int64) ([]byte, error) {
	if sub.Account == 0 && sub.From != "" {
		return nil, nil
	}
	started := time.Now()
	fields, err := s.dkim.Sign(ctx, content, size)
	if err != nil {
		// Unsigned is better than not at all: most receivers take it.
		s.log.Error("message not signed", "trace", sub.ID, "error", err)
		return nil, nil
	}
	s.log.Debug("message signed", "trace", sub.ID, "octets", len(fields), "took", time.Since(started))
	return fields, nil
}
