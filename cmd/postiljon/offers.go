package main

import (
	"slices"
	"sync/atomic"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/sasl"
)

// signInOffers are the mechanisms by which people sign in, for each service.
type signInOffers struct {
	imap, pop3, submission, sieve *sasl.Server
	tokens                        *atomic.Bool // bearer tokens are taken
}

func newSignInOffers(o sasl.Options, c *config.Config) signInOffers {
	s := signInOffers{imap: sasl.New(o), pop3: sasl.New(o), submission: sasl.New(o), sieve: sasl.New(o), tokens: &atomic.Bool{}}
	s.offer(c)
	return s
}

// offer offers what a configuration says; connections that are open see it too.
func (s *signInOffers) offer(c *config.Config) {
	s.tokens.Store(c.Auth.Tokens)
	for service, server := range map[string]*sasl.Server{"imap": s.imap, "pop3": s.pop3, "submission": s.submission, "sieve": s.sieve} {
		server.SetOffers(sasl.Offers{
			NoChannelBinding: !slices.Contains(c.Auth.ChannelBinding, service), Tokens: c.Auth.Tokens,
		})
	}
}
