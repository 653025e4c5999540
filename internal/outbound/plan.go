package outbound

import (
	"context"
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound/dane"
	"github.com/postiljon/postiljon/internal/outbound/plan"
)

// Plan says which way mail of a sender, "" for reports, to a domain would take now. It
// asks the DNS and the web as an attempt does, and connects to no mail server.
func (q *Queue) Plan(ctx context.Context, from, domain string) (*plan.Plan, error) {
	domain = address.NormalizeDomain(domain)
	p := &plan.Plan{Domain: domain}
	var err error
	if p.Local, err = q.opt.Store.LocalDomain(ctx, domain); err != nil {
		return nil, fmt.Errorf("outbound: plan: %w", err)
	}
	if p.Local {
		return p, nil
	}
	way, why := q.wayFor(ctx, q.relayFor(domainOf(from), domain), domain)
	if !why.Allowed() {
		p.Cause, p.Waits = why.Cause, why.Action == cause.ActionWait
		return p, nil
	}
	if way.relay != nil {
		p.Relay = way.relay.Host
	}
	if dns, ok := q.opt.Resolver.(interface{ Trusted() bool }); ok {
		p.Unbelieved = !dns.Trusted()
	}
	p.Implicit, p.Secure, p.STS = way.implicit, way.secure, planSTS(way)
	for _, mx := range way.hosts[:min(len(way.hosts), q.opt.Limits.Hosts)] {
		p.Servers = append(p.Servers, q.planServer(ctx, way, mx.Host, mx.Preference))
	}
	return p, nil
}

func planSTS(way *route) *plan.STS {
	found := &way.sts
	if found.Policy == nil && found.Err == nil {
		return nil
	}
	s := &plan.STS{ID: found.ID}
	if p := found.Policy; p != nil {
		s.Mode, s.MX, s.Until = string(p.Mode), p.MX, found.Fetched.Add(p.MaxAge)
	}
	if found.Err != nil {
		s.Error = strings.TrimPrefix(found.Err.Error(), "mtasts: ")
	}
	return s
}

func (q *Queue) planServer(ctx context.Context, way *route, host string, preference uint16) plan.Server {
	s := plan.Server{Host: host, Preference: preference, Policy: string(PolicyOpportunistic)}
	at, why := q.locate(ctx, way, host)
	s.Addresses, s.Secure = at.Addrs, at.Secure
	if why.Allowed() {
		var p protection
		p, why = q.protect(ctx, way, at, host)
		s.Policy, s.Encrypted, s.Proven, s.Trouble = string(p.policy), p.encrypt, p.authenticate, p.trouble
		for _, t := range p.tlsa {
			s.Keys = append(s.Keys, dane.String(t))
		}
	}
	if !why.Allowed() {
		s.Cause, s.Waits = why.Cause, why.Action == cause.ActionWait
	}
	return s
}
