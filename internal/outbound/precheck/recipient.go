package precheck

import (
	"context"
	"errors"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

// Recipient decides whether a message of an account can reach an address elsewhere. The domain is in
// A-labels; size is what the client said in octets, 0 if it did not.
func (c *Checker) Recipient(ctx context.Context, a store.AccountID, to, domain string, size int64) (d cause.Decision) {
	if domain == "" || strings.HasPrefix(domain, "[") {
		return cause.Allow()
	}
	if c.opt.Sizes {
		if limit := c.sizes.limit(domain, c.opt.Now()); limit > 0 && size > limit {
			return cause.Refuse(cause.ContentTooLargeRecipient, cause.Text("address", to), cause.Size("size", size), cause.Size("limit", limit))
		}
	}
	if c.opt.Recipients && !c.relayed(ctx, a, "", domain) {
		c.ask(ctx, func(ctx context.Context) { d = c.reachable(ctx, a, to, domain) })
	}
	return d
}

func (c *Checker) relayed(ctx context.Context, a store.AccountID, from, to string) bool {
	return c.opt.Relayed != nil && c.opt.Relayed(ctx, a, from, to)
}

// reachable looks for the servers of a domain (RFC 5321 section 5.1).
func (c *Checker) reachable(ctx context.Context, a store.AccountID, to, domain string) cause.Decision {
	servers, _, err := c.opt.DNS.MX(ctx, domain)
	switch {
	case errors.Is(err, resolver.ErrNotExist):
		return c.missing(ctx, a, to, domain, cause.RecipientDomainTypo)
	case err != nil && !errors.Is(err, resolver.ErrNoData):
		return cause.Allow()
	case len(servers) == 1 && servers[0].Host == "": // RFC 7505
		return cause.Refuse(cause.DNSMXNull, cause.Text("domain", domain))
	case len(servers) > 0:
		return cause.Allow()
	}
	_, _, err = c.opt.DNS.Addrs(ctx, domain)
	if errors.Is(err, resolver.ErrNotExist) || errors.Is(err, resolver.ErrNoData) {
		return c.missing(ctx, a, to, domain, cause.DNSMXMissing)
	}
	return cause.Allow()
}

// missing refuses a domain that mail cannot reach, and says which was probably meant. One that does
// not exist is taken to be misspelt; of one without servers that is said if it is like another.
func (c *Checker) missing(ctx context.Context, a store.AccountID, to, domain string, id cause.ID) cause.Decision {
	near := ""
	if c.opt.Near != nil {
		near = c.opt.Near(ctx, a, domain)
	}
	switch {
	case near != "":
		local := to[:strings.LastIndexByte(to, '@')+1]
		return cause.Refuse(cause.RecipientDomainTypo, cause.Text("address", to), cause.Text("suggestion", local+near))
	case id == cause.RecipientDomainTypo:
		return cause.Refuse(id, cause.Text("address", to))
	}
	return cause.Refuse(id, cause.Text("domain", domain))
}
