package control

import (
	"context"
	"strings"

	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound/plan"
)

// RouteQuery asks for the way to a domain. From is an address, or "" for a report of the
// service: relays can depend on it.
type RouteQuery struct {
	Domain string `json:"domain"`
	From   string `json:"from,omitempty"`
}

// route says which way mail to a domain would take.
func (s *Server) route(ctx context.Context, r RouteQuery) (*plan.Plan, error) {
	domain := r.Domain[strings.LastIndexByte(r.Domain, '@')+1:]
	if _, err := address.ParseDomain(domain, address.Options{UTF8: true}); err != nil {
		return nil, invalid("%q is no domain", r.Domain)
	}
	return s.Queue.Plan(ctx, r.From, domain)
}

// Route says which way mail to a domain, or to the domain of an address, would take.
func (c *Client) Route(ctx context.Context, r RouteQuery) (*plan.Plan, error) {
	return call[*plan.Plan](ctx, c, "route", r)
}
