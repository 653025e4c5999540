package main

import (
	"context"
	"crypto/rand"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/srs"
)

// srsKeySetting keeps the key of rewritten senders: bounces find back as long as it stays the same.
const srsKeySetting = "srs.key"

// openForwarding opens what passes messages on to addresses elsewhere.
func (s *service) openForwarding(ctx context.Context) error {
	key, err := s.store.Setting(ctx, srsKeySetting)
	if err != nil {
		return err
	}
	if len(key) == 0 {
		key = make([]byte, 32)
		rand.Read(key) // never fails
		if err := s.store.PutSetting(ctx, srsKeySetting, key); err != nil {
			return err
		}
	}
	rewriter, err := srs.New(key, s.store.Now)
	if err != nil {
		return err
	}
	s.forwarder = &inbound.Forwarder{SRS: rewriter, Key: s.sealKey, Now: s.store.Now, Log: s.log}
	return nil
}

// sealKey is the key that seals what a domain here passes on: the one that signs its messages, of
// the kind that every verifier knows.
func (s *service) sealKey(ctx context.Context, domain string) (arc.Key, error) {
	signers, err := s.dkim.Signers(ctx, domain)
	if err != nil {
		return arc.Key{}, err
	}
	return arc.Key{Domain: domain, Selector: signers[0].Selector, Private: signers[0].Key}, nil
}
