package main

import (
	"context"

	"github.com/postiljon/postiljon/internal/outbound/mtasts"
)

// mtaSTS is what the web tells other servers about bringing mail for the domains here, nil if nothing.
func (s *service) mtaSTS() func(ctx context.Context, domain string) []byte {
	if s.config.Web.MTASTS == "off" {
		return nil
	}
	policy, _ := mtasts.Publish(mtasts.Mode(s.config.Web.MTASTS), s.config.Hostname)
	return func(ctx context.Context, domain string) []byte {
		if here, err := s.store.LocalDomain(ctx, domain); err != nil || !here {
			return nil
		}
		return policy
	}
}
